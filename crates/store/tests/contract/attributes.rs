//! Definitions, values, further addresses, pictures.

use std::sync::Arc;

use ostiary_model::{
    AttributeDef, AttributeKind, AttributeName, Email, Folded, GroupEntry, HOME_DIRECTORY, LOGIN_SHELL, ObjectClass,
    SSH_PUBLIC_KEY, Span, UserEntry,
};
use ostiary_store::{Avatar, ChangeKind, Conflict, Error};

use crate::changes::kinds_after;
use crate::{House, NOW, contract, ctx, person, reread, stored_group, stored_person};

contract!(
    three_attributes_are_there_from_the_start,
    definitions_come_change_and_go_and_never_reuse_a_number,
    object_classes_come_and_go,
    values_are_replaced_as_a_whole,
    pictures_among_values_are_fetched_only_when_asked_for,
    values_go_with_their_attribute_and_their_entry,
    an_address_finds_its_person,
    an_address_is_somebody_s_once,
    two_who_take_an_address_at_once,
    a_picture_comes_and_goes,
);

fn name(text: &str) -> AttributeName {
    AttributeName::parse(text).unwrap()
}

fn badge() -> AttributeDef {
    AttributeDef {
        number: 0,
        name: name("Badge"),
        kind: AttributeKind::Integer,
        is_list: true,
        on_users: true,
        on_groups: true,
        is_visible: true,
        is_editable: false,
    }
}

fn photo() -> AttributeDef {
    AttributeDef { name: name("badgePhoto"), kind: AttributeKind::Jpeg, ..badge() }
}

/// Stores definitions and gives their numbers.
async fn defined<const N: usize>(house: &House, defs: [AttributeDef; N]) -> [u32; N] {
    let mut numbers = [0; N];
    let mut tx = house.store.begin().await.unwrap();
    for (number, def) in numbers.iter_mut().zip(&defs) {
        *number = tx.attribute_insert(def, NOW).await.unwrap().number;
    }
    tx.commit(NOW).await.unwrap();
    numbers
}

async fn three_attributes_are_there_from_the_start(house: House) {
    let schema = house.store.schema().await.unwrap();
    let built_in: Vec<(u32, &str, bool, bool)> =
        schema.defs().map(|def| (def.number, def.name.as_str(), def.is_list, def.is_editable)).collect();
    assert_eq!(
        built_in,
        [
            (SSH_PUBLIC_KEY, "sshPublicKey", true, true),
            (LOGIN_SHELL, "loginShell", false, false),
            (HOME_DIRECTORY, "homeDirectory", false, false)
        ]
    );
    assert!(schema.defs().all(|def| def.kind == AttributeKind::String && def.on_users && !def.on_groups));
    assert!(schema.classes().is_empty());
}

async fn definitions_come_change_and_go_and_never_reuse_a_number(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    let first = tx.attribute_insert(&badge(), NOW).await.unwrap();
    assert_eq!(first, AttributeDef { number: 1001, ..badge() });
    assert_eq!(tx.schema().await.unwrap().def(1001), Some(&first));
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(1));
    let changed = AttributeDef {
        name: name("badgeNumber"),
        kind: AttributeKind::Boolean,
        is_list: false,
        on_groups: false,
        is_visible: false,
        is_editable: true,
        ..first
    };
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.attribute_update(&changed).await.unwrap());
    assert!(!tx.attribute_update(&AttributeDef { number: 4, ..badge() }).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(2));
    let stored = house.store.schema().await.unwrap();
    assert_eq!(
        stored.def_by_name("BADGENUMBER"),
        Some(&AttributeDef { kind: AttributeKind::Integer, ..changed.clone() })
    );
    for twin in ["BADGEnumber", "SSHpublicKEY"] {
        let mut tx = house.store.begin().await.unwrap();
        let taken = tx.attribute_insert(&AttributeDef { name: name(twin), ..badge() }, NOW).await;
        assert!(matches!(taken, Err(Error::Conflict(Conflict::AttributeName))), "{taken:?}");
    }
    let mut tx = house.store.begin().await.unwrap();
    let taken = tx.attribute_update(&AttributeDef { name: name("LOGINSHELL"), ..changed }).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::AttributeName))), "{taken:?}");
    drop(tx);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.attribute_delete(1001).await.unwrap());
    assert!(!tx.attribute_delete(1001).await.unwrap());
    assert_eq!(tx.attribute_insert(&badge(), NOW).await.unwrap().number, 1002);
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(3));
    assert_eq!(kinds_after(&house, 0).await, [ChangeKind::Schema; 3]);
}

async fn object_classes_come_and_go(house: House) {
    let class = ObjectClass { name: name("inetLocalMailRecipient"), on_users: true, on_groups: false };
    let mut tx = house.store.begin().await.unwrap();
    tx.object_class_insert(&class).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.schema().await.unwrap().classes(), [class]);
    let twin = ObjectClass { name: name("INETlocalMAILrecipient"), on_users: false, on_groups: true };
    let mut tx = house.store.begin().await.unwrap();
    let taken = tx.object_class_insert(&twin).await;
    assert!(matches!(taken, Err(Error::Conflict(Conflict::ObjectClass))), "{taken:?}");
    drop(tx);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.object_class_delete(&twin.name).await.unwrap());
    assert!(!tx.object_class_delete(&twin.name).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(house.store.schema().await.unwrap().classes().is_empty());
    assert_eq!(kinds_after(&house, 0).await, [ChangeKind::Schema; 2]);
}

async fn values_are_replaced_as_a_whole(house: House) {
    let [number] = defined(&house, [badge()]).await;
    let (user, group) = (stored_person(&house, "ada").await, stored_group(&house, "g").await);
    let later = NOW + Span::from_secs(9);
    let values = |numbers: &[&str]| numbers.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
    for list in [values(&["9", "-1", "42"]), values(&["42", "9"]), Vec::new()] {
        let mut tx = house.store.begin().await.unwrap();
        assert!(tx.user_values_set(user.id, number, &list, later).await.unwrap());
        assert!(tx.group_values_set(group.id, number, &list, later).await.unwrap());
        let stored = if list.is_empty() { Vec::new() } else { vec![(number, list.clone())] };
        assert_eq!(tx.user_entry(user.id).await.unwrap().unwrap().values, stored);
        assert_eq!(tx.group_entry(group.id).await.unwrap().unwrap().values, stored);
        tx.commit(NOW).await.unwrap();
        assert_eq!(house.store.user_value_bytes(user.id, number).await.unwrap(), list);
        assert_eq!(house.store.group_value_bytes(group.id, number).await.unwrap(), list);
    }
    assert_eq!(kinds_after(&house, 7).await, [ChangeKind::User(user.id), ChangeKind::Group(group.id)]);
    assert_eq!(reread(&house, user.id).await.modified_at, later);
    assert_eq!(house.store.group_by_id(group.id).await.unwrap().unwrap().modified_at, later);
    let mut tx = house.store.begin().await.unwrap();
    assert!(!tx.user_values_set(ctx().id(), number, &values(&["1"]), later).await.unwrap());
    assert!(!tx.group_values_set(ctx().id(), number, &values(&["1"]), later).await.unwrap());
    let latest = later + Span::from_secs(1);
    assert!(tx.group_touch(group.id, latest).await.unwrap());
    assert_eq!(tx.group_by_id(group.id).await.unwrap().unwrap().modified_at, latest);
    assert!(!tx.group_touch(ctx().id(), latest).await.unwrap());
    assert_eq!(tx.user_entry(ctx().id()).await.unwrap(), None);
    assert_eq!(tx.group_entry(ctx().id()).await.unwrap(), None);
    let unknown = tx.user_values_set(user.id, 4, &values(&["1"]), later).await;
    assert!(matches!(unknown, Err(Error::Orphan)), "{unknown:?}");
}

async fn pictures_among_values_are_fetched_only_when_asked_for(house: House) {
    let [number, picture] = defined(&house, [badge(), photo()]).await;
    let (user, group) = (stored_person(&house, "ada").await, stored_group(&house, "g").await);
    let jpegs = [vec![0xff, 0xd8, 0xff, 1], vec![0xff, 0xd8, 0xff, 2]];
    let mut tx = house.store.begin().await.unwrap();
    tx.user_values_set(user.id, picture, &jpegs, NOW).await.unwrap();
    tx.user_values_set(user.id, number, &[b"7".to_vec()], NOW).await.unwrap();
    tx.user_values_set(user.id, LOGIN_SHELL, &[b"/bin/sh".to_vec()], NOW).await.unwrap();
    tx.group_values_set(group.id, picture, &jpegs[..1], NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let empty = Vec::<u8>::new;
    let values = vec![
        (LOGIN_SHELL, vec![b"/bin/sh".to_vec()]),
        (number, vec![b"7".to_vec()]),
        (picture, vec![empty(), empty()]),
    ];
    let user_entry = UserEntry { user: reread(&house, user.id).await, addresses: Vec::new(), values };
    let group_entry = GroupEntry { group: group.clone(), values: vec![(picture, vec![empty()])], managers: Vec::new() };
    assert_eq!(house.store.user_entry(user.id).await.unwrap(), Some(user_entry.clone()));
    assert_eq!(house.store.group_entry(group.id).await.unwrap(), Some(group_entry.clone()));
    let snapshot = house.store.directory_snapshot().await.unwrap();
    assert_eq!((snapshot.users, snapshot.groups), (vec![user_entry], vec![group_entry]));
    assert_eq!(house.store.user_value_bytes(user.id, picture).await.unwrap(), jpegs);
    assert_eq!(house.store.group_value_bytes(group.id, picture).await.unwrap(), jpegs[..1]);
    assert!(house.store.user_value_bytes(user.id, 4).await.unwrap().is_empty());
}

async fn values_go_with_their_attribute_and_their_entry(house: House) {
    let [number] = defined(&house, [badge()]).await;
    let (user, group) = (stored_person(&house, "ada").await, stored_group(&house, "g").await);
    let mut tx = house.store.begin().await.unwrap();
    for number in [number, SSH_PUBLIC_KEY] {
        tx.user_values_set(user.id, number, &[b"7".to_vec()], NOW).await.unwrap();
    }
    assert_eq!(tx.attribute_used(number).await.unwrap(), (true, false));
    tx.group_values_set(group.id, number, &[b"7".to_vec()], NOW).await.unwrap();
    assert_eq!(tx.attribute_used(number).await.unwrap(), (true, true));
    assert_eq!(tx.attribute_used(LOGIN_SHELL).await.unwrap(), (false, false));
    tx.attribute_delete(number).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.user_value_bytes(user.id, number).await.unwrap().is_empty());
    assert!(house.store.group_entry(group.id).await.unwrap().unwrap().values.is_empty());
    let mut tx = house.store.begin().await.unwrap();
    tx.user_addresses_set(user.id, &[Email::parse("a@example.tld").unwrap()], NOW).await.unwrap();
    tx.avatar_set(user.id, Some(b"jpeg"), NOW).await.unwrap();
    assert!(tx.user_delete(user.id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(house.store.user_value_bytes(user.id, SSH_PUBLIC_KEY).await.unwrap().is_empty());
    assert_eq!(house.store.avatar(user.id).await.unwrap(), None);
    assert!(house.store.user_by_email(&Folded::new("a@example.tld")).await.unwrap().is_none());
}

fn emails<const N: usize>(texts: [&str; N]) -> [Email; N] {
    texts.map(|text| Email::parse(text).unwrap())
}

async fn an_address_finds_its_person(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await, stored_person(&house, "bob").await);
    let later = NOW + Span::from_secs(9);
    let mut tx = house.store.begin().await.unwrap();
    let further = emails(["Ada@Other.tld", "a@example.tld"]);
    assert!(tx.user_addresses_set(ada.id, &further, later).await.unwrap());
    assert!(!tx.user_addresses_set(ctx().id(), &further, later).await.unwrap());
    assert_eq!(tx.user_entry(ada.id).await.unwrap().unwrap().addresses, further);
    tx.commit(NOW).await.unwrap();
    let found = async |text| house.store.user_by_email(&Folded::new(text)).await.unwrap().map(|user| user.id);
    for text in ["ada@example.tld", "ADA@OTHER.TLD", "a@example.tld"] {
        assert_eq!(found(text).await, Some(ada.id), "{text}");
    }
    assert_eq!(found("bob@example.tld").await, Some(bob.id));
    assert_eq!(found("b@example.tld").await, None);
    assert_eq!(reread(&house, ada.id).await.modified_at, later);
    assert_eq!(kinds_after(&house, 2).await, [ChangeKind::User(ada.id)]);
    // Further addresses can change places with each other, and make room for the first one.
    let mut profile = ada.profile.clone();
    profile.email = further[0].clone();
    let mut tx = house.store.begin().await.unwrap();
    let refused = tx.user_update_profile(ada.id, &profile, later).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Email))), "{refused:?}");
    assert!(tx.user_addresses_set(ada.id, &further[1..], later).await.unwrap());
    assert!(tx.user_update_profile(ada.id, &profile, later).await.unwrap());
    let swapped = [further[1].clone(), ada.profile.email.clone()];
    assert!(tx.user_addresses_set(ada.id, &swapped, later).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.user_entry(ada.id).await.unwrap().unwrap().addresses, swapped);
}

async fn an_address_is_somebody_s_once(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await, stored_person(&house, "bob").await);
    let mut tx = house.store.begin().await.unwrap();
    tx.user_addresses_set(ada.id, &emails(["shared@example.tld"]), NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    for taken in [
        &emails(["SHARED@example.tld"])[..],
        &emails(["ADA@example.tld"])[..],
        &emails(["bob@example.tld"])[..],
        &emails(["twice@example.tld", "Twice@example.tld"])[..],
    ] {
        let mut tx = house.store.begin().await.unwrap();
        let refused = tx.user_addresses_set(bob.id, taken, NOW).await;
        assert!(matches!(refused, Err(Error::Conflict(Conflict::Email))), "{taken:?} {refused:?}");
    }
    let mut twin = person(&ctx(), "twin");
    [twin.profile.email] = emails(["Shared@Example.tld"]);
    let mut tx = house.store.begin().await.unwrap();
    let refused = tx.user_insert(&twin).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Email))), "{refused:?}");
    let refused = tx.user_update_profile(bob.id, &twin.profile, NOW).await;
    assert!(matches!(refused, Err(Error::Conflict(Conflict::Email))), "{refused:?}");
    assert!(!tx.user_update_profile(ctx().id(), &twin.profile, NOW).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), None, "nothing was written");
}

/// Whichever way two people come to the same address: one of them has it.
async fn two_who_take_an_address_at_once(house: House) {
    for round in 0..10 {
        let (ada, bob) =
            (stored_person(&house, &format!("ada{round}")).await, stored_person(&house, &format!("bob{round}")).await);
        let [address] = emails([&format!("shared{round}@example.tld")]);
        let (store, further) = (Arc::clone(&house.store), address.clone());
        let one = tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            tx.directory_lock().await.unwrap();
            let done = tx.user_addresses_set(ada.id, &[further], NOW).await.is_ok();
            if done { tx.commit(NOW).await.is_ok() } else { false }
        });
        let store = Arc::clone(&house.store);
        let other = tokio::spawn(async move {
            let mut profile = bob.profile.clone();
            profile.email = address;
            let mut tx = store.begin().await.unwrap();
            tx.directory_lock().await.unwrap();
            let done = match round % 3 {
                0 => tx.user_addresses_set(bob.id, &[profile.email], NOW).await.is_ok(),
                1 => tx.user_update_profile(bob.id, &profile, NOW).await.is_ok(),
                _ => {
                    let mut new = person(&ctx(), &format!("new{round}"));
                    new.profile.email = profile.email;
                    tx.user_insert(&new).await.is_ok()
                }
            };
            if done { tx.commit(NOW).await.is_ok() } else { false }
        });
        let (one, other) = tokio::join!(one, other);
        assert!(one.unwrap() ^ other.unwrap(), "round {round}");
    }
}

async fn a_picture_comes_and_goes(house: House) {
    let user = stored_person(&house, "ada").await;
    assert_eq!(house.store.avatar(user.id).await.unwrap(), None);
    let later = NOW + Span::from_secs(9);
    for (jpeg, at) in [(vec![0xff, 0xd8, 0xff, 0], NOW), (vec![1; 100_000], later)] {
        let mut tx = house.store.begin().await.unwrap();
        assert!(tx.avatar_set(user.id, Some(&jpeg), at).await.unwrap());
        assert!(!tx.avatar_set(ctx().id(), Some(&jpeg), at).await.unwrap());
        tx.commit(NOW).await.unwrap();
        assert_eq!(house.store.avatar(user.id).await.unwrap(), Some(Avatar { jpeg, changed_at: at }));
        let now = reread(&house, user.id).await;
        assert_eq!((now.has_avatar, now.modified_at), (true, at));
    }
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.avatar_set(user.id, None, later).await.unwrap());
    assert!(!tx.avatar_set(user.id, None, later).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.avatar(user.id).await.unwrap(), None);
    assert!(!reread(&house, user.id).await.has_avatar);
    assert_eq!(kinds_after(&house, 1).await, [ChangeKind::User(user.id); 3]);
}
