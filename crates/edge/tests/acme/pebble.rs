//! Pebble, the test authority of Let's Encrypt, with a name server that says that every name is
//! here. Both are Debian's; each test has its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::node::connector;

/// How it is to behave.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    /// Where it looks at names over HTTP and over TLS.
    pub(crate) looks_at: (u16, u16),
    /// Seconds that its certificates are good.
    pub(crate) validity: u64,
    /// How many of a hundred nonces it refuses.
    pub(crate) refused_nonces: u8,
    /// How many of a hundred proofs it remembers.
    pub(crate) remembered: u8,
    /// Whether accounts must be bound, by the key `secret` (base64url) with the id `known`.
    pub(crate) binds: bool,
    /// Whether it believes that names are ours without looking.
    pub(crate) believes_everything: bool,
    /// The name server that it asks instead of its own.
    pub(crate) resolver: Option<String>,
}

impl Ways {
    pub(crate) const fn looking_at(http: u16, tls: u16) -> Self {
        Self {
            looks_at: (http, tls),
            validity: 3_600,
            refused_nonces: 5,
            remembered: 0,
            binds: false,
            believes_everything: false,
            resolver: None,
        }
    }
}

/// The key by which accounts are bound where they must be, decoded and in base64url.
pub(crate) const MAC_KEY: &[u8] = b"a key of thirty-two bytes, no less";
const MAC_KEY_TEXT: &str = "YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw";

pub(crate) struct Pebble {
    folder: TempDir,
    port: u16,
    management: u16,
    names_port: u16,
    servers: Vec<Child>,
    starts: u32,
}

/// A port that was free a moment ago. Below those that outgoing connections take at random, and
/// another range for each process: Pebble cannot be handed a socket.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = u16::try_from(std::process::id() % 600).unwrap();
    loop {
        let port = 11_000 + range * 32 + NEXT.fetch_add(1, Ordering::Relaxed) % 32;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Pebble {
    /// Has its place, and does not run yet.
    pub(crate) fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "An authority's server, for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        for (name, text) in [("ca.pem", issuer.pem()), ("api.pem", certificate.pem()), ("api.key", key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self {
            folder,
            port: free_port(),
            management: free_port(),
            names_port: free_port(),
            servers: Vec::new(),
            starts: 0,
        }
    }

    pub(crate) fn running(ways: &Ways) -> Self {
        let mut pebble = Self::prepare();
        pebble.start(ways);
        pebble
    }

    /// Starts it, with nothing remembered of an earlier life.
    pub(crate) fn start(&mut self, ways: &Ways) {
        self.starts += 1;
        let names = free_port();
        let management = format!("127.0.0.1:{}", self.names_port);
        let names = format!("127.0.0.1:{names}");
        let off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(off).args(["-defaultIPv4", "127.0.0.1", "-dns01", &names, "-management", &management]);
        self.launch(resolver, "names.log");
        wait_for(&names);

        let mut keys = serde_json::Map::new();
        keys.insert("known".to_owned(), json!(MAC_KEY_TEXT));
        let config: Value = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": "api.pem", "privateKey": "api.key",
            "httpPort": ways.looks_at.0, "tlsPort": ways.looks_at.1, "ocspResponderURL": "",
            "externalAccountBindingRequired": ways.binds, "externalAccountMACKeys": keys,
            "certificateValidityPeriod": ways.validity,
        }});
        std::fs::write(self.folder.path().join("pebble.json"), config.to_string()).unwrap();
        let mut pebble = Command::new("pebble");
        pebble
            .args(["-config", "pebble.json", "-strict", "-dnsserver", ways.resolver.as_ref().unwrap_or(&names)])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", ways.refused_nonces.to_string())
            .env("PEBBLE_AUTHZREUSE", ways.remembered.to_string());
        if ways.believes_everything {
            pebble.env("PEBBLE_VA_ALWAYS_VALID", "1");
        }
        let log = self.log_name();
        self.launch(pebble, &log);
        wait_for(&format!("127.0.0.1:{}", self.port));
        wait_for(&format!("127.0.0.1:{}", self.management));
    }

    fn launch(&mut self, mut command: Command, log: &str) {
        let log = File::create(self.folder.path().join(log)).unwrap();
        let launched = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        let missing = "Pebble is missing: it is Debian's package pebble (apt-get install pebble)";
        self.servers.push(launched.expect(missing));
    }

    /// Ends it; it forgets everything.
    pub(crate) fn stop(&mut self) {
        for mut server in self.servers.drain(..) {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Where the name server that every name is here for takes orders.
    pub(crate) fn names_address(&self) -> String {
        format!("127.0.0.1:{}", self.names_port)
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The file of whom its server is from.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn log_name(&self) -> String {
        format!("pebble{}.log", self.starts)
    }

    /// What it wrote since it was last started.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(self.log_name())).unwrap()
    }

    /// How many orders it was given since it was last started.
    pub(crate) fn orders(&self) -> usize {
        self.log().matches("Added order ").count()
    }

    /// How many accounts were registered since it was last started.
    pub(crate) fn accounts(&self) -> usize {
        self.log().matches("accounts in memory").count()
    }

    /// Its root, which it makes anew at each start.
    pub(crate) async fn roots(&self) -> RootCertStore {
        let mut trusted = RootCertStore::empty();
        for der in CertificateDer::pem_file_iter(self.ca_file()).unwrap() {
            trusted.add(der.unwrap()).unwrap();
        }
        let address = SocketAddr::from(([127, 0, 0, 1], self.management));
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector(trusted).connect(name, stream).await.unwrap();
        stream.write_all(b"GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        // It ends without saying so.
        let _ = stream.read_to_string(&mut answer).await;
        let mut roots = RootCertStore::empty();
        for der in CertificateDer::pem_slice_iter(answer.as_bytes()) {
            roots.add(der.unwrap()).unwrap();
        }
        assert!(!roots.is_empty(), "{answer}");
        roots
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() && self.starts > 0 {
            eprintln!("{}", self.log());
        }
    }
}

pub(crate) fn wait_for(address: &str) {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
