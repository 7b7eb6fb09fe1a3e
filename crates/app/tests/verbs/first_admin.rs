//! The first administrator: whoever holds the printed link, once, and nobody else.

use std::sync::Arc;

use ostiary_app::{AdminError, App, NewPerson};
use ostiary_model::{Actor, Level, Role, Secret, Span};
use tokio::task::JoinSet;

use crate::house::new_person;
use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    the_link_makes_one_administrator,
    of_many_who_use_the_link_at_once_one_succeeds,
    what_cannot_be_taken_leaves_the_link_in_force,
    a_link_ends,
    there_is_no_link_beside_an_administrator,
);

fn password() -> Secret {
    secret("the second gate of june")
}

async fn link(house: &House) -> Option<Secret> {
    house.app.first_administrator_link(&house.app.ctx(Actor::Server)).await.unwrap()
}

async fn is_in_force(house: &House, link: &Secret) -> bool {
    house.app.first_administrator_valid(&house.ctx(), link).await.unwrap()
}

async fn create(app: &App, house: &House, link: &Secret, new: &NewPerson) -> Result<(), AdminError> {
    app.first_administrator_create(&house.ctx(), link, new, &password()).await.map(drop)
}

async fn the_link_makes_one_administrator(pair: Pair) {
    let house = House::new(pair).await;
    let link = link(&house).await.unwrap();
    for _ in 0..3 {
        assert!(is_in_force(&house, &link).await, "looking at the page does not use it up");
    }
    let new = new_person("bjork");
    let signed_in = house.app.first_administrator_create(&house.ctx(), &link, &new, &password()).await.unwrap();
    assert_eq!(signed_in.session.methods.level(), Level::OneFactor, "the second step comes next");
    let visitor = house.visitor(&signed_in).await;
    assert_eq!(visitor.role, Role::Admin);
    assert_eq!(visitor.user.profile.username.as_str(), "bjork");
    house.app.sign_in(&house.ctx(), "bjork", &password(), false).await.unwrap();

    assert!(!is_in_force(&house, &link).await);
    let before = house.tables().await;
    let again = create(&house.app, &house, &link, &new_person("eve")).await;
    assert!(matches!(again, Err(AdminError::Denied)), "{again:?}");
    assert_eq!(house.tables().await, before);
    assert_eq!(house.app.directory().counts().people, 1);
}

async fn of_many_who_use_the_link_at_once_one_succeeds(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let link = link(&house).await.unwrap();
    let mut tries = JoinSet::new();
    for number in 0..20 {
        let app = Arc::clone(if number % 2 == 0 { &house.app } else { &other });
        let (ctx, link) = (house.ctx(), link.clone());
        tries.spawn(async move {
            app.first_administrator_create(&ctx, &link, &new_person(&format!("person.{number}")), &password()).await
        });
    }
    let results = tries.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(error, AdminError::Denied), "{error:?}");
    }
    assert_eq!(house.another().await.directory().counts().people, 1);
}

async fn what_cannot_be_taken_leaves_the_link_in_force(pair: Pair) {
    let house = House::new(pair).await;
    house.person("taken").await;
    let link = link(&house).await.unwrap();
    let new = |username: &str, email: &str| NewPerson {
        username: username.to_owned(),
        email: email.to_owned(),
        ..NewPerson::default()
    };
    let good = "a lamp in the harbour";
    let before = house.tables().await;
    for (new, password, words) in [
        (new("", "bjork@example.tld"), good, "The user name is empty"),
        (new("bj@rk", "bjork@example.tld"), good, "The user name must not contain '@'"),
        (new("bjork", ""), good, "The e-mail address is empty"),
        (new("bjork", "bjork"), good, "The e-mail address needs the form"),
        (new("bjork", "bjork@example.tld"), "short", "too short"),
        (new("bjork", "bjork@example.tld"), "Bjork@Example.tld", "your name or e-mail address"),
        (new("bjork", "bjork@example.tld"), "password1234", "everybody tries first"),
        (new("bjork", "bjork@example.tld"), "aaaaaaaaaaaa", "everybody tries first"),
        (new("bjork", "bjork@example.tld"), &"x".repeat(1025), "longer than 1,024 bytes"),
        (new("TAKEN", "bjork@example.tld"), good, "this user name already"),
        (new("bjork", "Taken@Example.tld"), good, "this e-mail address already"),
    ] {
        let result = house.app.first_administrator_create(&house.ctx(), &link, &new, &secret(password)).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
        assert!(is_in_force(&house, &link).await, "{words}");
        assert_eq!(house.tables().await, before, "{words}");
    }
    create(&house.app, &house, &link, &new_person("bjork")).await.unwrap();
}

async fn a_link_ends(pair: Pair) {
    let house = House::new(pair).await;
    let first = link(&house).await.unwrap();
    house.pass(Span::from_hours(23));
    assert!(is_in_force(&house, &first).await);
    let second = link(&house).await.unwrap();
    assert!(!is_in_force(&house, &first).await, "a new start ends the earlier link");
    assert!(is_in_force(&house, &second).await);
    house.pass(Span::from_hours(24));
    assert!(!is_in_force(&house, &second).await);
    for over in [first, second, secret(""), secret("planted"), secret(&"x".repeat(5000))] {
        let result = create(&house.app, &house, &over, &new_person("bjork")).await;
        assert!(matches!(result, Err(AdminError::Denied)), "{result:?}");
    }
    assert_eq!(house.app.directory().counts().people, 0);
}

async fn there_is_no_link_beside_an_administrator(pair: Pair) {
    let house = House::new(pair).await;
    let early = link(&house).await.unwrap();
    let bjork = house.person_in("bjork", &["lldap_admin"]).await;
    let result = create(&house.app, &house, &early, &new_person("eve")).await;
    assert!(matches!(result, Err(AdminError::Denied)), "an early link is of no use any more: {result:?}");
    assert!(link(&house).await.is_none());
    assert!(!is_in_force(&house, &early).await);

    // One whose account is closed cannot help; the next start prints a link again.
    house.app.person_disable(&house.cli(), bjork.id).await.unwrap();
    let late = link(&house).await.unwrap();
    create(&house.app, &house, &late, &new_person("ada")).await.unwrap();
    assert!(link(&house).await.is_none());
}
