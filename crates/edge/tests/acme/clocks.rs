//! What was noted while a clock was wrong, after it was put right.

use std::sync::atomic::Ordering;

use ostiary_edge::acme::{Pace, Settings};
use ostiary_model::Span;

use crate::faults::{Fault, Faults, problem};
use crate::node::{BOTH, Memory, Node, PACE, settings};
use crate::pebble::Pebble;
use crate::{is_served, place};

const DAY: i64 = 86_400;

fn through(faults: &Faults, pebble: &Pebble) -> Settings {
    Settings { issuers: vec![faults.issuer()], ..settings(pebble, &BOTH) }
}

fn is_put_right(node: &Node) {
    node.clock.0.store(0, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_asked_for_five_seconds_in_the_next_year_does_not_wait_until_then() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    faults.play("/order-plz", problem("429 Too Many Requests", "Retry-After: 5\r\n", "rateLimited"), 1);
    let node = Node::start_at(&Memory::embedded(), ports, through(&faults, &pebble), 366 * DAY).await;
    node.until("the failure is told", |state| state.last_error.is_some()).await;
    is_put_right(&node);
    assert_eq!(node.certified().await.last_error, None);
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_ask_for_a_suggestion_in_the_next_month_does_not_wait_until_then() {
    let (ports, pebble) = place(|ways| ways.validity = 90 * 86_400).await;
    let faults = Faults::before(&pebble).await;
    faults.suggest("none".to_owned());
    let asked = || faults.asked().iter().filter(|path| path.starts_with("/ari/")).count();
    let node = Node::start_at(&Memory::embedded(), ports, through(&faults, &pebble), 30 * DAY).await;
    let state = node.certified().await;
    tokio::time::sleep(PACE.pass * 5).await;
    assert_eq!(asked(), 1);
    is_put_right(&node);
    tokio::time::sleep(PACE.pass * 10).await;
    assert_eq!((asked(), pebble.orders()), (2, 1));
    assert_eq!(node.state(), state);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_given_is_downloaded_days_later_too() {
    let (ports, pebble) = place(|ways| ways.validity = 90 * 86_400).await;
    let faults = Faults::before(&pebble).await;
    faults.play("/certZ/", Fault::Makes(|chain| chain[..chain.len() / 3].to_owned()), 3);
    let pace = Pace { minute: Span::from_mins(1), ..PACE };
    let node = Node::start(&Memory::embedded(), ports, Settings { pace, ..through(&faults, &pebble) }).await;
    let mut failed = node.until("the failure is told", |state| state.last_error.is_some()).await;
    for _ in 0..2 {
        node.clock.0.fetch_add(39 * 3_600 * 1_000_000, Ordering::Relaxed);
        let before = failed.next_attempt;
        failed = node.until("it is told again", |state| state.next_attempt > before).await;
    }
    node.clock.0.fetch_add(39 * 3_600 * 1_000_000, Ordering::Relaxed);
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.orders(), 1);
}
