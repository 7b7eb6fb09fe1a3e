//! A database of a Redis server for one test alone, and a way to let its time go by: Redis has a
//! clock of its own, which no test can hold.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ostiary_model::Span;
use url::Url;

/// Who has the database; ends by itself if a test is killed.
const LOCK: &str = "test-lock";
const LOCK_SECONDS: &str = "600";

/// Brings the end of every entry nearer.
const AGE: &str = "for _, key in ipairs(redis.call('KEYS', 'ostiary:*')) do \
    local left = redis.call('PTTL', key) \
    if left >= 0 and left <= tonumber(ARGV[1]) then redis.call('DEL', key) \
    elseif left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end end return 'done'";

pub(crate) struct RedisDatabase {
    server: Url,
    number: usize,
    connection: Mutex<BufReader<TcpStream>>,
}

impl RedisDatabase {
    /// Takes a database that nobody else uses now: an empty one of the upper half, since whoever
    /// gives no number has the first.
    pub(crate) fn take(server: &str) -> Self {
        let server: Url = server.parse().unwrap();
        let mut connection = connect(&server);
        let count: usize = ask(&mut connection, &["CONFIG", "GET", "databases"])[1].parse().unwrap();
        let first = count / 2;
        let chance = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as usize;
        for attempt in 0..count * 50 {
            let number = first + (chance + attempt) % (count - first);
            ask(&mut connection, &["SELECT", &number.to_string()]);
            if ask(&mut connection, &["DBSIZE"]) == ["0"]
                && ask(&mut connection, &["SET", LOCK, "1", "NX", "EX", LOCK_SECONDS]) == ["OK"]
            {
                return Self { server, number, connection: Mutex::new(connection) };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no free database at {server}");
    }

    /// The address for the store.
    pub(crate) fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.number.to_string());
        url.into()
    }

    /// Lets `span` go by.
    pub(crate) fn age(&self, span: Span) {
        let millis = (span.as_micros() / 1000).to_string();
        self.ask(&["EVAL", AGE, "0", &millis]);
    }

    fn ask(&self, words: &[&str]) -> Vec<String> {
        ask(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner), words)
    }
}

impl Drop for RedisDatabase {
    fn drop(&mut self) {
        self.ask(&["FLUSHDB"]);
    }
}

fn connect(server: &Url) -> BufReader<TcpStream> {
    let stream = TcpStream::connect((server.host_str().unwrap(), server.port().unwrap_or(6379))).unwrap();
    let mut connection = BufReader::new(stream);
    if let Some(password) = server.password() {
        ask(&mut connection, &["AUTH", password]);
    }
    connection
}

/// One command of the Redis protocol (RESP2), and its answer as flat text.
fn ask(connection: &mut BufReader<TcpStream>, words: &[&str]) -> Vec<String> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    connection.get_mut().write_all(text.as_bytes()).unwrap();
    answer(connection)
}

fn answer(connection: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    match kind {
        "+" | ":" => vec![rest.to_owned()],
        "$" => match rest.parse::<usize>() {
            Err(_) => Vec::new(),
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(length);
                vec![String::from_utf8_lossy(&bytes).into_owned()]
            }
        },
        "*" => (0..rest.parse::<usize>().unwrap()).flat_map(|_| answer(connection)).collect(),
        _ => panic!("Redis answered {line:?}"),
    }
}
