//! Name and password: who is let in, that refusals look alike, and what they cost.

use std::time::Instant;

use ostiary_app::{BindFrom, BindName, BoundWith, HashParameters, SignInError, WeakPassword};
use ostiary_model::{Ctx, Folded, Level, Secret, UserState};

use crate::house::new_person;
use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    any_spelling_of_name_or_address_is_the_same_person,
    every_refusal_looks_the_same,
    no_refusal_leaves_a_trace,
    a_bind_is_checked_like_a_sign_in,
    over_long_passwords_are_nobodys,
    a_hash_is_renewed_at_the_next_sign_in,
    a_sign_in_is_complete_with_all_that_the_account_has,
);

async fn try_in(house: &House, ctx: &Ctx, name: &str, password: &Secret) -> Result<(), SignInError> {
    house.app.sign_in(ctx, name, password, false).await.map(drop)
}

async fn any_spelling_of_name_or_address_is_the_same_person(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("Ada.Okafor").await;
    let elodie = house.person("Élodie").await;
    for (person, name) in [
        (&ada, "ada.okafor"),
        (&ada, "ADA.OKAFOR"),
        (&ada, "  Ada.Okafor "),
        (&ada, "ａｄａ.okafor"),
        (&ada, "ada.okafor@example.tld"),
        (&ada, "ADA.Okafor@EXAMPLE.tld"),
        (&elodie, "e\u{301}lodie"),
        (&elodie, "ÉLODIE"),
        (&elodie, "E\u{301}LODIE@example.TLD"),
    ] {
        let signed_in = house.app.sign_in(&house.ctx(), name, &person.password, false).await.unwrap();
        assert_eq!(signed_in.session.user, person.id, "{name:?}");
        assert_eq!(house.visitor(&signed_in).await.user.id, person.id, "{name:?}");
    }
    // The password is taken as it is.
    let loud = secret(&ada.password.expose().to_uppercase());
    assert!(try_in(&house, &house.ctx(), "ada.okafor", &loud).await.is_err());
}

/// Everything that leads to a refusal, each from an address of its own so that the counts agree.
async fn refusals(house: &House) -> Vec<(&'static str, String, Secret)> {
    let ada = house.person("ada").await;
    let closed = house.person("closed").await;
    house.app.person_disable(&house.cli(), closed.id).await.unwrap();
    house.app.person_add(&house.cli(), &new_person("new"), None).await.unwrap();
    let typed = |text: &str| secret(text);
    vec![
        ("wrong password", ada.name.clone(), typed("not the password")),
        ("no password typed", ada.name.clone(), typed("")),
        ("over-long password", ada.name.clone(), typed(&"x".repeat(1025))),
        ("another's password", ada.name.clone(), closed.password.clone()),
        ("unknown name", "nobody".to_owned(), ada.password.clone()),
        ("unknown address", "nobody@example.tld".to_owned(), ada.password.clone()),
        ("no name", String::new(), ada.password.clone()),
        ("a name that nobody can have", "a\0b' OR 1=1 --".to_owned(), ada.password.clone()),
        ("closed account, right password", closed.name.clone(), closed.password.clone()),
        ("closed account, wrong password", closed.name, typed("not the password")),
        ("no password set", "new".to_owned(), typed("not the password")),
        ("no password set or typed", "new".to_owned(), typed("")),
    ]
}

async fn every_refusal_looks_the_same(pair: Pair) {
    let house = House::new(pair).await;
    let expected = "Rejected { left: 4 }";
    for (number, (why, name, password)) in refusals(&house).await.into_iter().enumerate() {
        let ctx = house.from(&format!("198.51.100.{number}"));
        let error = try_in(&house, &ctx, &name, &password).await.unwrap_err();
        assert_eq!(format!("{error:?}"), expected, "{why}");
        assert_eq!(error.to_string(), "name and password do not match", "{why}");
    }
}

async fn no_refusal_leaves_a_trace(pair: Pair) {
    let house = House::new(pair).await;
    let refusals = refusals(&house).await;
    let before = house.tables().await;
    for (number, (why, name, password)) in refusals.into_iter().enumerate() {
        let ctx = house.from(&format!("198.51.100.{number}"));
        assert!(try_in(&house, &ctx, &name, &password).await.is_err());
        assert_eq!(house.tables().await, before, "{why}");
    }
}

async fn a_bind_is_checked_like_a_sign_in(pair: Pair) {
    let house = House::new(pair).await;
    let reader = house.person_in("reader", &["lldap_strict_readonly"]).await;
    let closed = house.person("closed").await;
    house.app.person_disable(&house.cli(), closed.id).await.unwrap();
    let bind = async |address: &str, name: BindName, password: &Secret| {
        house.app.bind(&house.from(address), &name, password, &BindFrom::default()).await
    };

    let bound = bind("192.0.2.9", BindName::User(reader.id), &reader.password).await.unwrap();
    assert_eq!(bound.user.id, reader.id);
    assert_eq!((bound.role, bound.with), (ostiary_model::Role::StrictReadonly, BoundWith::Password));
    let (user, role) = house.app.bound_still(&bound.binding()).await.unwrap();
    assert_eq!((user.id, role), (reader.id, bound.role));
    assert!(house.app.bound_as(&bound.binding()).is_some());

    let unknown = |name: &str| BindName::Unknown(Folded::new(name));
    for (number, (name, password)) in [
        (BindName::User(reader.id), secret("wrong")),
        (BindName::User(reader.id), secret("")),
        (BindName::User(closed.id), closed.password.clone()),
        (unknown("nobody"), reader.password.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        let error = bind(&format!("198.51.100.{number}"), name, &password).await.unwrap_err();
        assert_eq!(format!("{error:?}"), "Rejected { left: 4 }", "{number}");
    }

    // An account that another process made a moment ago is unknown to the directory in memory,
    // and gets in all the same.
    let other = house.another().await;
    let late = other.person_add(&house.cli(), &new_person("late"), Some(&secret("the door of late"))).await.unwrap();
    let bound = bind("192.0.2.9", unknown("late"), &secret("the door of late")).await.unwrap();
    assert_eq!(bound.user.id, late.id);
}

async fn over_long_passwords_are_nobodys(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let longest = secret(&"palimpsest ".repeat(94)[..1024]);
    house.app.person_set_password(&house.cli(), ada.id, &longest).await.unwrap();
    assert!(try_in(&house, &house.ctx(), "ada", &longest).await.is_ok());
    let longer = secret(&format!("{}x", longest.expose()));
    assert!(try_in(&house, &house.ctx(), "ada", &longer).await.is_err());
    let refused = house.app.person_set_password(&house.cli(), ada.id, &longer).await.unwrap_err();
    assert!(matches!(refused, ostiary_app::AdminError::Password(WeakPassword::TooLong)), "{refused:?}");
    assert!(try_in(&house, &house.ctx(), "ada", &longest).await.is_ok());
}

async fn a_hash_is_renewed_at_the_next_sign_in(pair: Pair) {
    const TODAY: HashParameters = HashParameters { memory_kib: 128, iterations: 2, parallelism: 1 };
    let house = House::new(pair).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let store = house.store().await;
    let hash = async |id| store.password_hash(id).await.unwrap().unwrap();
    let old = hash(ada.id).await;
    assert!(old.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{old}");

    let today = house.another_with(|settings| settings.hash = TODAY).await;
    assert!(today.sign_in(&house.ctx(), "ada", &secret("wrong"), false).await.is_err());
    assert_eq!(hash(ada.id).await, old, "a wrong password renews nothing");
    let before = today.sign_in(&house.ctx(), "ada", &ada.password, false).await.unwrap();
    let new = hash(ada.id).await;
    assert!(new.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "{new}");
    today.sign_in(&house.ctx(), "ada", &ada.password, false).await.unwrap();
    assert_eq!(hash(ada.id).await, new, "once is enough");
    assert!(today.sign_in(&house.ctx(), "ada", &secret("wrong"), false).await.is_err());
    assert!(today.session(&house.ctx(), before.token.expose()).await.unwrap().is_some(), "renewing ends no session");

    today.bind(&house.ctx(), &BindName::User(bob.id), &bob.password, &BindFrom::default()).await.unwrap();
    assert!(hash(bob.id).await.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "a bind renews too");
}

async fn a_sign_in_is_complete_with_all_that_the_account_has(pair: Pair) {
    let house = House::new(pair).await;
    let plain = house.person("plain").await;
    assert_eq!(house.user(&plain).last_sign_in_at, None);
    let signed_in = house.signed_in(&plain).await;
    assert_eq!(signed_in.session.methods.level(), Level::OneFactor);
    assert_eq!(house.user(&plain).last_sign_in_at, Some(house.now()));
    assert_eq!(house.user(&plain).state, UserState::Active);

    let guarded = house.person("guarded").await;
    let (enrolled, authenticator) = house.enrolled(&guarded).await;
    assert_eq!(enrolled.session.methods.level(), Level::TwoFactor);
    let first = house.user(&guarded).last_sign_in_at;
    house.pass(ostiary_model::Span::from_mins(5));
    let half = house.signed_in(&guarded).await;
    assert_eq!(house.user(&guarded).last_sign_in_at, first, "a password alone is no sign-in yet");
    let visitor = house.visitor(&half).await;
    assert!(visitor.owes_second_factor());
    let code = authenticator.code(house.now());
    let whole = house.app.code_check(&house.ctx(), &visitor, &code).await.unwrap();
    assert_eq!(house.user(&guarded).last_sign_in_at, Some(house.now()));
    assert!(!house.visitor(&whole).await.owes_second_factor());
}

/// Hashes at the real cost, so that everything else is small beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_names_and_closed_accounts_take_as_long_as_wrong_passwords() {
    const ROUNDS: usize = 9;
    let house = House::with(Pair::Embedded, |settings| {
        settings.hash = HashParameters::default();
        settings.lockout.per_account = 1_000;
        settings.lockout.per_address = 1_000;
    })
    .await;
    let ada = house.person("ada").await;
    let closed = house.person("closed").await;
    house.app.person_disable(&house.cli(), closed.id).await.unwrap();
    house.app.person_add(&house.cli(), &new_person("new"), None).await.unwrap();
    let cases = [
        (ada.name.as_str(), secret("not the password")),
        ("nobody", secret("not the password")),
        ("nobody@example.tld", secret("not the password")),
        (closed.name.as_str(), closed.password.clone()),
        ("new", secret("not the password")),
        (ada.name.as_str(), secret(&"x".repeat(2000))),
    ];
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..ROUNDS {
        for (case, (name, password)) in cases.iter().enumerate() {
            let ctx = house.from(&format!("198.51.100.{round}"));
            let begun = Instant::now();
            // The last case shares its account with the first: five tries in all are allowed.
            assert!(matches!(try_in(&house, &ctx, name, password).await, Err(SignInError::Rejected { .. })));
            times[case].push(begun.elapsed());
        }
    }
    // The quickest of several: what a busy machine adds is not the verb's.
    let quickest: Vec<f64> =
        times.iter().map(|times| times.iter().min().copied().unwrap_or_default().as_secs_f64()).collect();
    for (case, time) in quickest.iter().enumerate() {
        let ratio = time / quickest[0];
        assert!((0.5..2.0).contains(&ratio), "case {case} takes {ratio:.2} times as long: {quickest:?}");
    }
}
