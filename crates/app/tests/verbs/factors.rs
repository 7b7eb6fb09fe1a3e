//! The authenticator app: setting it up is a ceremony of one session, and a code works once.

use std::sync::Arc;

use ostiary_app::{BindFrom, BindName, CodeError, Enrolment, HashParameters, SignInError, SignedIn, Visitor};
use ostiary_model::{Actor, Level, Span, Timestamp};
use tokio::task::JoinSet;

use crate::authenticator::Authenticator;
use crate::{House, Pair, Person, on_both_pairs, secret};

on_both_pairs!(
    an_app_is_set_up_with_a_code_that_it_shows,
    a_wrong_code_keeps_the_ceremony,
    a_ceremony_ends,
    a_ceremony_belongs_to_one_session,
    of_many_confirmations_at_once_one_wins,
    two_ceremonies_make_one_app,
    a_code_works_once,
    of_many_sign_ins_with_one_code_one_succeeds,
    codes_of_the_steps_beside_now_are_taken_and_never_an_older_one,
    an_app_is_not_replaced,
    a_session_that_ended_meanwhile_proves_nothing,
    codes_are_held_back,
    a_hundred_codes_at_once_are_a_hundred_guesses,
    a_hundred_codes_a_day_are_looked_at_wherever_they_come_from,
    a_hundred_codes_a_day_are_looked_at_at_home_too,
    after_a_reset_another_app_is_set_up,
    after_a_reset_no_place_is_a_home,
    setting_passwords_begins_no_count_of_codes_anew,
    a_second_factor_that_was_just_set_up_is_asked_for,
);

async fn begin(house: &House, person: &Person) -> (Visitor, Enrolment, Authenticator) {
    let visitor = house.visitor(&house.signed_in(person).await).await;
    let enrolment = house.app.totp_begin(&house.ctx(), &visitor).await.unwrap();
    let authenticator = Authenticator::of(&enrolment.secret);
    (visitor, enrolment, authenticator)
}

fn is_rejected(result: &Result<SignedIn, CodeError>) -> bool {
    matches!(result, Err(CodeError::Rejected { .. }))
}

async fn an_app_is_set_up_with_a_code_that_it_shows(pair: Pair) {
    let house = House::with(pair, |settings| settings.site.org_name = "Acme: Doors & Co.".into()).await;
    let ada = house.person("ada").await;
    let (visitor, enrolment, authenticator) = begin(&house, &ada).await;
    assert_eq!(authenticator.bytes().len(), 20, "160 bits, RFC 4226 section 4");
    let url: url::Url = enrolment.url.expose().parse().unwrap();
    assert_eq!((url.scheme(), url.host_str()), ("otpauth", Some("totp")));
    let value = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    assert_eq!(value("secret").as_deref(), Some(enrolment.secret.expose()));
    assert_eq!(value("issuer").as_deref(), Some("Acme  Doors & Co."));
    assert!(url.path().ends_with(":ada"), "{url}");

    assert!(!house.user(&ada).has_totp);
    let code = authenticator.code(house.now());
    let signed_in = house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &code).await.unwrap();
    assert_eq!(signed_in.session.methods.level(), Level::TwoFactor);
    assert!(house.user(&ada).has_totp);
    let after = house.signed_in_fully(&ada, &authenticator).await;
    assert_eq!(after.session.methods.amr(), ["pwd", "otp", "mfa"]);
}

async fn a_wrong_code_keeps_the_ceremony(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (visitor, enrolment, authenticator) = begin(&house, &ada).await;
    for bad in [authenticator.wrong_code(house.now()), secret(""), secret("abcdef")] {
        assert!(is_rejected(&house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &bad).await));
        let again = house.app.totp_resume(&house.ctx(), &visitor, &enrolment.ticket).await.unwrap().unwrap();
        assert_eq!(again.secret.expose(), enrolment.secret.expose());
        assert_eq!(again.url.expose(), enrolment.url.expose());
        assert_eq!(again.ticket.expose(), enrolment.ticket.expose());
    }
    assert!(!house.user(&ada).has_totp);
    let code = authenticator.code(house.now());
    house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &code).await.unwrap();
}

async fn a_ceremony_ends(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (visitor, enrolment, authenticator) = begin(&house, &ada).await;
    house.pass(Span::from_mins(14));
    assert!(house.app.totp_resume(&house.ctx(), &visitor, &enrolment.ticket).await.unwrap().is_some());
    house.pass(Span::from_mins(1));
    assert!(house.app.totp_resume(&house.ctx(), &visitor, &enrolment.ticket).await.unwrap().is_none());
    let code = authenticator.code(house.now());
    let error = house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &code).await.unwrap_err();
    assert!(matches!(error, CodeError::Expired), "{error:?}");
    assert!(!house.user(&ada).has_totp);
}

async fn a_ceremony_belongs_to_one_session(pair: Pair) {
    let house = House::new(pair).await;
    let (ada, eve) = (house.person("ada").await, house.person("eve").await);
    let (_, enrolment, authenticator) = begin(&house, &ada).await;
    let elsewhere = house.visitor(&house.signed_in(&ada).await).await;
    let stranger = house.visitor(&house.signed_in(&eve).await).await;
    let (_, fingerprint) = house.app.hand_over_state(&house.ctx());
    let hand_over = house.app.hand_over_make(&house.ctx(), &stranger, &fingerprint).await.unwrap();
    let code = authenticator.code(house.now());
    for (what, visitor, ticket) in [
        ("another session", &elsewhere, &enrolment.ticket),
        ("another person", &stranger, &enrolment.ticket),
        ("no ticket", &stranger, &secret("")),
        ("no ticket of ours", &stranger, &secret("cplanted")),
        ("a ticket for something else", &stranger, &hand_over),
    ] {
        let resumed = house.app.totp_resume(&house.ctx(), visitor, ticket).await;
        assert!(matches!(resumed, Ok(None)), "{what}: {resumed:?}");
        let error = house.app.totp_confirm(&house.ctx(), visitor, ticket, &code).await.unwrap_err();
        assert!(matches!(error, CodeError::Expired), "{what}: {error:?}");
    }
    assert!(!house.user(&ada).has_totp && !house.user(&eve).has_totp);
}

async fn of_many_confirmations_at_once_one_wins(pair: Pair) {
    let house = House::with(pair, |settings| settings.lockout.per_account_and_address = 1_000).await;
    let ada = house.person("ada").await;
    let (visitor, enrolment, authenticator) = begin(&house, &ada).await;
    let mut tries = JoinSet::new();
    for _ in 0..20 {
        let (app, ctx, visitor, ticket) =
            (Arc::clone(&house.app), house.ctx(), visitor.clone(), enrolment.ticket.clone());
        let code = authenticator.code(house.now());
        tries.spawn(async move { app.totp_confirm(&ctx, &visitor, &ticket, &code).await });
    }
    let results = tries.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for result in &results {
        assert!(!matches!(result, Err(CodeError::Trouble(_))), "{result:?}");
    }
    assert_eq!(house.app.person_session_count(&house.ctx(), &house.user(&ada)).await.unwrap(), 1);
}

async fn two_ceremonies_make_one_app(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (first, first_enrolment, first_app) = begin(&house, &ada).await;
    let (second, second_enrolment, second_app) = begin(&house, &ada).await;
    let code = first_app.code(house.now());
    house.app.totp_confirm(&house.ctx(), &first, &first_enrolment.ticket, &code).await.unwrap();
    let code = second_app.code(house.now());
    let error = house.app.totp_confirm(&house.ctx(), &second, &second_enrolment.ticket, &code).await.unwrap_err();
    assert!(matches!(error, CodeError::AlreadySetUp), "{error:?}");
    house.signed_in_fully(&ada, &first_app).await;
}

async fn a_code_works_once(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let used = authenticator.code(house.now());
    assert!(
        is_rejected(&house.app.code_check(&house.ctx(), &visitor, &used).await),
        "the code that set it up is spent"
    );

    house.pass(Span::from_secs(30));
    let code = authenticator.code(house.now());
    let spaced = secret(&format!("{} {}", &code.expose()[..3], &code.expose()[3..]));
    house.app.code_check(&house.ctx(), &visitor, &spaced).await.unwrap();
    let again = house.visitor(&house.signed_in(&ada).await).await;
    for ctx in [house.ctx(), house.from("203.0.113.5")] {
        assert!(is_rejected(&house.app.code_check(&ctx, &again, &code).await));
    }
    assert_eq!(house.visitor(&house.signed_in(&ada).await).await.session.methods.level(), Level::OneFactor);
}

async fn of_many_sign_ins_with_one_code_one_succeeds(pair: Pair) {
    let house = House::with(pair, |settings| settings.lockout.per_account_and_address = 1_000).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    let mut tries = JoinSet::new();
    for number in 0..20 {
        // Half of them from one session, half from sessions of their own.
        let visitor = match number {
            0..10 => house.visitor(&house.signed_in(&ada).await).await,
            _ => house.visitor(&house.signed_in(&ada).await).await,
        };
        let (app, ctx, code) = (Arc::clone(&house.app), house.ctx(), authenticator.code(house.now()));
        tries.spawn(async move { app.code_check(&ctx, &visitor, &code).await });
    }
    let results = tries.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for result in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(result, CodeError::Rejected { .. }), "{result:?}");
    }
}

async fn codes_of_the_steps_beside_now_are_taken_and_never_an_older_one(pair: Pair) {
    let house = House::with(pair, |settings| settings.lockout.per_account_and_address = 1_000).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let step = |now: Timestamp| now.as_secs() / 30;
    let check = async |offset: i64| {
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        house.app.code_check(&house.ctx(), &visitor, &authenticator.code_of(step(house.now()) + offset)).await
    };
    house.pass(Span::from_mins(5));
    for (offset, taken) in [(-3, false), (-2, false), (2, false), (3, false), (-1, true), (0, true), (1, true)] {
        assert_eq!(check(offset).await.is_ok(), taken, "{offset}");
    }
    // The last one taken was of the step after now: those before it are spent with it.
    for offset in [-1, 0, 1] {
        assert!(is_rejected(&check(offset).await), "{offset}");
    }
    house.pass(Span::from_secs(30));
    assert!(is_rejected(&check(0).await));
    assert!(check(1).await.is_ok());
}

async fn an_app_is_not_replaced(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    // Somebody with the password alone, who came before the app was set up.
    let thief = house.visitor(&house.signed_in(&ada).await).await;
    let ceremony = house.app.totp_begin(&house.ctx(), &thief).await.unwrap();
    let (whole, authenticator) = house.enrolled(&ada).await;

    let visitor = house.visitor(&whole).await;
    assert!(matches!(house.app.totp_begin(&house.ctx(), &visitor).await, Err(CodeError::AlreadySetUp)));
    let half = house.visitor(&house.signed_in(&ada).await).await;
    assert!(matches!(house.app.totp_begin(&house.ctx(), &half).await, Err(CodeError::AlreadySetUp)));
    let code = Authenticator::of(&ceremony.secret).code(house.now());
    let error = house.app.totp_confirm(&house.ctx(), &thief, &ceremony.ticket, &code).await.unwrap_err();
    assert!(matches!(error, CodeError::AlreadySetUp), "{error:?}");
    house.signed_in_fully(&ada, &authenticator).await;
}

/// Signing out is the last word, also for a form that was sent a moment earlier.
async fn a_session_that_ended_meanwhile_proves_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let (_, authenticator) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    let signed_in = house.signed_in(&ada).await;
    let visitor = house.visitor(&signed_in).await;
    house.app.sign_out(&house.ctx(), &signed_in.session).await.unwrap();
    let code = authenticator.code(house.now());
    let error = house.app.code_check(&house.ctx(), &visitor, &code).await.unwrap_err();
    assert!(matches!(error, CodeError::SessionOver), "{error:?}");
    // The code was not spent by it.
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    house.app.code_check(&house.ctx(), &visitor, &code).await.unwrap();

    let (visitor, enrolment, authenticator) = begin(&house, &bob).await;
    house.app.sign_out(&house.ctx(), &visitor.session).await.unwrap();
    let code = authenticator.code(house.now());
    let error = house.app.totp_confirm(&house.ctx(), &visitor, &enrolment.ticket, &code).await.unwrap_err();
    assert!(matches!(error, CodeError::SessionOver), "{error:?}");
    assert!(!house.user(&bob).has_totp);
}

async fn codes_are_held_back(pair: Pair) {
    let house = House::with(pair, |settings| settings.lockout.per_account_and_address = 3).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let check = async |code| house.app.code_check(&house.ctx(), &visitor, &code).await;
    for expected in [2, 1, 0] {
        let error = check(authenticator.wrong_code(house.now())).await.unwrap_err();
        assert!(matches!(error, CodeError::Rejected { left } if left == expected), "{error:?}");
    }
    let error = check(authenticator.code(house.now())).await.unwrap_err();
    assert!(matches!(error, CodeError::Paused { .. }), "the right code is not looked at either: {error:?}");
    // Signing in anew is no way round, and the password is another matter.
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let error = house.app.code_check(&house.ctx(), &visitor, &authenticator.code(house.now())).await.unwrap_err();
    assert!(matches!(error, CodeError::Paused { .. }), "{error:?}");

    house.pass(Span::from_mins(10));
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    house.app.code_check(&house.ctx(), &visitor, &authenticator.code(house.now())).await.unwrap();
    // The right one made good what came before it.
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let error = house.app.code_check(&house.ctx(), &visitor, &authenticator.wrong_code(house.now())).await.unwrap_err();
    assert!(matches!(error, CodeError::Rejected { left: 2 }), "{error:?}");
}

async fn a_hundred_codes_at_once_are_a_hundred_guesses(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let mut tries = JoinSet::new();
    for _ in 0..100 {
        let (app, ctx, visitor) = (Arc::clone(&house.app), house.ctx(), visitor.clone());
        let code = authenticator.wrong_code(house.now());
        tries.spawn(async move { is_rejected(&app.code_check(&ctx, &visitor, &code).await) });
    }
    let looked_at = tries.join_all().await.into_iter().filter(|rejected| *rejected).count();
    assert_eq!(looked_at, house.settings.lockout.per_account_and_address as usize);
}

/// Whoever has the password and many addresses would find a code within weeks at ten times as many.
async fn a_hundred_codes_a_day_are_looked_at_wherever_they_come_from(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let mut looked_at = 0;
    for number in 0..120 {
        let code = authenticator.wrong_code(house.now());
        let result = house.app.code_check(&house.from(&format!("203.0.113.{number}")), &visitor, &code).await;
        looked_at += u32::from(is_rejected(&result));
        if number % 10 == 0 {
            house.pass(Span::from_mins(10));
        }
    }
    assert_eq!(looked_at, 100);
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let code = authenticator.code(house.now());
    let held_back = house.app.code_check(&house.from("198.51.100.1"), &visitor, &code).await.unwrap_err();
    assert!(matches!(held_back, CodeError::Paused { left } if left == Span::from_hours(24)), "{held_back:?}");
    house.app.code_check(&house.ctx(), &visitor, &code).await.expect("where a code was right before");
}

/// Somebody who has the password and sits in the person's network, where right codes are typed too.
async fn a_hundred_codes_a_day_are_looked_at_at_home_too(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let right = async |address: &'static str| {
        house.pass(Span::from_mins(1));
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        house.app.code_check(&house.from(address), &visitor, &authenticator.code(house.now())).await
    };
    right("198.51.100.1").await.unwrap();
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let mut looked_at = 0;
    for number in 1..=120 {
        let code = authenticator.wrong_code(house.now());
        looked_at += u32::from(is_rejected(&house.app.code_check(&house.ctx(), &visitor, &code).await));
        if number % 4 == 0 {
            assert_eq!(right("192.0.2.1").await.is_ok(), number < 100, "{number}");
        }
    }
    assert_eq!(looked_at, 100);
    house.pass(Span::from_mins(10));
    let held_back = right("192.0.2.1").await.unwrap_err();
    assert!(matches!(held_back, CodeError::Paused { left } if left == Span::from_hours(24)), "{held_back:?}");
    right("198.51.100.1").await.expect("where else a code was right before");
    house.pass(Span::from_hours(24));
    right("192.0.2.1").await.expect("a day later");
}

async fn after_a_reset_another_app_is_set_up(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let error = house.app.code_check(&house.ctx(), &visitor, &secret("123456")).await.unwrap_err();
    assert!(matches!(error, CodeError::NotSetUp), "{error:?}");

    let (_, old) = house.enrolled(&ada).await;
    house.app.person_reset_factors(&house.cli(), ada.id).await.unwrap();
    assert!(!house.user(&ada).has_totp);
    let (_, new) = house.enrolled(&ada).await;
    assert_ne!(old.bytes(), new.bytes());
    house.pass(Span::from_mins(1));
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    assert!(is_rejected(&house.app.code_check(&house.ctx(), &visitor, &old.code(house.now())).await));
    house.app.code_check(&house.ctx(), &visitor, &new.code(house.now())).await.unwrap();
}

/// Whoever once had a code, on a phone that was taken over, has no better place to guess at the next app.
async fn after_a_reset_no_place_is_a_home(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, old) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    let check = async |address: &str, code| {
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        house.app.code_check(&house.from(address), &visitor, &code).await
    };
    check("198.51.100.1", old.code(house.now())).await.unwrap();
    house.app.person_reset_factors(&house.cli(), ada.id).await.unwrap();
    let (_, new) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    for number in 0..100 {
        let wrong = check(&format!("203.0.113.{number}"), new.wrong_code(house.now())).await;
        assert!(is_rejected(&wrong), "{wrong:?}");
    }
    let held_back = check("198.51.100.1", new.code(house.now())).await;
    assert!(matches!(held_back, Err(CodeError::Paused { left }) if left == Span::from_hours(24)), "{held_back:?}");
    check("192.0.2.1", new.code(house.now())).await.expect("where it was set up");
}

/// Whoever sets passwords signs in as others with the first factor, and must not try out the second.
async fn setting_passwords_begins_no_count_of_codes_anew(pair: Pair) {
    const LIMIT: u32 = 3;
    let house = House::with(pair, |settings| settings.lockout.per_account_and_address = LIMIT).await;
    let helper = house.person_in("helper", &["lldap_password_manager"]).await;
    let actor = Actor::Bound { user: helper.id, generation: house.user(&helper).generation };
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    house.pass(Span::from_mins(1));
    let mut looked_at = 0;
    for _ in 0..2 * LIMIT {
        house.app.person_set_password(&house.ctx().with_actor(actor.clone()), ada.id, &ada.password).await.unwrap();
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        let error = house.app.code_check(&house.ctx(), &visitor, &authenticator.wrong_code(house.now())).await;
        looked_at += u32::from(is_rejected(&error));
    }
    assert_eq!(looked_at, LIMIT);
    // An administrator who resets the factors ends the pause of the app that comes after.
    house.app.person_reset_factors(&house.cli(), ada.id).await.unwrap();
    let (_, authenticator) = house.enrolled(&ada).await;
    house.signed_in_fully(&ada, &authenticator).await;
}

/// A bind takes as long as a hash does. What holds at its end is what counts.
async fn a_second_factor_that_was_just_set_up_is_asked_for(pair: Pair) {
    let house = House::with(pair, |settings| {
        settings.hash = HashParameters { memory_kib: 65_536, iterations: 6, parallelism: 1 };
    })
    .await;
    let ada = house.person("ada").await;
    let (app, ctx, name) = (Arc::clone(&house.app), house.ctx(), BindName::User(ada.id));
    let password = ada.password.clone();
    let bind = tokio::spawn(async move { app.bind(&ctx, &name, &password, &BindFrom::default()).await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let mut tx = house.store().await.begin().await.unwrap();
    tx.directory_lock().await.unwrap();
    assert!(tx.totp_insert(ada.id, b"sealed", 0, house.now()).await.unwrap());
    tx.commit(house.now()).await.unwrap();
    let result = bind.await.unwrap();
    assert!(matches!(result, Err(SignInError::Rejected { .. })), "{result:?}");
}
