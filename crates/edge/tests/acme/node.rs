//! One node: a store, the map of certificates, the ports that an authority looks at, and what
//! orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ostiary_edge::acme::{Acme, Answers, Challenge, Issuer, Pace, Settings};
use ostiary_edge::{Certificates, Means, Stop, Tls, TlsError, Vault, VaultError};
use ostiary_model::{CertificateState, Clock, Entropy, Span, Timestamp};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::pebble::Pebble;

pub(crate) const NAMES: [&str; 2] = ["accounts.example.org", "directory.example.org"];

/// The challenges that need nothing but the two ports.
pub(crate) const BOTH: [Challenge; 2] = [Challenge::TlsAlpn01, Challenge::Http01];

/// In a hurry.
pub(crate) const PACE: Pace = Pace {
    look: Duration::from_millis(50),
    settle: Duration::from_millis(200),
    dns_settle: Duration::from_millis(200),
    beat: Duration::from_millis(300),
    pass: Duration::from_millis(300),
    request: Duration::from_secs(5),
    order: Duration::from_secs(30),
    poll: Duration::from_millis(50),
    minute: Span::from_micros(200_000),
};

/// The machine's time, and how far a test has moved it.
#[derive(Default)]
pub(crate) struct Moved(pub(crate) AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        Timestamp::from_micros(i64::try_from(micros).unwrap() + self.0.load(Ordering::Relaxed))
    }
}

struct Chance;

impl Entropy for Chance {
    fn fill(&self, buffer: &mut [u8]) {
        static STATE: AtomicU64 = AtomicU64::new(0x1234_5678);
        for byte in buffer {
            let state = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = ((state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8;
        }
    }
}

/// Turns bits and binds to rows, which is all that is asked of a vault here.
struct Turning;

impl Vault for Turning {
    fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok([row.as_bytes(), b"\0", plain].concat().iter().map(|byte| !byte).collect())
    }

    fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let turned: Vec<u8> = sealed.iter().map(|byte| !byte).collect();
        let plain = turned.strip_prefix(row.as_bytes()).and_then(|rest| rest.strip_prefix(b"\0"));
        plain.map(|plain| Zeroizing::new(plain.to_vec())).ok_or_else(|| VaultError(format!("not sealed for {row}")))
    }
}

/// Takes everything and gives nothing back.
pub(crate) struct Lost;

impl Vault for Lost {
    fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        Turning.seal(row, plain)
    }

    fn open(&self, _: &str, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Err(VaultError("the key is another one".to_owned()))
    }
}

/// Where nodes remember.
pub(crate) struct Memory {
    pub(crate) url: String,
    folder: Arc<TempDir>,
}

impl Memory {
    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite:{}", folder.path().join("test.db").display()), folder: Arc::new(folder) }
    }

    /// A new database on the server of the tests, for more than one node.
    pub(crate) async fn on_server() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let server = std::env::var("OSTIARY_TEST_POSTGRES").expect(
            "OSTIARY_TEST_POSTGRES is not set: run the tests with `bash tests/run rust`, which starts the server",
        );
        let name = format!("acme_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), folder: Arc::new(tempfile::tempdir().unwrap()) }
    }

    /// A backup of what is on a disk.
    pub(crate) async fn copy(&self) -> Self {
        let backup = Self::embedded();
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        let file = backup.url.strip_prefix("sqlite:").unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("VACUUM INTO '{file}'"))).execute(&mut connection).await.unwrap();
        backup
    }

    pub(crate) async fn open(&self) -> Arc<Store> {
        let (database, cache) = (DatabaseUrl::parse(&self.url).unwrap(), CacheUrl::parse("memory:").unwrap());
        Arc::new(Store::open(&database, &cache, Moved::default().now()).await.unwrap())
    }
}

/// The ports at which an authority looks.
pub(crate) struct Ports {
    http: TcpListener,
    tls: TcpListener,
}

impl Ports {
    pub(crate) async fn open() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0");
        Self { http: bind().await.unwrap(), tls: bind().await.unwrap() }
    }

    /// Those that somebody had before.
    pub(crate) async fn at(http: u16, tls: u16) -> Self {
        let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
        Self { http: bind(http).await.unwrap(), tls: bind(tls).await.unwrap() }
    }

    pub(crate) fn numbers(&self) -> (u16, u16) {
        (self.http.local_addr().unwrap().port(), self.tls.local_addr().unwrap().port())
    }
}

pub(crate) struct Node {
    pub(crate) acme: Acme,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<Moved>,
    pub(crate) tls: SocketAddr,
    tasks: JoinSet<()>,
    _folder: Arc<TempDir>,
}

pub(crate) fn issuer(pebble: &Pebble) -> Issuer {
    Issuer { directory: pebble.directory(), external_account: None }
}

pub(crate) fn settings(pebble: &Pebble, challenges: &[Challenge]) -> Settings {
    Settings {
        names: vec![NAMES.map(str::to_owned).to_vec()],
        issuers: vec![issuer(pebble)],
        email: Some("admin@example.org".to_owned()),
        challenges: challenges.to_vec(),
        dns: None,
        profile: None,
        ca_file: Some(pebble.ca_file()),
        pace: PACE,
    }
}

impl Node {
    /// Everything that a node has, running. Certificates that are stored are served already.
    pub(crate) async fn start(memory: &Memory, ports: Ports, settings: Settings) -> Self {
        Self::start_at(memory, ports, settings, 0).await
    }

    /// The same, on a machine whose clock is off by so many seconds.
    pub(crate) async fn start_at(memory: &Memory, ports: Ports, settings: Settings, seconds: i64) -> Self {
        Self::start_with(memory, ports, settings, (seconds, Arc::new(Turning))).await
    }

    /// The same, with another vault.
    pub(crate) async fn start_with(
        memory: &Memory,
        ports: Ports,
        settings: Settings,
        (seconds, vault): (i64, Arc<dyn Vault>),
    ) -> Self {
        let store = memory.open().await;
        let clock = Arc::new(Moved(AtomicI64::new(seconds * 1_000_000)));
        let certificates = Certificates::new();
        let means = Means {
            store: Arc::clone(&store),
            vault,
            certificates: certificates.clone(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            entropy: Arc::new(Chance),
        };
        let acme = Acme::new(means, settings).unwrap();
        acme.load().await.unwrap();
        let tls = ports.tls.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_over_http(ports.http, acme.answers()));
        tasks
            .spawn(answer_over_tls(ports.tls, Tls::for_https(&certificates, Duration::from_secs(5), &Stop::default())));
        tasks.spawn(acme.clone().run());
        Self { acme, store, clock, tls, tasks, _folder: Arc::clone(&memory.folder) }
    }

    /// Ends it as a power cut would.
    pub(crate) async fn cut(mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) fn state(&self) -> CertificateState {
        self.acme.state().swap_remove(0)
    }

    /// Waits until the state is as it should be.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&CertificateState) -> bool) -> CertificateState {
        let begun = Instant::now();
        loop {
            let state = self.state();
            if is(&state) {
                return state;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain until {what}: {state:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until there is a certificate.
    pub(crate) async fn certified(&self) -> CertificateState {
        self.until("there is a certificate", |state| state.not_after.is_some()).await
    }

    /// Waits until there is a certificate that ends later than `before`.
    pub(crate) async fn renewed(&self, before: &CertificateState) -> CertificateState {
        self.until("there is a new certificate", |state| state.not_after > before.not_after).await
    }

    /// Shakes hands as a browser does.
    pub(crate) async fn visit(&self, name: &str, roots: RootCertStore) -> std::io::Result<TlsStream<TcpStream>> {
        visit(self.tls, name, roots).await
    }
}

pub(crate) async fn visit(to: SocketAddr, name: &str, roots: RootCertStore) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await?;
    connector(roots).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

pub(crate) fn connector(roots: RootCertStore) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The least that is a web server: one request on each connection.
async fn answer_over_http(listener: TcpListener, answers: Answers) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answers = answers.clone();
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                    return;
                }
                head.extend(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let token = path.strip_prefix("/.well-known/acme-challenge/");
            let answer = token.and_then(|token| answers.http_01(token));
            let (status, body) = answer.map_or(("404 Not Found", String::new()), |answer| ("200 OK", answer));
            let length = body.len();
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(text.as_bytes()).await;
        });
    }
}

/// Shakes hands, and gives back whatever comes.
async fn answer_over_tls(listener: TcpListener, tls: Result<Tls, TlsError>) {
    let tls = tls.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = tls.handshake(stream).await else { return };
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
}
