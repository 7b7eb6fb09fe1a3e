//! Accounts that are not yet open, or at their end: what they hold is worth nothing at that very
//! moment, without anybody doing anything.

use ostiary_app::{GrantError, Next, PersonChange};
use ostiary_model::{Level, Span, Timestamp};

use crate::oidc_party::{ALL, assert_invalid, refresh_token, request};
use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(
    at_its_end_an_account_holds_nothing,
    before_its_time_an_account_gets_nothing,
    an_end_that_is_taken_back_gives_nothing_back,
    an_end_in_the_future_ends_nothing,
);

async fn valid(house: &House, person: &Person, from: Option<Timestamp>, to: Option<Timestamp>) {
    let change = PersonChange { not_before: Some(from), not_after: Some(to), ..PersonChange::default() };
    house.app.person_change(&house.cli(), person.id, &change).await.unwrap();
}

async fn at_its_end_an_account_holds_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person_in("ada", &["lldap_admin"]).await;
    let end = house.now() + Span::from_mins(5);
    valid(&house, &ada, None, Some(end)).await;
    let bound = house.bind(&house.ctx(), &ada, &ada.password).await.unwrap().binding();
    let plain = house.signed_in(&ada).await;
    let (whole, authenticator) = house.enrolled(&ada).await;
    let visitor = house.visitor(&whole).await;
    assert_eq!(visitor.session.methods.level(), Level::TwoFactor);
    let half = house.visitor(&plain).await;
    let issued = house.tokens(&party, &visitor, ALL).await;
    let late = house.code(&party, &visitor, ALL).await;
    let (asked, _) = request(&party.client, ALL);
    let grant = house.app.grant_open(&house.ctx(), asked).await.unwrap();
    let (state, fingerprint) = house.app.hand_over_state(&house.ctx());
    let ticket = house.app.hand_over_make(&house.ctx(), &visitor, &fingerprint).await.unwrap();
    let new = ostiary_app::NewAppPassword { name: "Phone".into(), ..ostiary_app::NewAppPassword::default() };
    let (_, secret) = house.app.app_password_add(&house.acting(&whole.session), &new).await.unwrap();
    let app_bound = house.bind(&house.ctx(), &ada, &secret).await.unwrap().binding();

    // The last moment is not yet the end. The code of a time step can be used once.
    house.pass(Span::from_micros(end.since(house.now()).as_micros() - 1));
    assert!(house.holds(&whole).await && house.opens(&issued.access_token).await);
    assert!(house.app.bound_still(&app_bound).await.is_some());
    house.pass(Span::from_micros(1));

    assert!(!house.holds(&whole).await && !house.holds(&plain).await, "sessions");
    assert!(house.app.bound(ada.id, whole.session.generation).is_none());
    for binding in [&bound, &app_bound] {
        assert!(house.app.bound_as(binding).is_none() && house.app.bound_still(binding).await.is_none(), "LDAP");
    }
    assert!(!house.opens(&issued.access_token).await, "userinfo");
    assert_invalid(&house.exchange(&party, &late).await, "a code");
    let next = house.app.grant_next(&house.ctx(), grant, Some(&visitor)).await;
    assert!(matches!(next, Ok(Next::SignIn { .. })), "a grant: {next:?}");
    match house.app.consent_answer(&house.ctx(), &visitor, grant, true).await {
        Ok(()) | Err(GrantError::Gone) => {}
        Err(other) => panic!("{other}"),
    }
    let next = house.app.grant_next(&house.ctx(), grant, Some(&visitor)).await;
    assert!(!matches!(next, Ok(Next::Redirect(_))), "no code: {next:?}");
    assert_invalid(&house.refresh(&party, refresh_token(&issued)).await, "a refresh token");
    assert!(house.app.hand_over_take(&house.ctx(), &ticket, &state).await.unwrap().is_none(), "a hand-over");
    let code = authenticator.code(house.now());
    assert!(house.app.code_check(&house.ctx(), &half, &code).await.is_err(), "a second factor");
    assert!(house.app.group_add(&house.acting(&whole.session), "Theirs").await.is_err(), "administration");
    let again = house.app.app_password_add(&house.acting(&whole.session), &new).await;
    assert!(again.is_err(), "an app password");
    for password in [&ada.password, &secret] {
        let error = house.bind(&house.from("198.51.100.1"), &ada, password).await.unwrap_err();
        assert!(format!("{error:?}").starts_with("Rejected"), "{error:?}");
    }
    let error = house.app.sign_in(&house.from("198.51.100.2"), "ada", &ada.password, false).await.unwrap_err();
    assert_eq!(format!("{error:?}"), "Rejected { left: 4 }");
}

async fn before_its_time_an_account_gets_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let begin = house.now() + Span::from_days(1);
    valid(&house, &ada, Some(begin), None).await;
    let error = house.app.sign_in(&house.ctx(), "ada", &ada.password, false).await.unwrap_err();
    assert_eq!(format!("{error:?}"), "Rejected { left: 4 }");
    assert!(house.bind(&house.ctx(), &ada, &ada.password).await.is_err());
    house.pass(Span::from_days(1));
    assert!(house.holds(&house.signed_in(&ada).await).await);
    let bound = house.bind(&house.ctx(), &ada, &ada.password).await.unwrap();
    assert!(house.app.bound_still(&bound.binding()).await.is_some());
}

async fn an_end_that_is_taken_back_gives_nothing_back(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    valid(&house, &ada, None, Some(house.now() + Span::from_mins(1))).await;
    let before = house.signed_in(&ada).await;
    let bound = house.bind(&house.ctx(), &ada, &ada.password).await.unwrap().binding();
    house.pass(Span::from_mins(1));
    assert!(!house.holds(&before).await);
    valid(&house, &ada, None, None).await;
    assert!(!house.holds(&before).await, "what ended stays at its end");
    assert!(house.app.bound_still(&bound).await.is_none());
    assert!(house.holds(&house.signed_in(&ada).await).await, "and a new sign-in holds");
}

async fn an_end_in_the_future_ends_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let session = house.signed_in(&ada).await;
    let bound = house.bind(&house.ctx(), &ada, &ada.password).await.unwrap().binding();
    valid(&house, &ada, Some(house.now()), Some(house.now() + Span::from_days(1))).await;
    assert!(house.holds(&session).await);
    assert!(house.app.bound_still(&bound).await.is_some());
}
