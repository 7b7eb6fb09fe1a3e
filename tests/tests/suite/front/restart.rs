//! A restart that nobody notices: SIGHUP, under load and when something is wrong.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ostiary_tests::{Ostiary, Pair, Setup, eventually, free_port};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::task::JoinHandle;

use super::launch::{Launched, given, is_there, listening, signal};

/// open(2) on Linux.
const O_NONBLOCK: i32 = 0o4000;
/// How long a client thinks between two requests of a connection that it keeps.
const THOUGHT: Duration = Duration::from_millis(3);

/// A server on sockets that it was given, so that no other test can have its ports.
struct House {
    // Dropped before the folder, in which it has its log.
    server: Launched,
    ostiary: Ostiary,
    http: SocketAddr,
    ldap: SocketAddr,
}

impl House {
    async fn start(pair: Pair, change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let (http_socket, http) = listening("127.0.0.1:0")?;
        let (ldap_socket, ldap) = listening("127.0.0.1:0")?;
        let setup = Setup::on(pair).with("OSTIARY_HTTP__LISTEN", &http.to_string());
        let ostiary = change(setup.with("OSTIARY_LDAP__LISTEN", &ldap.to_string())).prepare().await?;
        let mut command = ostiary.command();
        command.arg("serve");
        let mut command = given(&command, vec![http_socket, ldap_socket])?;
        let server = Launched::start(&mut command, ostiary.folder()).await?;
        Ok(Self { server, ostiary, http, ldap })
    }

    async fn is_well(&self) -> Result<()> {
        new_http(self.http).await?;
        new_ldap(self.ldap).await
    }
}

fn health(address: SocketAddr, connection: &str) -> String {
    format!("GET /api/health HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n")
}

/// One request over a connection of its own.
async fn new_http(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await.context("refused")?;
    stream.write_all(health(address, "close").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with('}'), "{answer:?}");
    Ok(())
}

/// Requests over a connection that is kept until the server says with an answer that it was the
/// last. Gives how many there were.
async fn kept_http(address: SocketAddr, is_over: &AtomicBool) -> Result<u32> {
    let mut stream = TcpStream::connect(address).await.context("refused")?;
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        stream.write_all(health(address, "keep-alive").as_bytes()).await?;
        let mut answer = String::new();
        while !answer.ends_with('}') {
            let mut part = [0; 4096];
            let count = stream.read(&mut part).await?;
            ensure!(count > 0, "closed after {asked} requests, in the middle of one: {answer:?}");
            answer.push_str(std::str::from_utf8(&part[..count])?);
        }
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
        asked += 1;
        if answer.contains("connection: close\r\n") {
            break;
        }
        tokio::time::sleep(THOUGHT).await;
    }
    Ok(asked)
}

const BIND: &[u8] = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
const ROOT_DSE: &[u8] = b"\x30\x25\x02\x01\x02\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectclass\x30\x00";
const UNBIND: &[u8] = b"\x30\x05\x02\x01\x03\x42\x00";
const BOUND: u8 = 0x61;
const FOUND: u8 = 0x65;
const NOTICE: u8 = 0x78;

/// The kind of the next LDAP message; `None` at the end.
async fn message(stream: &mut TcpStream) -> Result<Option<u8>> {
    let mut head = [0; 2];
    match stream.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = match head[1] {
        short @ ..0x80 => usize::from(short),
        long => {
            let mut bytes = vec![0; usize::from(long & 0x7f)];
            stream.read_exact(&mut bytes).await?;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    // Behind a number of one byte.
    Ok(body.get(3).copied())
}

/// Reads until a message of `kind`.
async fn until(stream: &mut TcpStream, kind: u8) -> Result<()> {
    loop {
        match message(stream).await? {
            Some(found) if found == kind => return Ok(()),
            Some(NOTICE) => bail!("disconnected instead of answered"),
            Some(_) => {}
            None => bail!("closed instead of answered"),
        }
    }
}

/// A bind and a search over a connection of their own.
async fn new_ldap(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await.context("refused")?;
    stream.write_all(BIND).await?;
    until(&mut stream, BOUND).await?;
    stream.write_all(ROOT_DSE).await?;
    until(&mut stream, FOUND).await?;
    Ok(stream.write_all(UNBIND).await?)
}

/// Searches over a connection that is kept until the server ends it behind an answer. Gives how
/// many there were.
async fn kept_ldap(address: SocketAddr, is_over: &AtomicBool) -> Result<u32> {
    let mut stream = TcpStream::connect(address).await.context("refused")?;
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        stream.write_all(ROOT_DSE).await?;
        until(&mut stream, FOUND).await.with_context(|| format!("after {asked} searches"))?;
        asked += 1;
        if let Ok(ended) = tokio::time::timeout(THOUGHT, message(&mut stream)).await {
            ensure!(matches!(ended?, Some(NOTICE)), "something else than the end came by itself");
            break;
        }
    }
    Ok(asked)
}

/// Asks in all four ways, several at once, until it is told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    fn begin(http: SocketAddr, ldap: SocketAddr) -> Self {
        let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let clients = (0..12).map(|number| {
            let (is_over, asked) = (Arc::clone(&is_over), Arc::clone(&asked));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let done = match number % 4 {
                        0 => new_http(http).await.map(|()| 1).context("HTTP, new")?,
                        1 => kept_http(http, &is_over).await.context("HTTP, kept")?,
                        2 => new_ldap(ldap).await.map(|()| 2).context("LDAP, new")?,
                        _ => kept_ldap(ldap, &is_over).await.context("LDAP, kept")?,
                    };
                    asked.fetch_add(done, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        Self { clients: clients.collect(), is_over, asked }
    }

    /// How many requests were made, every one of which was answered.
    async fn end(self) -> Result<u32> {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await??;
        }
        Ok(self.asked.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_three_restarts() -> Result<()> {
    let mut house = House::start(Pair::Embedded, |setup| setup).await?;
    let load = Load::begin(house.http, house.ldap);
    let mut served = vec![house.server.first()];
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        served.push(house.server.restart().await?);
    }
    // Those that went on with what they had end in their own time, and cut nobody off.
    assert_eq!(house.server.ended().await?, Some(0));
    let gone = async || Ok((!served[..3].iter().any(|pid| is_there(*pid))).then_some(()));
    eventually("the old ones to end", gone).await?;
    let asked = load.end().await.with_context(|| house.server.log())?;
    ensure!(asked > 500, "{asked} requests are no load");
    ensure!(!house.server.log().contains("cutting off"), "{}", house.server.log());
    served.sort_unstable();
    served.dedup();
    assert_eq!(served.len(), 4, "each is another process");
    house.is_well().await
}

#[tokio::test]
async fn who_is_connected_when_the_server_stops_is_answered() -> Result<()> {
    let mut house = House::start(Pair::Embedded, |setup| setup).await?;
    let (mut http, mut ldap) = (TcpStream::connect(house.http).await?, TcpStream::connect(house.ldap).await?);
    tokio::time::sleep(Duration::from_millis(100)).await;
    signal(house.server.first(), "TERM")?;
    house.server.says("stopping").await?;
    http.write_all(health(house.http, "keep-alive").as_bytes()).await?;
    let mut answer = String::new();
    http.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer:?}");
    ldap.write_all(BIND).await?;
    until(&mut ldap, BOUND).await?;
    ldap.write_all(ROOT_DSE).await?;
    until(&mut ldap, FOUND).await?;
    // When nothing more is asked it is told that this is the end.
    assert_eq!(message(&mut ldap).await?, Some(NOTICE));
    drop(ldap);
    assert_eq!(house.server.ended().await?, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_mistake_leaves_the_old_one_serving() -> Result<()> {
    let house = House::start(Pair::Embedded, |setup| setup.with_file("[site]\norg_name = \"Before\"\n")).await?;
    let file = house.ostiary.folder().join("ostiary.toml");
    let asked = async || {
        let request = format!(
            "GET /sign-in HTTP/1.1\r\nHost: accounts.localhost:{}\r\nConnection: close\r\n\r\n",
            house.http.port()
        );
        let mut stream = TcpStream::connect(house.http).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, anyhow::Error>(answer)
    };
    std::fs::write(&file, "[site]\norg_nam = \"After\"\n")?;
    signal(house.server.first(), "HUP")?;
    house.server.says("the new process does not take over, this one goes on").await?;
    let log = house.server.log();
    ensure!(log.contains("there is no key org_nam in [site]; the nearest is org_name"), "{log}");
    ensure!(log.contains("it ended (exit status: 1)") && house.server.serving() == house.server.first(), "{log}");
    ensure!(asked().await?.contains("Before"));
    house.is_well().await?;

    std::fs::write(&file, "[site]\norg_name = \"After\"\n")?;
    house.server.restart().await?;
    ensure!(asked().await?.contains("After"));
    // A port may come, and go again.
    let metrics = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    std::fs::write(&file, format!("[metrics]\nlisten = \"{metrics}\"\n"))?;
    house.server.restart().await?;
    TcpStream::connect(metrics).await?;
    std::fs::write(&file, "")?;
    house.server.restart().await?;
    eventually("the port to be closed", async || Ok(TcpStream::connect(metrics).await.is_err().then_some(()))).await?;
    house.is_well().await
}

/// Where a start waits until it is let go on: a secret that it reads.
struct Valve {
    folder: TempDir,
}

impl Valve {
    fn make() -> Result<Self> {
        let valve = Self { folder: tempfile::tempdir()? };
        ensure!(Command::new("mkfifo").arg(valve.path()).status()?.success(), "no pipe can be made");
        Ok(valve)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("url")
    }

    /// Lets one start go on, when it has come there.
    async fn open(&self) -> Result<()> {
        eventually("a start", async || {
            // Without waiting; it fails while nobody reads.
            let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(self.path());
            Ok(opened.ok().and_then(|mut pipe| pipe.write_all(b"memory:\n").ok()))
        })
        .await
    }

    /// A server whose starts all wait here, and whose first was let go on.
    async fn server(&self) -> Result<House> {
        let path = self.path().display().to_string();
        let starting = House::start(Pair::Embedded, |setup| setup.with("OSTIARY_CACHE__URL_FILE", &path));
        Ok(tokio::try_join!(starting, self.open())?.0)
    }
}

#[tokio::test]
async fn one_restart_at_a_time() -> Result<()> {
    let valve = Valve::make()?;
    let house = valve.server().await?;
    let first = house.server.first();
    signal(first, "HUP")?;
    house.server.says("starting anew").await?;
    signal(first, "HUP")?;
    house.server.says("this SIGHUP is ignored").await?;
    // Whatever becomes of the new one: the old one goes on.
    signal(house.server.started()[0], "KILL")?;
    house.server.says("it ended (signal: 9 (SIGKILL))").await?;
    house.is_well().await?;
    signal(first, "HUP")?;
    eventually("another start", async || Ok((house.server.started().len() == 2).then_some(()))).await?;
    valve.open().await?;
    eventually("it to take over", async || Ok((house.server.serving() != first).then_some(()))).await?;
    house.is_well().await
}

#[tokio::test]
async fn who_is_stopped_starts_nobody() -> Result<()> {
    let valve = Valve::make()?;
    let mut house = valve.server().await?;
    signal(house.server.first(), "HUP")?;
    house.server.says("starting anew").await?;
    signal(house.server.first(), "TERM")?;
    assert_eq!(house.server.ended().await?, Some(0));
    let next = house.server.started()[0];
    eventually("the new one to end as well", async || Ok((!is_there(next)).then_some(()))).await?;
    ensure!(TcpStream::connect(house.http).await.is_err(), "somebody still listens");
    Ok(())
}

#[tokio::test]
async fn systemd_is_told_who_serves() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path)?;
    let heard = async || {
        let mut text = vec![0; 4096];
        let count =
            tokio::time::timeout(Duration::from_secs(10), systemd.recv(&mut text)).await.context("silence")??;
        Ok::<_, anyhow::Error>(String::from_utf8(text[..count].to_vec())?)
    };
    let mut house =
        House::start(Pair::Embedded, |setup| setup.with("NOTIFY_SOCKET", &path.display().to_string())).await?;
    assert_eq!(heard().await?, "READY=1\n");
    let next = house.server.restart().await?;
    let reloading = heard().await?;
    ensure!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(heard().await?, format!("MAINPID={next}\nREADY=1\nSTATUS=\n"));
    assert_eq!(house.server.ended().await?, Some(0));

    std::fs::write(house.ostiary.folder().join("ostiary.toml"), "[site]\n?\n")?;
    signal(next, "HUP")?;
    ensure!(heard().await?.starts_with("RELOADING=1\n"));
    let failed = heard().await?;
    ensure!(failed.starts_with("READY=1\nSTATUS=goes on as before") && failed.lines().count() == 2, "{failed}");
    Ok(())
}
