//! Groups in groups, effective membership, managers.

use std::sync::Arc;

use ostiary_model::{GroupId, Membership, Nesting};
use ostiary_store::{ChangeKind, Error, Tx};

use crate::changes::kinds_after;
use crate::{House, NOW, contract, ctx, stored_group, stored_person};

contract!(
    nestings_come_and_go_once,
    a_circle_is_seen_before_it_closes,
    two_who_close_a_circle_together_do_not,
    membership_goes_through_groups,
    managers_come_and_go_once,
    a_manager_who_is_deleted_is_told_of,
);

async fn nestings_come_and_go_once(house: House) {
    let (child, parent) = (stored_group(&house, "child").await.id, stored_group(&house, "parent").await.id);
    let nesting = Nesting { child, parent };
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.nesting_insert(nesting, NOW).await.unwrap());
    assert!(!tx.nesting_insert(nesting, NOW).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(3));
    assert!(house.store.nesting_exists(nesting).await.unwrap());
    assert!(!house.store.nesting_exists(Nesting { child: parent, parent: child }).await.unwrap());
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.nesting_delete(nesting).await.unwrap());
    assert!(!tx.nesting_delete(nesting).await.unwrap());
    assert!(tx.nesting_insert(nesting, NOW).await.unwrap());
    assert!(tx.group_delete(parent).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.nesting_exists(nesting).await.unwrap(), "it goes with either group");
    assert!(kinds_after(&house, 2).await.contains(&ChangeKind::Nesting(nesting)));
    let mut tx = house.store.begin().await.unwrap();
    assert!(matches!(tx.nesting_insert(nesting, NOW).await, Err(Error::Orphan)));
}

async fn a_circle_is_seen_before_it_closes(house: House) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(stored_group(&house, name).await.id);
    }
    let mut tx = house.store.begin().await.unwrap();
    for (child, parent) in [(0, 1), (1, 2), (0, 3), (3, 2)] {
        tx.nesting_insert(Nesting { child: ids[child], parent: ids[parent] }, NOW).await.unwrap();
    }
    for (from, to, reached) in [(0, 0, true), (0, 2, true), (1, 2, true), (2, 0, false), (1, 3, false), (3, 1, false)] {
        assert_eq!(tx.nesting_reaches(ids[from], ids[to]).await.unwrap(), reached, "{from} {to}");
    }
    // Should a circle ever be there, whoever walks along it still comes to an end.
    tx.nesting_insert(Nesting { child: ids[2], parent: ids[0] }, NOW).await.unwrap();
    assert!(tx.nesting_reaches(ids[2], ids[1]).await.unwrap());
    assert!(!tx.nesting_reaches(ids[2], ctx().id()).await.unwrap());
    assert!(tx.group_lasting_members("a", NOW).await.unwrap().is_empty());
}

/// As the verb does it: look and write under the lock.
async fn nest(mut tx: Tx, nesting: Nesting) -> bool {
    tx.directory_lock().await.unwrap();
    if tx.nesting_reaches(nesting.parent, nesting.child).await.unwrap() {
        return false;
    }
    tx.nesting_insert(nesting, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    true
}

async fn two_who_close_a_circle_together_do_not(house: House) {
    for round in 0..10 {
        let a = stored_group(&house, &format!("a{round}")).await.id;
        let b = stored_group(&house, &format!("b{round}")).await.id;
        let put = |child: GroupId, parent: GroupId| {
            let store = Arc::clone(&house.store);
            tokio::spawn(async move { nest(store.begin().await.unwrap(), Nesting { child, parent }).await })
        };
        let (one, other) = tokio::join!(put(a, b), put(b, a));
        assert!(one.unwrap() ^ other.unwrap(), "one of them, never both");
    }
}

async fn membership_goes_through_groups(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await, stored_person(&house, "bob").await);
    let mut ids = Vec::new();
    for name in ["Team", "division", "Company", "aside"] {
        ids.push(stored_group(&house, name).await.id);
    }
    let mut tx = house.store.begin().await.unwrap();
    tx.membership_insert(Membership { user: ada.id, group: ids[0] }, NOW).await.unwrap();
    tx.membership_insert(Membership { user: ada.id, group: ids[1] }, NOW).await.unwrap();
    tx.membership_insert(Membership { user: bob.id, group: ids[2] }, NOW).await.unwrap();
    for (child, parent) in [(0, 1), (1, 2)] {
        tx.nesting_insert(Nesting { child: ids[child], parent: ids[parent] }, NOW).await.unwrap();
    }
    assert_eq!(tx.group_names_of(ada.id).await.unwrap(), ["Company", "division", "Team"]);
    assert_eq!(tx.group_names_of(bob.id).await.unwrap(), ["Company"]);
    let mut both = vec![ada.id, bob.id];
    both.sort();
    assert_eq!(tx.group_lasting_members("company", NOW).await.unwrap(), both);
    assert_eq!(tx.group_lasting_members("team", NOW).await.unwrap(), [ada.id]);
    assert!(tx.group_lasting_members("aside", NOW).await.unwrap().is_empty());
    tx.nesting_delete(Nesting { child: ids[1], parent: ids[2] }).await.unwrap();
    assert_eq!(tx.group_names_of(ada.id).await.unwrap(), ["division", "Team"]);
    assert_eq!(tx.group_lasting_members("company", NOW).await.unwrap(), [bob.id]);
}

async fn managers_come_and_go_once(house: House) {
    let (ada, group) = (stored_person(&house, "ada").await.id, stored_group(&house, "g").await);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.manager_insert(group.id, ada, NOW).await.unwrap());
    assert!(!tx.manager_insert(group.id, ada, NOW).await.unwrap());
    assert!(tx.is_manager(group.id, ada).await.unwrap());
    assert!(!tx.is_manager(group.id, ctx().id()).await.unwrap());
    assert_eq!(tx.group_entry(group.id).await.unwrap().unwrap().managers, [ada]);
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(3));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.manager_delete(group.id, ada).await.unwrap());
    assert!(!tx.manager_delete(group.id, ada).await.unwrap());
    assert!(!tx.is_manager(group.id, ada).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(4));
    assert_eq!(kinds_after(&house, 2).await, [ChangeKind::Group(group.id); 2]);
    let mut tx = house.store.begin().await.unwrap();
    assert!(matches!(tx.manager_insert(group.id, ctx().id(), NOW).await, Err(Error::Orphan)));
}

async fn a_manager_who_is_deleted_is_told_of(house: House) {
    let (ada, group) = (stored_person(&house, "ada").await.id, stored_group(&house, "g").await);
    let mut tx = house.store.begin().await.unwrap();
    tx.manager_insert(group.id, ada, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_delete(ada).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(kinds_after(&house, 3).await, [ChangeKind::Group(group.id), ChangeKind::User(ada)]);
    assert!(house.store.group_entry(group.id).await.unwrap().unwrap().managers.is_empty());
}
