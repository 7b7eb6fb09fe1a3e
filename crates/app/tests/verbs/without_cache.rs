//! The cache cannot be reached: everything works, slower. Counters, tickets and sessions live in
//! the database then, and single use is still single.

use std::sync::Arc;

use ostiary_app::{CodeError, SignInError};
use ostiary_model::{Level, Span};
use tokio::task::JoinSet;

use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    signing_in_works_with_every_step,
    guesses_are_held_back_all_the_same,
    a_ticket_from_the_database_works_once,
    ending_ends_at_once,
);

async fn signing_in_works_with_every_step(pair: Pair) {
    let house = House::without_cache(pair).await;
    let health = house.app.health().await;
    assert_eq!((health.database.answers, health.cache.answers, health.cache.kind), (true, false, "Redis"));
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let whole = house.signed_in_fully(&ada, &authenticator).await;
    let visitor = house.visitor(&whole).await;
    assert_eq!(visitor.session.methods.level(), Level::TwoFactor);
    house.app.sign_out(&house.ctx(), &whole.session).await.unwrap();
    assert!(!house.holds(&whole).await);
}

async fn guesses_are_held_back_all_the_same(pair: Pair) {
    let house = House::without_cache(pair).await;
    let ada = house.person("ada").await;
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let (app, ctx) = (Arc::clone(&house.app), house.ctx());
        tries.spawn(async move { app.sign_in(&ctx, "ada", &secret("not the password"), false).await.unwrap_err() });
    }
    let errors = tries.join_all().await;
    let looked_at = errors.iter().filter(|error| matches!(error, SignInError::Rejected { .. })).count();
    assert_eq!(looked_at, house.settings.lockout.per_account_and_address as usize, "{errors:?}");
    let paused = house.app.sign_in(&house.ctx(), "ada", &ada.password, false).await;
    assert!(matches!(paused, Err(SignInError::Paused { .. })), "{paused:?}");
    house.pass(house.settings.lockout.window);
    house.signed_in(&ada).await;
    // A name that no database can be asked for is counted too.
    for _ in 0..3 {
        let error = house.app.sign_in(&house.from("198.51.100.1"), "a\0b", &secret("x"), false).await.unwrap_err();
        assert!(matches!(error, SignInError::Rejected { .. }), "{error:?}");
    }
}

async fn a_ticket_from_the_database_works_once(pair: Pair) {
    let house = House::without_cache(pair).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let (state, fingerprint) = house.app.hand_over_state(&house.ctx());
    let ticket = house.app.hand_over_make(&house.ctx(), &visitor, &fingerprint).await.unwrap();
    let mut takes = JoinSet::new();
    for _ in 0..10 {
        let (app, ctx, ticket, state) = (Arc::clone(&house.app), house.ctx(), ticket.clone(), state.clone());
        takes.spawn(async move { app.hand_over_take(&ctx, &ticket, &state).await.unwrap().is_some() });
    }
    assert_eq!(takes.join_all().await.into_iter().filter(|taken| *taken).count(), 1);

    let enrolment = house.app.totp_begin(&house.ctx(), &visitor).await.unwrap();
    assert!(house.app.totp_resume(&house.ctx(), &visitor, &enrolment.ticket).await.unwrap().is_some());
    house.pass(Span::from_mins(15));
    let over = house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &secret("123456")).await;
    assert!(matches!(over, Err(CodeError::Expired)), "{over:?}");
}

async fn ending_ends_at_once(pair: Pair) {
    let house = House::without_cache(pair).await;
    let ada = house.person("ada").await;
    let signed_in = house.signed_in(&ada).await;
    assert!(house.holds(&signed_in).await);
    house.app.person_disable(&house.cli(), ada.id).await.unwrap();
    assert!(!house.holds(&signed_in).await);
    assert!(house.app.sign_in(&house.ctx(), "ada", &ada.password, false).await.is_err());
}
