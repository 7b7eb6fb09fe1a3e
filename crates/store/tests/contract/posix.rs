//! Numbers of people and groups on Unix systems.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostiary_model::{GroupName, Span, User};
use ostiary_store::{ChangeKind, Conflict, Error};

use crate::changes::kinds_after;
use crate::{House, NOW, contract, ctx, person, reread, stored_group, stored_person};

contract!(
    numbers_count_up_within_their_range,
    numbers_that_were_given_by_hand_are_left_out,
    numbers_are_taken_once_by_many_at_once,
    numbers_of_people_and_groups_are_set,
    a_number_is_one_person_s_or_one_group_s,
    those_without_a_number_are_found_oldest_first,
);

fn is_taken<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Conflict(Conflict::PosixNumber)))
}

async fn numbers_count_up_within_their_range(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    for (first, last, number) in [
        (200_000, 200_002, Some(200_000)),
        (200_000, 200_002, Some(200_001)),
        (200_000, 200_002, Some(200_002)),
        (200_000, 200_002, None),
        // A wider range goes on; another one begins at its own beginning.
        (200_000, 200_009, Some(200_003)),
        (500, 600, Some(500)),
        (500, 600, Some(501)),
        (200_000, 200_009, Some(200_000)),
        (9, 8, None),
    ] {
        assert_eq!(tx.posix_number_take(first, last).await.unwrap(), number, "{first} to {last}");
    }
    assert_eq!(tx.commit(NOW).await.unwrap(), None);
}

async fn numbers_that_were_given_by_hand_are_left_out(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    for (name, uid, gid) in [("a", 1000, None), ("b", 1001, Some(1003)), ("c", 5000, Some(1004))] {
        let user = User { uid_number: Some(uid), gid_number: gid, ..person(&ctx(), name) };
        tx.user_insert(&user).await.unwrap();
    }
    let name = GroupName::parse("g").unwrap();
    tx.group_insert(ctx().id(), &name, Some(1002), NOW).await.unwrap();
    assert_eq!(tx.posix_number_take(1000, 1006).await.unwrap(), Some(1005));
    assert_eq!(tx.posix_number_take(1000, 1006).await.unwrap(), Some(1006));
    assert_eq!(tx.posix_number_take(1000, 1006).await.unwrap(), None);
    assert_eq!(tx.posix_number_take(1000, 1004).await.unwrap(), None, "every one is taken");
    assert_eq!(tx.posix_number_take(1000, 1004).await.unwrap(), None);
}

async fn numbers_are_taken_once_by_many_at_once(house: House) {
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let store = Arc::clone(&house.store);
        takers.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let number = tx.posix_number_take(200_000, 200_009).await.unwrap();
            tx.commit(NOW).await.unwrap();
            number
        });
    }
    let numbers = takers.join_all().await;
    let given: BTreeSet<i64> = numbers.iter().copied().flatten().collect();
    assert_eq!((numbers.len(), given), (12, (200_000..=200_009).collect()));
}

async fn numbers_of_people_and_groups_are_set(house: House) {
    let (user, group) = (stored_person(&house, "ada").await, stored_group(&house, "g").await);
    let later = NOW + Span::from_secs(9);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_set_posix(user.id, Some(1000), Some(100), later).await.unwrap());
    assert!(!tx.user_set_posix(ctx().id(), Some(1001), None, later).await.unwrap());
    assert!(tx.group_set_gid(group.id, 100, later).await.unwrap());
    assert!(!tx.group_set_gid(ctx().id(), 101, later).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(kinds_after(&house, 2).await, [ChangeKind::User(user.id), ChangeKind::Group(group.id)]);
    let now = reread(&house, user.id).await;
    assert_eq!((now.uid_number, now.gid_number, now.modified_at), (Some(1000), Some(100), later));
    let now = house.store.group_by_id(group.id).await.unwrap().unwrap();
    assert_eq!((now.gid_number, now.modified_at), (Some(100), later));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_set_posix(user.id, None, None, later).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(reread(&house, user.id).await.primary_group(), None);
}

async fn a_number_is_one_person_s_or_one_group_s(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await.id, stored_person(&house, "bob").await.id);
    let (staff, other) = (stored_group(&house, "staff").await.id, stored_group(&house, "other").await.id);
    let mut tx = house.store.begin().await.unwrap();
    tx.user_set_posix(ada, Some(1000), None, NOW).await.unwrap();
    tx.group_set_gid(staff, 100, NOW).await.unwrap();
    // A person with another primary group does not stand in the way of a group.
    tx.user_set_posix(bob, Some(1001), Some(100), NOW).await.unwrap();
    tx.group_set_gid(other, 1001, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    // PostgreSQL ends a transaction in which a statement failed: each has its own.
    let begin = async || house.store.begin().await.unwrap();
    assert!(is_taken(&begin().await.user_set_posix(bob, Some(1000), Some(100), NOW).await), "two people");
    assert!(is_taken(&begin().await.user_set_posix(bob, Some(100), None, NOW).await), "a group alone and a group");
    assert!(is_taken(&begin().await.user_set_posix(bob, Some(1001), None, NOW).await), "the same, later");
    assert!(is_taken(&begin().await.group_set_gid(other, 100, NOW).await), "two groups");
    assert!(is_taken(&begin().await.group_set_gid(other, 1000, NOW).await), "a group and a group alone");
    let name = GroupName::parse("new").unwrap();
    for gid in [100, 1000] {
        assert!(is_taken(&begin().await.group_insert(ctx().id(), &name, Some(gid), NOW).await), "{gid}");
    }
    for uid in [100, 1000] {
        let new = User { uid_number: Some(uid), ..person(&ctx(), "new") };
        assert!(is_taken(&begin().await.user_insert(&new).await), "{uid}");
    }
}

async fn those_without_a_number_are_found_oldest_first(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    let mut ids = Vec::new();
    for (name, seconds, uid, gid) in
        [("last", 9, None, None), ("numbered", 0, Some(1000), None), ("first", 1, None, Some(100))]
    {
        let created_at = NOW + Span::from_secs(seconds);
        let user = User { uid_number: uid, gid_number: gid, created_at, ..person(&ctx(), name) };
        tx.user_insert(&user).await.unwrap();
        ids.push(user.id);
    }
    let mut groups = Vec::new();
    for (name, gid) in [("one", None), ("two", Some(7)), ("three", None)] {
        let name = GroupName::parse(name).unwrap();
        groups.push(tx.group_insert(ctx().id(), &name, gid, NOW).await.unwrap().id);
    }
    assert_eq!(tx.users_without_number().await.unwrap(), [(ids[2], Some(100)), (ids[0], None)]);
    assert_eq!(tx.groups_without_number().await.unwrap(), [groups[0], groups[2]]);
}
