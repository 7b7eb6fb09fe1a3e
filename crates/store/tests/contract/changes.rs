//! The change log: complete, in order, and cheap to follow.

use std::sync::Arc;
use std::time::Duration;

use ostiary_model::{
    AttributeName, Email, GroupEntry, GroupName, LOGIN_SHELL, Membership, Nesting, ObjectClass, SSH_PUBLIC_KEY, Span,
    UserEntry,
};
use ostiary_store::{ChangeKind, Engine};

use crate::{House, NOW, contract, ctx, person, stored_person};

contract!(
    changes_come_in_the_order_of_commits_without_gaps,
    each_kind_of_change_is_told,
    a_transaction_with_many_changes_tells_each_once_in_order,
    who_slept_too_long_is_told_to_load_again,
    a_snapshot_holds_everything,
    other_processes_hear_of_it,
);

async fn changes_come_in_the_order_of_commits_without_gaps(house: House) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = Arc::clone(&house.store);
        writers.spawn(async move {
            for number in 0..10 {
                let mut tx = store.begin().await.unwrap();
                tx.user_insert(&person(&ctx(), &format!("w{writer}n{number}"))).await.unwrap();
                if number % 3 == 0 {
                    drop(tx);
                    continue;
                }
                tx.commit(NOW).await.unwrap();
            }
        });
    }
    // A follower that reads while they write must see every number once, and no account late.
    let (mut seq, mut told) = (0, 0);
    while !writers.is_empty() || house.store.directory_head().await.unwrap() > seq {
        while writers.try_join_next().is_some() {}
        for change in house.store.directory_changes(seq).await.unwrap().expect("nothing was pruned") {
            assert_eq!(change.seq, seq + 1);
            seq = change.seq;
            told += 1;
            let ChangeKind::User(id) = change.kind else { panic!("{change:?}") };
            assert!(house.store.user_by_id(id).await.unwrap().is_some());
        }
    }
    assert_eq!(told, 8 * 6);
}

pub(crate) async fn kinds_after(house: &House, seq: i64) -> Vec<ChangeKind> {
    house.store.directory_changes(seq).await.unwrap().unwrap().into_iter().map(|change| change.kind).collect()
}

async fn each_kind_of_change_is_told(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    tx.directory_lock().await.unwrap();
    assert_eq!(tx.directory_head().await.unwrap(), 1);
    let group = tx.group_insert(ctx().id(), &GroupName::parse("g").unwrap(), None, NOW).await.unwrap();
    let member = Membership { user: user.id, group: group.id };
    tx.membership_insert(member, NOW).await.unwrap();
    let parent = tx.group_insert(ctx().id(), &GroupName::parse("p").unwrap(), None, NOW).await.unwrap();
    let nesting = Nesting { child: group.id, parent: parent.id };
    tx.nesting_insert(nesting, NOW).await.unwrap();
    let name = AttributeName::parse("staff").unwrap();
    tx.object_class_insert(&ObjectClass { name, on_users: true, on_groups: false }).await.unwrap();
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(6));
    assert_eq!(
        kinds_after(&house, 0).await,
        [
            ChangeKind::User(user.id),
            ChangeKind::Group(group.id),
            ChangeKind::Membership(member),
            ChangeKind::Group(parent.id),
            ChangeKind::Nesting(nesting),
            ChangeKind::Schema,
        ]
    );
    let mut tx = house.store.begin().await.unwrap();
    tx.password_upgrade(user.id, "a", "b").await.unwrap();
    assert_eq!(tx.commit(NOW).await.unwrap(), None, "what the directory does not show is not told");
}

async fn a_transaction_with_many_changes_tells_each_once_in_order(house: House) {
    stored_person(&house, "before").await;
    let mut tx = house.store.begin().await.unwrap();
    let mut ids = Vec::new();
    for number in 0..1207 {
        let user = person(&ctx(), &format!("n{number}"));
        tx.user_insert(&user).await.unwrap();
        tx.password_set(user.id, "$phc", NOW).await.unwrap();
        ids.push(ChangeKind::User(user.id));
    }
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(1208));
    let mut told = kinds_after(&house, 1).await;
    assert_eq!(told.len(), 1000, "no more at once");
    told.extend(kinds_after(&house, 1001).await);
    assert_eq!(told, ids);
}

async fn who_slept_too_long_is_told_to_load_again(house: House) {
    for name in ["a", "b", "c"] {
        stored_person(&house, name).await;
    }
    let mut tx = house.store.begin().await.unwrap();
    tx.changes_prune(NOW + Span::from_days(1)).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.directory_changes(1).await.unwrap().is_none());
    assert!(house.store.directory_changes(3).await.unwrap().unwrap().is_empty());
    for name in ["d", "e"] {
        stored_person(&house, name).await;
    }
    assert_eq!(house.store.directory_changes(3).await.unwrap().unwrap().len(), 2);
    assert!(house.store.directory_changes(99).await.unwrap().is_none(), "a number from another database");
}

async fn a_snapshot_holds_everything(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await, stored_person(&house, "bob").await);
    let mut tx = house.store.begin().await.unwrap();
    let group = tx.group_insert(ctx().id(), &GroupName::parse("g").unwrap(), None, NOW).await.unwrap();
    let parent = tx.group_insert(ctx().id(), &GroupName::parse("p").unwrap(), None, NOW).await.unwrap();
    let members = [(ada.id, parent.id), (bob.id, group.id), (bob.id, parent.id)];
    let members = members.map(|(user, group)| Membership { user, group });
    for member in members {
        tx.membership_insert(member, NOW).await.unwrap();
    }
    let nesting = Nesting { child: group.id, parent: parent.id };
    tx.nesting_insert(nesting, NOW).await.unwrap();
    tx.manager_insert(group.id, ada.id, NOW).await.unwrap();
    let further = ["b@example.tld", "a@example.tld"].map(|address| Email::parse(address).unwrap());
    tx.user_addresses_set(bob.id, &further, NOW).await.unwrap();
    let keys = [b"ssh-ed25519 2".to_vec(), b"ssh-ed25519 1".to_vec()];
    tx.user_values_set(bob.id, SSH_PUBLIC_KEY, &keys, NOW).await.unwrap();
    tx.user_values_set(bob.id, LOGIN_SHELL, &[b"/bin/sh".to_vec()], NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let mut snapshot = house.store.directory_snapshot().await.unwrap();
    snapshot.users.sort_by_key(|entry| entry.user.profile.username.to_string());
    snapshot.groups.sort_by_key(|entry| entry.group.number);
    let values = vec![(SSH_PUBLIC_KEY, keys.to_vec()), (LOGIN_SHELL, vec![b"/bin/sh".to_vec()])];
    let alone = UserEntry { user: ada.clone(), addresses: Vec::new(), values: Vec::new() };
    assert_eq!(snapshot.users, [alone, UserEntry { user: bob, addresses: further.to_vec(), values }]);
    let managed = GroupEntry { group, values: Vec::new(), managers: vec![ada.id] };
    assert_eq!(snapshot.groups, [managed, GroupEntry { group: parent, values: Vec::new(), managers: Vec::new() }]);
    assert_eq!((snapshot.memberships.len(), snapshot.nestings), (members.len(), vec![nesting]));
    assert!(members.iter().all(|member| snapshot.memberships.contains(member)));
    assert_eq!((snapshot.seq, snapshot.schema.defs().count()), (house.store.directory_head().await.unwrap(), 3));
    for entry in snapshot.users {
        assert_eq!(house.store.user_entry(entry.user.id).await.unwrap(), Some(entry));
    }
    for entry in snapshot.groups {
        assert_eq!(house.store.group_entry(entry.group.id).await.unwrap(), Some(entry));
    }
}

async fn other_processes_hear_of_it(house: House) {
    let Some(mut listener) = house.store.change_listener().await.unwrap() else {
        assert_eq!(house.store.engine(), Engine::Sqlite);
        return;
    };
    let other = house.again().await;
    let mut tx = other.begin().await.unwrap();
    tx.user_insert(&person(&ctx(), "ada")).await.unwrap();
    tx.commit(NOW).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), listener.changed()).await.expect("word within seconds").unwrap();
    assert_eq!(house.store.directory_head().await.unwrap(), 1);
}
