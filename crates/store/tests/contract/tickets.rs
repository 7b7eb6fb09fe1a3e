//! Tickets and counters, in both their homes.

use std::sync::Arc;

use ostiary_model::{Span, TokenHash};
use ostiary_store::TicketHome;

use crate::{House, NOW, contract, ctx};

contract!(
    a_ticket_is_taken_once_by_all_who_try,
    a_ticket_ends_with_its_time,
    counters_count_for_everybody_and_can_be_cleared,
    a_counter_that_is_set_begins_anew,
    old_tickets_are_forgotten,
    the_house_answers,
);

const TTL: Span = Span::from_mins(1);
const HOMES: [TicketHome; 2] = [TicketHome::Cache, TicketHome::Database];

async fn a_ticket_is_taken_once_by_all_who_try(house: House) {
    for home in HOMES {
        let token = TokenHash::new(ctx().bytes());
        house.store.ticket_put(home, &token, b"\0value\xff".to_vec(), NOW, TTL).await.unwrap();
        assert_eq!(house.store.ticket_peek(home, &token, NOW).await.unwrap().unwrap(), b"\0value\xff");
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let store = Arc::clone(&house.store);
            tries.spawn(async move { store.ticket_take(home, &token, NOW).await.unwrap() });
        }
        let taken: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken, [b"\0value\xff"], "{home:?}");
        assert!(house.store.ticket_peek(home, &token, NOW).await.unwrap().is_none());
    }
}

async fn a_ticket_ends_with_its_time(house: House) {
    // Redis keeps its own time, so the ticket is made short and waited for.
    let (ttl, wait) = (Span::from_secs(1), std::time::Duration::from_millis(1_100));
    for home in HOMES {
        let token = TokenHash::new(ctx().bytes());
        house.store.ticket_put(home, &token, vec![1], NOW, ttl).await.unwrap();
        tokio::time::sleep(wait).await;
        let late = NOW + Span::from_secs(2);
        assert!(house.store.ticket_peek(home, &token, late).await.unwrap().is_none());
        assert!(house.store.ticket_take(home, &token, late).await.unwrap().is_none());
    }
}

async fn counters_count_for_everybody_and_can_be_cleared(house: House) {
    let name = format!("test:{:?}", ctx().bytes::<16>());
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, name) = (Arc::clone(&house.store), name.clone());
        tries.spawn(async move { store.counter_add(&name, 1, NOW, TTL).await.unwrap() });
    }
    let mut seen = tries.join_all().await;
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<i64>>(), "each count is given out once");
    assert_eq!(house.store.counter_add(&name, -1, NOW, TTL).await.unwrap(), 49);
    house.store.counter_clear(&name, NOW).await.unwrap();
    assert_eq!(house.store.counter_add(&name, 1, NOW, TTL).await.unwrap(), 1);
}

async fn a_counter_that_is_set_begins_anew(house: House) {
    let (short, wait) = (Span::from_secs(1), std::time::Duration::from_millis(1_100));
    let name = format!("test:{:?}", ctx().bytes::<16>());
    house.store.counter_set(&name, 1, NOW, short).await.unwrap();
    house.store.counter_set(&name, 7, NOW, TTL).await.unwrap();
    tokio::time::sleep(wait).await;
    assert_eq!(house.store.counter_add(&name, 0, NOW + Span::from_secs(2), TTL).await.unwrap(), 7);
    assert_eq!(house.store.counter_add(&name, 1, NOW + Span::from_secs(2), TTL).await.unwrap(), 8);
    house.store.counter_set(&name, 1, NOW, short).await.unwrap();
    tokio::time::sleep(wait).await;
    assert_eq!(house.store.counter_add(&name, 0, NOW + Span::from_secs(2), TTL).await.unwrap(), 0);
}

async fn old_tickets_are_forgotten(house: House) {
    let token = TokenHash::new(ctx().bytes());
    house.store.ticket_put(TicketHome::Database, &token, vec![1], NOW, TTL).await.unwrap();
    house.store.fallback_prune(NOW + TTL).await.unwrap();
    assert!(house.store.ticket_take(TicketHome::Database, &token, NOW).await.unwrap().is_none());
}

async fn the_house_answers(house: House) {
    house.store.ping().await.unwrap();
    assert!(house.store.cache_ping().await);
    let other = house.again().await;
    other.close().await;
    assert!(other.ping().await.is_err(), "a closed store says so");
    house.store.ping().await.unwrap();
}
