//! The change log: complete, in order, and cheap to follow.

use std::sync::Arc;
use std::time::Duration;

use ostiary_model::{GroupName, Membership, Span};
use ostiary_store::{ChangeKind, Engine};

use crate::{House, NOW, contract, ctx, person, stored_person};

contract!(
    changes_come_in_the_order_of_commits_without_gaps,
    each_kind_of_change_is_told,
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

async fn each_kind_of_change_is_told(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    tx.directory_lock().await.unwrap();
    let group = tx.group_insert(ctx().id(), &GroupName::parse("g").unwrap(), NOW).await.unwrap();
    let member = Membership { user: user.id, group: group.id };
    tx.membership_insert(member, NOW).await.unwrap();
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(3));
    let kinds: Vec<ChangeKind> =
        house.store.directory_changes(0).await.unwrap().unwrap().into_iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::User(user.id), ChangeKind::Group(group.id), ChangeKind::Membership(member)]);
    let mut tx = house.store.begin().await.unwrap();
    tx.password_upgrade(user.id, "a", "b").await.unwrap();
    assert_eq!(tx.commit(NOW).await.unwrap(), None, "what the directory does not show is not told");
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
    let group = tx.group_insert(ctx().id(), &GroupName::parse("g").unwrap(), NOW).await.unwrap();
    tx.membership_insert(Membership { user: bob.id, group: group.id }, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let mut snapshot = house.store.directory_snapshot().await.unwrap();
    snapshot.users.sort_by_key(|user| user.profile.username.to_string());
    assert_eq!((snapshot.seq, snapshot.users), (4, vec![ada, bob.clone()]));
    assert_eq!((snapshot.groups.len(), snapshot.memberships[0].user), (1, bob.id));
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
