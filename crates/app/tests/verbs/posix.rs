//! Numbers of people and groups: given in order, never twice, and chosen by hand without a clash.

use ostiary_app::{GroupChange, NewGroup, NewPerson, PersonChange};
use ostiary_model::UserId;

use crate::administration::refused;
use crate::house::new_person;
use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    numbers_count_up_and_are_not_given_again,
    a_number_by_hand_belongs_to_one,
    when_numbers_are_used_up_accounts_are_made_without,
);

fn uid(house: &House, user: UserId) -> Option<i64> {
    house.app.directory().user(user).unwrap().uid_number
}

async fn numbers_count_up_and_are_not_given_again(pair: Pair) {
    let house = House::with(pair, |settings| {
        settings.posix.first = 5000;
        settings.posix.last = 5100;
    })
    .await;
    let (app, ctx) = (&house.app, house.cli());
    let admins = house.group("lldap_admin").await;
    assert_eq!(app.directory().group(admins).unwrap().gid_number, Some(5000), "built-in groups have one, too");
    let ada = house.person("ada").await;
    assert_eq!(uid(&house, ada.id), Some(5003));
    assert_eq!(house.user(&ada).primary_group(), Some(5003), "a group of their own");
    assert_eq!(app.group_add(&ctx, "team").await.unwrap().gid_number, Some(5004));
    app.person_delete(&ctx, ada.id).await.unwrap();
    // What was given by hand is jumped over.
    let by_hand = PersonChange { uid_number: Some(5005), ..PersonChange::default() };
    app.person_add(&ctx, &NewPerson { change: by_hand, ..new_person("hand") }, None).await.unwrap();
    let bob = house.person("bob").await;
    assert_eq!(uid(&house, bob.id), Some(5006));
    // A refused one takes none.
    refused(&house, "already", app.person_add(&ctx, &new_person("bob"), None)).await;
    let carol = house.person("carol").await;
    assert_eq!(uid(&house, carol.id), Some(5007));
}

async fn a_number_by_hand_belongs_to_one(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let (team, other) = (house.group("team").await, house.group("other").await);
    let number = |uid| PersonChange { uid_number: Some(uid), ..PersonChange::default() };
    let group = |gid| GroupChange { gid_number: Some(gid), ..GroupChange::default() };
    app.person_change(&ctx, ada.id, &number(4711)).await.unwrap();
    app.group_change(&ctx, team, &group(4712)).await.unwrap();
    let words = "This number belongs";
    refused(&house, words, app.person_change(&ctx, bob.id, &number(4711))).await;
    refused(&house, words, app.person_change(&ctx, bob.id, &number(4712))).await;
    refused(&house, words, app.group_change(&ctx, other, &group(4712))).await;
    refused(&house, words, app.group_change(&ctx, other, &group(4711))).await;
    // Beside another primary group the number of the account is the account's alone.
    let primary = PersonChange { gid_number: Some(Some(4712)), ..PersonChange::default() };
    app.person_change(&ctx, ada.id, &primary).await.unwrap();
    app.group_change(&ctx, other, &group(4711)).await.unwrap();
    let alone = PersonChange { gid_number: Some(None), ..PersonChange::default() };
    refused(&house, words, app.person_change(&ctx, ada.id, &alone)).await;
    let new = NewGroup { name: "new".into(), change: group(4712) };
    refused(&house, words, app.group_add_with(&ctx, &new)).await;
}

async fn when_numbers_are_used_up_accounts_are_made_without(pair: Pair) {
    let house = House::with(pair, |settings| {
        // Three for the built-in groups, one more.
        settings.posix.first = 5000;
        settings.posix.last = 5003;
    })
    .await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    assert_eq!((uid(&house, ada.id), uid(&house, bob.id)), (Some(5003), None));
    let group = house.app.group_add(&house.cli(), "team").await.unwrap();
    assert_eq!(group.gid_number, None);
    // A start with more of them makes up for it, groups first.
    let wider = house.another_with(|settings| settings.posix.last = 5004).await;
    assert_eq!(wider.directory().group(group.id).unwrap().gid_number, Some(5004));
    assert_eq!(wider.directory().user(bob.id).unwrap().uid_number, None);
    let wider = house.another_with(|settings| settings.posix.last = 5100).await;
    assert_eq!(wider.directory().user(bob.id).unwrap().uid_number, Some(5005));
    assert_eq!(wider.directory().user(ada.id).unwrap().uid_number, Some(5003));
}
