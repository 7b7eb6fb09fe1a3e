//! What an authority does on its bad days, and that it is asked no more than it should be.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ostiary_edge::acme::Settings;
use ostiary_model::{CertificateState, Clock as _, Span};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, generate_simple_self_signed};
use rustls::RootCertStore;
use tokio::task::JoinSet;

use crate::faults::{Change, Fault, Faults, problem, says};
use crate::node::{BOTH, Memory, Moved, NAMES, Node, PACE, Ports, settings};
use crate::pebble::{Pebble, Ways};
use crate::{is_served, place};

/// An order takes so many requests, and this many more when nonces are refused.
const AN_ORDER: usize = 20;

pub(crate) const LONG_AGO: &str =
    r#"{"suggestedWindow":{"start":"2020-01-01T00:00:00Z","end":"2020-01-02T00:00:00Z"}}"#;

fn through(faults: &Faults, pebble: &Pebble) -> Settings {
    Settings { issuers: vec![faults.issuer()], ..settings(pebble, &BOTH) }
}

async fn refused(node: &Node) -> CertificateState {
    node.until("the failure is told", |state| state.last_error.is_some()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_asks_for_time_is_given_it_also_after_a_restart() {
    for (status, is_date) in [("429 Too Many Requests", false), ("503 Service Unavailable", true)] {
        let (ports, pebble) = place(|_| {}).await;
        let faults = Faults::before(&pebble).await;
        let date = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(8));
        let retry_after = if is_date { date() } else { "5".to_owned() };
        let header = format!("Retry-After: {retry_after}\r\n");
        faults.play("/order-plz", problem(status, &header, "rateLimited"), 1);
        let (memory, wanted) = (Memory::embedded(), through(&faults, &pebble));
        let node = Node::start(&memory, Ports::open().await, wanted.clone()).await;
        let state = refused(&node).await;
        let next = state.next_attempt.unwrap();
        let now = Moved::default().now();
        assert!(next > now + Span::from_secs(2) && next < now + Span::from_secs(9), "{next:?} {now:?}");
        node.cut().await;
        let asked = faults.asked().len();
        let node = Node::start(&memory, ports, wanted).await;
        while Moved::default().now() < next {
            assert_eq!(faults.asked().len(), asked, "it is left alone");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        node.certified().await;
        is_served(&node, &pebble).await;
    }
}

/// Lets each of these happen twice at each of these places, to a node of its own, all at the same
/// time.
async fn is_overcome(faults: &[Fault], paths: &[&'static str]) {
    let mut ways = Ways::looking_at(1, 1);
    ways.believes_everything = true;
    let pebble = Pebble::running(&ways);
    let pebble = Arc::new(pebble);
    let (roots, mut trials) = (pebble.roots().await, JoinSet::new());
    for path in paths {
        for fault in faults {
            trials.spawn(trial(Arc::clone(&pebble), roots.clone(), path, fault.clone()));
        }
    }
    trials.join_all().await;
}

async fn trial(pebble: Arc<Pebble>, roots: RootCertStore, path: &'static str, fault: Fault) {
    let faults = Faults::before(&pebble).await;
    faults.play(path, fault, 2);
    let mut wanted = through(&faults, &pebble);
    wanted.pace.request = Duration::from_secs(3);
    let node = Node::start(&Memory::embedded(), Ports::open().await, wanted).await;
    node.certified().await;
    node.visit(NAMES[0], roots).await.unwrap();
    let asked = faults.asked();
    assert!(asked.len() <= 3 * AN_ORDER, "{path}: {asked:?}");
    assert!(asked.iter().filter(|asked| asked.contains("sign-me-up")).count() <= 3, "{path}: {asked:?}");
}

const PATHS: [&str; 9] = [
    "/dir",
    "/nonce-plz",
    "/sign-me-up",
    "/order-plz",
    "/authZ/",
    "/chalZ/",
    "/finalize-order/",
    "/my-order/",
    "/certZ/",
];

#[tokio::test(flavor = "multi_thread")]
async fn pages_instead_of_answers_are_overcome() {
    is_overcome(&[says("500 Internal Server Error", "Content-Type: text/html\r\n", "<h1>Sorry</h1>")], &PATHS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_are_overcome() {
    is_overcome(&[Fault::Cuts], &PATHS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_overcome() {
    is_overcome(&[Fault::Makes(|_| "{\"status\": 7".to_owned())], &["/dir", "/order-plz", "/authZ/", "/my-order/"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_and_addresses_elsewhere_are_overcome() {
    let endless = says("200 OK", "Content-Type: application/json\r\n", &" ".repeat(3_000_000));
    let elsewhere = Fault::Makes(|text| text.replace("https://", "http://"));
    let for_ever = problem("429 Too Many Requests", "Retry-After: 18446744073709551615\r\n", "serverInternal");
    is_overcome(&[endless, elsewhere], &["/dir", "/order-plz"]).await;
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    faults.play("/order-plz", for_ever, 1);
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    let next = refused(&node).await.next_attempt.unwrap();
    let week = Moved::default().now() + Span::from_days(7);
    assert!(next < week + Span::from_mins(1) && next > week - Span::from_mins(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_overcome() {
    is_overcome(&[Fault::Hangs], &["/dir", "/order-plz", "/finalize-order/"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_does_not_hold_replaces_nothing() {
    let broken: [Change; 4] = [
        // The certificate alone, a stranger behind it, half of it, and somebody else's.
        |chain| chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().to_owned(),
        |chain| {
            let stranger = generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap();
            let leaf = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
            leaf.to_owned() + &stranger.cert.pem()
        },
        |chain| chain[..chain.len() / 3].to_owned(),
        |_| generate_simple_self_signed(NAMES.map(str::to_owned)).unwrap().cert.pem(),
    ];
    let (ports, pebble) = place(|ways| ways.validity = 60).await;
    let faults = Faults::before(&pebble).await;
    // So that it is renewed after a quarter of its life, and much of it is left.
    faults.suggest(LONG_AGO.to_owned());
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    let (first, roots) = (node.certified().await, pebble.roots().await);
    for chain in broken {
        faults.play("/certZ/", Fault::Makes(chain), 1);
    }
    let mut told = Vec::new();
    let second = loop {
        let state = node.state();
        if state.not_after > first.not_after {
            break state;
        }
        node.visit(NAMES[0], roots.clone()).await.unwrap();
        if let Some(error) = state.last_error
            && told.last() != Some(&error)
        {
            told.push(error);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(told.len() > 1 && told.iter().all(|error| error.contains("certificate was refused")), "{told:?}");
    // It was downloaded again and again, and ordered once.
    assert_eq!((second.last_error, pebble.orders()), (None, 2));
}

/// A chain that holds together, by an authority that nobody has heard of.
fn by_a_stranger(names: Vec<String>) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a stranger");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    leaf.pem() + &issuer.pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_key_or_name_is_not_waited_for() {
    let wrong: [(Change, &str); 2] = [
        (|_| by_a_stranger(NAMES.map(str::to_owned).to_vec()), "belongs to another key"),
        (|_| by_a_stranger(vec![NAMES[0].to_owned()]), "is not for directory.example.org"),
    ];
    for (make, expected) in wrong {
        let (ports, pebble) = place(|_| {}).await;
        let faults = Faults::before(&pebble).await;
        faults.play("/certZ/", Fault::Makes(make), 100);
        let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
        let state = refused(&node).await;
        assert!(state.last_error.as_ref().unwrap().contains(expected), "{state:?}");
        // The first step of what is permanent, in the minutes of these tests.
        assert!(state.next_attempt.unwrap() > Moved::default().now() + Span::from_secs(60));
        assert!(node.store.acme_order(&NAMES.join(" "), &faults.issuer().directory).await.unwrap().is_none());
        assert_eq!(pebble.orders(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_far_ahead_costs_one_certificate() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    let wanted = through(&faults, &pebble);
    let node = Node::start_at(&Memory::embedded(), ports, wanted, 366 * 86_400).await;
    let state = refused(&node).await;
    assert!(state.last_error.unwrap().contains("has ended already"));
    let downloads = || faults.asked().iter().filter(|path| path.contains("/certZ/")).count();
    while downloads() < 3 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(node.state().issuer, None);
    // The clock is put right, and this very certificate is good.
    node.clock.0.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_for_good_does_not_hammer() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    faults.play("/order-plz", problem("400 Bad Request", "", "invalidProfile"), 100);
    let wanted = Settings { profile: Some("no such".to_owned()), ..through(&faults, &pebble) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let state = refused(&node).await;
    assert!(state.last_error.unwrap().contains("invalidProfile"));
    let asked = faults.asked().len();
    tokio::time::sleep(PACE.pass * 10).await;
    assert_eq!(faults.asked().len(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_may_say_when_to_renew() {
    let (ports, pebble) = place(|ways| ways.validity = 40).await;
    let faults = Faults::before(&pebble).await;
    faults.suggest(LONG_AGO.to_owned());
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    let begun = Instant::now();
    let first = node.certified().await;
    // Without the suggestion it were half of its life: twenty seconds. With it, what is left to rest.
    let second = node.renewed(&first).await;
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
    assert_eq!((second.last_error, pebble.orders()), (None, 2));
    let asked = faults.asked();
    let asked_for: Vec<&String> = asked.iter().filter(|path| path.starts_with("/ari/")).collect();
    assert!(!asked_for.is_empty() && asked_for.len() <= 2, "{asked_for:?}");
    let (key, serial) = asked_for[0].trim_start_matches("/ari/").split_once('.').unwrap();
    assert!(!key.is_empty() && !serial.is_empty() && !serial.contains('='));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_that_cannot_be_read_is_none() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    faults.suggest("soon".to_owned());
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    let state = node.certified().await;
    tokio::time::sleep(PACE.pass * 5).await;
    assert_eq!(node.state(), state);
    assert_eq!(faults.asked().iter().filter(|path| path.starts_with("/ari/")).count(), 1);
}
