//! The root of the house: one, whoever made it.

use std::sync::Arc;

use ostiary_store::RootRecord;

use crate::{House, NOW, contract};

contract!(of_all_who_make_a_root_one_does, the_next_root_takes_the_place_of_the_one_before);

fn root(version: i64, maker: u8) -> RootRecord {
    RootRecord {
        version,
        certificate: format!("root {version} of {maker}"),
        key_sealed: vec![0, maker, 255],
        created_at: NOW,
    }
}

/// Whether this one is stored now, or somebody else was quicker.
async fn put(store: &ostiary_store::Store, root: &RootRecord) -> bool {
    let mut tx = store.begin().await.unwrap();
    let is_stored = tx.root_put(root).await.unwrap();
    tx.commit(NOW).await.unwrap();
    is_stored
}

async fn of_all_who_make_a_root_one_does(house: House) {
    assert_eq!(house.store.root().await.unwrap(), None);
    // Another process, too.
    let other = Arc::new(house.again().await);
    for version in 1..=2 {
        let mut makers = tokio::task::JoinSet::new();
        for maker in 0..20 {
            let store = if maker % 2 == 0 { Arc::clone(&house.store) } else { Arc::clone(&other) };
            makers.spawn(async move { put(&store, &root(version, maker)).await.then_some(maker) });
        }
        let made: Vec<u8> = makers.join_all().await.into_iter().flatten().collect();
        let [maker] = made[..] else { panic!("{made:?} made one") };
        for store in [&house.store, &other] {
            assert_eq!(store.root().await.unwrap(), Some(root(version, maker)));
        }
    }
}

async fn the_next_root_takes_the_place_of_the_one_before(house: House) {
    for (version, maker, is_stored) in [(1, 0, true), (1, 1, false), (3, 2, false), (2, 3, true), (1, 4, false)] {
        let before = house.store.root().await.unwrap();
        assert_eq!(put(&house.store, &root(version, maker)).await, is_stored, "{version} by {maker}");
        let expected = if is_stored { Some(root(version, maker)) } else { before };
        assert_eq!(house.store.root().await.unwrap(), expected);
    }
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.root_put(&root(3, 5)).await.unwrap());
    drop(tx);
    assert_eq!(house.store.root().await.unwrap(), Some(root(2, 3)), "nothing was committed");
}
