//! When an authority would like certificates to be renewed (RFC 9773), profiles, and when it wants
//! to be asked again: all of it by Pebble itself. One that is too old fails these tests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ostiary_edge::acme::Settings;
use ostiary_model::{Clock as _, Span};
use ostiary_store::CertificateRecord;

use crate::bad_days::LONG_AGO;
use crate::faults::{Faults, says};
use crate::node::{BOTH, Memory, Moved, Node, PACE, Ports, settings};
use crate::pebble::{Pebble, SHORT};
use crate::{SIX_HOURS, is_served, place};

const QUARTER: u64 = 90 * 86_400;

/// An authority that makes suggestions, and ports that it looks at.
async fn suggesting() -> (Ports, Pebble, Faults) {
    let (ports, pebble) = place(|ways| (ways.validity, ways.suggests, ways.refused_nonces) = (QUARTER, true, 0)).await;
    let faults = Faults::before(&pebble).await;
    (ports, pebble, faults)
}

fn through(faults: &Faults, pebble: &Pebble) -> Settings {
    Settings { issuers: vec![faults.issuer()], ..settings(pebble, &BOTH) }
}

async fn stored(node: &Node) -> CertificateRecord {
    node.store.certificates().await.unwrap().swap_remove(0)
}

/// The certificate alone.
fn leaf(record: &CertificateRecord) -> &str {
    record.chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap()
}

/// Waits until the authority was asked for a suggestion so many times, and the answer is stored.
async fn asked(node: &Node, faults: &Faults, times: usize) -> CertificateRecord {
    loop {
        let record = stored(node).await;
        if faults.moments("/renewalInfo/").len() == times && record.plan.ask_at > node.clock.now() {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A node whose certificate was suggested nothing for yet: the first answer was a 404.
async fn without_a_suggestion(ports: Ports, pebble: &Pebble, faults: &Faults, memory: &Memory) -> Node {
    faults.play("/renewalInfo/", says("404 Not Found", "", ""), 1);
    let node = Node::start(memory, ports, through(faults, pebble)).await;
    node.certified().await;
    let record = asked(&node, faults, 1).await;
    assert_eq!(record.plan.window, None);
    // Nothing was learnt: the plan is as it was, and it is asked again much later.
    assert!(record.plan.renew_at > node.clock.now() + Span::from_days(50), "{record:?}");
    assert!(record.plan.ask_at > node.clock.now() + Span::from_hours(5), "{record:?}");
    node
}

fn six_hours_pass(node: &Node) {
    node.clock.0.fetch_add(SIX_HOURS + 60_000_000, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_of_an_authority_is_kept_to_and_so_is_when_to_ask_again() {
    let (ports, pebble, faults) = suggesting().await;
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    node.certified().await;
    let record = asked(&node, &faults, 1).await;
    // Two thirds of the life, a day more or less; and it asks to be asked every six hours.
    let (start, end) = record.plan.window.unwrap();
    assert!(start > node.clock.now() + Span::from_days(58) && end < node.clock.now() + Span::from_days(62));
    assert!(record.plan.renew_at >= start && record.plan.renew_at <= end, "{record:?}");
    let until = record.plan.ask_at.since(node.clock.now());
    assert!(until > Span::from_mins(350) && until <= Span::from_hours(6), "{until:?}");
    six_hours_pass(&node);
    // The moment was drawn once.
    assert_eq!(asked(&node, &faults, 2).await.plan.renew_at, record.plan.renew_at);
    assert_eq!(pebble.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_the_past_has_a_certificate_renewed_soon_and_told_which_it_replaces() {
    let (ports, pebble, faults) = suggesting().await;
    let memory = Memory::embedded();
    let node = without_a_suggestion(ports, &pebble, &faults, &memory).await;
    let (first, before) = (node.state(), stored(&node).await);
    pebble.suggest(leaf(&before), LONG_AGO);
    six_hours_pass(&node);
    let second = node.renewed(&first).await;
    assert_eq!((second.last_error, pebble.orders(), pebble.accounts()), (None, 2, 1));
    let orders = faults.orders();
    assert_eq!(orders.first().unwrap().get("replaces"), None);
    let replaced = orders.last().unwrap()["replaces"].as_str().unwrap().to_owned();
    let asked_for = faults.asked().into_iter().find(|path| path.contains("/renewalInfo/")).unwrap();
    assert!(asked_for.ends_with(&format!("/{replaced}")), "{replaced}: {asked_for}");
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_replaced_it_already_orders_without_saying_so() {
    let (ports, pebble, faults) = suggesting().await;
    let (http, tls) = ports.numbers();
    let memory = Memory::embedded();
    let node = without_a_suggestion(ports, &pebble, &faults, &memory).await;
    let (first, before) = (node.state(), stored(&node).await);
    node.acme.leave().await.unwrap();
    let backup = memory.copy().await;
    pebble.suggest(leaf(&before), LONG_AGO);
    six_hours_pass(&node);
    node.renewed(&first).await;
    node.cut().await;
    // Everything is put back to where it was before that.
    let ports = Ports::at(http, tls).await;
    let node = Node::start_at(&backup, ports, through(&faults, &pebble), SIX_HOURS / 1_000_000 + 60).await;
    let again = node.renewed(&first).await;
    assert_eq!(again.last_error, None);
    let orders = faults.orders();
    let told: Vec<bool> = orders.iter().map(|order| order.get("replaces").is_some()).collect();
    assert_eq!((told, pebble.orders()), (vec![false, true, true, false], 3));
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_that_is_nonsense_changes_nothing() {
    let (ports, pebble, faults) = suggesting().await;
    let node = without_a_suggestion(ports, &pebble, &faults, &Memory::embedded()).await;
    let before = stored(&node).await;
    for (number, text) in [
        "soon",
        "{}",
        r#"{"suggestedWindow":{"start":"2020-01-02T00:00:00Z","end":"2020-01-01T00:00:00Z"}}"#,
        r#"{"suggestedWindow":{"start":"never","end":""}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        pebble.suggest(leaf(&before), text);
        six_hours_pass(&node);
        let after = asked(&node, &faults, number + 2).await;
        assert_eq!((after.plan.renew_at, after.chain), (before.plan.renew_at, before.chain.clone()), "{text}");
    }
    tokio::time::sleep(PACE.pass * 3).await;
    assert_eq!((pebble.orders(), faults.moments("/renewalInfo/").len()), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_ordered_by_its_name() {
    let (ports, pebble) = place(|ways| (ways.validity, ways.has_profiles) = (QUARTER, true)).await;
    let wanted = Settings { profile: Some("shortlived".to_owned()), ..settings(&pebble, &BOTH) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let state = node.certified().await;
    let life = state.not_after.unwrap().since(Moved::default().now());
    assert!(life <= Span::from_secs(SHORT), "{life:?}");
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_is_not_there_is_told_and_not_asked_for_again() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    let wanted = Settings { profile: Some("no such".to_owned()), ..through(&faults, &pebble) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert!(state.last_error.as_ref().unwrap().contains("invalidProfile"), "{state:?}");
    // The first step of what is permanent, in the minutes of these tests.
    assert!(state.next_attempt.unwrap() > Moved::default().now() + Span::from_secs(60));
    let asked = faults.asked().len();
    tokio::time::sleep(PACE.pass * 10).await;
    assert_eq!((faults.asked().len(), pebble.orders()), (asked, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_asked_again_when_it_wants_to_be() {
    const SECONDS: u64 = 3;
    let (ports, pebble) = place(|ways| (ways.retry_after, ways.refused_nonces) = (SECONDS, 0)).await;
    let faults = Faults::before(&pebble).await;
    let node = Node::start(&Memory::embedded(), ports, through(&faults, &pebble)).await;
    node.certified().await;
    let moments = faults.moments("/my-order/");
    assert!(moments.len() > 1, "nothing had to be asked twice");
    for pair in moments.windows(2) {
        // Pebble says it in seconds or as a date, which has no fractions.
        assert!(pair[1] - pair[0] > Duration::from_secs(SECONDS - 1), "{moments:?}");
    }
}
