//! Nobody locks themselves out, one administrator remains, and rights that ended a moment ago
//! are worth nothing: also between processes that have not heard of each other's writes yet.

use std::sync::Arc;

use ostiary_app::{AdminError, App};
use ostiary_model::{Actor, Ctx, Session};
use tokio::task::JoinSet;

use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(
    nobody_locks_themselves_out,
    one_administrator_remains,
    the_command_line_may_go_without,
    two_administrators_cannot_remove_each_other,
    rights_that_ended_elsewhere_are_worth_nothing_here,
);

fn guarded(result: Result<(), AdminError>, words: &str) {
    match result {
        Err(AdminError::Guard(text)) => assert!(text.contains(words), "{words:?} is not in {text:?}"),
        other => panic!("{words}: {other:?}"),
    }
}

async fn nobody_locks_themselves_out(pair: Pair) {
    let house = House::new(pair).await;
    let (bjork, session) = house.administrator("bjork").await;
    let (other, _) = house.administrator("other").await;
    let (app, ctx) = (&house.app, house.acting(&session));
    let admins = house.group("lldap_admin").await;
    let editors = house.group("Editors").await;
    let before = house.tables().await;
    guarded(app.person_disable(&ctx, bjork.id).await, "your own account");
    guarded(app.person_delete(&ctx, bjork.id).await, "your own account");
    guarded(app.member_remove(&ctx, bjork.id, admins).await.map(drop), "your own account");
    assert_eq!(house.tables().await, before);

    // What does not lock anybody out is allowed.
    assert!(app.member_add(&ctx, bjork.id, editors).await.unwrap());
    assert!(app.member_remove(&ctx, bjork.id, editors).await.unwrap());
    assert!(app.member_remove(&ctx, other.id, admins).await.unwrap());
    app.person_sign_out(&ctx, bjork.id).await.unwrap();
    let denied = app.group_add(&ctx, "Later").await;
    assert!(matches!(denied, Err(AdminError::Denied)), "signed out everywhere is signed out here: {denied:?}");
}

async fn one_administrator_remains(pair: Pair) {
    let house = House::new(pair).await;
    let admins = house.group("lldap_admin").await;
    let (last, closed) =
        (house.person_in("last", &["lldap_admin"]).await, house.person_in("closed", &["lldap_admin"]).await);
    house.app.person_disable(&house.cli(), closed.id).await.unwrap();
    let (app, ctx) = (&house.app, house.app.ctx(Actor::Server));
    let before = house.tables().await;
    guarded(app.person_disable(&ctx, last.id).await, "last administrator");
    guarded(app.person_delete(&ctx, last.id).await, "last administrator");
    guarded(app.member_remove(&ctx, last.id, admins).await.map(drop), "last administrator");
    assert_eq!(house.tables().await, before);

    app.person_delete(&ctx, closed.id).await.unwrap();
    let second = house.person_in("second", &["lldap_admin"]).await;
    app.person_disable(&ctx, last.id).await.unwrap();
    guarded(app.person_disable(&ctx, second.id).await, "last administrator");
}

async fn the_command_line_may_go_without(pair: Pair) {
    let house = House::new(pair).await;
    let last = house.person_in("last", &["lldap_admin"]).await;
    house.app.person_delete(&house.cli(), last.id).await.unwrap();
    let link = house.app.first_administrator_link(&house.app.ctx(Actor::Server)).await.unwrap();
    assert!(link.is_some(), "the next start prints a link");
}

/// How one administrator gets rid of another.
#[derive(Debug, Clone, Copy)]
enum Attack {
    Disable,
    Delete,
    Demote,
}

async fn attack(house: &House, app: &Arc<App>, session: &Session, on: &Person, how: Attack) -> JoinedAttack {
    let (app, ctx, on) = (Arc::clone(app), house.acting(session), on.id);
    let admins = house.group("lldap_admin").await;
    Box::pin(async move {
        match how {
            Attack::Disable => app.person_disable(&ctx, on).await,
            Attack::Delete => app.person_delete(&ctx, on).await,
            Attack::Demote => app.member_remove(&ctx, on, admins).await.map(drop),
        }
    })
}

type JoinedAttack = std::pin::Pin<Box<dyn Future<Output = Result<(), AdminError>> + Send>>;

async fn two_administrators_cannot_remove_each_other(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    for (number, how) in [Attack::Disable, Attack::Delete, Attack::Demote].into_iter().enumerate() {
        for second_app in [&house.app, &other] {
            for round in 0..4 {
                let why = format!("{how:?} {round}");
                let name = |who: &str| format!("{who}.{number}.{round}.{}", u8::from(Arc::ptr_eq(second_app, &other)));
                let (left, left_session) = house.administrator(&name("left")).await;
                let (right, right_session) = house.administrator(&name("right")).await;
                other_hears(&other, &right).await;
                let mut duel = JoinSet::new();
                duel.spawn(attack(&house, &house.app, &left_session, &right, how).await);
                duel.spawn(attack(&house, second_app, &right_session, &left, how).await);
                let results = duel.join_all().await;
                let won = results.iter().filter(|result| result.is_ok()).count();
                assert_eq!(won, 1, "{why}: {results:?}");
                let loser = results.iter().find_map(|result| result.as_ref().err()).unwrap();
                assert!(matches!(loser, AdminError::Denied), "{why}: {loser:?}");
                // Make room for the next two: the winner goes by the command line.
                for person in [&left, &right] {
                    let gone = house.app.person_delete(&house.cli(), person.id).await;
                    assert!(matches!(gone, Ok(()) | Err(AdminError::NoSuchPerson)), "{why}: {gone:?}");
                }
            }
        }
    }
}

/// The second process knows who is there, so that its early answer is not what decides.
pub(crate) async fn other_hears(other: &Arc<App>, person: &Person) {
    let mut follower = JoinSet::new();
    let app = Arc::clone(other);
    follower.spawn(async move { app.follow().await });
    while !other.directory().user(person.id).is_some_and(|user| user.has_totp) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    follower.shutdown().await;
}

async fn rights_that_ended_elsewhere_are_worth_nothing_here(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    house.person_in("keeper", &["lldap_admin"]).await;
    let admins = house.group("lldap_admin").await;
    let denied = async |ctx: &Ctx, why: &str| {
        let before = house.tables().await;
        for result in [
            house.app.group_add(ctx, "Theirs").await.map(drop),
            house.app.person_add(ctx, &crate::house::new_person("theirs"), None).await.map(drop),
        ] {
            assert!(matches!(result, Err(AdminError::Denied)), "{why}: {result:?}");
        }
        assert_eq!(house.tables().await, before, "{why}");
    };
    for how in ["demoted", "closed", "signed out", "deleted", "password set"] {
        let (person, session) = house.administrator(&how.replace(' ', ".")).await;
        let cli = house.cli();
        match how {
            "demoted" => other.member_remove(&cli, person.id, admins).await.map(drop).unwrap(),
            "closed" => other.person_disable(&cli, person.id).await.unwrap(),
            "signed out" => other.person_sign_out(&cli, person.id).await.unwrap(),
            "deleted" => other.person_delete(&cli, person.id).await.unwrap(),
            _ => other.person_set_password(&cli, person.id, &person.password).await.unwrap(),
        }
        assert!(house.app.bound(person.id, session.generation).is_some(), "{how}: this process has not heard of it");
        denied(&house.acting(&session), how).await;
    }
}
