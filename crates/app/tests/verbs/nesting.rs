//! Groups in groups: whoever is in the inner one is in the outer one, for rights, for applications
//! and for programs; and there is never a way from a group back to itself.

use std::sync::Arc;

use ostiary_app::{AdminError, App, GroupChange};
use ostiary_model::{Action, Actor, GroupId, Member, Nesting, Role, UserId, may};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::administration::refused;
use crate::oidc_party::claims;
use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(
    a_nested_member_is_told_in_every_place_and_out_of_all_at_once,
    a_group_is_never_in_itself,
    what_rights_hang_from_is_in_no_group,
    rights_come_and_go_with_the_nesting,
    the_last_administrator_is_kept_at_every_level,
    nobody_nests_themselves_out,
    a_refused_change_of_a_group_leaves_nothing,
    two_processes_cannot_close_a_circle,
    two_administrators_cannot_take_the_nesting_from_each_other,
);

impl House {
    /// Puts `child` into `parent`.
    pub(crate) async fn nested(&self, child: &str, parent: &str) -> Nesting {
        let nesting = Nesting { child: self.group(child).await, parent: self.group(parent).await };
        assert!(self.app.nesting_add(&self.cli(), nesting).await.unwrap());
        nesting
    }
}

fn names(app: &App, user: UserId) -> Vec<String> {
    app.directory().groups_of(user).iter().map(|group| group.name.to_string()).collect()
}

/// The fifth proof that issue 3 asks for: groups through groups stand in `memberOf`'s source, in
/// claims of both kinds and in the rights, and are gone from all of them with one step out, at
/// whichever level, in this process and in another.
async fn a_nested_member_is_told_in_every_place_and_out_of_all_at_once(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let party = house.party_with("app", |new| new.claims_in_id_token = true).await;
    house.group("team").await;
    let ada = house.person_in("ada", &["team"]).await;
    let (lower, upper) = (house.nested("team", "house").await, house.nested("house", "everybody").await);
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let team = house.group("team").await;
    let issued = house.tokens(&party, &visitor, "openid groups").await;
    let all = ["everybody", "house", "team"];
    let told = async |expected: &[&str], why: &str| {
        for app in [&house.app, &other] {
            let told = app.userinfo(&house.ctx(), &issued.access_token).await.unwrap();
            assert_eq!(told.groups, expected, "{why}: userinfo");
            assert_eq!(names(app, ada.id), expected, "{why}: memory");
        }
        let fresh = claims(house.tokens(&party, &visitor, "openid groups").await.id_token.as_ref().unwrap());
        let groups: Vec<&str> =
            fresh["groups"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        assert_eq!(groups, expected, "{why}: ID token");
        let rows = house.store().await.begin().await.unwrap().group_names_of(ada.id).await.unwrap();
        assert_eq!(rows, expected, "{why}: rows");
    };
    told(&all, "nested").await;
    let cli = house.cli();
    house.app.nesting_remove(&cli, upper).await.unwrap();
    told(&["house", "team"], "the upper step taken out").await;
    house.app.nesting_add(&cli, upper).await.unwrap();
    other.nesting_remove(&cli, lower).await.unwrap();
    told(&["team"], "the lower step taken out by another process").await;
    house.app.nesting_add(&cli, lower).await.unwrap();
    told(&all, "and put back").await;
    house.app.member_remove(&cli, ada.id, team).await.unwrap();
    told(&[], "the person taken out").await;
    house.app.member_add(&cli, ada.id, team).await.unwrap();
    house.app.group_delete(&cli, lower.parent).await.unwrap();
    told(&["team"], "the group between deleted").await;
}

async fn a_group_is_never_in_itself(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let a = house.group("a").await;
    refused(&house, "cannot be in itself", app.nesting_add(&ctx, Nesting { child: a, parent: a })).await;
    let (b, c, d) = (house.group("b").await, house.group("c").await, house.group("d").await);
    for (child, parent) in [("a", "b"), ("b", "c"), ("c", "d"), ("a", "c")] {
        house.nested(child, parent).await;
    }
    for (child, parent) in [(b, a), (c, a), (d, a), (d, b), (d, c)] {
        refused(&house, "cannot be in itself", app.nesting_add(&ctx, Nesting { child, parent })).await;
        let change = GroupChange { add: vec![Member::Group(child)], ..GroupChange::default() };
        refused(&house, "cannot be in itself", app.group_change(&ctx, parent, &change)).await;
    }
    // A circle that one change would close by itself.
    let change = GroupChange { add: vec![Member::Group(b), Member::Group(a)], ..GroupChange::default() };
    refused(&house, "cannot be in itself", app.group_change(&ctx, a, &change)).await;
    assert!(!app.nesting_add(&ctx, Nesting { child: a, parent: b }).await.unwrap(), "it is there already");
    // One way out opens the other way in.
    app.nesting_remove(&ctx, Nesting { child: c, parent: d }).await.unwrap();
    assert!(app.nesting_add(&ctx, Nesting { child: d, parent: c }).await.unwrap());
    let nowhere = GroupId::from(Uuid::from_u128(7));
    refused(&house, "no group", app.nesting_add(&ctx, Nesting { child: nowhere, parent: a })).await;
    refused(&house, "no group", app.nesting_add(&ctx, Nesting { child: a, parent: nowhere })).await;
    assert!(!app.nesting_remove(&ctx, Nesting { child: nowhere, parent: a }).await.unwrap());
}

async fn what_rights_hang_from_is_in_no_group(pair: Pair) {
    let house = House::new(pair).await;
    let parent = house.group("everybody").await;
    for name in ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"] {
        let child = house.group(name).await;
        let nesting = Nesting { child, parent };
        refused(&house, "in no other group", house.app.nesting_add(&house.cli(), nesting)).await;
        house.nested("everybody", name).await;
    }
}

async fn rights_come_and_go_with_the_nesting(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    house.person_in("keeper", &["lldap_admin"]).await;
    house.group("team").await;
    let ada = house.person_in("ada", &["team"]).await;
    let (signed_in, _) = house.enrolled(&ada).await;
    let ctx = house.acting(&signed_in.session);
    assert!(matches!(house.app.group_add(&ctx, "early").await, Err(AdminError::Denied)));
    let nesting = house.nested("team", "lldap_admin").await;
    assert_eq!(house.app.directory().role(ada.id), Role::Admin);
    house.app.group_add(&ctx, "now").await.unwrap();
    assert!(may(ada.id, house.app.directory().role(ada.id), Action::ReadDirectory).is_ok());
    // Taken out by a process that this one has not heard of yet.
    other.nesting_remove(&house.cli(), nesting).await.unwrap();
    let before = house.tables().await;
    assert!(matches!(house.app.group_add(&ctx, "late").await, Err(AdminError::Denied)));
    assert_eq!(house.tables().await, before);
}

async fn the_last_administrator_is_kept_at_every_level(pair: Pair) {
    let house = House::new(pair).await;
    house.group("team").await;
    let last = house.person_in("last", &["team"]).await;
    let lower = house.nested("team", "house").await;
    let upper = house.nested("house", "lldap_admin").await;
    let (app, ctx) = (&house.app, house.app.ctx(Actor::Server));
    let out = |member| GroupChange { remove: vec![member], ..GroupChange::default() };
    for nesting in [lower, upper] {
        refused(&house, "last administrator", app.nesting_remove(&ctx, nesting)).await;
        let change = out(Member::Group(nesting.child));
        refused(&house, "last administrator", app.group_change(&ctx, nesting.parent, &change)).await;
        refused(&house, "last administrator", app.group_delete(&ctx, nesting.child)).await;
    }
    refused(&house, "last administrator", app.member_remove(&ctx, last.id, lower.child)).await;
    refused(&house, "last administrator", app.person_disable(&ctx, last.id)).await;
    refused(&house, "last administrator", app.person_delete(&ctx, last.id)).await;
    // What goes and comes back in one change takes nobody away.
    let change = GroupChange { add: vec![Member::User(last.id)], ..out(Member::User(last.id)) };
    app.group_change(&ctx, lower.child, &change).await.unwrap();
    // Another way to the rights, and each of the steps may go.
    house.app.member_add(&ctx, last.id, upper.parent).await.unwrap();
    app.group_delete(&ctx, lower.parent).await.unwrap();
}

async fn nobody_nests_themselves_out(pair: Pair) {
    let house = House::new(pair).await;
    house.person_in("keeper", &["lldap_admin"]).await;
    house.group("team").await;
    let (ada, bob) = (house.person_in("ada", &["team"]).await, house.person_in("bob", &["team"]).await);
    let nesting = house.nested("team", "lldap_admin").await;
    let (signed_in, _) = house.enrolled(&ada).await;
    let bound = Actor::Bound { user: bob.id, generation: house.user(&bob).generation };
    for (ctx, own) in [(house.acting(&signed_in.session), ada.id), (house.ctx().with_actor(bound), bob.id)] {
        let app = &house.app;
        refused(&house, "your own account", app.nesting_remove(&ctx, nesting)).await;
        refused(&house, "your own account", app.group_delete(&ctx, nesting.child)).await;
        refused(&house, "your own account", app.member_remove(&ctx, own, nesting.child)).await;
        let out = GroupChange { remove: vec![Member::User(own)], ..GroupChange::default() };
        refused(&house, "your own account", app.group_change(&ctx, nesting.child, &out)).await;
    }
    house.app.member_add(&house.cli(), ada.id, nesting.parent).await.unwrap();
    house.app.nesting_remove(&house.acting(&signed_in.session), nesting).await.unwrap();
}

async fn a_refused_change_of_a_group_leaves_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let (team, taken) = (house.group("team").await, house.group("taken").await);
    let (ada, bob) = (house.person("ada").await, house.person_in("bob", &["team"]).await);
    let inner = house.group("inner").await;
    let nobody = UserId::from(Uuid::from_u128(7));
    let good = GroupChange {
        name: Some("Renamed".into()),
        gid_number: Some(4711),
        add: vec![Member::User(ada.id), Member::Group(inner)],
        remove: vec![Member::User(bob.id), Member::User(nobody)],
        managers: Some(vec![ada.id]),
        ..GroupChange::default()
    };
    let other_gid = app.directory().group(taken).unwrap().gid_number;
    for (change, words) in [
        (GroupChange { name: Some("TAKEN".into()), ..good.clone() }, "A group has this name"),
        (GroupChange { name: Some(" ".into()), ..good.clone() }, "The group name is empty"),
        (GroupChange { gid_number: other_gid, ..good.clone() }, "This number belongs"),
        (GroupChange { gid_number: Some(0), ..good.clone() }, "gidNumber: the number"),
        (GroupChange { managers: Some(vec![ada.id, nobody]), ..good.clone() }, "no such person"),
        (GroupChange { add: vec![Member::User(ada.id), Member::User(nobody)], ..good.clone() }, "no such person"),
        (GroupChange { add: vec![Member::Group(team)], ..good.clone() }, "cannot be in itself"),
        (GroupChange { values: vec![(1, vec![b"ssh-rsa AAAA".to_vec()])], ..good.clone() }, "no attribute"),
    ] {
        refused(&house, words, app.group_change(&ctx, team, &change)).await;
    }
    app.group_change(&ctx, team, &good).await.unwrap();
    let directory = app.directory();
    assert_eq!(directory.group(team).unwrap().gid_number, Some(4711));
    assert_eq!(directory.members_of(team)[0].id, ada.id);
    assert_eq!(directory.subgroups_of(team)[0].id, inner);
    assert_eq!(directory.managers_of(team)[0].id, ada.id);
    let before = house.tables().await;
    app.group_change(&ctx, team, &good).await.unwrap();
    assert_eq!(house.tables().await, before, "the second time changes nothing");
}

/// Puts `child` into `parent` from one of several processes.
async fn nest(app: Arc<App>, child: GroupId, parent: GroupId) -> Result<bool, AdminError> {
    let ctx = app.ctx(Actor::CommandLine);
    app.nesting_add(&ctx, Nesting { child, parent }).await
}

async fn two_processes_cannot_close_a_circle(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    for round in 0..8 {
        let mut ring = Vec::new();
        for name in ["a", "b", "c"] {
            ring.push(house.group(&format!("{name}.{round}")).await);
        }
        let mut steps = JoinSet::new();
        for (place, child) in ring.iter().enumerate() {
            let app = if place % 2 == 0 { &house.app } else { &other };
            steps.spawn(nest(Arc::clone(app), *child, ring[(place + 1) % 3]));
        }
        let results = steps.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2, "{results:?}");
        assert!(results.iter().any(|result| matches!(result, Err(AdminError::Cycle))), "{results:?}");
    }
}

/// Two administrators, each through a group of their own, take each other's group out.
async fn two_administrators_cannot_take_the_nesting_from_each_other(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    for round in 0..4 {
        let mut sides: Vec<(Person, Nesting, ostiary_model::Ctx)> = Vec::new();
        for side in ["left", "right"] {
            let name = format!("{side}.{round}");
            house.group(&name).await;
            let person = house.person_in(&name, &[&name]).await;
            let nesting = house.nested(&name, "lldap_admin").await;
            let (signed_in, _) = house.enrolled(&person).await;
            sides.push((person, nesting, house.acting(&signed_in.session)));
        }
        crate::guards::other_hears(&other, &sides[1].0).await;
        let (one, two) = tokio::join!(
            house.app.nesting_remove(&sides[0].2, sides[1].1),
            other.nesting_remove(&sides[1].2, sides[0].1),
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
        for (person, nesting, _) in sides {
            house.app.person_delete(&house.cli(), person.id).await.unwrap();
            house.app.group_delete(&house.cli(), nesting.child).await.unwrap();
        }
    }
}
