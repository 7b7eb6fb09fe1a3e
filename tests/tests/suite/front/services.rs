//! Services for sites to be forwarded to: bare sockets, so that nothing tidies up what comes in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Ostiary, Pair, Setup, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The host that is forwarded.
pub(crate) const HOST: &str = "wiki.example.org";

/// A service whose connections a test takes one by one.
pub(crate) struct Service {
    pub(crate) listener: TcpListener,
}

impl Service {
    /// A service, and a server that forwards [`HOST`] to it.
    pub(crate) async fn behind(setup: Setup) -> Result<(Self, Ostiary)> {
        Self::of(HOST, setup).await
    }

    async fn of(host: &str, setup: Setup) -> Result<(Self, Ostiary)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let ostiary = setup.with_file(&site(host, listener.local_addr()?)).start().await?;
        Ok((Self { listener }, ostiary))
    }

    pub(crate) async fn taken(&self) -> Result<TcpStream> {
        Ok(self.listener.accept().await?.0)
    }

    /// Takes the next connection and reads the head of a request from it.
    pub(crate) async fn asked(&self) -> Result<(TcpStream, String)> {
        let mut stream = self.taken().await?;
        let head = head(&mut stream).await?;
        Ok((stream, head))
    }
}

pub(crate) fn embedded() -> Setup {
    Setup::on(Pair::Embedded)
}

pub(crate) fn site(host: &str, upstream: SocketAddr) -> String {
    format!("[[sites]]\nhost = \"{host}\"\nupstream = \"http://{upstream}\"\n")
}

/// The head of a message, with the empty line at its end and not a byte more.
pub(crate) async fn head(stream: &mut TcpStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte =
            stream.read_u8().await.with_context(|| format!("in the head {:?}", String::from_utf8_lossy(&head)))?;
        head.push(byte);
    }
    Ok(String::from_utf8(head)?)
}

/// A service that notes every byte and answers whatever looks like the end of a head.
pub(crate) struct Recorder {
    heard: Arc<Mutex<String>>,
}

impl Recorder {
    /// As [`Service::behind`].
    pub(crate) async fn behind(setup: Setup) -> Result<(Self, Ostiary)> {
        Self::of(HOST, setup).await
    }

    /// The same behind another host.
    pub(crate) async fn of(host: &str, setup: Setup) -> Result<(Self, Ostiary)> {
        let (service, ostiary) = Service::of(host, setup).await?;
        let heard = Arc::new(Mutex::new(String::new()));
        let noting = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok(stream) = service.taken().await {
                tokio::spawn(record(stream, Arc::clone(&noting)));
            }
        });
        Ok((Self { heard }, ostiary))
    }

    /// What came since it was asked last.
    pub(crate) fn heard(&self) -> String {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// The same, when `end` is in it.
    pub(crate) async fn heard_until(&self, end: &str) -> Result<String> {
        let has_come = async || Ok(self.heard.lock().unwrap().contains(end).then_some(()));
        eventually(&format!("{end:?} to come"), has_come).await?;
        Ok(self.heard())
    }
}

async fn record(mut stream: TcpStream, heard: Arc<Mutex<String>>) {
    let mut part = [0; 4096];
    let mut all = Vec::new();
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..count]);
        heard.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..count]));
        while let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") {
            all.drain(..end + 4);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Service: yes\r\n\r\nservice").await;
        }
    }
}

/// Sends bytes as they are on a connection of their own, and gives all that comes back until it is
/// closed or nothing more comes.
pub(crate) async fn say(ostiary: &Ostiary, bytes: &[u8]) -> Result<String> {
    say_to(ostiary.http_address()?, bytes).await
}

/// The same to an address.
pub(crate) async fn say_to(address: SocketAddr, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut all = Vec::new();
    let patience = std::time::Duration::from_millis(400);
    let mut part = [0; 4096];
    while let Ok(Ok(count @ 1..)) = tokio::time::timeout(patience, stream.read(&mut part)).await {
        all.extend_from_slice(&part[..count]);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Waits until the other side has ended the connection.
pub(crate) async fn let_go(mut stream: TcpStream) -> Result<()> {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    ensure!(ended.is_ok(), "the connection is still held");
    Ok(())
}
