//! A mail server for one test: says what it is told to say, and keeps what it was given.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How the server answers `RCPT TO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything.
    Willing,
    /// Not now (RFC 5321 section 4.2.1, 4yz).
    Busy,
    /// Never (5yz).
    Unwilling,
    /// Hangs up.
    Gone,
}

struct Shared {
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Letter>>,
}

/// A mail as it came over the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

pub(crate) struct MailServer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl MailServer {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { mood: Mutex::new(mood), taken: Mutex::default() });
        let mut tasks = JoinSet::new();
        let server = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&server);
                talks.spawn(async move {
                    // Whoever hangs up in the middle has sent nothing.
                    let _ = talk(stream, &shared).await;
                });
            }
        });
        Self { url, shared, _tasks: tasks }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    pub(crate) fn taken(&self) -> Vec<Letter> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn talk(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut letter = Letter::default();
    stream.write_all(b"220 mail.example.tld ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mood = *shared.mood.lock().unwrap_or_else(PoisonError::into_inner);
        let command = line.to_ascii_uppercase();
        let answer = if command.starts_with("EHLO") {
            "250-mail.example.tld\r\n250 8BITMIME"
        } else if command.starts_with("MAIL FROM:") {
            letter = Letter { from: line[10..].trim().to_owned(), ..Letter::default() };
            "250 2.1.0 Go on"
        } else if command.starts_with("RCPT TO:") {
            letter.to.push(line[8..].trim().to_owned());
            match mood {
                Mood::Willing => "250 2.1.5 Go on",
                Mood::Busy => "451 4.3.0 Not now",
                Mood::Unwilling => "550 5.1.1 Nobody of that name",
                Mood::Gone => return Ok(()),
            }
        } else if command.starts_with("DATA") {
            stream.write_all(b"354 Say it\r\n").await?;
            letter.text = data(&mut stream).await?;
            shared.taken.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut letter));
            "250 2.0.0 Taken"
        } else if command.starts_with("QUIT") {
            "221 2.0.0 Goodbye"
        } else {
            "250 2.0.0 As you like"
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// The lines up to the single dot.
async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(text);
        }
        text += line.strip_prefix('.').unwrap_or(&line);
    }
}
