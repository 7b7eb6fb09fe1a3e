//! What fails on our side of the wire while an authority is well: the database, the disk, the DNS, a
//! closed port. What is served is served on, nobody is asked too often, and it mends by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ostiary_edge::acme::{Challenge, Settings};
use ostiary_model::Clock as _;
use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::faults::{Faults, says};
use crate::node::{BOTH, Memory, NAMES, Node, PACE, settings};
use crate::pebble::free_port;
use crate::{is_served, place};

/// The way to a database, which can be cut.
struct Wire {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    _task: JoinSet<()>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, is_cut) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let (cut, mut task) = (Arc::clone(&is_cut), JoinSet::new());
        task.spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let cut = Arc::clone(&cut);
                running.spawn(async move {
                    let until_cut = async {
                        while !cut.load(Ordering::Relaxed) {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    };
                    let joined = async {
                        let mut onward = TcpStream::connect(server).await?;
                        copy_bidirectional(&mut stream, &mut onward).await
                    };
                    tokio::select! {
                        () = until_cut => {}
                        _ = joined => {}
                    }
                });
            }
        });
        Self { address, is_cut, _task: task }
    }

    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_waited_for_and_what_is_served_is_served_on() {
    let (ports, pebble) = place(|ways| ways.validity = 24).await;
    let faults = Faults::before(&pebble).await;
    let mut memory = Memory::on_server().await;
    let server: SocketAddr = memory.url.split(['@', '/']).nth(3).unwrap().parse().unwrap();
    let wire = Wire::to(server).await;
    memory.url = memory.url.replace(&server.to_string(), &wire.address.to_string());
    let wanted = Settings { issuers: vec![faults.issuer()], ..settings(&pebble, &BOTH) };
    let node = Node::start(&memory, ports, wanted).await;
    let first = node.certified().await;
    tokio::time::sleep(PACE.pass * 3).await;
    wire.cut();
    let asked = faults.asked().len();
    // It would be renewed in the middle of its life.
    while node.clock.now() < first.renew_at.unwrap() + ostiary_model::Span::from_secs(2) {
        is_served(&node, &pebble).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(faults.asked().len(), asked, "what cannot be kept is not ordered");
    wire.mend();
    let second = node.renewed(&first).await;
    assert!(node.clock.now() < first.not_after.unwrap(), "it came too late");
    assert_eq!((second.last_error, pebble.orders()), (None, 2));
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_costs_one_certificate_and_replaces_nothing() {
    let (ports, pebble) = place(|ways| (ways.validity, ways.refused_nonces) = (20, 0)).await;
    let faults = Faults::before(&pebble).await;
    let memory = Memory::embedded();
    let wanted = Settings { issuers: vec![faults.issuer()], ..settings(&pebble, &BOTH) };
    let node = Node::start(&memory, ports, wanted).await;
    let first = node.certified().await;
    let stored = node.store.certificates().await.unwrap();
    // What SQLite says when it cannot write, to whoever wants to replace the certificate.
    let mut other = SqliteConnection::connect(&memory.url).await.unwrap();
    let full = "CREATE TRIGGER full BEFORE UPDATE OF chain ON certificate \
                BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    sqlx::raw_sql(full).execute(&mut other).await.unwrap();
    let downloads = || faults.moments("/certZ/").len();
    while downloads() < 3 {
        is_served(&node, &pebble).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let moments = faults.moments("/certZ/");
    assert!(moments[2] - moments[1] >= PACE.pass, "it is not asked without pause: {moments:?}");
    let kept = node.store.certificates().await.unwrap();
    assert_eq!(kept[0].chain, stored[0].chain);
    assert_eq!((node.state().not_after, pebble.orders()), (first.not_after, 2));
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut other).await.unwrap();
    node.renewed(&first).await;
    is_served(&node, &pebble).await;
    assert_eq!(pebble.orders(), 2, "the certificate that was issued is taken");
}

/// Has the name server of the authority fail for `name`, or no longer.
async fn fails(address: &str, verb: &str, name: &str) {
    let body = json!({ "host": format!("{name}.") }).to_string();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let text = format!("POST /{verb} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_dns_fails_for_is_told_and_come_back_to() {
    let (ports, pebble) = place(|_| {}).await;
    fails(&pebble.names_address(), "set-servfail", NAMES[1]).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    let told = state.last_error.unwrap();
    assert!(told.contains("directory.example.org: ") && !told.contains("accounts.example.org: "), "{told}");
    fails(&pebble.names_address(), "clear-servfail", NAMES[1]).await;
    assert_eq!(node.certified().await.last_error, None);
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_is_enough() {
    for (challenges, closed) in [
        // As the settings have it by default, with port 80 closed.
        ([Challenge::TlsAlpn01, Challenge::Http01], 0),
        ([Challenge::Http01, Challenge::TlsAlpn01], 0),
        ([Challenge::TlsAlpn01, Challenge::Http01], 1),
    ] {
        let (ports, pebble) = place(|ways| {
            let port = if closed == 0 { &mut ways.looks_at.0 } else { &mut ways.looks_at.1 };
            *port = free_port();
        })
        .await;
        let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &challenges)).await;
        assert_eq!(node.certified().await.last_error, None);
        let is_first = (closed == 0) == (challenges[0] == Challenge::TlsAlpn01);
        assert_eq!(pebble.orders(), if is_first { 1 } else { 2 });
        is_served(&node, &pebble).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_down_at_a_renewal_is_asked_with_pauses_and_what_is_served_is_served_on() {
    let (ports, pebble) = place(|ways| ways.validity = 24).await;
    let faults = Faults::before(&pebble).await;
    let wanted = Settings { issuers: vec![faults.issuer()], ..settings(&pebble, &BOTH) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let first = node.certified().await;
    tokio::time::sleep(PACE.pass * 3).await;
    let before = faults.asked().len();
    faults.play("/", says("503 Service Unavailable", "Content-Type: text/html\r\n", "<h1>Sorry</h1>"), 4);
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert_eq!((state.not_after, state.issuer.is_some()), (first.not_after, true));
    while faults.asked().len() < before + 4 {
        is_served(&node, &pebble).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Each attempt ended with the first answer, and the pauses are the steps of the ladder.
    let moments = faults.moments("/")[before..before + 4].to_vec();
    let pauses: Vec<Duration> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= Duration::from_millis(200) && pauses[1] >= Duration::from_millis(400), "{pauses:?}");
    assert!(pauses[2] >= Duration::from_secs(1), "{pauses:?}");
    let second = node.renewed(&first).await;
    assert!(node.clock.now() < first.not_after.unwrap());
    assert_eq!((second.last_error, pebble.orders()), (None, 2));
}
