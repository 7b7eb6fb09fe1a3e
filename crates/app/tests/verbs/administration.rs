//! What the verbs of administration do, and that a refused one leaves nothing half-written.

use std::fmt::Debug;
use std::pin::Pin;

use ostiary_app::{AdminError, NewPerson, PersonEdit};
use ostiary_model::{Folded, GroupId, UserId};
use uuid::Uuid;

use crate::house::new_person;
use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    a_person_is_added_changed_and_deleted,
    a_group_is_added_renamed_and_deleted,
    what_is_refused_is_not_half_done,
    doing_something_twice_changes_nothing,
    a_deleted_person_leaves_nothing,
    names_keep_their_spelling_and_are_taken_in_every_spelling,
);

/// Refused with these words, and nothing was written.
pub(crate) fn refused<'a, T: Debug>(
    house: &'a House,
    words: &'a str,
    attempt: impl Future<Output = Result<T, AdminError>> + 'a,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let before = house.tables().await;
        let error = attempt.await.expect_err(words).to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
        assert_eq!(house.tables().await, before, "{words}");
        let counts = house.app.directory().counts();
        assert_eq!(house.another().await.directory().counts(), counts, "{words}: the directory in memory");
    })
}

async fn a_person_is_added_changed_and_deleted(pair: Pair) {
    let house = House::new(pair).await;
    house.group("Editors").await;
    let new = NewPerson {
        username: "ada.okafor".into(),
        email: "Ada@Example.tld".into(),
        given_name: " Ada ".into(),
        family_name: "Okafor".into(),
        groups: vec!["EDITORS".into()],
        ..NewPerson::default()
    };
    let user = house.app.person_add(&house.cli(), &new, None).await.unwrap();
    let shown = house.app.directory().user(user.id).unwrap();
    assert_eq!(*shown, user);
    assert_eq!(user.profile.full_name(), "Ada Okafor");
    assert_eq!(user.profile.email.as_str(), "Ada@Example.tld");
    assert!(user.profile.email_verified, "an address that an administrator typed counts as theirs");
    assert_eq!(user.password_changed_at, None);
    let groups = house.app.directory().groups_of(user.id);
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["Editors"]);

    let edit = PersonEdit {
        username: "ada".into(),
        email: "ada.okafor@example.tld".into(),
        display_name: "Dr. Ada Okafor".into(),
        ..PersonEdit::default()
    };
    house.app.person_edit(&house.cli(), user.id, &edit).await.unwrap();
    let directory = house.app.directory();
    assert!(directory.user_by_name(&Folded::new("ada.okafor")).is_none(), "the old name leads nowhere");
    let shown = directory.user_by_name(&Folded::new("ADA")).unwrap();
    assert_eq!(shown.subject, user.subject, "applications know them by the same subject");
    assert_eq!(shown.profile.full_name(), "Dr. Ada Okafor");
    assert_eq!(directory.user_by_email(&Folded::new("ada.okafor@example.tld")).unwrap().id, user.id);

    house.app.person_delete(&house.cli(), user.id).await.unwrap();
    assert!(house.app.directory().user(user.id).is_none());
    // The names are free again, for somebody who is not the same.
    let again = house.app.person_add(&house.cli(), &new, None).await.unwrap();
    assert_ne!((again.id, again.subject), (user.id, user.subject));
}

async fn a_group_is_added_renamed_and_deleted(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let group = house.app.group_add(&house.cli(), "  Lagos office ").await.unwrap();
    assert_eq!(group.name.as_str(), "Lagos office");
    assert!(house.app.member_add(&house.cli(), ada.id, group.id).await.unwrap());
    house.app.group_rename(&house.cli(), group.id, "LAGOS OFFICE").await.unwrap();
    let shown = house.app.directory().groups_of(ada.id);
    assert_eq!(shown[0].name.as_str(), "LAGOS OFFICE");
    assert_eq!(shown[0].number, group.number);
    house.app.group_delete(&house.cli(), group.id).await.unwrap();
    assert!(house.app.directory().groups_of(ada.id).is_empty());
    assert!(house.app.directory().user(ada.id).is_some(), "members stay");
    let next = house.app.group_add(&house.cli(), "Lagos office").await.unwrap();
    assert!(next.number > group.number, "a number is never used again");
}

async fn what_is_refused_is_not_half_done(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let (editors, staff) = (house.group("Editors").await, house.group("Staff").await);
    let admins = house.group("lldap_admin").await;
    let nobody = UserId::from(Uuid::from_u128(7));
    let nowhere = GroupId::from(Uuid::from_u128(7));
    let good = secret("a lamp in the harbour");
    let new = |username: &str, email: &str| NewPerson {
        groups: vec!["Editors".into()],
        ..NewPerson { username: username.into(), email: email.into(), ..NewPerson::default() }
    };
    let edit = |username: &str, email: &str| PersonEdit {
        username: username.into(),
        email: email.into(),
        ..PersonEdit::default()
    };

    for (new, words) in [
        (new("", "x@example.tld"), "The user name is empty"),
        (new("a b", "x@example.tld"), "The user name must not contain ' '"),
        (new(&"x".repeat(65), "x@example.tld"), "longer than 64"),
        (new("x", ""), "The e-mail address is empty"),
        (new("x", "x@"), "The e-mail address needs the form"),
        (new("x", "x@example.tld\r\nBcc: y@example.tld"), "The e-mail address must not contain"),
        (NewPerson { display_name: "x".repeat(129), ..new("x", "x@example.tld") }, "The full name is longer"),
        (NewPerson { given_name: "a\u{0}b".into(), ..new("x", "x@example.tld") }, "The given name must not contain"),
        (NewPerson { family_name: "a\nb".into(), ..new("x", "x@example.tld") }, "The family name must not contain"),
        (new("ADA", "x@example.tld"), "this user name already"),
        (new("x", "ADA@example.tld"), "this e-mail address already"),
        (NewPerson { groups: vec!["Editors".into(), "Nowhere".into()], ..new("x", "x@example.tld") }, "\"Nowhere\""),
    ] {
        refused(&house, words, app.person_add(&ctx, &new, Some(&good))).await;
    }
    for (password, words) in [
        ("short", "too short"),
        ("new.person", "your name or e-mail address"),
        ("NEW.person@Example.tld", "your name or e-mail address"),
        ("qwertyuiop", "everybody tries first"),
        ("          ", "everybody tries first"),
    ] {
        refused(&house, words, app.person_add(&ctx, &new_person("new.person"), Some(&secret(password)))).await;
    }
    refused(&house, "too short", app.person_set_password(&ctx, ada.id, &secret("short"))).await;
    refused(&house, "your name", app.person_set_password(&ctx, ada.id, &secret("ada@example.tld"))).await;

    refused(&house, "this user name already", app.person_edit(&ctx, ada.id, &edit("Bob", "x@example.tld"))).await;
    refused(&house, "this e-mail address", app.person_edit(&ctx, ada.id, &edit("x", "BOB@example.tld"))).await;
    refused(&house, "The user name is empty", app.person_edit(&ctx, ada.id, &edit(" ", "x@example.tld"))).await;

    refused(&house, "no such person", app.person_edit(&ctx, nobody, &edit("x", "x@example.tld"))).await;
    refused(&house, "no such person", app.person_set_password(&ctx, nobody, &good)).await;
    refused(&house, "no such person", app.person_disable(&ctx, nobody)).await;
    refused(&house, "no such person", app.person_enable(&ctx, nobody)).await;
    refused(&house, "no such person", app.person_delete(&ctx, nobody)).await;
    refused(&house, "no such person", app.person_reset_factors(&ctx, nobody)).await;
    refused(&house, "no such person", app.person_sign_out(&ctx, nobody)).await;
    refused(&house, "no such person", app.member_add(&ctx, nobody, editors)).await;
    refused(&house, "no group", app.member_add(&ctx, bob.id, nowhere)).await;
    refused(&house, "no group", app.group_rename(&ctx, nowhere, "Nowhere")).await;
    refused(&house, "no group", app.group_delete(&ctx, nowhere)).await;

    refused(&house, "The group name is empty", app.group_add(&ctx, "  ")).await;
    refused(&house, "longer than 128", app.group_add(&ctx, &"x".repeat(129))).await;
    refused(&house, "A group has this name", app.group_add(&ctx, "EDITORS")).await;
    refused(&house, "A group has this name", app.group_add(&ctx, "LLDAP_admin")).await;
    refused(&house, "A group has this name", app.group_rename(&ctx, staff, "editors")).await;
    refused(&house, "The group name must not", app.group_rename(&ctx, staff, "a\u{202e}b")).await;
    for built_in in ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"] {
        let id = house.group(built_in).await;
        refused(&house, "neither renamed nor deleted", app.group_rename(&ctx, id, "Bosses")).await;
        refused(&house, "neither renamed nor deleted", app.group_delete(&ctx, id)).await;
    }
    assert!(app.member_remove(&ctx, ada.id, admins).await.is_ok_and(|removed| !removed));
}

async fn doing_something_twice_changes_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let editors = house.group("Editors").await;
    assert!(app.member_add(&ctx, ada.id, editors).await.unwrap());
    app.person_disable(&ctx, ada.id).await.unwrap();
    let before = house.tables().await;
    assert!(!app.member_add(&ctx, ada.id, editors).await.unwrap());
    app.person_disable(&ctx, ada.id).await.unwrap();
    assert_eq!(house.tables().await, before);
    assert!(app.member_remove(&ctx, ada.id, editors).await.unwrap());
    app.person_enable(&ctx, ada.id).await.unwrap();
    let before = house.tables().await;
    assert!(!app.member_remove(&ctx, ada.id, editors).await.unwrap());
    app.person_enable(&ctx, ada.id).await.unwrap();
    assert_eq!(house.tables().await, before);
}

async fn a_deleted_person_leaves_nothing(pair: Pair) {
    let house = House::new(pair).await;
    house.group("Editors").await;
    let before = without_log(&house.tables().await);
    let ada = house.person_in("ada", &["Editors"]).await;
    house.enrolled(&ada).await;
    house.signed_in(&ada).await;
    while house.app.mail_hand_over(&house.cli()).await.unwrap() {}
    house.app.person_delete(&house.cli(), ada.id).await.unwrap();
    assert_eq!(without_log(&house.tables().await), before);
}

/// The change log tells that somebody was there, by id; it is forgotten in its own time. The
/// counter of POSIX numbers never goes back.
fn without_log(tables: &str) -> String {
    let is_log = |line: &&str| line.starts_with("directory_") || line.starts_with("posix_number");
    tables.lines().filter(|line| !is_log(line)).collect::<Vec<_>>().join("\n")
}

async fn names_keep_their_spelling_and_are_taken_in_every_spelling(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let user = app.person_add(&ctx, &new_person("Łukasz"), None).await.unwrap();
    assert_eq!(user.profile.username.as_str(), "Łukasz");
    for taken in ["łukasz", "ŁUKASZ"] {
        let new = NewPerson { email: "other@example.tld".into(), ..new_person(taken) };
        refused(&house, "this user name already", app.person_add(&ctx, &new, None)).await;
    }
    let composed = app.group_add(&ctx, "Caf\u{e9}").await.unwrap();
    refused(&house, "A group has this name", app.group_add(&ctx, "CAFE\u{301}")).await;
    assert_eq!(app.directory().group_by_name(&Folded::new("cafe\u{301}")).unwrap().id, composed.id);
    // One's own name in another spelling is no conflict.
    let edit = PersonEdit { username: "ŁUKASZ".into(), email: "ŁUKASZ@example.tld".into(), ..PersonEdit::default() };
    app.person_edit(&ctx, user.id, &edit).await.unwrap();
}
