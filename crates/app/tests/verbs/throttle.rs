//! Guesses are held back: by account and address, by account, by address.

use std::sync::Arc;

use ostiary_app::{BindFrom, BindName, HashParameters, LockoutSettings, SignInError, Trouble};
use ostiary_model::{Ctx, Folded, Secret, Span};
use tokio::task::JoinSet;

use crate::{House, Pair, Person, on_both_pairs, secret};

on_both_pairs!(
    an_account_pauses_for_one_address,
    an_account_pauses_for_everybody_after_many_guesses,
    who_signed_in_from_there_before_is_not_held_back,
    a_place_is_a_home_for_a_while_after_the_last_sign_in,
    nothing_tells_that_two_spellings_are_one_account,
    a_shared_address_has_no_count_of_its_own,
    an_address_pauses_for_every_account,
    one_account_is_one_identity,
    an_unknown_name_is_held_back_alike,
    a_network_of_ipv6_is_one_guesser,
    a_right_guess_makes_good_its_own_account_only,
    a_pause_ends_with_its_window_and_not_later,
    an_administrator_ends_a_pause,
    a_hundred_guesses_at_once_are_a_hundred_guesses,
    many_right_binds_at_once_all_succeed,
);

const PER_ACCOUNT: u32 = 6;
const PER_ADDRESS: u32 = 8;
const WINDOW: Span = Span::from_mins(10);

fn limits() -> LockoutSettings {
    LockoutSettings {
        per_account_and_address: 3,
        per_account: PER_ACCOUNT,
        per_address: PER_ADDRESS,
        window: WINDOW,
        shared_addresses: vec!["127.0.0.0/8".parse().unwrap()],
    }
}

async fn house(pair: Pair) -> House {
    House::with(pair, |settings| settings.lockout = limits()).await
}

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    In,
    Wrong { left: u32 },
    Paused,
    Busy,
}
use Outcome::{Busy, In, Paused, Wrong};

fn outcome<T>(result: Result<T, SignInError>) -> Outcome {
    match result {
        Ok(_) => In,
        Err(SignInError::Rejected { left }) => Wrong { left },
        Err(SignInError::Paused { .. }) => Paused,
        Err(SignInError::Trouble(Trouble::Busy)) => Busy,
        Err(SignInError::Trouble(trouble)) => panic!("{trouble}"),
    }
}

async fn guess(house: &House, ctx: &Ctx, name: &str, password: &Secret) -> Outcome {
    outcome(house.app.sign_in(ctx, name, password, false).await)
}

async fn wrong(house: &House, address: &str, name: &str) -> Outcome {
    guess(house, &house.from(address), name, &secret("not the password")).await
}

async fn right(house: &House, address: &str, person: &Person) -> Outcome {
    guess(house, &house.from(address), &person.name, &person.password).await
}

async fn an_account_pauses_for_one_address(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    let bob = house.person("bob").await;
    for left in [2, 1, 0] {
        assert_eq!(wrong(&house, "198.51.100.1", "ada").await, Wrong { left });
    }
    assert_eq!(wrong(&house, "198.51.100.1", "ada").await, Paused);
    assert_eq!(right(&house, "198.51.100.1", &ada).await, Paused, "the right password is not looked at either");
    assert_eq!(right(&house, "198.51.100.1", &bob).await, In, "others there are free");
    assert_eq!(right(&house, "198.51.100.2", &ada).await, In, "and so is the person elsewhere");
}

async fn an_account_pauses_for_everybody_after_many_guesses(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    for number in 0..PER_ACCOUNT {
        assert_ne!(wrong(&house, &format!("198.51.100.{number}"), "ada").await, Paused, "{number}");
    }
    assert_eq!(right(&house, "198.51.100.99", &ada).await, Wrong { left: 2 }, "and nothing tells why");
    let bob = house.person("bob").await;
    assert_eq!(right(&house, "198.51.100.99", &bob).await, In);
}

/// Guessing from many places must not lock out the person, or the service, at their own place.
async fn who_signed_in_from_there_before_is_not_held_back(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    assert_eq!(right(&house, "192.0.2.1", &ada).await, In);
    for number in 0..2 * PER_ACCOUNT {
        wrong(&house, &format!("198.51.100.{number}"), "ada").await;
    }
    assert_eq!(right(&house, "198.51.100.99", &ada).await, Wrong { left: 2 });
    assert_eq!(right(&house, "192.0.2.1", &ada).await, In);
}

async fn a_place_is_a_home_for_a_while_after_the_last_sign_in(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    let guess_from_everywhere = async || {
        for number in 0..2 * PER_ACCOUNT {
            wrong(&house, &format!("198.51.100.{number}"), "ada").await;
        }
    };
    assert_eq!(right(&house, "192.0.2.1", &ada).await, In);
    // Each sign-in begins the 30 days anew.
    for _ in 0..2 {
        house.pass(Span::from_days(20));
        assert_eq!(right(&house, "192.0.2.1", &ada).await, In);
    }
    house.pass(Span::from_days(29));
    guess_from_everywhere().await;
    assert_eq!(right(&house, "192.0.2.1", &ada).await, In);
    house.pass(Span::from_days(30));
    guess_from_everywhere().await;
    assert_ne!(right(&house, "192.0.2.1", &ada).await, In);
}

/// The number of tries left under one spelling must not tell that another is the same account.
async fn nothing_tells_that_two_spellings_are_one_account(pair: Pair) {
    let house = house(pair).await;
    house.person("ada").await;
    for left in [2, 1, 0] {
        assert_eq!(wrong(&house, "198.51.100.1", "ada").await, Wrong { left });
        assert_eq!(wrong(&house, "198.51.100.1", "ada@example.tld").await, Wrong { left });
    }
    let house = self::house(pair).await;
    for left in [2, 1, 0] {
        assert_eq!(wrong(&house, "198.51.100.1", "nobody").await, Wrong { left });
        assert_eq!(wrong(&house, "198.51.100.1", "nobody@example.tld").await, Wrong { left });
    }
}

/// An application that binds as its users is one address and many people.
async fn a_shared_address_has_no_count_of_its_own(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    for number in 0..2 * PER_ADDRESS {
        assert_eq!(wrong(&house, "127.0.0.1", &format!("nobody.{number}")).await, Wrong { left: 2 });
    }
    assert_eq!(right(&house, "127.0.0.1", &ada).await, In);
}

async fn an_address_pauses_for_every_account(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    for number in 0..PER_ADDRESS {
        assert_ne!(wrong(&house, "198.51.100.1", &format!("nobody.{number}")).await, Paused, "{number}");
    }
    assert_eq!(wrong(&house, "198.51.100.1", "nobody.else").await, Paused);
    assert_eq!(right(&house, "198.51.100.1", &ada).await, Paused);
    assert_eq!(right(&house, "198.51.100.2", &ada).await, In);
}

async fn one_account_is_one_identity(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada.okafor").await;
    let ctx = house.from("198.51.100.1");
    let no = secret("not the password");
    guess(&house, &ctx, "ADA.Okafor", &no).await;
    guess(&house, &ctx, "Ada.Okafor@Example.tld", &no).await;
    house.bind(&ctx, &ada, &no).await.unwrap_err();
    // Three spellings, three guesses: from here on the right password is not looked at under any.
    let by_name = BindName::Unknown(Folded::new("ada.okafor"));
    assert_ne!(outcome(house.app.bind(&ctx, &by_name, &ada.password, &BindFrom::default()).await), In);
    assert_ne!(outcome(house.bind(&ctx, &ada, &ada.password).await), In);
    assert_ne!(guess(&house, &ctx, "ada.okafor@example.tld", &ada.password).await, In);
    assert_eq!(right(&house, "198.51.100.2", &ada).await, In, "elsewhere it is");
}

async fn an_unknown_name_is_held_back_alike(pair: Pair) {
    let house = house(pair).await;
    let no = secret("not the password");
    let ctx = house.from("198.51.100.1");
    assert_eq!(guess(&house, &ctx, "nobody", &no).await, Wrong { left: 2 });
    assert_eq!(guess(&house, &ctx, " NOBODY ", &no).await, Wrong { left: 1 });
    let nobody = BindName::Unknown(Folded::new("Nobody"));
    assert_eq!(outcome(house.app.bind(&ctx, &nobody, &no, &BindFrom::default()).await), Wrong { left: 0 });
    assert_eq!(guess(&house, &ctx, "nobody", &no).await, Paused);
}

async fn a_network_of_ipv6_is_one_guesser(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    for (number, left) in [2, 1, 0].into_iter().enumerate() {
        assert_eq!(wrong(&house, &format!("2001:db8:1:2:{number}::7"), "ada").await, Wrong { left });
    }
    assert_eq!(right(&house, "2001:db8:1:2:ffff::9", &ada).await, Paused);
    assert_eq!(right(&house, "2001:db8:1:3::9", &ada).await, In, "the next network is another guesser");
    for left in [2, 1] {
        assert_eq!(wrong(&house, "192.0.2.77", "ada").await, Wrong { left });
    }
    assert_eq!(wrong(&house, "::ffff:192.0.2.77", "ada").await, Wrong { left: 0 }, "an IPv4 address in IPv6 dress");
}

async fn a_right_guess_makes_good_its_own_account_only(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    let eve = house.person("eve").await;
    for _ in 0..4 {
        assert_eq!(wrong(&house, "198.51.100.1", "ada").await, Wrong { left: 2 });
        assert_eq!(right(&house, "198.51.100.1", &ada).await, In);
        house.pass(WINDOW);
    }
    // With an account of her own, a guesser washes nothing away.
    for number in 0..PER_ADDRESS {
        assert_ne!(wrong(&house, "198.51.100.2", &format!("nobody.{number}")).await, Paused, "{number}");
        if number + 1 < PER_ADDRESS {
            assert_eq!(right(&house, "198.51.100.2", &eve).await, In);
        }
    }
    assert_eq!(wrong(&house, "198.51.100.2", "ada").await, Paused);
}

async fn a_pause_ends_with_its_window_and_not_later(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    for _ in 0..3 {
        wrong(&house, "198.51.100.1", "ada").await;
    }
    house.pass(Span::from_mins(5));
    // Trying on does not make it longer.
    assert_eq!(wrong(&house, "198.51.100.1", "ada").await, Paused);
    house.pass(Span::from_mins(4));
    assert_eq!(right(&house, "198.51.100.1", &ada).await, Paused);
    house.pass(Span::from_mins(1));
    assert_eq!(right(&house, "198.51.100.1", &ada).await, In);
}

async fn an_administrator_ends_a_pause(pair: Pair) {
    let house = house(pair).await;
    let ada = house.person("ada").await;
    let pause = async |address: &'static str| {
        for _ in 0..=3 {
            wrong(&house, address, "ada").await;
        }
        assert_eq!(right(&house, address, &ada).await, Paused);
    };
    pause("198.51.100.1").await;
    house.app.person_set_password(&house.cli(), ada.id, &ada.password).await.unwrap();
    assert_eq!(right(&house, "198.51.100.1", &ada).await, In, "a new password can be used at once");
    pause("198.51.100.2").await;
    house.app.person_disable(&house.cli(), ada.id).await.unwrap();
    house.app.person_enable(&house.cli(), ada.id).await.unwrap();
    assert_eq!(right(&house, "198.51.100.2", &ada).await, In, "so can an account that was opened again");
}

async fn a_hundred_guesses_at_once_are_a_hundred_guesses(pair: Pair) {
    let house = House::new(pair).await;
    let limits = house.settings.lockout.clone();
    let ada = house.person("ada").await;
    let volley = async |address: fn(u32) -> String| {
        let mut tries = JoinSet::new();
        for number in 0..100 {
            let (app, ctx) = (Arc::clone(&house.app), house.from(&address(number)));
            tries.spawn(async move { outcome(app.sign_in(&ctx, "ada", &secret("not the password"), false).await) });
        }
        tries.join_all().await
    };
    let outcomes = volley(|_| "198.51.100.1".to_owned()).await;
    let looked_at = outcomes.iter().filter(|outcome| matches!(outcome, Wrong { .. })).count();
    assert_eq!(looked_at, limits.per_account_and_address as usize, "{outcomes:?}");
    assert!(!outcomes.contains(&In));
    let outcomes = volley(|number| format!("203.0.113.{number}")).await;
    assert!(!outcomes.contains(&In));
    assert_ne!(right(&house, "192.0.2.9", &ada).await, In, "so many came from everywhere that nothing is looked at");
}

/// A pool of connections that opens with the right password must not look like a guesser.
async fn many_right_binds_at_once_all_succeed(pair: Pair) {
    let house = House::new(pair).await;
    let service = house.person("service").await;
    let mut binds = JoinSet::new();
    for _ in 0..40 {
        let (app, ctx, service) = (Arc::clone(&house.app), house.ctx(), service.clone());
        binds.spawn(async move {
            let from = BindFrom::default();
            outcome(app.bind(&ctx, &BindName::User(service.id), &service.password, &from).await)
        });
    }
    assert!(binds.join_all().await.iter().all(|outcome| *outcome == In));
}

/// A crowd at one account's turnstile is turned away, and the address pays nothing for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_turnstile_full_is_not_counted() {
    let house = House::with(Pair::Embedded, |settings| {
        settings.hash = HashParameters { memory_kib: 8192, iterations: 4, parallelism: 1 };
        settings.lockout.per_address = 150;
    })
    .await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let ctx = house.from("198.51.100.1");
    let mut binds = JoinSet::new();
    for _ in 0..300 {
        let (app, ctx, ada) = (Arc::clone(&house.app), ctx.clone(), ada.clone());
        binds.spawn(async move {
            outcome(app.bind(&ctx, &BindName::User(ada.id), &ada.password, &BindFrom::default()).await)
        });
    }
    let outcomes = binds.join_all().await;
    assert!(outcomes.contains(&Busy), "the turnstile was never full");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, In | Busy)), "{outcomes:?}");
    for _ in 0..150 {
        assert_eq!(right(&house, "198.51.100.1", &bob).await, In);
    }
}

/// Being turned away because the machine is busy says nothing about a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_was_not_looked_at_does_not_count() {
    let house = House::with(Pair::Embedded, |settings| {
        settings.hash = HashParameters { memory_kib: 8192, iterations: 4, parallelism: 1 };
    })
    .await;
    let mut tries = JoinSet::new();
    for number in 0..200 {
        let (app, ctx) = (Arc::clone(&house.app), house.from(&format!("198.51.100.{number}")));
        tries.spawn(async move {
            let error = app.sign_in(&ctx, &format!("nobody.{number}"), &secret("wrong"), false).await.unwrap_err();
            matches!(error, SignInError::Trouble(Trouble::Busy)).then_some(number)
        });
    }
    let turned_away: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
    assert!(!turned_away.is_empty(), "the machine was never busy");
    for number in turned_away.into_iter().take(5) {
        let (address, name) = (format!("198.51.100.{number}"), format!("nobody.{number}"));
        assert_eq!(wrong(&house, &address, &name).await, Wrong { left: 4 }, "{number}");
    }
}
