//! How long a sign-in lasts, and that a cookie is worth nothing before and after.

use ostiary_app::SignedIn;
use ostiary_model::{Level, Span};

use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    a_session_ends_after_its_lifetime_however_busy,
    an_idle_session_ends,
    a_remembered_session_is_kept_for_its_days,
    the_cookie_changes_with_the_second_factor,
    signing_out_ends_what_hangs_from_the_sign_in,
    a_cookie_that_nobody_was_given_opens_nothing,
    what_is_stored_opens_nothing,
);

async fn a_session_ends_after_its_lifetime_however_busy(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let signed_in = house.signed_in(&ada).await;
    for hour in 1..12 {
        house.pass(Span::from_hours(1));
        assert!(house.holds(&signed_in).await, "after {hour} hours");
    }
    house.pass(Span::from_secs(3599));
    assert!(house.holds(&signed_in).await, "until the last second");
    house.pass(Span::from_secs(1));
    assert!(!house.holds(&signed_in).await);
}

async fn an_idle_session_ends(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (used, idle) = (house.signed_in(&ada).await, house.signed_in(&ada).await);
    house.pass(Span::from_mins(119));
    assert!(house.holds(&used).await);
    house.pass(Span::from_mins(2));
    assert!(house.holds(&used).await, "it was used meanwhile");
    assert!(!house.holds(&idle).await);
    house.pass(Span::from_mins(121));
    assert!(!house.holds(&used).await);
    // Being asked for does not bring it back.
    assert!(!house.holds(&used).await);
}

async fn a_remembered_session_is_kept_for_its_days(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let signed_in = house.app.sign_in(&house.ctx(), "ada", &ada.password, true).await.unwrap();
    assert!(signed_in.session.remembered);
    assert_eq!(signed_in.session.expires_at.since(house.now()), Span::from_days(30));
    house.pass(Span::from_days(29));
    assert!(house.holds(&signed_in).await, "idle time does not end it");
    house.pass(Span::from_days(1));
    assert!(!house.holds(&signed_in).await);
}

async fn the_cookie_changes_with_the_second_factor(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(5));
    let before = house.app.sign_in(&house.ctx(), "ada", &ada.password, true).await.unwrap();
    assert_eq!(before.session.methods.level(), Level::OneFactor);
    let visitor = house.visitor(&before).await;
    let began = house.now();
    house.pass(Span::from_mins(2));
    let after = house.app.code_check(&house.ctx(), &visitor, &authenticator.code(house.now())).await.unwrap();

    assert!(!house.holds(&before).await, "a cookie that somebody planted is dead now");
    assert_ne!(before.token.expose(), after.token.expose());
    let visitor = house.visitor(&after).await;
    assert_eq!(visitor.session.methods.level(), Level::TwoFactor);
    assert_eq!(visitor.session.authenticated_at, began, "the password was checked when it was checked");
    assert!(visitor.session.remembered, "what the person asked for stays");
}

async fn signing_out_ends_what_hangs_from_the_sign_in(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    for from_the_panel in [false, true] {
        let elsewhere = house.signed_in(&ada).await;
        let accounts = house.signed_in(&ada).await;
        let panel = over(&house, &accounts).await;
        let second_panel = over(&house, &accounts).await;
        assert!(house.holds(&panel).await && house.holds(&second_panel).await);
        let from = if from_the_panel { &panel } else { &accounts };
        house.app.sign_out(&house.ctx(), &from.session).await.unwrap();
        for (what, ended) in [("accounts", &accounts), ("panel", &panel), ("second panel", &second_panel)] {
            assert!(!house.holds(ended).await, "{what}, signed out from the panel: {from_the_panel}");
        }
        assert!(house.holds(&elsewhere).await, "another device stays signed in");
        // Once more is no error.
        house.app.sign_out(&house.ctx(), &from.session).await.unwrap();
    }
}

/// The session on the directory host that hangs from one on the accounts host.
async fn over(house: &House, accounts: &SignedIn) -> SignedIn {
    let (state, fingerprint) = house.app.hand_over_state(&house.ctx());
    let ticket = house.app.hand_over_make(&house.ctx(), &house.visitor(accounts).await, &fingerprint).await.unwrap();
    house.app.hand_over_take(&house.ctx(), &ticket, &state).await.unwrap().unwrap()
}

async fn a_cookie_that_nobody_was_given_opens_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let signed_in = house.signed_in(&ada).await;
    let token = signed_in.token.expose();
    for planted in [
        String::new(),
        "planted".to_owned(),
        "ost_ss_".to_owned(),
        "\0".to_owned(),
        "é".repeat(300),
        "x".repeat(100_000),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        token.to_uppercase(),
        format!(" {token}"),
    ] {
        let found = house.app.session(&house.ctx(), &planted).await.unwrap();
        assert!(found.is_none(), "{:.40}", planted);
    }
    assert_ne!(house.signed_in(&ada).await.token.expose(), token, "each sign-in has a cookie of its own");
}

/// Whoever reads the database alone can neither open a session nor make a code.
async fn what_is_stored_opens_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (signed_in, authenticator) = house.enrolled(&ada).await;
    let panel = over(&house, &signed_in).await;
    let link = house.app.first_administrator_link(&house.ctx()).await.unwrap().unwrap();
    let tables = house.tables().await;
    for line in tables.lines() {
        for stored in line.split(['\'', '"', ',', '(', ')', ' ']) {
            let found = house.app.session(&house.ctx(), stored).await.unwrap();
            assert!(found.is_none(), "{line}");
        }
    }
    let hex = data_encoding::HEXLOWER.encode(authenticator.bytes());
    let base32 = data_encoding::BASE32_NOPAD.encode(authenticator.bytes());
    let tokens = [&signed_in.token, &panel.token, &link, &ada.password].map(|token| token.expose().to_owned());
    for in_the_clear in tokens.iter().chain([&hex, &base32]) {
        let lower = in_the_clear.to_lowercase();
        assert!(!tables.to_lowercase().contains(&lower), "{in_the_clear} stands in the database");
        let as_hex = data_encoding::HEXLOWER.encode(in_the_clear.as_bytes());
        assert!(!tables.to_lowercase().contains(&as_hex), "{in_the_clear} stands in the database, in hexadecimal");
    }
}
