//! What can be different about a person: names, several addresses, from when to when, a program's
//! account. All of a change is written or nothing.

use ostiary_app::{AdminError, GroupChange, NewPerson, PersonChange};
use ostiary_model::{Actor, Folded, Level, SSH_PUBLIC_KEY, Span, UserId};

use crate::administration::refused;
use crate::guards::other_hears;
use crate::house::new_person;
use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    everything_is_set_at_once_and_shown,
    a_new_person_has_it_all_from_the_start,
    addresses_trade_places_and_belong_to_one_person,
    a_change_is_whole_or_nothing,
    a_change_that_changes_nothing_is_none,
    what_was_held_ends_when_an_account_is_closed_opened_or_changes_hands,
    nobody_ends_their_own_account,
    the_last_administrator_gets_no_end,
    two_administrators_cannot_end_each_other,
);

const KEY: &[u8] = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ada@lamp";

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

async fn everything_is_set_at_once_and_shown(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let change = PersonChange {
        username: Some("ada.okafor".into()),
        email: Some("Ada@Example.tld".into()),
        display_name: Some("Dr. Ada Okafor".into()),
        given_name: Some("Ada".into()),
        family_name: Some(" Okafor ".into()),
        addresses: Some(texts(&["a.okafor@example.tld", "desk@example.tld"])),
        not_before: Some(Some(house.now() - Span::from_days(1))),
        not_after: Some(Some(house.now() + Span::from_days(1))),
        is_service: Some(true),
        uid_number: Some(4711),
        gid_number: Some(Some(100)),
        values: vec![(SSH_PUBLIC_KEY, vec![KEY.to_vec()])],
    };
    app.person_change(&ctx, ada.id, &change).await.unwrap();
    for app in [app, &house.another().await] {
        let directory = app.directory();
        let user = directory.user(ada.id).unwrap();
        assert_eq!(user.profile.username.as_str(), "ada.okafor");
        assert_eq!(user.profile.email.as_str(), "Ada@Example.tld");
        assert_eq!(user.profile.display_name, "Dr. Ada Okafor");
        assert_eq!(user.profile.family_name, "Okafor");
        assert_eq!((user.uid_number, user.gid_number, user.is_service), (Some(4711), Some(100), true));
        assert_eq!(user.validity.not_after, Some(house.now() + Span::from_days(1)));
        let addresses: Vec<_> = directory.addresses_of(ada.id).iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["a.okafor@example.tld", "desk@example.tld"]);
        assert_eq!(directory.values_of_user(ada.id, SSH_PUBLIC_KEY), [str::from_utf8(KEY).unwrap()]);
        assert_eq!(directory.user_by_email(&Folded::new("DESK@example.tld")).unwrap().id, ada.id);
    }
    let back = PersonChange {
        display_name: Some(String::new()),
        addresses: Some(Vec::new()),
        not_before: Some(None),
        not_after: Some(None),
        is_service: Some(false),
        gid_number: Some(None),
        values: vec![(SSH_PUBLIC_KEY, Vec::new())],
        ..PersonChange::default()
    };
    app.person_change(&ctx, ada.id, &back).await.unwrap();
    let user = house.user(&ada);
    assert_eq!(user.profile.full_name(), "Ada Okafor");
    assert_eq!((user.validity, user.is_service, user.gid_number), (Default::default(), false, None));
    assert!(app.directory().addresses_of(ada.id).is_empty());
    assert!(app.directory().values_of_user(ada.id, SSH_PUBLIC_KEY).is_empty());
}

async fn a_new_person_has_it_all_from_the_start(pair: Pair) {
    let house = House::new(pair).await;
    let change = PersonChange {
        addresses: Some(texts(&["desk@example.tld"])),
        is_service: Some(true),
        not_after: Some(Some(house.now() + Span::from_days(30))),
        uid_number: Some(4711),
        gid_number: Some(Some(100)),
        values: vec![(SSH_PUBLIC_KEY, vec![KEY.to_vec()])],
        ..PersonChange::default()
    };
    let new = NewPerson { change: change.clone(), ..new_person("ada") };
    let user = house.app.person_add(&house.cli(), &new, None).await.unwrap();
    assert_eq!((user.uid_number, user.gid_number, user.is_service), (Some(4711), Some(100), true));
    assert_eq!(user.validity.not_after, change.not_after.flatten());
    assert_eq!(house.app.directory().addresses_of(user.id).len(), 1);
    assert_eq!(house.app.directory().values_of_user(user.id, SSH_PUBLIC_KEY).len(), 1);
    for (change, words) in [
        (PersonChange { addresses: Some(texts(&["desk@example.tld"])), ..PersonChange::default() }, "e-mail address"),
        (PersonChange { addresses: Some(texts(&["BOB@example.tld"])), ..PersonChange::default() }, "twice"),
        (PersonChange { uid_number: Some(4711), ..PersonChange::default() }, "This number belongs"),
        (PersonChange { values: vec![(SSH_PUBLIC_KEY, vec![b"key".to_vec()])], ..PersonChange::default() }, "one line"),
    ] {
        let new = NewPerson { change, ..new_person("bob") };
        refused(&house, words, house.app.person_add(&house.cli(), &new, None)).await;
    }
}

async fn addresses_trade_places_and_belong_to_one_person(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let further = |list: &[&str]| PersonChange { addresses: Some(texts(list)), ..PersonChange::default() };
    let primary = |email: &str| PersonChange { email: Some(email.into()), ..PersonChange::default() };
    app.person_change(&ctx, ada.id, &further(&["one@example.tld", "two@example.tld"])).await.unwrap();

    // The one that becomes the primary leaves its place to the old one.
    app.person_change(&ctx, ada.id, &primary("ONE@example.tld")).await.unwrap();
    let shown = || -> Vec<String> { app.directory().addresses_of(ada.id).iter().map(ToString::to_string).collect() };
    assert_eq!(house.user(&ada).profile.email.as_str(), "ONE@example.tld");
    assert_eq!(shown(), ["ada@example.tld", "two@example.tld"]);

    // A new one takes the place of the old one.
    app.person_change(&ctx, ada.id, &primary("three@example.tld")).await.unwrap();
    assert_eq!(shown(), ["ada@example.tld", "two@example.tld"]);
    assert!(app.directory().user_by_email(&Folded::new("one@example.tld")).is_none());

    // Both at once: the list says it all.
    let both = PersonChange { email: Some("two@example.tld".into()), ..further(&["three@example.tld"]) };
    app.person_change(&ctx, ada.id, &both).await.unwrap();
    assert_eq!(shown(), ["three@example.tld"]);

    for (change, words) in [
        (further(&["a@example.tld", "A@example.tld"]), "twice"),
        (further(&["TWO@example.tld"]), "twice"),
        (further(&["bob@example.tld"]), "this e-mail address already"),
        (primary("bob@example.tld"), "this e-mail address already"),
        (further(&["no address"]), "needs the form"),
        (further(&vec!["x@example.tld"; 500]), "500 values at most"),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &change)).await;
    }
    refused(&house, "e-mail address", app.person_change(&ctx, bob.id, &further(&["Three@example.tld"]))).await;
    refused(&house, "e-mail address", app.person_change(&ctx, bob.id, &primary("three@example.tld"))).await;
    refused(&house, "e-mail address", app.person_change(&ctx, bob.id, &primary("two@example.tld"))).await;
    app.person_delete(&ctx, ada.id).await.unwrap();
    app.person_change(&ctx, bob.id, &further(&["three@example.tld"])).await.unwrap();
}

async fn a_change_is_whole_or_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    house.person("bob").await;
    let good = PersonChange {
        display_name: Some("Somebody Else".into()),
        addresses: Some(texts(&["new@example.tld"])),
        is_service: Some(true),
        uid_number: Some(4711),
        ..PersonChange::default()
    };
    let value = |bytes: &[u8]| vec![(SSH_PUBLIC_KEY, vec![bytes.to_vec()])];
    for (change, words) in [
        (PersonChange { username: Some("bob".into()), ..good.clone() }, "this user name already"),
        (PersonChange { username: Some("..".into()), ..good.clone() }, "needs a letter or a digit"),
        (PersonChange { email: Some("bob@example.tld".into()), ..good.clone() }, "this e-mail address already"),
        (PersonChange { uid_number: Some(0), ..good.clone() }, "uidNumber: the number is not between"),
        (PersonChange { uid_number: Some(-7), ..good.clone() }, "uidNumber: the number is not between"),
        (PersonChange { gid_number: Some(Some(1 << 32)), ..good.clone() }, "gidNumber: the number is not between"),
        (PersonChange { values: value(b"ssh-rsa"), ..good.clone() }, "sshPublicKey: a key is one line"),
        (PersonChange { values: vec![(4242, Vec::new())], ..good.clone() }, "no attribute"),
        (
            PersonChange { not_before: Some(Some(house.now())), not_after: Some(Some(house.now())), ..good.clone() },
            "end before it begins",
        ),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &change)).await;
    }
    let nobody = UserId::from(uuid::Uuid::from_u128(7));
    refused(&house, "no such person", app.person_change(&ctx, nobody, &good)).await;
    app.person_change(&ctx, ada.id, &good).await.unwrap();
}

async fn a_change_that_changes_nothing_is_none(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person_in("ada", &["lldap_admin"]).await;
    let change = PersonChange {
        email: Some("ada@example.tld".into()),
        addresses: Some(texts(&["new@example.tld"])),
        not_before: Some(Some(house.now())),
        uid_number: Some(4711),
        gid_number: Some(None),
        values: vec![(SSH_PUBLIC_KEY, vec![KEY.to_vec()])],
        ..PersonChange::default()
    };
    app.person_change(&ctx, ada.id, &change).await.unwrap();
    let before = house.tables().await;
    house.pass(Span::from_hours(1));
    app.person_change(&house.cli(), ada.id, &change).await.unwrap();
    app.person_change(&house.cli(), ada.id, &PersonChange::default()).await.unwrap();
    assert_eq!(house.tables().await, before);
}

async fn what_was_held_ends_when_an_account_is_closed_opened_or_changes_hands(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let over = PersonChange { not_after: Some(Some(house.now())), ..PersonChange::default() };
    let later = PersonChange { not_after: Some(Some(house.now() + Span::from_days(9))), ..PersonChange::default() };
    let open = PersonChange { not_after: Some(None), ..PersonChange::default() };
    let program = PersonChange { is_service: Some(true), ..PersonChange::default() };
    let person = PersonChange { is_service: Some(false), ..PersonChange::default() };

    let held = house.signed_in(&ada).await;
    app.person_change(&ctx, ada.id, &later).await.unwrap();
    assert!(house.holds(&held).await, "an end that is far off ends nothing");
    app.person_change(&ctx, ada.id, &over).await.unwrap();
    assert!(!house.holds(&held).await);
    app.person_change(&ctx, ada.id, &open).await.unwrap();
    assert!(!house.holds(&held).await, "what was dead stays dead");

    let held = house.signed_in(&ada).await;
    app.person_change(&ctx, ada.id, &program).await.unwrap();
    assert!(!house.holds(&held).await);
    app.person_change(&ctx, ada.id, &person).await.unwrap();
    assert!(!house.holds(&held).await);

    // Time alone ends it, too, and a longer time does not bring it back.
    let soon = PersonChange { not_after: Some(Some(house.now() + Span::from_mins(5))), ..PersonChange::default() };
    app.person_change(&ctx, ada.id, &soon).await.unwrap();
    let held = house.signed_in(&ada).await;
    house.pass(Span::from_mins(6));
    assert!(!house.holds(&held).await);
    app.person_change(&house.cli(), ada.id, &open).await.unwrap();
    assert!(!house.holds(&held).await);
}

async fn nobody_ends_their_own_account(pair: Pair) {
    let house = House::new(pair).await;
    let (bjork, session) = house.administrator("bjork").await;
    let other = house.person_in("other", &["lldap_admin"]).await;
    assert_eq!(session.methods.level(), Level::TwoFactor);
    let bound = Actor::Bound { user: other.id, generation: house.user(&other).generation };
    let later = house.now() + Span::from_days(9);
    let both = [(house.acting(&session), bjork.id, 7), (house.ctx().with_actor(bound), other.id, 8)];
    for (ctx, own, number) in both {
        for change in [
            PersonChange { not_after: Some(Some(later)), ..PersonChange::default() },
            PersonChange { not_before: Some(Some(later)), ..PersonChange::default() },
            PersonChange { is_service: Some(true), ..PersonChange::default() },
        ] {
            refused(&house, "your own account", house.app.person_change(&ctx, own, &change)).await;
        }
        for change in [
            PersonChange { not_after: Some(None), is_service: Some(false), ..PersonChange::default() },
            PersonChange {
                username: Some(format!("renamed.{number}")),
                uid_number: Some(number),
                ..PersonChange::default()
            },
        ] {
            house.app.person_change(&ctx, own, &change).await.unwrap();
        }
    }
}

async fn the_last_administrator_gets_no_end(pair: Pair) {
    let house = House::new(pair).await;
    let last = house.person_in("last", &["lldap_admin"]).await;
    let (app, ctx) = (&house.app, house.app.ctx(Actor::Server));
    let later = house.now() + Span::from_days(9);
    let changes = [
        PersonChange { not_after: Some(Some(later)), ..PersonChange::default() },
        PersonChange { not_before: Some(Some(later)), ..PersonChange::default() },
        PersonChange { is_service: Some(true), ..PersonChange::default() },
    ];
    for change in &changes {
        refused(&house, "last administrator", app.person_change(&ctx, last.id, change)).await;
    }
    // Neither of these is one who remains.
    let expiring = house.person_in("expiring", &["lldap_admin"]).await;
    app.person_change(&house.cli(), expiring.id, &changes[0]).await.unwrap();
    let program = house.person_in("program", &["lldap_admin"]).await;
    app.person_change(&house.cli(), program.id, &changes[2]).await.unwrap();
    let admins = house.group("lldap_admin").await;
    refused(&house, "last administrator", app.person_delete(&ctx, last.id)).await;
    refused(&house, "last administrator", app.person_disable(&ctx, last.id)).await;
    refused(&house, "last administrator", app.member_remove(&ctx, last.id, admins)).await;
    let out = GroupChange { remove: vec![ostiary_model::Member::User(last.id)], ..GroupChange::default() };
    refused(&house, "last administrator", app.group_change(&ctx, admins, &out)).await;
    house.person_in("second", &["lldap_admin"]).await;
    app.person_change(&ctx, last.id, &changes[0]).await.unwrap();
}

/// Each gives the other an end: one of the two is too late.
async fn two_administrators_cannot_end_each_other(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    for round in 0..4 {
        let (left, left_session) = house.administrator(&format!("left.{round}")).await;
        let (right, right_session) = house.administrator(&format!("right.{round}")).await;
        other_hears(&other, &right).await;
        let end = PersonChange { not_after: Some(Some(house.now())), ..PersonChange::default() };
        let (left_ctx, right_ctx) = (house.acting(&left_session), house.acting(&right_session));
        let (one, two) = tokio::join!(
            house.app.person_change(&left_ctx, right.id, &end),
            other.person_change(&right_ctx, left.id, &end),
        );
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
        let loser = one.err().or(two.err()).unwrap();
        assert!(matches!(loser, AdminError::Denied | AdminError::Guard(_)), "{loser:?}");
        for person in [left.id, right.id] {
            house.app.person_delete(&house.cli(), person).await.unwrap();
        }
    }
}
