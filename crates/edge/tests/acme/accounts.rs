//! Accounts that an authority has closed, or seems to have.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ostiary_edge::acme::Settings;
use ostiary_model::CertificateState;

use crate::faults::{Fault, Faults, problem};
use crate::node::{BOTH, Memory, Node, settings};
use crate::pebble::Pebble;
use crate::{SIX_HOURS, place};

fn closed() -> Fault {
    problem("401 Unauthorized", "", "unauthorized")
}

/// A node with a certificate and an account that was made a moment ago.
async fn start() -> (Pebble, Faults, Node, CertificateState) {
    let (ports, pebble) = place(|ways| ways.validity = 36_000).await;
    let faults = Faults::before(&pebble).await;
    let wanted = Settings { issuers: vec![faults.issuer()], ..settings(&pebble, &BOTH) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let before = node.certified().await;
    // The next one ends later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    (pebble, faults, node, before)
}

fn six_hours_pass(node: &Node) {
    node.clock.0.store(SIX_HOURS, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_closed_is_registered_anew_once() {
    let (pebble, faults, node, before) = start().await;
    faults.play("/order-plz", closed(), 1);
    faults.play("/my-account/", closed(), 1);
    six_hours_pass(&node);
    assert_eq!(node.renewed(&before).await.last_error, None);
    assert_eq!(pebble.accounts(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_open_is_kept_whatever_is_refused() {
    let (pebble, faults, node, before) = start().await;
    faults.play("/order-plz", closed(), 3);
    six_hours_pass(&node);
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert!(state.last_error.unwrap().contains("unauthorized"));
    assert_eq!(node.renewed(&before).await.last_error, None);
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_young_is_kept() {
    let (ports, pebble) = place(|_| {}).await;
    let faults = Faults::before(&pebble).await;
    for kind in ["unauthorized", "accountDoesNotExist"] {
        faults.play("/order-plz", problem("400 Bad Request", "", kind), 1);
        faults.play("/my-account/", closed(), 1);
    }
    // With an address, registering asks there too.
    let wanted = Settings { issuers: vec![faults.issuer()], email: None, ..settings(&pebble, &BOTH) };
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    node.certified().await;
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_kept_until_there_is_another() {
    let (pebble, faults, node, before) = start().await;
    let directory = faults.issuer().directory;
    let account = node.store.acme_account(&directory).await.unwrap();
    faults.play("/order-plz", closed(), 1);
    faults.play("/my-account/", closed(), 1);
    faults.play("/sign-me-up", problem("400 Bad Request", "", "malformed"), 1);
    six_hours_pass(&node);
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert!(state.last_error.unwrap().contains("malformed"));
    assert_eq!(node.store.acme_account(&directory).await.unwrap(), account);
    // It was closed by mistake: it goes on as if nothing had been.
    assert_eq!(node.renewed(&before).await.last_error, None);
    assert_eq!(node.store.acme_account(&directory).await.unwrap(), account);
    assert_eq!(pebble.accounts(), 1);
}
