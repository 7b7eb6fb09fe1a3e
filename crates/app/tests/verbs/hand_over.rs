//! One sign-in for both hosts: a ticket works once, soon, and in the browser that asked for it.

use std::sync::Arc;

use ostiary_app::{SignedIn, Visitor};
use ostiary_model::{Level, Secret, Span};
use tokio::task::JoinSet;

use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    the_panels_session_is_that_of_the_sign_in,
    a_ticket_works_once,
    a_ticket_works_with_its_own_state_only,
    a_ticket_ends,
    a_ticket_ends_with_the_sign_in,
    a_ticket_from_the_panel_hangs_from_the_sign_in_too,
);

struct Asked {
    state: Secret,
    ticket: Secret,
}

async fn ask(house: &House, visitor: &Visitor) -> Asked {
    let (state, fingerprint) = house.app.hand_over_state(&house.ctx());
    assert!(!fingerprint.contains(state.expose()), "what is sent around does not tell the state");
    let ticket = house.app.hand_over_make(&house.ctx(), visitor, &fingerprint).await.unwrap();
    Asked { state, ticket }
}

async fn take(house: &House, ticket: &Secret, state: &Secret) -> Option<SignedIn> {
    house.app.hand_over_take(&house.ctx(), ticket, state).await.unwrap()
}

async fn administrator(house: &House) -> (SignedIn, Visitor) {
    let bjork = house.person_in("bjork", &["lldap_admin"]).await;
    let (signed_in, _) = house.enrolled(&bjork).await;
    let visitor = house.visitor(&signed_in).await;
    (signed_in, visitor)
}

async fn the_panels_session_is_that_of_the_sign_in(pair: Pair) {
    let house = House::new(pair).await;
    let (signed_in, visitor) = administrator(&house).await;
    house.pass(Span::from_mins(20));
    let asked = ask(&house, &visitor).await;
    let panel = take(&house, &asked.ticket, &asked.state).await.unwrap();
    assert_ne!(panel.token.expose(), signed_in.token.expose(), "neither host sees the other's cookie");
    assert_eq!(panel.session.parent, Some(signed_in.session.id));
    assert_eq!(panel.session.methods.level(), Level::TwoFactor);
    assert_eq!(panel.session.authenticated_at, signed_in.session.authenticated_at);
    assert_eq!(panel.session.expires_at, signed_in.session.expires_at, "it lasts no longer than the sign-in");
    assert_eq!(house.visitor(&panel).await.user.id, visitor.user.id);
    // It is one more window of one sign-in, not one more sign-in.
    assert_eq!(house.app.person_session_count(&house.ctx(), &visitor.user).await.unwrap(), 1);

    // Of one factor when the sign-in is.
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let asked = ask(&house, &visitor).await;
    let panel = take(&house, &asked.ticket, &asked.state).await.unwrap();
    assert_eq!(panel.session.methods.level(), Level::OneFactor);
}

async fn a_ticket_works_once(pair: Pair) {
    let house = House::new(pair).await;
    let (_, visitor) = administrator(&house).await;
    let asked = ask(&house, &visitor).await;
    let mut takes = JoinSet::new();
    for _ in 0..20 {
        let (app, ctx) = (Arc::clone(&house.app), house.ctx());
        let (ticket, state) = (asked.ticket.clone(), asked.state.clone());
        takes.spawn(async move { app.hand_over_take(&ctx, &ticket, &state).await.unwrap().is_some() });
    }
    assert_eq!(takes.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
    assert!(take(&house, &asked.ticket, &asked.state).await.is_none());
}

async fn a_ticket_works_with_its_own_state_only(pair: Pair) {
    let house = House::new(pair).await;
    let (_, visitor) = administrator(&house).await;
    let (other_state, fingerprint) = house.app.hand_over_state(&house.ctx());
    for wrong in [other_state, secret(""), secret(&fingerprint), secret("x")] {
        let asked = ask(&house, &visitor).await;
        assert!(take(&house, &asked.ticket, &wrong).await.is_none(), "{}", wrong.expose());
        assert!(take(&house, &asked.ticket, &asked.state).await.is_none(), "a ticket that was tried is spent");
    }
    let asked = ask(&house, &visitor).await;
    for planted in ["", "c", "d", "cplanted", "dplanted", &"c".repeat(10_000)] {
        assert!(take(&house, &secret(planted), &asked.state).await.is_none(), "{planted:.20}");
    }
    // A ticket for something else is none either.
    let ada = house.person("ada").await;
    let other = house.visitor(&house.signed_in(&ada).await).await;
    let ceremony = house.app.totp_begin(&house.ctx(), &other).await.unwrap();
    assert!(take(&house, &ceremony.ticket, &asked.state).await.is_none());
}

async fn a_ticket_ends(pair: Pair) {
    let house = House::new(pair).await;
    let (_, visitor) = administrator(&house).await;
    let (early, late) = (ask(&house, &visitor).await, ask(&house, &visitor).await);
    house.pass(Span::from_secs(50));
    assert!(take(&house, &early.ticket, &early.state).await.is_some());
    house.pass(Span::from_secs(10));
    assert!(take(&house, &late.ticket, &late.state).await.is_none());
}

async fn a_ticket_ends_with_the_sign_in(pair: Pair) {
    let house = House::new(pair).await;
    let (signed_in, visitor) = administrator(&house).await;
    let asked = ask(&house, &visitor).await;
    house.app.sign_out(&house.ctx(), &signed_in.session).await.unwrap();
    assert!(take(&house, &asked.ticket, &asked.state).await.is_none());
}

async fn a_ticket_from_the_panel_hangs_from_the_sign_in_too(pair: Pair) {
    let house = House::new(pair).await;
    let (signed_in, visitor) = administrator(&house).await;
    let asked = ask(&house, &visitor).await;
    let panel = take(&house, &asked.ticket, &asked.state).await.unwrap();
    let asked = ask(&house, &house.visitor(&panel).await).await;
    let second = take(&house, &asked.ticket, &asked.state).await.unwrap();
    assert_eq!(second.session.parent, Some(signed_in.session.id));
    house.app.sign_out(&house.ctx(), &second.session).await.unwrap();
    for ended in [&signed_in, &panel, &second] {
        assert!(!house.holds(ended).await);
    }
}
