//! The root and what it vouches for, as clients judge it, with one store and a clock that jumps.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HOST};
use http_body_util::BodyExt as _;
use ostiary_model::{CertificateStanding, Clock, Entropy};
use ostiary_store::{CacheUrl, DatabaseUrl, RootRecord, Store};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::certificates::Certificates;
use crate::means::{Vault, VaultError};
use crate::tls::provider;

const NOW: Timestamp = Timestamp::from_secs(1_795_332_461);
const YEAR: Span = Span::from_days(365);

/// A clock that is set by hand.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

struct NoChance;

impl Entropy for NoChance {
    fn fill(&self, _: &mut [u8]) {}
}

/// Seals by a mark of its own and the row.
struct Mark(u8);

impl Vault for Mark {
    fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok([&[self.0], row.as_bytes(), b"\0", plain].concat())
    }

    fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let front = [&[self.0], row.as_bytes(), b"\0"].concat();
        let plain = sealed.strip_prefix(&front[..]).ok_or_else(|| VaultError("another key".to_owned()))?;
        Ok(Zeroizing::new(plain.to_vec()))
    }
}

fn settings(hosts: &[&[&str]]) -> InternalSettings {
    let hosts = hosts.iter().map(|set| set.iter().map(|host| (*host).to_owned()).collect()).collect();
    InternalSettings { organisation: "Example".to_owned(), domain: "example.org".to_owned(), hosts }
}

fn usual() -> InternalSettings {
    settings(&[&["accounts.example.org", "directory.example.org"], &["wiki.example.org"], &["cms.example.net"]])
}

struct House {
    store: Arc<Store>,
    clock: Arc<Hands>,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Self::store(&folder).await);
        Self { store, clock: Arc::new(Hands(AtomicI64::new(NOW.as_micros()))), folder }
    }

    async fn store(folder: &TempDir) -> Store {
        let url = DatabaseUrl::parse(&format!("sqlite:{}", folder.path().join("test.db").display())).unwrap();
        Store::open(&url, &CacheUrl::parse("memory:").unwrap(), NOW).await.unwrap()
    }

    fn set(&self, now: Timestamp) {
        self.clock.0.store(now.as_micros(), Ordering::Relaxed);
    }

    fn with(&self, store: Arc<Store>, vault: u8, settings: InternalSettings) -> Internal {
        let means = Means {
            store,
            vault: Arc::new(Mark(vault)),
            certificates: Certificates::new(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::new(NoChance),
        };
        Internal::new(means, settings)
    }

    fn node(&self, settings: InternalSettings) -> Internal {
        self.with(Arc::clone(&self.store), 1, settings)
    }
}

fn served(node: &Internal, host: &str) -> Option<Arc<CertifiedKey>> {
    node.0.means.certificates.get(host)
}

/// What a client that trusts `root` says of `key` for `host`.
fn judged(root: &Root, key: &CertifiedKey, host: &str, now: Timestamp) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.pem().as_bytes()).unwrap()).unwrap();
    let leaf = ParsedCertificate::try_from(key.cert.first().unwrap())?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().unsigned_abs()));
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &[], now, algorithms)?;
    verify_server_name(&leaf, &ServerName::try_from(host.to_owned()).unwrap())
}

fn pem(key: &CertifiedKey) -> String {
    let der = STANDARD.encode(key.cert.first().unwrap());
    let lines: Vec<_> = der.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[tokio::test]
async fn every_host_has_a_certificate_that_clients_take() {
    let house = House::new().await;
    let node = house.node(usual());
    let root = node.load().await.unwrap();
    assert_eq!(
        (root.subject(), root.names()),
        ("Example Root 2026", &["example.org", "cms.example.net"].map(str::to_owned)[..])
    );
    assert_eq!(root.fingerprint().len(), 32 * 3 - 1);
    for host in ["accounts.example.org", "directory.example.org", "wiki.example.org", "cms.example.net"] {
        let key = served(&node, host).unwrap();
        assert_eq!(key.cert.len(), 1, "the root is known already");
        assert_eq!(judged(&root, &key, host, NOW), Ok(()), "{host}");
        judged(&root, &key, host, NOW + Span::from_days(8)).unwrap_err();
        judged(&root, &key, "other.example.org", NOW).unwrap_err();
    }
    let own = served(&node, "accounts.example.org").unwrap();
    assert!(Arc::ptr_eq(&own, &served(&node, "directory.example.org").unwrap()), "one for both");
    let states = node.state();
    let names: Vec<_> = states.iter().map(|state| state.names.join(" ")).collect();
    let own = "accounts.example.org directory.example.org";
    assert_eq!(names, [own, "wiki.example.org", "cms.example.net", "Example Root 2026"]);
    for state in &states {
        assert_eq!((state.standing(NOW), state.issuer.as_deref()), (CertificateStanding::Good, Some("internal")));
    }
}

#[tokio::test]
async fn whoever_steals_the_key_vouches_for_this_house_alone() {
    let house = House::new().await;
    let root = house.node(usual()).load().await.unwrap();
    for (host, is_good) in [
        ("any.example.org", true),
        ("example.org", true),
        ("a.cms.example.net", true),
        ("example.net", false),
        ("evilexample.org", false),
        ("example.org.evil.example", false),
        ("org", false),
        ("192.0.2.1", false),
        ("::1", false),
    ] {
        let leaf = root.leaf(&[host.to_owned()], NOW).unwrap();
        assert_eq!(judged(&root, &leaf.key, host, NOW).is_ok(), is_good, "{host}");
        assert_eq!(root.is_for(host), is_good, "{host}");
    }
    // OpenSSL is of the same opinion.
    let (root_file, leaf_file) = (house.folder.path().join("root.pem"), house.folder.path().join("leaf.pem"));
    std::fs::write(&root_file, root.pem()).unwrap();
    for (host, told) in [
        ("any.example.org", "leaf.pem: OK"),
        ("evil.example", "permitted subtree violation"),
        ("192.0.2.1", "excluded subtree violation"),
    ] {
        let leaf = root.leaf(&[host.to_owned()], NOW).unwrap();
        std::fs::write(&leaf_file, pem(&leaf.key)).unwrap();
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["verify", "-purpose", "sslserver", "-attime", &NOW.as_secs().to_string(), "-CAfile"]);
        let output = openssl.arg(&root_file).arg(&leaf_file).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains(told), "{host}: {said}");
    }
    // One good name does not bring a bad one in.
    let both = ["accounts.example.org".to_owned(), "evil.example".to_owned()];
    let leaf = root.leaf(&both, NOW).unwrap();
    judged(&root, &leaf.key, "accounts.example.org", NOW).unwrap_err();
}

#[tokio::test]
async fn all_nodes_share_the_root_of_whoever_was_first() {
    let house = House::new().await;
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let node = house.with(Arc::new(House::store(&house.folder).await), 1, usual());
        nodes.spawn(async move { node.load().await.unwrap() });
    }
    let roots = nodes.join_all().await;
    for root in &roots {
        assert_eq!(root.fingerprint(), roots[0].fingerprint());
        let leaf = root.leaf(&["wiki.example.org".to_owned()], NOW).unwrap();
        assert_eq!(judged(&roots[0], &leaf.key, "wiki.example.org", NOW), Ok(()), "the key is the same, too");
    }
    // After a restart it is still the same.
    let again = house.node(usual()).load().await.unwrap();
    assert_eq!(again.fingerprint(), roots[0].fingerprint());
}

#[tokio::test]
async fn another_root_is_taken_up_by_running_nodes() {
    let house = House::new().await;
    let (node, command) = (house.node(usual()), house.node(usual()));
    let old = node.load().await.unwrap();
    house.set(NOW + YEAR);
    let new = command.renew_root().await.unwrap();
    assert_eq!(new.subject(), "Example Root 2027 (2)");
    node.0.look().await;
    assert_eq!(node.root().unwrap().fingerprint(), new.fingerprint());
    for host in ["accounts.example.org", "wiki.example.org", "cms.example.net"] {
        let key = served(&node, host).unwrap();
        assert_eq!(judged(&new, &key, host, NOW + YEAR), Ok(()));
        judged(&old, &key, host, NOW + YEAR).unwrap_err();
    }
    // What stands is left alone.
    let before = served(&node, "wiki.example.org").unwrap();
    node.0.look().await;
    assert!(Arc::ptr_eq(&before, &served(&node, "wiki.example.org").unwrap()));
}

#[tokio::test]
async fn a_host_that_the_root_is_not_for_has_no_certificate_and_it_is_told_why() {
    let house = House::new().await;
    house.node(settings(&[&["accounts.example.org", "directory.example.org"]])).load().await.unwrap();
    let later = [&["accounts.example.org", "directory.other.example"][..], &["wiki.other.example"], &["192.0.2.1"]];
    let node = house.node(settings(&later));
    let root = node.load().await.unwrap();
    for host in ["directory.other.example", "wiki.other.example", "192.0.2.1"] {
        assert!(served(&node, host).is_none());
        let states = node.state();
        let state = states.iter().find(|state| state.names == [host]).unwrap();
        assert_eq!(state.standing(NOW), CertificateStanding::Missing);
        let told = state.last_error.as_deref().unwrap();
        if host == "192.0.2.1" {
            assert_eq!(told, "192.0.2.1 is an address; Example Root 2026 is for names alone");
        } else {
            let expected =
                format!("Example Root 2026 is for example.org, not for {host}; `ostiary ca renew` makes another");
            assert!(told.starts_with(&expected), "{told}");
        }
    }
    assert_eq!(judged(&root, &served(&node, "accounts.example.org").unwrap(), "accounts.example.org", NOW), Ok(()));
    let other = node.renew_root().await.unwrap();
    node.0.look().await;
    assert_eq!(other.names(), ["example.org", "directory.other.example", "wiki.other.example"]);
    for host in ["directory.other.example", "wiki.other.example"] {
        assert_eq!(judged(&other, &served(&node, host).unwrap(), host, NOW), Ok(()));
    }
    assert!(served(&node, "192.0.2.1").is_none());
}

#[tokio::test]
async fn a_clock_that_jumps_leaves_a_good_certificate_behind() {
    let house = House::new().await;
    let node = house.node(usual());
    let root = node.load().await.unwrap();
    for now in [NOW + YEAR, NOW, NOW - YEAR + Span::from_days(1), NOW + Span::from_days(5), NOW] {
        house.set(now);
        node.0.look().await;
        let key = served(&node, "wiki.example.org").unwrap();
        assert_eq!(judged(&root, &key, "wiki.example.org", now), Ok(()), "{now:?}");
        assert!(node.state().iter().all(|state| state.standing(now) == CertificateStanding::Good));
    }
}

#[tokio::test]
async fn a_key_that_does_not_open_is_told_and_nothing_is_made_in_its_place() {
    let house = House::new().await;
    let node = house.node(usual());
    let root = node.load().await.unwrap();
    let stored = house.store.root().await.unwrap();
    let stranger = house.with(Arc::clone(&house.store), 2, usual());
    let error = stranger.load().await.unwrap_err().to_string();
    assert!(error.contains("another master key"), "{error}");
    assert!(served(&stranger, "wiki.example.org").is_none() && stranger.state().is_empty());
    assert_eq!(house.store.root().await.unwrap(), stored);

    // A running node stays with the one it has, and says so.
    stranger.renew_root().await.unwrap();
    node.0.look().await;
    assert_eq!(node.root().unwrap().fingerprint(), root.fingerprint());
    let state = node.state().remove(0);
    assert!(state.last_error.as_deref().unwrap().contains("another master key"), "{state:?}");
    let mended = node.renew_root().await.unwrap();
    node.0.look().await;
    assert_eq!(node.state().remove(0).last_error, None);
    assert_eq!(node.root().unwrap().fingerprint(), mended.fingerprint());
}

#[tokio::test]
async fn a_certificate_under_the_key_of_another_is_refused() {
    let house = House::new().await;
    let node = house.node(usual());
    node.load().await.unwrap();
    let first = house.store.root().await.unwrap().unwrap();
    node.renew_root().await.unwrap();
    let second = house.store.root().await.unwrap().unwrap();
    // Whoever can write to the database but does not know the master key.
    let mixed = RootRecord { version: 3, certificate: first.certificate, ..second };
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.root_put(&mixed).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(matches!(house.node(usual()).load().await, Err(RootError::Sealed(_))));
}

#[tokio::test]
async fn the_end_of_the_root_is_spoken_of_for_a_year() {
    let house = House::new().await;
    let node = house.node(usual());
    let root = node.load().await.unwrap();
    let end = root.not_after();
    assert_eq!(end.to_rfc3339(), "2036-11-21T07:27:41Z");
    let of_root = |now| {
        house.set(now);
        node.state().pop().unwrap().last_error
    };
    assert_eq!(of_root(end - YEAR - Span::from_secs(1)), None);
    let told = of_root(end - YEAR).unwrap();
    assert_eq!(
        told,
        "Example Root 2026 ends at 2036-11-21T07:27:41Z; `ostiary ca renew` makes another, which every machine has to trust"
    );
    assert!(of_root(end).unwrap().contains("ended at 2036-11-21T07:27:41Z: clients turn away"));
    // Once a day.
    let mut spoken = None;
    for (now, expected) in [
        (NOW, None),
        (end - YEAR, Some(end - YEAR)),
        (end - YEAR + Span::from_hours(23), Some(end - YEAR)),
        (end - YEAR + Span::from_hours(24), Some(end - YEAR + Span::from_hours(24))),
        (end, Some(end)),
        // The clock was ahead.
        (end - Span::from_days(30), Some(end - Span::from_days(30))),
    ] {
        house.set(now);
        node.0.speak_of_root(&mut spoken);
        assert_eq!(spoken, expected, "{now:?}");
    }
}

#[tokio::test]
async fn the_root_is_handed_out_under_our_own_hosts() {
    let house = House::new().await;
    let node = house.node(usual());
    let ask = async |method: &str, uri: &str, host: &str| {
        let request = Request::builder().method(method).uri(uri).header(HOST, host).body(()).unwrap();
        let response = Download::new(node.clone()).answer(&request)?;
        let (head, body) = response.into_parts();
        Some((head, body.collect().await.unwrap().to_bytes()))
    };
    assert!(ask("GET", "/root.crt", "accounts.example.org").await.is_none(), "there is none yet");
    let root = node.load().await.unwrap();
    for host in ["accounts.example.org", "Directory.example.org:8080"] {
        let (head, body) = ask("GET", "/root.crt?x", host).await.unwrap();
        assert_eq!((head.status.as_u16(), &body[..]), (200, root.pem().as_bytes()));
        assert_eq!(head.headers[CONTENT_TYPE], "application/x-x509-ca-cert");
        assert_eq!(head.headers[CONTENT_DISPOSITION], "attachment; filename=\"example.org-root.crt\"");
        let (of_head, body) = ask("HEAD", "/root.crt", host).await.unwrap();
        assert!(of_head.headers == head.headers && body.is_empty());
        for method in ["POST", "PUT", "DELETE"] {
            let (head, body) = ask(method, "/root.crt", host).await.unwrap();
            assert!(head.status.as_u16() == 405 && head.headers["allow"] == "GET, HEAD" && !body.starts_with(b"-----"));
        }
    }
    for (uri, host) in [
        ("/", "accounts.example.org"),
        ("/root.crt/", "accounts.example.org"),
        ("/x/root.crt", "accounts.example.org"),
        ("/root.crt", "wiki.example.org"),
        ("/root.crt", "evil.example"),
        ("http://evil.example/root.crt", "accounts.example.org"),
    ] {
        assert!(ask("GET", uri, host).await.is_none(), "{uri} {host}");
    }
}
