//! A front in mode `files` that is quick to give up, and bare bytes to say to it: connections from any
//! address of this machine, TLS, and frames of HTTP/2 as nobody well-behaved would send them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Authority, Ostiary, Pair, Setup};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long the front waits for anything; the tests' `idle_timeout`.
pub(crate) const IDLE: Duration = Duration::from_secs(1);
/// How long anything may take that must happen. Machines that test are busy.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// An address of this machine that is not the usual one.
pub(crate) const OTHER: [u8; 4] = [127, 0, 0, 2];

/// A server with HTTPS, and whoever issued its certificate.
pub(crate) struct Wall {
    pub(crate) ostiary: Ostiary,
    pub(crate) authority: Authority,
    config: Arc<ClientConfig>,
    _folder: TempDir,
}

impl Wall {
    pub(crate) async fn start() -> Result<Self> {
        Self::with(async |setup| setup.start().await).await
    }

    /// One that is started by `start`, which may add to what is set.
    pub(crate) async fn with(start: impl AsyncFnOnce(Setup) -> Result<Ostiary>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::make(folder.path())?;
        let (certificate, key) = authority.issue()?.write(folder.path())?;
        let setup = Setup::on(Pair::Embedded)
            .with("OSTIARY_HTTP__IDLE_TIMEOUT", "1s")
            .with("OSTIARY_HTTPS__MODE", "files")
            .with("OSTIARY_HTTPS__LISTEN", "127.0.0.1:0")
            .with("OSTIARY_HTTPS__CERTIFICATE_FILE", &certificate.display().to_string())
            .with("OSTIARY_HTTPS__KEY_FILE", &key.display().to_string());
        let ostiary = start(setup).await?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.file)?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { ostiary, authority, config: Arc::new(config), _folder: folder })
    }

    pub(crate) fn https(&self) -> Result<SocketAddr> {
        self.ostiary.https_address()
    }

    /// TLS on `stream`, speaking HTTP/1.1 or, with `h2`, HTTP/2.
    pub(crate) async fn tls(&self, stream: TcpStream, protocol: &str) -> Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("accounts.localhost")?;
        Ok(timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, stream)).await??)
    }

    pub(crate) async fn http1(&self) -> Result<TlsStream<TcpStream>> {
        self.tls(TcpStream::connect(self.https()?).await?, "http/1.1").await
    }

    /// A connection that speaks HTTP/2, greeted with `settings`.
    pub(crate) async fn http2(&self, settings: &[(u16, u32)]) -> Result<Frames> {
        let mut stream = self.tls(TcpStream::connect(self.https()?).await?, "h2").await?;
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        stream.write_all(&frame(SETTINGS, 0, 0, &settings)).await?;
        stream.flush().await?;
        let (from, to) = tokio::io::split(stream);
        Ok(Frames { from, to })
    }

    /// Asks for a page over a new connection and fails when it does not come promptly.
    pub(crate) async fn answers(&self) -> Result<()> {
        let begun = Instant::now();
        let page = timeout(SOON, async {
            let mut stream = self.http1().await?;
            say_page(&mut stream).await
        });
        let page = page.await.context("nobody answers any more")??;
        ensure!(page.starts_with("HTTP/1.1 200 "), "{page}");
        ensure!(begun.elapsed() < Duration::from_secs(5), "an answer took {:?}", begun.elapsed());
        Ok(())
    }

    /// The most memory that the process ever had, in KiB.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.ostiary.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        line.trim().trim_end_matches(" kB").parse().with_context(|| line.to_owned())
    }
}

/// Asks for a page on `stream` and gives the answer.
pub(crate) async fn say_page(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<String> {
    stream.write_all(b"GET /sign-in HTTP/1.1\r\nHost: accounts.localhost\r\nConnection: close\r\n\r\n").await?;
    stream.flush().await?;
    Ok(rest(stream).await)
}

/// All that comes until the other side ends.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    // An end without a farewell is an end as well.
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// A connection from an address of this machine.
pub(crate) async fn connect_from(from: impl Into<IpAddr>, to: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.into(), 0))?;
    Ok(timeout(SOON, socket.connect(to)).await??)
}

/// Waits until the other side has ended the connection, and says how long that took.
pub(crate) async fn let_go(stream: &mut (impl AsyncRead + Unpin)) -> Result<Duration> {
    let begun = Instant::now();
    timeout(SOON, rest(stream)).await.context("the connection is still held")?;
    Ok(begun.elapsed())
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 4;
/// Of SETTINGS and PING.
pub(crate) const ACK: u8 = 1;
/// The setting for how much of each answer is taken at first.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame (RFC 9113 section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request for a page, as one frame.
pub(crate) fn page(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", path, &[]))
}

/// A header block (RFC 7541) with `more` behind what each request has.
pub(crate) fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    head_for("accounts.localhost", method, path, more)
}

/// The same for another host.
pub(crate) fn head_for(host: &str, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    // `:scheme` is `https`, from the static table.
    let mut block = vec![0x87];
    let own = [(":method", method), (":path", path), (":authority", host)];
    for (name, value) in own.iter().chain(more) {
        // Never indexed, under a new name.
        block.push(0x10);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// A text without Huffman's code (sections 5.1 and 5.2).
pub(crate) fn text(block: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(short @ ..127) => block.push(short),
        _ => {
            block.push(127);
            let mut more = text.len() - 127;
            while more >= 128 {
                block.push(u8::try_from(more % 128).unwrap() | 128);
                more /= 128;
            }
            block.push(u8::try_from(more).unwrap());
        }
    }
    block.extend(text.as_bytes());
}

/// What came in one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Heard {
    /// Whether it is the last of `stream`.
    pub(crate) fn ends(&self, stream: u32) -> bool {
        self.stream == stream && matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// Whether `stream` is reset.
    pub(crate) fn resets(&self, stream: u32) -> bool {
        self.stream == stream && self.kind == RST_STREAM
    }
}

/// The two ways of an HTTP/2 connection.
pub(crate) struct Frames {
    pub(crate) from: ReadHalf<TlsStream<TcpStream>>,
    pub(crate) to: WriteHalf<TlsStream<TcpStream>>,
}

impl Frames {
    /// Sends bytes as they are.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).await?;
        Ok(self.to.flush().await?)
    }

    /// Sends `bytes` again and again, at most so often, and reads all the time; gives how often they
    /// went out and what was heard, once the other side has ended it or nothing is left to say.
    pub(crate) async fn flood(mut self, bytes: Vec<u8>, times: usize) -> (usize, Vec<Heard>) {
        let mut from = self.from;
        let hearing = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Ok(Some(heard)) = hear(&mut from).await {
                if heard.kind != PING && !(heard.kind == SETTINGS && heard.flags == ACK) {
                    all.push(heard);
                }
            }
            all
        });
        let mut sent = 0;
        while sent < times && self.to.write_all(&bytes).await.is_ok() {
            sent += 1;
        }
        let _ = self.to.flush().await;
        let Ok(Ok(heard)) = timeout(SOON, hearing).await else { panic!("the connection is still held") };
        (sent, heard)
    }

    /// Waits for a frame that is `wanted`.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Result<Vec<Heard>> {
        let mut all: Vec<Heard> = Vec::new();
        let found = timeout(SOON, async {
            while let Some(heard) = hear(&mut self.from).await? {
                let is_it = wanted(&heard);
                all.push(heard);
                if is_it {
                    return Ok(());
                }
            }
            anyhow::bail!("the connection ended")
        });
        match found.await {
            Ok(Ok(())) => Ok(all),
            Ok(Err(error)) => Err(error.context(format!("after {}", told(&all)))),
            Err(_) => anyhow::bail!("nothing of the kind came, but {}", told(&all)),
        }
    }
}

/// Kinds, flags and streams of frames.
pub(crate) fn told(all: &[Heard]) -> String {
    let one = |heard: &Heard| format!("{}/{}@{}+{}", heard.kind, heard.flags, heard.stream, heard.payload.len());
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

async fn hear(from: &mut ReadHalf<TlsStream<TcpStream>>) -> Result<Option<Heard>> {
    let mut head = [0; 9];
    if from.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c]))?];
    from.read_exact(&mut payload).await?;
    Ok(Some(Heard { kind, flags, stream: u32::from_be_bytes(stream), payload }))
}
