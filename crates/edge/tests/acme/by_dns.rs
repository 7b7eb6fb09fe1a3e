//! Proof by DNS, with Knot as the name server (Debian's package knot), and with a command.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use ostiary_edge::acme::{Challenge, Dns, DnsKey, Pace, Settings};
use ostiary_model::{Clock as _, Span};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::faults::{Change, Fault, Faults};
use crate::node::{Memory, NAMES, Node, PACE, Ports, settings};
use crate::pebble::{Pebble, Ways, free_port, wait_for};

const SECRET: &[u8] = b"a key of thirty-two bytes, no less";
const SECRET_TEXT: &str = "YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgbm8gbGVzcw==";

struct Knot {
    _folder: TempDir,
    port: u16,
    server: Child,
}

impl Knot {
    fn running() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let place = folder.path().display();
        let config = format!(
            "server:\n    listen: 127.0.0.1@{port}\n    rundir: \"{place}\"\n    pidfile: \"{place}/knot.pid\"\n\
             database:\n    storage: \"{place}/db\"\n\
             key:\n  - id: acme-key\n    algorithm: hmac-sha256\n    secret: {SECRET_TEXT}\n\
             acl:\n  - id: acme\n    key: acme-key\n    action: update\n\
             zone:\n  - domain: example.org\n    storage: \"{place}\"\n    file: zone\n    acl: acme\n"
        );
        // The proof for one of the names is kept elsewhere.
        let zone = "$ORIGIN example.org.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 600 60\n@ NS ns\nns A 127.0.0.1\n\
                    @ TXT \"something else\"\n_acme-challenge.accounts CNAME proof.elsewhere\n";
        std::fs::create_dir(folder.path().join("db")).unwrap();
        std::fs::write(folder.path().join("knot.conf"), config).unwrap();
        std::fs::write(folder.path().join("zone"), zone).unwrap();
        let server = Command::new("/usr/sbin/knotd")
            .arg("-c")
            .arg(folder.path().join("knot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Knot is missing: it is Debian's package knot (apt-get install knot)");
        wait_for(&format!("127.0.0.1:{port}"));
        Self { _folder: folder, port, server }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many texts stand at `name`.
    async fn texts(&self, name: &str) -> usize {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::TXT));
        let bytes = question.to_vec().unwrap();
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        let answer = Message::from_vec(&answer).unwrap();
        answer.answers.iter().filter(|record| record.record_type() == RecordType::TXT).count()
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// An authority that asks `knot`, and settings to go with it.
fn place(knot: &Knot, secret: &[u8]) -> (Pebble, Settings) {
    let mut ways = Ways::looking_at(1, 1);
    ways.resolver = Some(knot.address());
    let pebble = Pebble::running(&ways);
    let key = DnsKey { name: "acme-key".to_owned(), secret: Zeroizing::new(secret.to_vec()) };
    let dns = Some(Dns::Update { server: knot.address(), key: Some(key) });
    let wanted = Settings { dns, ..settings(&pebble, &[Challenge::Dns01]) };
    (pebble, wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_all_names_below_are_proved_by_updates_of_the_zone() {
    let knot = Knot::running();
    let (pebble, mut wanted) = place(&knot, SECRET);
    // Both want a text at the same place.
    wanted.names.push(vec!["*.example.org".to_owned(), "example.org".to_owned()]);
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    node.certified().await;
    node.until("all have one", |_| node.acme.state().iter().all(|state| state.not_after.is_some())).await;
    for name in [NAMES[0], NAMES[1], "any.example.org", "example.org"] {
        node.visit(name, pebble.roots().await).await.unwrap();
    }
    for (name, left) in [
        ("_acme-challenge.accounts.example.org.", 0),
        ("proof.elsewhere.example.org.", 0),
        ("_acme-challenge.directory.example.org.", 0),
        ("_acme-challenge.example.org.", 0),
        ("example.org.", 1),
    ] {
        assert_eq!(knot.texts(name).await, left, "{name}");
    }
    assert_eq!(pebble.orders(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_does_not_know_the_key_is_told() {
    let knot = Knot::running();
    let (pebble, wanted) = place(&knot, b"another key, of just as many bytes");
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    let told = state.last_error.unwrap();
    assert!(told.contains("dns-01: _acme-challenge.") && told.contains("the name server refuses"), "{told}");
    assert_eq!((state.issuer, knot.texts("_acme-challenge.directory.example.org.").await), (None, 0));
    drop(pebble);
}

/// Waiting times as in earnest: nothing happens by itself while a test runs.
fn in_earnest(wanted: Settings) -> Settings {
    Settings { pace: Pace { minute: Span::from_mins(1), ..PACE }, ..wanted }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_mends_the_key_goes_on_at_once_with_the_same_order() {
    let (knot, memory) = (Knot::running(), Memory::embedded());
    let (pebble, wanted) = place(&knot, SECRET);
    let key =
        DnsKey { name: "acme-key".to_owned(), secret: Zeroizing::new(b"another key, of just as many bytes".to_vec()) };
    let wrong = Some(Dns::Update { server: knot.address(), key: Some(key) });
    let wrong = in_earnest(Settings { dns: wrong, ..wanted.clone() });
    let node = Node::start(&memory, Ports::open().await, wrong).await;
    node.until("the failure is told", |state| state.last_error.is_some()).await;
    node.cut().await;
    let node = Node::start(&memory, Ports::open().await, in_earnest(wanted)).await;
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.orders(), 1);
}

fn script(folder: &Path, text: &str) -> Dns {
    let file = folder.join("hook");
    std::fs::write(&file, format!("#!/bin/sh\nset -e\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    Dns::Command(file)
}

/// A command that does what it should after `first` was done, and writes down what it did.
fn hook(folder: &Path, pebble: &Pebble, first: &str) -> Dns {
    let text = format!(
        "{first}\nif [ \"$1\" = present ]; then way=set-txt; else way=clear-txt; fi\n\
         curl -sSf -d \"{{\\\"host\\\": \\\"$2\\\", \\\"value\\\": \\\"$3\\\"}}\" http://{}/$way\n\
         echo \"$1 $2 $#\" >> {}",
        pebble.names_address(),
        folder.join("log").display(),
    );
    script(folder, &text)
}

/// Waits until everything that was shown is taken back.
async fn is_clean(folder: &Path) {
    let begun = Instant::now();
    let is_gone = |log: &str, name| log.contains(&format!("cleanup _acme-challenge.{name}. 3\n"));
    loop {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if NAMES.iter().all(|name| is_gone(&log, name)) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "something stays behind: {log}");
        tokio::time::sleep(PACE.look).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_proved_by_a_command() {
    let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
    let log = folder.path().join("log");
    let dns = hook(folder.path(), &pebble, &format!("env >> {}", log.display()));
    let wanted = Settings { dns: Some(dns), ..settings(&pebble, &[Challenge::Dns01]) };
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    node.certified().await;
    for name in NAMES {
        node.visit(name, pebble.roots().await).await.unwrap();
    }
    is_clean(folder.path()).await;
    let log = std::fs::read_to_string(log).unwrap();
    for name in NAMES {
        assert!(log.contains(&format!("present _acme-challenge.{name}. 3\n")), "{name}: {log}");
    }
    assert!(!log.contains("CARGO") && !log.contains("OSTIARY"), "it sees what is none of its business: {log}");
}

/// What an authority asks to be shown, changed.
fn changed(text: &str, change: fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    change(&mut value);
    value.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_cannot_have_anything_shown_but_for_what_was_ordered() {
    const NAME: &str = "asks about a name that was not ordered";
    const TOKEN: &str = "asks with a token that is none";
    fn with_name(value: &mut Value, name: &str) {
        value["identifier"]["value"] = name.into();
    }
    fn with_token(value: &mut Value, token: &str) {
        for challenge in value["challenges"].as_array_mut().unwrap() {
            challenge["token"] = token.into();
        }
    }
    let attacks: [(Change, &str); 7] = [
        (|text| changed(text, |value| with_name(value, "www.example.org")), NAME),
        (|text| changed(text, |value| with_name(value, "accounts.example.org\nupdate delete x")), NAME),
        (|text| changed(text, |value| with_name(value, "$(id).example.org")), NAME),
        (|text| changed(text, |value| value["wildcard"] = true.into()), NAME),
        (|text| changed(text, |value| with_token(value, "")), TOKEN),
        (|text| changed(text, |value| with_token(value, "../a b")), TOKEN),
        (|text| changed(text, |value| with_token(value, &"a".repeat(129))), TOKEN),
    ];
    for challenge in [Challenge::Dns01, Challenge::Http01, Challenge::TlsAlpn01] {
        let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
        let called = folder.path().join("called");
        let hook = script(folder.path(), &format!("touch {}", called.display()));
        for (attack, expected) in attacks {
            let faults = Faults::before(&pebble).await;
            faults.play("/authZ/", Fault::Makes(attack), 100);
            let dns = (challenge == Challenge::Dns01).then(|| hook.clone());
            let wanted = Settings { dns, issuers: vec![faults.issuer()], ..settings(&pebble, &[challenge]) };
            let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
            let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
            assert!(state.last_error.as_ref().unwrap().contains(expected), "{state:?}");
            assert!(node.store.acme_order(&NAMES.join(" "), &faults.issuer().directory).await.unwrap().is_none());
            assert!(!faults.asked().iter().any(|path| path.contains("/chalZ/")));
        }
        assert!(!called.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_told() {
    let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
    for (dns, expected) in [
        (script(folder.path(), "exit 7"), "failed to present (exit status: 7)"),
        (Dns::Command(folder.path().join("nothing")), "cannot be run: No such file"),
    ] {
        let wanted = Settings { dns: Some(dns), ..settings(&pebble, &[Challenge::Dns01]) };
        let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
        let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
        let told = state.last_error.unwrap();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_costs_no_order_and_is_tried_again_soon() {
    let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
    let mended = folder.path().join("mended");
    let dns = Some(hook(folder.path(), &pebble, &format!("[ $1 = cleanup ] || [ -e {} ]", mended.display())));
    let wanted = in_earnest(Settings { dns, ..settings(&pebble, &[Challenge::Dns01]) });
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    let again_in = state.next_attempt.unwrap().since(node.clock.now());
    assert!(again_in < Span::from_secs(90), "the authority has seen nothing of it: {again_in:?}");
    std::fs::write(mended, "").unwrap();
    node.clock.0.fetch_add(90_000_000, Ordering::Relaxed);
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_challenge_steps_in_for_a_command_that_fails() {
    let (ports, folder) = (Ports::open().await, tempfile::tempdir().unwrap());
    let (http, tls) = ports.numbers();
    let pebble = Pebble::running(&Ways::looking_at(http, tls));
    let dns = Some(script(folder.path(), "exit 7"));
    let wanted = Settings { dns, ..settings(&pebble, &[Challenge::Dns01, Challenge::Http01]) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.orders(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_served_before_the_dns_is_cleaned_however_long_that_takes() {
    let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
    let dns = Some(hook(folder.path(), &pebble, "[ $1 = present ] || sleep 4"));
    let mut wanted = in_earnest(Settings { dns, ..settings(&pebble, &[Challenge::Dns01]) });
    wanted.pace.order = Duration::from_secs(7);
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    let state = node.certified().await;
    assert!(!std::fs::read_to_string(folder.path().join("log")).unwrap().contains("cleanup"));
    is_clean(folder.path()).await;
    assert_eq!((node.state(), state.last_error.clone()), (state, None));
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_before_a_power_cut_is_taken_back() {
    let (folder, pebble) = (tempfile::tempdir().unwrap(), Pebble::running(&Ways::looking_at(1, 1)));
    let (faults, memory) = (Faults::before(&pebble).await, Memory::embedded());
    faults.play("/finalize-order/", Fault::Hangs, 1);
    let dns = Some(hook(folder.path(), &pebble, ":"));
    let wanted = Settings { dns, issuers: vec![faults.issuer()], ..settings(&pebble, &[Challenge::Dns01]) };
    let node = Node::start(&memory, Ports::open().await, wanted.clone()).await;
    while !faults.asked().iter().any(|path| path.contains("/finalize-order/")) {
        tokio::time::sleep(PACE.look).await;
    }
    node.cut().await;
    let node = Node::start(&memory, Ports::open().await, wanted).await;
    node.certified().await;
    is_clean(folder.path()).await;
    assert_eq!(pebble.orders(), 1);
}
