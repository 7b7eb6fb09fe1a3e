//! Accounts, groups, memberships.

use ostiary_model::{Email, Folded, Generation, GroupName, Membership, Span, User, UserState, Username, Validity};
use ostiary_store::{Conflict, Error};

use crate::{House, NOW, contract, ctx, person, reread, stored_person};

contract!(
    an_account_comes_back_as_it_was,
    names_and_addresses_are_unique_in_any_spelling,
    a_profile_can_be_changed,
    closing_and_opening_raise_the_generation_once,
    everything_of_an_account_goes_with_it,
    a_sign_in_is_noted,
    groups_count_up_and_never_reuse_a_number,
    groups_are_unique_renamed_and_deleted,
    memberships_come_and_go_once,
    what_an_account_may_do_is_kept_with_it,
    lasting_members_are_open_and_have_no_end,
    what_is_not_committed_never_was,
);

async fn an_account_comes_back_as_it_was(house: House) {
    let mut user = person(&ctx(), "Ada.Okafor");
    user.profile.given_name = "Zoë".into();
    user.profile.family_name = "O'Neil \"x\" \\ % _ ☃".into();
    let mut tx = house.store.begin().await.unwrap();
    tx.user_insert(&user).await.unwrap();
    assert_eq!(tx.user_by_id(user.id).await.unwrap().unwrap(), user);
    tx.commit(NOW).await.unwrap();
    assert_eq!(reread(&house, user.id).await, user);
    for spelling in ["ada.okafor", "ADA.OKAFOR", " Ada.Okafor "] {
        assert_eq!(house.store.user_by_name(&Folded::new(spelling)).await.unwrap().unwrap().id, user.id);
    }
    let mail = Folded::new("ADA.OKAFOR@EXAMPLE.TLD");
    assert_eq!(house.store.user_by_email(&mail).await.unwrap().unwrap().id, user.id);
    assert!(house.store.user_by_name(&mail).await.unwrap().is_none());
    assert!(house.store.user_by_id(ctx().id()).await.unwrap().is_none());
}

async fn names_and_addresses_are_unique_in_any_spelling(house: House) {
    stored_person(&house, "elodie").await;
    let mut tx = house.store.begin().await.unwrap();
    let mut twin = person(&ctx(), "ELODIE");
    twin.profile.email = Email::parse("other@example.tld").unwrap();
    assert!(matches!(tx.user_insert(&twin).await, Err(Error::Conflict(Conflict::Username))));
    drop(tx);
    let mut tx = house.store.begin().await.unwrap();
    let mut twin = person(&ctx(), "other");
    twin.profile.email = Email::parse("Elodie@Example.TLD").unwrap();
    assert!(matches!(tx.user_insert(&twin).await, Err(Error::Conflict(Conflict::Email))));
}

async fn a_profile_can_be_changed(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut profile = user.profile.clone();
    profile.username = Username::parse("ada.lovelace").unwrap();
    profile.display_name = "Ada Lovelace".into();
    let later = NOW + Span::from_secs(9);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_update_profile(user.id, &profile, later).await.unwrap());
    assert!(!tx.user_update_profile(ctx().id(), &person(&ctx(), "nobody").profile, later).await.unwrap());
    tx.commit(later).await.unwrap();
    let now = reread(&house, user.id).await;
    assert_eq!((now.profile, now.modified_at, now.generation), (profile, later, user.generation));
    assert!(house.store.user_by_name(&Folded::new("ada")).await.unwrap().is_none());
}

async fn closing_and_opening_raise_the_generation_once(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    assert!(!tx.user_set_disabled(user.id, false, NOW).await.unwrap());
    assert!(tx.user_set_disabled(user.id, true, NOW).await.unwrap());
    assert!(!tx.user_set_disabled(user.id, true, NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    let closed = reread(&house, user.id).await;
    assert_eq!((closed.state, closed.generation), (UserState::Disabled(NOW), Generation(2)));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_set_disabled(user.id, false, NOW).await.unwrap());
    assert_eq!(tx.user_raise_generation(user.id, NOW).await.unwrap(), Some(Generation(4)));
    assert_eq!(tx.user_raise_generation(ctx().id(), NOW).await.unwrap(), None);
    tx.commit(NOW).await.unwrap();
    let open = reread(&house, user.id).await;
    assert_eq!((open.state, open.generation), (UserState::Active, Generation(4)));
}

async fn everything_of_an_account_goes_with_it(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    let group = tx.group_insert(ctx().id(), &GroupName::parse("Editors").unwrap(), None, NOW).await.unwrap();
    let member = Membership { user: user.id, group: group.id };
    tx.membership_insert(member, NOW).await.unwrap();
    tx.password_set(user.id, "$phc", NOW).await.unwrap();
    tx.totp_insert(user.id, b"sealed", 1, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_delete(user.id).await.unwrap());
    assert!(!tx.user_delete(user.id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.membership_exists(member).await.unwrap());
    assert!(house.store.password_hash(user.id).await.unwrap().is_none());
    assert!(house.store.totp(user.id).await.unwrap().is_none());
    assert!(house.store.group_by_id(group.id).await.unwrap().is_some());
}

async fn a_sign_in_is_noted(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    tx.user_signed_in(user.id, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(reread(&house, user.id).await.last_sign_in_at, Some(NOW));
}

async fn groups_count_up_and_never_reuse_a_number(house: House) {
    let name = |text: &str| GroupName::parse(text).unwrap();
    let mut tx = house.store.begin().await.unwrap();
    let first = tx.group_insert(ctx().id(), &name("one"), None, NOW).await.unwrap();
    let second = tx.group_insert(ctx().id(), &name("two"), None, NOW).await.unwrap();
    tx.group_delete(second.id).await.unwrap();
    let third = tx.group_insert(ctx().id(), &name("three"), None, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!((first.number, second.number, third.number), (1, 2, 3));
}

async fn groups_are_unique_renamed_and_deleted(house: House) {
    let name = |text: &str| GroupName::parse(text).unwrap();
    let mut tx = house.store.begin().await.unwrap();
    let group = tx.group_insert(ctx().id(), &name("Küche"), None, NOW).await.unwrap();
    assert_eq!(tx.group_by_name("küche").await.unwrap().as_ref(), Some(&group));
    assert_eq!(tx.group_by_id(group.id).await.unwrap().as_ref(), Some(&group));
    assert!(tx.group_by_name("Küche").await.unwrap().is_none(), "names are looked up folded");
    tx.commit(NOW).await.unwrap();
    let mut tx = house.store.begin().await.unwrap();
    let twin = tx.group_insert(ctx().id(), &name("KÜCHE"), None, NOW).await;
    assert!(matches!(twin, Err(Error::Conflict(Conflict::GroupName))));
    drop(tx);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.group_rename(group.id, &name("Kantine"), NOW).await.unwrap());
    assert!(!tx.group_rename(ctx().id(), &name("Keller"), NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.group_by_id(group.id).await.unwrap().unwrap().name, name("Kantine"));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.group_delete(group.id).await.unwrap());
    assert!(!tx.group_delete(group.id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(house.store.group_by_id(group.id).await.unwrap().is_none());
}

async fn memberships_come_and_go_once(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    let b = tx.group_insert(ctx().id(), &GroupName::parse("b").unwrap(), None, NOW).await.unwrap();
    let a = tx.group_insert(ctx().id(), &GroupName::parse("A").unwrap(), None, NOW).await.unwrap();
    for group in [&b, &a] {
        let member = Membership { user: user.id, group: group.id };
        assert!(tx.membership_insert(member, NOW).await.unwrap());
        assert!(!tx.membership_insert(member, NOW).await.unwrap());
    }
    assert_eq!(tx.group_names_of(user.id).await.unwrap(), ["A", "b"]);
    let member = Membership { user: user.id, group: b.id };
    assert!(tx.membership_delete(member).await.unwrap());
    assert!(!tx.membership_delete(member).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.membership_exists(member).await.unwrap());
    assert!(house.store.membership_exists(Membership { user: user.id, group: a.id }).await.unwrap());
    let mut tx = house.store.begin().await.unwrap();
    let orphan = Membership { user: ctx().id(), group: a.id };
    assert!(matches!(tx.membership_insert(orphan, NOW).await, Err(Error::Orphan)));
}

async fn what_an_account_may_do_is_kept_with_it(house: House) {
    let mut user = person(&ctx(), "ada");
    user.is_service = true;
    user.validity = Validity { not_before: Some(NOW), not_after: Some(NOW + Span::from_days(1)) };
    (user.uid_number, user.gid_number) = (Some(1000), Some(100));
    let mut tx = house.store.begin().await.unwrap();
    tx.user_insert(&user).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(reread(&house, user.id).await, user);
    let later = NOW + Span::from_secs(9);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.user_set_service(user.id, false, later).await.unwrap());
    assert!(!tx.user_set_service(ctx().id(), false, later).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(2));
    let mut tx = house.store.begin().await.unwrap();
    let validity = Validity { not_before: None, not_after: Some(later) };
    assert!(tx.user_set_validity(user.id, validity, later).await.unwrap());
    assert!(!tx.user_set_validity(ctx().id(), validity, later).await.unwrap());
    assert_eq!(tx.commit(NOW).await.unwrap(), Some(3));
    let now = reread(&house, user.id).await;
    assert_eq!((now.is_service, now.validity, now.modified_at), (false, validity, later));
    assert!(!now.is_open(later));
}

async fn lasting_members_are_open_and_have_no_end(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    let group = tx.group_insert(ctx().id(), &GroupName::parse("Crew").unwrap(), None, NOW).await.unwrap();
    let day = Span::from_days(1);
    let mut ids = Vec::new();
    for (name, not_before, not_after) in [
        ("ada", None, None),
        ("begun", Some(NOW), None),
        ("closed", None, None),
        ("ends", None, Some(NOW + day)),
        ("waits", Some(NOW + day), None),
        ("stranger", None, None),
    ] {
        let user = User { validity: Validity { not_before, not_after }, ..person(&ctx(), name) };
        tx.user_insert(&user).await.unwrap();
        if name != "stranger" {
            tx.membership_insert(Membership { user: user.id, group: group.id }, NOW).await.unwrap();
        }
        ids.push(user.id);
    }
    tx.user_set_disabled(ids[2], true, NOW).await.unwrap();
    let mut lasting = vec![ids[0], ids[1]];
    lasting.sort();
    assert_eq!(tx.group_lasting_members("crew", NOW).await.unwrap(), lasting);
    lasting.push(ids[4]);
    lasting.sort();
    assert_eq!(tx.group_lasting_members("crew", NOW + day).await.unwrap(), lasting);
    // A program is no person: it could not open a page.
    tx.user_set_service(ids[1], true, NOW).await.unwrap();
    lasting.retain(|id| *id != ids[1]);
    assert_eq!(tx.group_lasting_members("crew", NOW + day).await.unwrap(), lasting);
    assert!(tx.group_lasting_members("nobody", NOW).await.unwrap().is_empty());
}

async fn what_is_not_committed_never_was(house: House) {
    let user = person(&ctx(), "ghost");
    let mut tx = house.store.begin().await.unwrap();
    tx.user_insert(&user).await.unwrap();
    drop(tx);
    assert!(house.store.user_by_id(user.id).await.unwrap().is_none());
    assert_eq!(house.store.directory_head().await.unwrap(), 0);
    // The next writer is not held up by the dropped one.
    stored_person(&house, "ghost").await;
}
