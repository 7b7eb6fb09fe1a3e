//! Pebble, the test authority of Let's Encrypt, with a name server that says that every name is
//! here. Both are from Debian's newest, brought by `tests/services/pebble.sh`; each test has its own.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tempfile::TempDir;

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
    /// In how many seconds it wants to be asked again about authorizations and about orders.
    pub(crate) retry_after: u64,
    /// Whether it suggests when to renew (RFC 9773). By itself Pebble suggests windows of two days,
    /// and most tests have seconds.
    pub(crate) suggests: bool,
    /// Whether it has the profile `shortlived` as well. Who names none gets any of both.
    pub(crate) has_profiles: bool,
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
            retry_after: 1,
            suggests: false,
            has_profiles: false,
        }
    }
}

/// The key by which accounts are bound where they must be, decoded and in base64url.
pub(crate) const MAC_KEY: &[u8] = b"a key of thirty-two bytes, no less";
const MAC_KEY_TEXT: &str = "YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw";

/// Seconds that certificates of the profile `shortlived` are good.
pub(crate) const SHORT: u32 = 600;

/// Where its programs lie: brought now, if they are not there yet.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/services/pebble.sh");
        let told = Command::new("bash").arg(script).stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
        assert!(told.status.success(), "Pebble could not be brought");
        PathBuf::from(String::from_utf8(told.stdout).unwrap().trim())
    })
}

pub(crate) struct Pebble {
    folder: TempDir,
    port: u16,
    management: u16,
    names_port: u16,
    /// Where its directory is handed out with nothing in it about when to renew.
    quiet: u16,
    suggests: bool,
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
            quiet: free_port(),
            suggests: false,
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
        let off = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""];
        let mut resolver = Command::new(programs().join("pebble-challtestsrv"));
        resolver.args(off).args(["-defaultIPv4", "127.0.0.1", "-dnsserver", &names, "-management", &management]);
        self.launch(resolver, "names.log");
        wait_for(&names);

        let mut keys = serde_json::Map::new();
        keys.insert("known".to_owned(), json!(MAC_KEY_TEXT));
        let mut profiles = json!({ "default": { "description": "the usual", "validityPeriod": ways.validity } });
        if ways.has_profiles {
            profiles["shortlived"] = json!({ "description": "ends soon", "validityPeriod": SHORT });
        }
        let config: Value = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": "api.pem", "privateKey": "api.key",
            "httpPort": ways.looks_at.0, "tlsPort": ways.looks_at.1, "ocspResponderURL": "",
            "externalAccountBindingRequired": ways.binds, "externalAccountMACKeys": keys,
            "retryAfter": { "authz": ways.retry_after, "order": ways.retry_after },
            "profiles": profiles,
        }});
        std::fs::write(self.folder.path().join("pebble.json"), config.to_string()).unwrap();
        let mut pebble = Command::new(programs().join("pebble"));
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
        self.suggests = ways.suggests;
        self.hand_out_quietly();
    }

    /// All other addresses in the directory are Pebble's own.
    fn hand_out_quietly(&mut self) {
        let mut directory: Value = serde_json::from_str(&self.curl(self.port, "/dir", &[])).unwrap();
        directory.as_object_mut().unwrap().remove("renewalInfo");
        let answer = format!("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{directory}");
        std::fs::write(self.folder.path().join("dir"), answer).unwrap();
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", "-HTTP", "-accept", &format!("127.0.0.1:{}", self.quiet)]);
        server.args(["-cert", "api.pem", "-key", "api.key"]);
        self.launch(server, "quiet.log");
        wait_for(&format!("127.0.0.1:{}", self.quiet));
    }

    /// What is answered at `path` on one of its ports.
    fn curl(&self, port: u16, path: &str, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--cacert"]).arg(self.ca_file());
        let told = curl.args(arguments).arg(format!("https://localhost:{port}{path}")).output().unwrap();
        assert!(told.status.success(), "{path}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    }

    /// Has it answer `text` to who asks when `certificate` (PEM) should be renewed.
    pub(crate) fn suggest(&self, certificate: &str, text: &str) {
        let told = json!({ "Certificate": certificate, "ARIResponse": text }).to_string();
        self.curl(self.management, "/set-renewal-info/", &["--data", &told]);
    }

    fn launch(&mut self, mut command: Command, log: &str) {
        let log = File::create(self.folder.path().join(log)).unwrap();
        let command = command.current_dir(self.folder.path());
        let launched = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.servers.push(launched.unwrap());
    }

    /// Ends it; it forgets everything.
    pub(crate) fn stop(&mut self) {
        for mut server in self.servers.drain(..) {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub(crate) const fn suggests(&self) -> bool {
        self.suggests
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Where the name server that every name is here for takes orders.
    pub(crate) fn names_address(&self) -> String {
        format!("127.0.0.1:{}", self.names_port)
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", if self.suggests { self.port } else { self.quiet })
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
        let answer = self.curl(self.management, "/roots/0", &[]);
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
