//! The HTTPS front: one holder at a time, who alone writes, and what it leaves to the others.

use std::sync::Arc;

use ostiary_model::Span;
use ostiary_store::{
    AcmeAccount, AcmeAnswer, AcmeOrder, AcmeTrouble, AnswerKind, CertificateRecord, FrontTx, RenewalPlan, TroubleKind,
};

use crate::{House, NOW, contract};

contract!(
    of_all_who_would_hold_the_front_one_does,
    a_holder_that_lives_is_left_alone,
    who_leaves_the_front_is_not_waited_for,
    who_lost_the_front_writes_nothing,
    what_is_being_written_holds_a_successor_up,
    an_account_is_kept_for_each_authority,
    a_certificate_takes_the_place_of_the_one_before,
    a_plan_is_for_the_certificate_it_was_made_for,
    an_order_is_found_again,
    answers_are_for_everybody_until_they_are_taken_back,
    troubles_are_kept_until_they_are_made_good,
    the_old_is_forgotten,
);

const NAMES: &str = "accounts.example.org directory.example.org";
const DIRECTORY: &str = "https://ca.example/dir";
const HOUR: Span = Span::from_hours(1);

/// Holds the front for the first time.
async fn held(house: &House) -> i64 {
    let seen = house.store.front_state().await.unwrap();
    house.store.front_take(seen, NOW).await.unwrap().unwrap()
}

async fn begun(house: &House, fence: i64) -> FrontTx {
    house.store.front_begin(fence).await.unwrap().unwrap()
}

fn certificate() -> CertificateRecord {
    CertificateRecord {
        names: NAMES.to_owned(),
        version: 1,
        directory: DIRECTORY.to_owned(),
        challenge: "http-01".to_owned(),
        chain: "-----BEGIN CERTIFICATE-----".to_owned(),
        key_sealed: b"\0sealed\xff".to_vec(),
        not_before: NOW - HOUR,
        not_after: NOW + Span::from_days(90),
        stored_at: NOW,
        plan: RenewalPlan { renew_at: NOW + Span::from_days(60), window: None, ask_at: NOW + HOUR },
    }
}

fn order() -> AcmeOrder {
    AcmeOrder {
        names: NAMES.to_owned(),
        directory: DIRECTORY.to_owned(),
        url: "https://ca.example/order/1".to_owned(),
        challenge: "tls-alpn-01".to_owned(),
        key_sealed: vec![1, 0, 255],
        created_at: NOW,
    }
}

fn trouble(names: &str) -> AcmeTrouble {
    AcmeTrouble {
        names: names.to_owned(),
        directory: DIRECTORY.to_owned(),
        kind: TroubleKind::Retry,
        failures: 1,
        told: "it did not answer".to_owned(),
        settings: "abc".to_owned(),
        failed_at: NOW,
        next_at: NOW + HOUR,
    }
}

fn answer(kind: AnswerKind, name: &str) -> AcmeAnswer {
    AcmeAnswer { kind, name: name.to_owned(), value: format!("{name}.thumb"), expires_at: NOW + HOUR }
}

async fn of_all_who_would_hold_the_front_one_does(house: House) {
    let seen = house.store.front_state().await.unwrap();
    assert!(seen.is_free() && seen.pulse() == (0, 0) && seen.seq() == 0);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&house.store);
        tries.spawn(async move { store.front_take(seen, NOW).await.unwrap() });
    }
    let taken: Vec<i64> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [1]);
    let seen = house.store.front_state().await.unwrap();
    assert!(!seen.is_free());
    assert_eq!(house.store.front_take(seen, NOW).await.unwrap(), Some(2), "it stood still");
}

async fn a_holder_that_lives_is_left_alone(house: House) {
    let fence = held(&house).await;
    let seen = house.store.front_state().await.unwrap();
    assert!(house.store.front_beat(fence, NOW).await.unwrap());
    assert_ne!(house.store.front_state().await.unwrap().pulse(), seen.pulse());
    assert_eq!(house.store.front_take(seen, NOW).await.unwrap(), None);
    assert!(house.store.front_beat(fence, NOW).await.unwrap());
}

async fn who_leaves_the_front_is_not_waited_for(house: House) {
    let old = held(&house).await;
    house.store.front_leave(old, NOW).await.unwrap();
    assert!(house.store.front_state().await.unwrap().is_free());
    assert!(!house.store.front_beat(old, NOW).await.unwrap(), "a last beat does not take it back");
    let new = held(&house).await;
    house.store.front_leave(old, NOW).await.unwrap();
    assert!(!house.store.front_state().await.unwrap().is_free() && house.store.front_beat(new, NOW).await.unwrap());
}

async fn who_lost_the_front_writes_nothing(house: House) {
    let old = held(&house).await;
    let new = held(&house).await;
    assert!(new > old);
    assert!(!house.store.front_beat(old, NOW).await.unwrap());
    let before = house.store.front_state().await.unwrap();
    assert!(house.store.front_begin(old).await.unwrap().is_none());
    assert_eq!(house.store.front_state().await.unwrap(), before);

    begun(&house, new).await.commit(NOW).await.unwrap();
    let after = house.store.front_state().await.unwrap();
    assert_eq!((after.pulse(), after.seq()), (before.pulse(), before.seq() + 1), "others hear of every write");
    drop(begun(&house, new).await);
    assert_eq!(house.store.front_state().await.unwrap(), after, "nothing was committed");
}

async fn what_is_being_written_holds_a_successor_up(house: House) {
    let old = held(&house).await;
    let seen = house.store.front_state().await.unwrap();
    let mut tx = begun(&house, old).await;
    tx.order_put(&order()).await.unwrap();
    let store = Arc::clone(&house.store);
    let taking = tokio::spawn(async move { store.front_take(seen, NOW).await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!taking.is_finished());
    tx.commit(NOW).await.unwrap();
    assert!(taking.await.unwrap().is_some());
    assert_eq!(house.again().await.acme_order(NAMES, DIRECTORY).await.unwrap(), Some(order()));
}

async fn an_account_is_kept_for_each_authority(house: House) {
    let fence = held(&house).await;
    assert_eq!(house.store.acme_account(DIRECTORY).await.unwrap(), None);
    let mut account =
        AcmeAccount { directory: DIRECTORY.to_owned(), url: None, key_sealed: vec![0, 1], created_at: NOW };
    for url in [None, Some("https://ca.example/account/1".to_owned())] {
        account.url = url;
        account.created_at = account.created_at + HOUR;
        let mut tx = begun(&house, fence).await;
        tx.account_put(&account).await.unwrap();
        tx.commit(NOW).await.unwrap();
        assert_eq!(house.store.acme_account(DIRECTORY).await.unwrap().as_ref(), Some(&account));
    }
    assert_eq!(house.store.acme_account("https://other.example/dir").await.unwrap(), None);
}

async fn a_certificate_takes_the_place_of_the_one_before(house: House) {
    let fence = held(&house).await;
    let mut first = certificate();
    for version in 1..=2 {
        first.plan.window = (version == 2).then_some((NOW, NOW + HOUR));
        first.chain = format!("chain {version}");
        let mut tx = begun(&house, fence).await;
        tx.certificate_put(&first).await.unwrap();
        tx.commit(NOW).await.unwrap();
        let expected = CertificateRecord { version, ..first.clone() };
        assert_eq!(house.store.certificates().await.unwrap(), [expected]);
    }
    let other = CertificateRecord { names: "wiki.example.org".to_owned(), ..certificate() };
    let mut tx = begun(&house, fence).await;
    tx.certificate_put(&other).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.certificates().await.unwrap().len(), 2);
}

async fn a_plan_is_for_the_certificate_it_was_made_for(house: House) {
    let fence = held(&house).await;
    let mut tx = begun(&house, fence).await;
    tx.certificate_put(&certificate()).await.unwrap();
    let plan = RenewalPlan { renew_at: NOW, window: Some((NOW - HOUR, NOW)), ask_at: NOW + HOUR };
    assert!(!tx.certificate_plan(NAMES, 2, &plan).await.unwrap());
    assert!(!tx.certificate_plan("wiki.example.org", 1, &plan).await.unwrap());
    assert!(tx.certificate_plan(NAMES, 1, &plan).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.certificates().await.unwrap(), [CertificateRecord { plan, ..certificate() }]);
}

async fn an_order_is_found_again(house: House) {
    let fence = held(&house).await;
    let mut second = order();
    second.url = "https://ca.example/order/2".to_owned();
    for order in [&order(), &second] {
        let mut tx = begun(&house, fence).await;
        tx.order_put(order).await.unwrap();
        tx.commit(NOW).await.unwrap();
        assert_eq!(house.store.acme_order(NAMES, DIRECTORY).await.unwrap().as_ref(), Some(order));
    }
    assert_eq!(house.store.acme_order(NAMES, "https://other.example/dir").await.unwrap(), None);
    let mut tx = begun(&house, fence).await;
    tx.order_delete(NAMES, DIRECTORY).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.acme_order(NAMES, DIRECTORY).await.unwrap(), None);
}

async fn answers_are_for_everybody_until_they_are_taken_back(house: House) {
    let fence = held(&house).await;
    let (mut over_http, over_tls) =
        (answer(AnswerKind::Http01, "token"), answer(AnswerKind::TlsAlpn01, "a.example.org"));
    // The clocks of nodes differ.
    over_http.expires_at = NOW - HOUR;
    let mut tx = begun(&house, fence).await;
    for answer in [&over_http, &over_tls, &over_tls] {
        tx.answer_put(answer).await.unwrap();
    }
    tx.commit(NOW).await.unwrap();
    let other = house.again().await;
    assert_eq!(other.acme_answers().await.unwrap(), [over_http, over_tls.clone()]);
    let mut tx = begun(&house, fence).await;
    tx.answer_delete(AnswerKind::Http01, "token").await.unwrap();
    tx.answer_delete(AnswerKind::Http01, "a.example.org").await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(other.acme_answers().await.unwrap(), [over_tls]);
}

async fn troubles_are_kept_until_they_are_made_good(house: House) {
    let fence = held(&house).await;
    let (mut of_names, of_authority) = (trouble(NAMES), trouble(""));
    for kind in [TroubleKind::Retry, TroubleKind::Wait, TroubleKind::Permanent] {
        of_names.kind = kind;
        of_names.failures += 1;
        let mut tx = begun(&house, fence).await;
        tx.trouble_put(&of_names).await.unwrap();
        tx.trouble_put(&of_authority).await.unwrap();
        tx.commit(NOW).await.unwrap();
        let found = house.store.acme_troubles().await.unwrap();
        assert_eq!(found, [of_authority.clone(), of_names.clone()]);
    }
    let mut tx = begun(&house, fence).await;
    tx.trouble_delete(NAMES, DIRECTORY).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.acme_troubles().await.unwrap(), [of_authority]);
}

async fn the_old_is_forgotten(house: House) {
    let fence = held(&house).await;
    let mut tx = begun(&house, fence).await;
    tx.certificate_put(&certificate()).await.unwrap();
    tx.order_put(&order()).await.unwrap();
    tx.answer_put(&answer(AnswerKind::Http01, "token")).await.unwrap();
    tx.trouble_put(&trouble(NAMES)).await.unwrap();
    tx.front_prune(NOW, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.acme_order(NAMES, DIRECTORY).await.unwrap().is_some());
    assert_eq!(house.store.acme_answers().await.unwrap().len(), 1);
    let later = NOW + Span::from_days(91);
    let mut tx = begun(&house, fence).await;
    tx.front_prune(later, later).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.acme_order(NAMES, DIRECTORY).await.unwrap(), None);
    assert!(house.store.acme_answers().await.unwrap().is_empty());
    // The clock may have been wrong.
    assert_eq!(house.store.certificates().await.unwrap(), [certificate()]);
    assert_eq!(house.store.acme_troubles().await.unwrap(), [trouble(NAMES)]);
    let mut tx = begun(&house, fence).await;
    tx.certificate_forget("other.example.org").await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.certificates().await.unwrap(), [certificate()]);
    let mut tx = begun(&house, fence).await;
    tx.certificate_forget(NAMES).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.certificates().await.unwrap().is_empty());
}
