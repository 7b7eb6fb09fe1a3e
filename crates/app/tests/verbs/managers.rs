//! Who manages a group puts people in and takes them out, and does nothing else; and never gives
//! rights that they do not have.

use std::fmt;
use std::sync::{Arc, Mutex};

use ostiary_app::{AdminError, GroupChange};
use ostiary_model::{Actor, Ctx, Member, Nesting};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use crate::administration::refused;
use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    a_manager_decides_about_people,
    a_manager_gives_no_rights,
    a_manager_is_one_as_long_as_an_administrator_wants,
    the_log_says_what_was_done_and_nothing_else,
);

fn people(add: &[Member], remove: &[Member]) -> GroupChange {
    GroupChange { add: add.to_vec(), remove: remove.to_vec(), ..GroupChange::default() }
}

/// Two who manage the group: in a browser with two factors, and over LDAP without an app.
async fn manager_of(house: &House, name: &str, group: &str) -> [Ctx; 2] {
    let (whole, plain) = (house.person(name).await, house.person(&format!("{name}.ldap")).await);
    let group = house.group(group).await;
    for person in [&whole, &plain] {
        assert!(house.app.manager_add(&house.cli(), group, person.id).await.unwrap());
    }
    let (signed_in, _) = house.enrolled(&whole).await;
    let generation = house.user(&plain).generation;
    [house.acting(&signed_in.session), house.ctx().with_actor(Actor::Bound { user: plain.id, generation })]
}

async fn a_manager_decides_about_people(pair: Pair) {
    let house = House::new(pair).await;
    let app = &house.app;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let (team, other) = (house.group("team").await, house.group("other").await);
    let inner = house.nested("inner", "team").await;
    let managers = manager_of(&house, "manager", "team").await;
    for (ctx, name) in managers.into_iter().zip(["manager", "manager.ldap"]) {
        let own = Member::User(ctx.actor.user().unwrap());
        assert!(app.member_add(&ctx, ada.id, team).await.unwrap());
        let change = people(&[Member::User(bob.id), own], &[Member::User(ada.id)]);
        app.group_change(&ctx, team, &change).await.unwrap();
        let members: Vec<_> =
            app.directory().members_of(team).iter().map(|user| user.profile.username.to_string()).collect();
        assert_eq!(members, ["bob", name]);
        assert!(app.member_remove(&ctx, bob.id, team).await.unwrap());
        app.group_change(&ctx, team, &people(&[], &[own])).await.unwrap();
        for (group, change) in [
            (other, people(&[Member::User(ada.id)], &[])),
            (inner.child, people(&[Member::User(ada.id)], &[])),
            (team, people(&[Member::User(ada.id), Member::Group(other)], &[])),
            (team, people(&[Member::User(ada.id)], &[Member::Group(inner.child)])),
            (team, GroupChange { name: Some("mine".into()), ..people(&[Member::User(ada.id)], &[]) }),
            (team, GroupChange { gid_number: Some(7), ..GroupChange::default() }),
            (team, GroupChange { values: vec![(1, Vec::new())], ..GroupChange::default() }),
            (team, GroupChange { managers: Some(Vec::new()), ..GroupChange::default() }),
        ] {
            refused(&house, "You may not do that", app.group_change(&ctx, group, &change)).await;
        }
        refused(&house, "no such person", app.member_add(&ctx, uuid::Uuid::from_u128(7).into(), team)).await;
    }
}

async fn a_manager_gives_no_rights(pair: Pair) {
    let house = House::new(pair).await;
    let (app, cli) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    house.person_in("keeper", &["lldap_admin"]).await;
    let words = "only administrators change who is in it";
    for name in ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"] {
        let id = house.group(name).await;
        refused(&house, words, app.manager_add(&cli, id, ada.id)).await;
        let change = GroupChange { managers: Some(vec![ada.id]), ..GroupChange::default() };
        refused(&house, words, app.group_change(&cli, id, &change)).await;
    }
    let team = house.group("team").await;
    let actors = manager_of(&house, "manager", "team").await;
    house.nested("team", "house").await;
    for (name, ctx) in ["lldap_admin", "lldap_strict_readonly"].iter().zip(&actors) {
        let nesting = house.nested("house", name).await;
        refused(&house, words, app.member_add(ctx, ada.id, team)).await;
        refused(&house, words, app.group_change(ctx, team, &people(&[Member::User(ada.id)], &[]))).await;
        app.nesting_remove(&cli, nesting).await.unwrap();
        assert!(app.member_add(ctx, ada.id, team).await.unwrap());
        assert!(app.member_remove(ctx, ada.id, team).await.unwrap());
    }
}

async fn a_manager_is_one_as_long_as_an_administrator_wants(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let (app, cli) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let team = house.group("team").await;
    let [browser, bound] = manager_of(&house, "manager", "team").await;
    let manager = browser.actor.user().unwrap();
    assert!(!app.manager_add(&cli, team, manager).await.unwrap());
    assert_eq!(app.directory().managed_by(manager)[0].id, team);
    // Taken away by a process that this one has not heard of yet.
    for manager in [manager, bound.actor.user().unwrap()] {
        assert!(other.manager_remove(&cli, team, manager).await.unwrap());
    }
    for ctx in [&browser, &bound] {
        let before = house.tables().await;
        let denied = app.member_add(ctx, ada.id, team).await;
        assert!(matches!(denied, Err(AdminError::Denied)), "{denied:?}");
        assert_eq!(house.tables().await, before);
    }
    assert!(!app.manager_remove(&cli, team, manager).await.unwrap());
    // A deleted person manages nothing, and the group knows.
    assert!(app.manager_add(&cli, team, manager).await.unwrap());
    app.person_delete(&cli, manager).await.unwrap();
    assert!(app.directory().managers_of(team).is_empty());
    assert!(house.store().await.group_entry(team).await.unwrap().unwrap().managers.is_empty());
}

/// What is said in the audit log, in its order.
#[derive(Clone, Default)]
struct Audit(Arc<Mutex<Vec<String>>>);

impl Audit {
    /// What was said since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Visit for Audit {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Audit {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "audit"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Whoever reconstructs from the log who could do what finds nobody taken out who never was in.
async fn the_log_says_what_was_done_and_nothing_else(pair: Pair) {
    let house = House::new(pair).await;
    let (app, cli) = (&house.app, house.cli());
    let ada = house.person("ada").await.id;
    let (team, inner) = (house.group("team").await, house.group("inner").await);
    let nesting = Nesting { child: inner, parent: team };
    let log = Audit::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    for is_first in [true, false] {
        let said = |what: &str| if is_first { vec![what.to_owned()] } else { Vec::new() };
        assert_eq!(app.member_add(&cli, ada, team).await.unwrap(), is_first);
        assert_eq!(log.take(), said("member added"));
        assert_eq!(app.nesting_add(&cli, nesting).await.unwrap(), is_first);
        assert_eq!(log.take(), said("member added"));
        assert_eq!(app.manager_add(&cli, team, ada).await.unwrap(), is_first);
        assert_eq!(log.take(), said("manager added"));
    }
    for is_first in [true, false] {
        let said = |what: &str| if is_first { vec![what.to_owned()] } else { Vec::new() };
        assert_eq!(app.member_remove(&cli, ada, team).await.unwrap(), is_first);
        assert_eq!(log.take(), said("member removed"));
        assert_eq!(app.nesting_remove(&cli, nesting).await.unwrap(), is_first);
        assert_eq!(log.take(), said("member removed"));
        assert_eq!(app.manager_remove(&cli, team, ada).await.unwrap(), is_first);
        assert_eq!(log.take(), said("manager removed"));
    }
}
