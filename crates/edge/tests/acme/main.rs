//! Certificates from a real authority: Pebble, over both ways of proof, whatever happens meanwhile.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their environment, measure time and start tasks of their own"
)]

mod accounts;
mod bad_days;
mod by_dns;
mod clocks;
mod faults;
mod node;
mod outages;
mod pebble;
mod suggestions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostiary_edge::acme::{Challenge, ExternalAccount, Issuer, Pace, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::Zeroizing;

use node::{BOTH, Lost, Memory, NAMES, Node, PACE, Ports, issuer, settings};
use pebble::{MAC_KEY, Pebble, Ways, free_port};

/// As much as a test moves a clock, so that accounts are old and certificates are to be renewed.
const SIX_HOURS: i64 = 6 * 3_600 * 1_000_000;

/// Ports, and an authority that looks at them.
async fn place(change: impl FnOnce(&mut Ways)) -> (Ports, Pebble) {
    let ports = Ports::open().await;
    let (http, tls) = ports.numbers();
    let mut ways = Ways::looking_at(http, tls);
    change(&mut ways);
    (ports, Pebble::running(&ways))
}

async fn is_served(node: &Node, pebble: &Pebble) {
    for name in NAMES {
        node.visit(name, pebble.roots().await).await.unwrap();
    }
}

async fn gets_one_certificate_for_both_names(challenge: Challenge) {
    let (ports, pebble) = place(|_| {}).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &[challenge])).await;
    assert_eq!(node.state().issuer, None, "nothing was waited for");
    let state = node.certified().await;
    assert_eq!(state.names, NAMES);
    assert_eq!(state.issuer, Some(pebble.directory()));
    assert_eq!((state.last_error, state.next_attempt), (None, None));
    assert!(state.renew_at.unwrap() < state.not_after.unwrap());
    is_served(&node, &pebble).await;
    assert!(node.visit("other.example.org", pebble.roots().await).await.is_err());
    // All traces of the proof are gone, and nothing is ordered again.
    tokio::time::sleep(PACE.pass * 3).await;
    assert!(node.store.acme_answers().await.unwrap().is_empty());
    assert!(node.store.acme_order(&NAMES.join(" "), &pebble.directory()).await.unwrap().is_none());
    assert_eq!((pebble.orders(), pebble.accounts()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_proved_over_http() {
    gets_one_certificate_for_both_names(Challenge::Http01).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_proved_over_tls() {
    gets_one_certificate_for_both_names(Challenge::TlsAlpn01).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_remembers_is_not_asked_to_look_again() {
    let (ports, pebble) = place(|ways| (ways.remembered, ways.validity) = (100, 12)).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let first = node.certified().await;
    let second = node.renewed(&first).await;
    assert_eq!(second.last_error, None);
    assert_eq!((pebble.orders(), pebble.accounts()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_while_everybody_is_served() {
    let (ports, pebble) = place(|ways| ways.validity = 10).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let mut state = node.certified().await;
    let roots = pebble.roots().await;
    let mut old = node.visit(NAMES[0], roots.clone()).await.unwrap();
    let address = node.tls;
    let visitors = tokio::spawn({
        let roots = roots.clone();
        async move {
            for number in 0.. {
                let name = NAMES[number % 2];
                let visited = node::visit(address, name, roots.clone()).await;
                assert!(visited.is_ok(), "visit {number}: {visited:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    for _ in 0..3 {
        state = node.renewed(&state).await;
        assert_eq!(state.last_error, None);
    }
    assert!(!visitors.is_finished(), "{:?}", visitors.await);
    visitors.abort();
    old.write_all(b"still here").await.unwrap();
    let mut heard = [0; 10];
    old.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
    assert_eq!((pebble.orders(), pebble.accounts()), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_served_at_once_after_a_start() {
    let (ports, mut pebble) = place(|_| {}).await;
    let memory = Memory::embedded();
    let node = Node::start(&memory, ports, settings(&pebble, &BOTH)).await;
    let before = node.certified().await;
    let roots = pebble.roots().await;
    node.cut().await;
    pebble.stop();
    let node = Node::start(&memory, Ports::open().await, settings(&pebble, &BOTH)).await;
    assert_eq!(node.state(), before, "nothing was waited for");
    for name in NAMES {
        node.visit(name, roots.clone()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ended_while_nobody_ran_is_renewed_first() {
    let (ports, pebble) = place(|ways| ways.validity = 3).await;
    let (memory, wanted) = (Memory::embedded(), settings(&pebble, &BOTH));
    let node = Node::start(&memory, ports, wanted.clone()).await;
    let before = node.certified().await;
    node.cut().await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    // The authority goes on looking at the ports of the first life.
    let (ports, mut pebble) = (Ports::open().await, pebble);
    pebble.stop();
    let (http, tls) = ports.numbers();
    pebble.start(&Ways { validity: 72_000, ..Ways::looking_at(http, tls) });
    // It forgot our account, which is old by now.
    let node = Node::start_at(&memory, ports, wanted, SIX_HOURS / 1_000_000).await;
    assert_eq!(node.state().not_after, before.not_after, "it is served until there is another");
    node.renewed(&before).await;
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_gone_on_with_after_a_power_cut() {
    let (ports, pebble) = place(|_| {}).await;
    let (memory, wanted) = (Memory::embedded(), settings(&pebble, &BOTH));
    // It never comes to calling the authority.
    let slow = Settings { pace: Pace { settle: Duration::from_secs(3_600), ..PACE }, ..wanted.clone() };
    let node = Node::start(&memory, Ports::open().await, slow).await;
    let begun = Instant::now();
    while node.store.acme_answers().await.unwrap().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.cut().await;
    let node = Node::start(&memory, ports, wanted).await;
    node.certified().await;
    is_served(&node, &pebble).await;
    assert_eq!((pebble.orders(), pebble.accounts()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_all_nonces_may_be_refused() {
    let (ports, pebble) = place(|ways| (ways.refused_nonces, ways.validity) = (50, 10)).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let mut state = node.certified().await;
    for _ in 0..3 {
        assert_eq!(state.last_error, None);
        state = node.renewed(&state).await;
    }
    assert_eq!((pebble.orders(), pebble.accounts()), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_forgotten_is_registered_anew_once() {
    let (ports, mut pebble) = place(|ways| ways.validity = 36_000).await;
    let (http, tls) = ports.numbers();
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let before = node.certified().await;
    pebble.stop();
    pebble.start(&Ways { validity: 72_000, ..Ways::looking_at(http, tls) });
    node.clock.0.store(SIX_HOURS, std::sync::atomic::Ordering::Relaxed);
    let after = node.renewed(&before).await;
    assert_eq!(after.last_error, None);
    is_served(&node, &pebble).await;
    assert_eq!((pebble.orders(), pebble.accounts()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_down_holds_nothing_up_and_is_come_back_to() {
    let (ports, mut pebble) = (Ports::open().await, Pebble::prepare());
    let (http, tls) = ports.numbers();
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert!(state.last_error.unwrap().contains("cannot be reached"));
    assert!(state.next_attempt.is_some() && state.issuer.is_none());
    pebble.start(&Ways::looking_at(http, tls));
    let state = node.certified().await;
    assert_eq!((state.last_error, state.next_attempt), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_authority_steps_in_for_one_that_is_down() {
    let (ports, pebble) = place(|_| {}).await;
    let mut wanted = settings(&pebble, &BOTH);
    let away = Issuer { directory: format!("https://localhost:{}/dir", free_port()), external_account: None };
    wanted.issuers.insert(0, away);
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let state = node.certified().await;
    assert_eq!((state.issuer, state.last_error), (Some(pebble.directory()), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_challenge_steps_in_for_one_that_fails() {
    let (ports, pebble) = place(|ways| (ways.looks_at.1, ways.validity) = (free_port(), 10)).await;
    let wanted = settings(&pebble, &[Challenge::TlsAlpn01, Challenge::Http01]);
    let node = Node::start(&Memory::embedded(), ports, wanted).await;
    let first = node.certified().await;
    assert_eq!(pebble.orders(), 2);
    // What worked is tried first from then on.
    node.renewed(&first).await;
    assert_eq!(pebble.orders(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authority_did_not_find_is_told_name_by_name_and_tried_ever_more_rarely() {
    let (ports, pebble) = place(|ways| ways.looks_at = (free_port(), free_port())).await;
    let node = Node::start(&Memory::embedded(), ports, settings(&pebble, &BOTH)).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    let told = state.last_error.unwrap();
    for part in ["tls-alpn-01: accounts.example.org: ", "http-01: accounts.example.org: ", "; directory.example.org: "]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The steps are one second, three, and six.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!((4..=6).contains(&pebble.orders()), "{}", pebble.orders());
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_bound_where_it_must_be() {
    let (ports, pebble) = place(|ways| ways.binds = true).await;
    let memory = Memory::embedded();
    let wanted = settings(&pebble, &BOTH);
    let node = Node::start(&memory, Ports::open().await, wanted.clone()).await;
    let state = node.until("the failure is told", |state| state.last_error.is_some()).await;
    assert!(state.last_error.unwrap().contains("externalAccountRequired"));
    assert_eq!(pebble.orders(), 0);
    node.cut().await;
    // What failed for good is tried at once when the settings are others.
    let account = ExternalAccount { key_id: "known".to_owned(), mac_key: Zeroizing::new(MAC_KEY.to_vec()) };
    let issuers = vec![Issuer { external_account: Some(account), ..issuer(&pebble) }];
    let node = Node::start(&memory, ports, Settings { issuers, ..wanted }).await;
    assert_eq!(node.certified().await.last_error, None);
    assert_eq!(pebble.accounts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_order_once_and_either_answers() {
    let (ports, pebble) = place(|ways| ways.validity = 10).await;
    let memory = Memory::on_server().await;
    let wanted = settings(&pebble, &BOTH);
    let looked_at = Node::start(&memory, ports, wanted.clone()).await;
    let other = Node::start(&memory, Ports::open().await, wanted).await;
    let (first, second) = tokio::join!(looked_at.certified(), other.certified());
    assert_eq!(first.not_after, second.not_after);
    for node in [&looked_at, &other] {
        is_served(node, &pebble).await;
    }
    let (first, _) = tokio::join!(looked_at.renewed(&first), other.renewed(&second));
    assert_eq!((first.last_error, pebble.orders(), pebble.accounts()), (None, 2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_only_answers_is_enough() {
    // The one that orders is not the one that is looked at, in turns of both ways of proof.
    for challenge in BOTH {
        let (ports, pebble) = place(|_| {}).await;
        let memory = Memory::on_server().await;
        let wanted = settings(&pebble, &[challenge]);
        let orders = Node::start(&memory, Ports::open().await, wanted.clone()).await;
        while memory_is_new(&orders).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answers = Node::start(&memory, ports, wanted).await;
        orders.certified().await;
        answers.certified().await;
        is_served(&answers, &pebble).await;
    }
}

async fn memory_is_new(node: &Node) -> bool {
    node.store.front_state().await.unwrap().is_free()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_goes_on_when_the_one_that_orders_is_killed() {
    let (ports, pebble) = place(|_| {}).await;
    let memory = Memory::on_server().await;
    let wanted = settings(&pebble, &BOTH);
    let slow = Settings { pace: Pace { settle: Duration::from_secs(3_600), ..PACE }, ..wanted.clone() };
    let first = Node::start(&memory, Ports::open().await, slow).await;
    while first.store.acme_answers().await.unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = Node::start(&memory, ports, wanted).await;
    tokio::time::sleep(PACE.beat * 6).await;
    assert_eq!(second.state().issuer, None, "whoever lives is left alone");
    first.cut().await;
    second.certified().await;
    is_served(&second, &pebble).await;
    assert_eq!((pebble.orders(), pebble.accounts()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_in_good_order_is_not_waited_for() {
    let (ports, pebble) = place(|_| {}).await;
    let (memory, wanted) = (Memory::embedded(), settings(&pebble, &BOTH));
    let patient = Settings { pace: Pace { beat: Duration::from_secs(3_600), ..PACE }, ..wanted };
    let first = Node::start(&memory, Ports::open().await, Settings { names: vec![], ..patient.clone() }).await;
    while memory_is_new(&first).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (acme, _) = (first.acme.clone(), first.cut().await);
    acme.leave().await.unwrap();
    Node::start(&memory, ports, patient).await.certified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_certificate_that_cannot_be_used_is_ordered_anew() {
    let (ports, pebble) = place(|_| {}).await;
    let (memory, wanted) = (Memory::embedded(), settings(&pebble, &BOTH));
    let node = Node::start(&memory, Ports::open().await, Settings { names: vec![], ..wanted.clone() }).await;
    // Somebody else's key: sealed as it should be, and for nothing.
    let store = Arc::clone(&node.store);
    while memory_is_new(&node).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (fence, _) = store.front_state().await.unwrap().pulse();
    let now = ostiary_model::Timestamp::from_secs(2_000_000_000);
    let mut tx = store.front_begin(fence).await.unwrap().unwrap();
    tx.certificate_put(&ostiary_store::CertificateRecord {
        names: NAMES.join(" "),
        version: 0,
        directory: pebble.directory(),
        challenge: "http-01".to_owned(),
        chain: "nothing".to_owned(),
        key_sealed: vec![1, 2, 3],
        not_before: now,
        not_after: now,
        stored_at: now,
        plan: ostiary_store::RenewalPlan { renew_at: now, window: None, ask_at: now },
    })
    .await
    .unwrap();
    tx.commit(now).await.unwrap();
    node.cut().await;
    let node = Node::start(&memory, ports, wanted).await;
    assert_eq!(node.state().issuer, None);
    node.certified().await;
    is_served(&node, &pebble).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_gives_nothing_back_does_not_hammer() {
    let (ports, pebble) = place(|_| {}).await;
    let wanted = settings(&pebble, &BOTH);
    let node = Node::start_with(&Memory::embedded(), ports, wanted, (0, Arc::new(Lost))).await;
    while node.store.certificates().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(PACE.pass * 10).await;
    assert_eq!((pebble.orders(), node.state().issuer), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_nobody_gave_are_not_answered() {
    let node = Node::start(&Memory::embedded(), Ports::open().await, settings(&Pebble::prepare(), &BOTH)).await;
    let answers = node.acme.answers();
    let long = "a".repeat(5_000);
    for token in ["", "unknown", "../../etc/passwd", "a/b", "a%00", "a b", "\u{e9}", "' OR 1=1 --", &long] {
        assert_eq!(answers.http_01(token), None, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_given_from_the_copy_alone_and_whatever_the_clock_says() {
    let memory = Memory::embedded();
    let node = Node::start(&memory, Ports::open().await, settings(&Pebble::prepare(), &BOTH)).await;
    while memory_is_new(&node).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (acme, store, _) = (node.acme.clone(), Arc::clone(&node.store), node.cut().await);
    let (fence, _) = store.front_state().await.unwrap().pulse();
    let mut tx = store.front_begin(fence).await.unwrap().unwrap();
    // By a node whose clock stands at the beginning of time.
    let long_ago = ostiary_model::Timestamp::from_secs(3_600);
    let (kind, name, value) = (ostiary_store::AnswerKind::Http01, "token".to_owned(), "token.thumb".to_owned());
    tx.answer_put(&ostiary_store::AcmeAnswer { kind, name, value, expires_at: long_ago }).await.unwrap();
    tx.commit(long_ago).await.unwrap();
    let answers = acme.answers();
    assert_eq!(answers.http_01("token"), None, "nobody makes the store be asked");
    acme.load().await.unwrap();
    assert_eq!(answers.http_01("token").as_deref(), Some("token.thumb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_year_ahead_forgets_nothing_of_ours() {
    let (ports, mut pebble) = place(|_| {}).await;
    let (memory, wanted) = (Memory::embedded(), settings(&pebble, &BOTH));
    let node = Node::start(&memory, ports, wanted.clone()).await;
    node.certified().await;
    let (store, _) = (Arc::clone(&node.store), node.cut().await);
    pebble.stop();
    let ours = store.certificates().await.unwrap().swap_remove(0);
    let soon = ours.stored_at + ostiary_model::Span::from_hours(3);
    let wait = ostiary_store::AcmeTrouble {
        names: NAMES.join(" "),
        directory: pebble.directory(),
        kind: ostiary_store::TroubleKind::Wait,
        failures: 1,
        told: "come again later".to_owned(),
        settings: String::new(),
        failed_at: ours.stored_at,
        next_at: soon,
    };
    // Names and authorities of the past are not kept for ever.
    let former = ostiary_store::CertificateRecord { names: "former.example.org".to_owned(), ..ours.clone() };
    let gone = ostiary_store::AcmeTrouble { directory: "https://gone.example/dir".to_owned(), ..wait.clone() };
    let (fence, _) = store.front_state().await.unwrap().pulse();
    let mut tx = store.front_begin(fence).await.unwrap().unwrap();
    tx.certificate_put(&former).await.unwrap();
    for trouble in [&wait, &gone] {
        tx.trouble_put(trouble).await.unwrap();
    }
    tx.commit(soon).await.unwrap();
    let node = Node::start_at(&memory, Ports::open().await, wanted, 366 * 86_400).await;
    node.until("it was tried in vain", |state| {
        state.last_error.as_ref().is_some_and(|told| told.contains("cannot be reached"))
    })
    .await;
    assert_eq!(store.certificates().await.unwrap(), [ours]);
    let troubles = store.acme_troubles().await.unwrap();
    assert!(troubles.contains(&wait) && troubles.iter().all(|trouble| trouble.directory == wait.directory));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_day_off_makes_no_storm() {
    for seconds in [-86_400, 86_400] {
        let (ports, pebble) = place(|ways| ways.validity = 90 * 86_400).await;
        let wanted = settings(&pebble, &BOTH);
        let node = Node::start_at(&Memory::embedded(), ports, wanted, seconds).await;
        node.certified().await;
        is_served(&node, &pebble).await;
        tokio::time::sleep(PACE.pass * 5).await;
        assert_eq!(pebble.orders(), 1, "{seconds}");
        // The clock is put right.
        node.clock.0.store(0, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(PACE.pass * 5).await;
        assert_eq!(pebble.orders(), 1, "{seconds}");
    }
}
