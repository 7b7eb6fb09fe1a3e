//! Everything that ends an app password, what is known of its use, and what guesses at it cost.

use std::time::Instant;

use ostiary_app::{BindFrom, BindName, HashParameters, LockoutSettings, NewAppPassword, PersonChange, SignInError};
use ostiary_model::Span;
use tokio::task::JoinSet;

use crate::app_passwords::{is_bound, new, opened};
use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    what_ends_everything_ends_it,
    a_revoked_one_is_dead_at_once,
    a_revoked_one_is_dead_in_other_processes,
    its_last_use_is_known,
    no_guess_keeps_the_right_one_out,
    it_makes_no_guess_at_the_main_password_good,
    a_stale_one_keeps_nobody_from_signing_in,
    many_right_binds_at_once_all_succeed,
);

/// What an administrator or time does to the owner.
#[derive(Debug, Clone, Copy)]
enum End {
    Disable,
    DisableAndEnable,
    Delete,
    SetPassword,
    ResetFactors,
    SignOut,
    Expire,
    BecomeService,
}

async fn what_ends_everything_ends_it(pair: Pair) {
    let house = House::new(pair).await;
    for end in [
        End::Disable,
        End::DisableAndEnable,
        End::Delete,
        End::SetPassword,
        End::ResetFactors,
        End::SignOut,
        End::Expire,
        End::BecomeService,
    ] {
        let holder = house.holder(&format!("{end:?}").to_lowercase()).await;
        let bystander = house.holder(&format!("{end:?}.bystander").to_lowercase()).await;
        let bound = house.bind(&house.ctx(), &holder.person, &holder.secret).await.unwrap().binding();
        assert!(is_bound(&house, &bound).await);
        let (ctx, id, app) = (house.cli(), holder.person.id, &house.app);
        match end {
            End::Disable => app.person_disable(&ctx, id).await.unwrap(),
            End::DisableAndEnable => {
                app.person_disable(&ctx, id).await.unwrap();
                app.person_enable(&ctx, id).await.unwrap();
            }
            End::Delete => app.person_delete(&ctx, id).await.unwrap(),
            End::SetPassword => app.person_set_password(&ctx, id, &holder.person.password).await.unwrap(),
            End::ResetFactors => app.person_reset_factors(&ctx, id).await.unwrap(),
            End::SignOut => app.person_sign_out(&ctx, id).await.unwrap(),
            End::Expire => {
                let not_after = Some(Some(house.now() + Span::from_mins(1)));
                let change = PersonChange { not_after, ..PersonChange::default() };
                app.person_change(&ctx, id, &change).await.unwrap();
                assert!(is_bound(&house, &bound).await, "not yet");
                house.pass(Span::from_mins(1));
            }
            End::BecomeService => {
                let change = PersonChange { is_service: Some(true), ..PersonChange::default() };
                app.person_change(&ctx, id, &change).await.unwrap();
            }
        }
        assert!(!is_bound(&house, &bound).await, "{end:?}: what was bound");
        assert!(!house.opens_here(&holder).await, "{end:?}");
        assert!(house.opens_here(&bystander).await, "{end:?}: others notice nothing");
    }
}

async fn a_revoked_one_is_dead_at_once(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let (other, other_secret) = house.made(&ada.signed_in, new("Mail")).await;
    let bound = house.bind(&house.ctx(), &ada.person, &ada.secret).await.unwrap().binding();
    let kept = house.bind(&house.ctx(), &ada.person, &other_secret).await.unwrap().binding();
    let ctx = house.acting(&ada.signed_in.session);
    house.app.app_password_revoke(&ctx, ada.person.id, ada.password.id).await.unwrap();
    // In the middle of an operation, at the next one, and at a bind.
    assert!(house.app.bound_as(&bound).is_none());
    assert!(!is_bound(&house, &bound).await);
    assert!(!house.opens_here(&ada).await);
    assert!(is_bound(&house, &kept).await, "another one stays");
    assert!(opened(house.bind(&house.ctx(), &ada.person, &other_secret).await, &other));
    house.pass(Span::from_mins(30));
    assert!(!is_bound(&house, &bound).await);
    assert!(is_bound(&house, &kept).await);
}

async fn a_revoked_one_is_dead_in_other_processes(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let ada = house.holder("ada").await;
    other.directory_catches_up(&house).await;
    let name = BindName::User(ada.person.id);
    let bound = other.bind(&house.ctx(), &name, &ada.secret, &BindFrom::default()).await.unwrap().binding();
    house.app.app_password_revoke(&house.cli(), ada.person.id, ada.password.id).await.unwrap();
    house.pass(Span::from_secs(1));
    assert!(other.bound_still(&bound).await.is_none());
    assert!(other.bound_as(&bound).is_none());
    assert!(other.bind(&house.ctx(), &name, &ada.secret, &BindFrom::default()).await.is_err());
}

/// A process that shows what another one wrote.
trait CatchesUp {
    async fn directory_catches_up(&self, house: &House);
}

impl CatchesUp for ostiary_app::App {
    async fn directory_catches_up(&self, house: &House) {
        let store = house.store().await;
        self.directory().catch_up(&store).await.unwrap();
    }
}

async fn its_last_use_is_known(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let last = async || {
        house.app.app_passwords_note().await.unwrap();
        let list = house.app.app_passwords(&house.cli(), ada.person.id).await.unwrap();
        (list[0].last_used_at, list[0].last_used_address.map(|address| address.to_string()))
    };
    assert_eq!(last().await, (None, None));
    assert!(house.opens_at("192.0.2.7", &ada).await);
    let first = house.now();
    house.pass(Span::from_mins(1));
    assert!(house.opens_at("192.0.2.8", &ada).await);
    house
        .app
        .bind(&house.from("192.0.2.9"), &BindName::User(ada.person.id), &secret("wrong"), &BindFrom::default())
        .await
        .unwrap_err();
    let (at, address) = last().await;
    assert_eq!(
        (at, address.as_deref()),
        (Some(first + Span::from_mins(1)), Some("192.0.2.8")),
        "the last before it was noted"
    );
    house.pass(Span::from_mins(4));
    assert!(house.opens_at("192.0.2.9", &ada).await);
    assert_eq!(last().await.0, at, "every five minutes is enough");
    house.pass(Span::from_mins(1));
    assert!(house.opens_at("192.0.2.9", &ada).await);
    assert_eq!(last().await, (Some(house.now()), Some("192.0.2.9".to_owned())));
}

/// Where many come from one address, a stranger must not keep anybody out: no guess finds 160 bits,
/// so what is right opens, whatever was guessed. What is not right is counted as ever.
async fn no_guess_keeps_the_right_one_out(pair: Pair) {
    let lockout =
        LockoutSettings { per_account_and_address: 3, per_account: 6, per_address: 8, ..LockoutSettings::default() };
    let house = House::with(pair, |settings| settings.lockout = lockout).await;
    let ada = house.holder("ada").await;
    let networks = vec!["203.0.113.0/24".to_owned()];
    let (_, elsewhere) = house.made(&ada.signed_in, NewAppPassword { networks, ..new("Desk") }).await;
    let guess = secret(&format!("ost_ap_{}", "a".repeat(32)));
    let place = "198.51.100.1";
    let is_paused = |error| assert!(matches!(error, SignInError::Paused { .. }), "{error:?}");
    for (place, wrong) in [(place, &guess), (place, &secret("not the password")), ("198.51.100.2", &elsewhere)] {
        for left in [2, 1, 0] {
            let error = house.bind(&house.from(place), &ada.person, wrong).await.unwrap_err();
            assert_eq!(format!("{error:?}"), format!("Rejected {{ left: {left} }}"));
        }
        is_paused(house.bind(&house.from(place), &ada.person, wrong).await.unwrap_err());
        assert!(house.opens_at(place, &ada).await, "programs go on");
        is_paused(house.bind(&house.from(place), &ada.person, wrong).await.unwrap_err());
    }
    // Nor do guesses at other names from there, or guesses from everywhere.
    for number in 0..8 {
        let nobody = BindName::Unknown(ostiary_model::Folded::new(&format!("nobody.{number}")));
        drop(house.app.bind(&house.from(place), &nobody, &guess, &BindFrom::default()).await);
    }
    let bob = house.person("bob").await;
    is_paused(house.bind(&house.from(place), &bob, &guess).await.unwrap_err());
    for number in 0..12 {
        drop(house.bind(&house.from(&format!("203.0.113.{number}")), &ada.person, &guess).await);
    }
    for place in [place, "203.0.113.99"] {
        assert!(house.opens_at(place, &ada).await, "{place}");
    }
    house.app.app_password_revoke(&house.cli(), ada.person.id, ada.password.id).await.unwrap();
    is_paused(house.bind(&house.from(place), &ada.person, &ada.secret).await.unwrap_err());
}

/// Whoever found an app password guesses at the main one no faster with it.
async fn it_makes_no_guess_at_the_main_password_good(pair: Pair) {
    let lockout = LockoutSettings { per_account_and_address: 3, per_account: 6, ..LockoutSettings::default() };
    let house = House::with(pair, |settings| settings.lockout = lockout).await;
    let ada = house.holder("ada").await;
    let wrong = secret("not the password");
    for left in [2, 1, 0] {
        let error = house.bind(&house.from("198.51.100.1"), &ada.person, &wrong).await.unwrap_err();
        assert_eq!(format!("{error:?}"), format!("Rejected {{ left: {left} }}"));
        assert!(house.opens_at("198.51.100.1", &ada).await);
    }
    let error = house.bind(&house.from("198.51.100.1"), &ada.person, &wrong).await.unwrap_err();
    assert!(matches!(error, SignInError::Paused { .. }), "{error:?}");
    assert!(house.opens_at("198.51.100.1", &ada).await, "programs go on");
    // Nor is a place where it was used one that the person signs in from.
    for number in 0..6 {
        let place = format!("203.0.113.{number}");
        assert!(house.opens_at(&place, &ada).await);
        drop(house.bind(&house.from(&place), &ada.person, &wrong).await);
    }
    let right = &ada.person.password;
    assert!(house.bind(&house.from("203.0.113.1"), &ada.person, right).await.is_err(), "so many were counted");
    assert!(house.bind(&house.ctx(), &ada.person, right).await.is_ok(), "at home it is looked at");
}

/// A program that was forgotten and tries on has nothing to do with the person's own sign-in.
async fn a_stale_one_keeps_nobody_from_signing_in(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    house.app.app_password_revoke(&house.cli(), ada.person.id, ada.password.id).await.unwrap();
    for _ in 0..100 {
        drop(house.bind(&house.from("198.51.100.1"), &ada.person, &ada.secret).await.unwrap_err());
    }
    for place in ["198.51.100.1", "203.0.113.1"] {
        house.app.sign_in(&house.from(place), "ada", &ada.person.password, false).await.unwrap();
    }
}

async fn many_right_binds_at_once_all_succeed(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let mut binds = JoinSet::new();
    for _ in 0..40 {
        let (app, ctx, secret) = (std::sync::Arc::clone(&house.app), house.ctx(), ada.secret.clone());
        let name = BindName::User(ada.person.id);
        binds.spawn(async move { app.bind(&ctx, &name, &secret, &BindFrom::default()).await.is_ok() });
    }
    assert!(binds.join_all().await.into_iter().all(|bound| bound));
}

/// Hashes at the real cost: every refusal costs one, whatever the account has, and the right app
/// password none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_takes_as_long() {
    const ROUNDS: usize = 9;
    let house = House::with(Pair::Embedded, |settings| {
        settings.hash = HashParameters::default();
        settings.lockout.per_account = 1_000;
        settings.lockout.per_address = 1_000;
    })
    .await;
    let plain = house.person("plain").await;
    let guarded = house.person("guarded").await;
    let (signed_in, _) = house.enrolled(&guarded).await;
    let (_, here) = house.made(&signed_in, new("Phone")).await;
    let networks = vec!["203.0.113.0/24".to_owned()];
    let (_, elsewhere) = house.made(&signed_in, NewAppPassword { networks, ..new("Desk") }).await;
    let guess = secret(&format!("ost_ap_{}", "a".repeat(32)));
    let unknown = || BindName::Unknown(ostiary_model::Folded::new("nobody"));
    let cases = [
        ("wrong", BindName::User(plain.id), secret("not the password")),
        ("unknown name", unknown(), secret("not the password")),
        ("unknown name, a guess at an app password", unknown(), guess.clone()),
        ("a guess at one, where there is none", BindName::User(plain.id), guess.clone()),
        ("a guess at one", BindName::User(guarded.id), guess),
        ("the right main password", BindName::User(guarded.id), guarded.password.clone()),
        ("another's", BindName::User(plain.id), here.clone()),
        ("from elsewhere", BindName::User(guarded.id), elsewhere),
    ];
    let mut times = vec![Vec::new(); cases.len()];
    let mut quick = Vec::new();
    for round in 0..ROUNDS {
        for (case, (why, name, password)) in cases.iter().enumerate() {
            // Several cases share an account: an address for each, so that all are looked at.
            let ctx = house.from(&format!("198.51.{case}.{round}"));
            let begun = Instant::now();
            let result = house.app.bind(&ctx, name, password, &BindFrom::default()).await;
            assert!(matches!(result, Err(SignInError::Rejected { left: 4 })), "{why}: {result:?}");
            times[case].push(begun.elapsed());
        }
        let begun = Instant::now();
        house.bind(&house.from(&format!("198.51.99.{round}")), &guarded, &here).await.unwrap();
        quick.push(begun.elapsed());
    }
    let quickest = |times: &[std::time::Duration]| times.iter().min().copied().unwrap_or_default().as_secs_f64();
    let first = quickest(&times[0]);
    for (times, (why, ..)) in times.iter().zip(&cases) {
        let ratio = quickest(times) / first;
        assert!((0.5..2.0).contains(&ratio), "{why} takes {ratio:.2} times as long");
    }
    assert!(quickest(&quick) < first / 2.0, "the right one is not hashed");
}
