//! Attributes and object classes that administrators define, and the values that people and groups
//! have of them.

use ostiary_app::{AttributeFlags, GroupChange, NewAttribute, NewObjectClass, PersonChange};
use ostiary_model::{AttributeKind, HOME_DIRECTORY, LOGIN_SHELL, SSH_PUBLIC_KEY};

use crate::administration::refused;
use crate::attempts::new_attribute;
use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    an_attribute_is_defined_changed_and_deleted,
    names_that_mean_something_already_are_refused,
    values_are_kept_in_one_form,
    values_that_do_not_fit_are_refused,
    lists_have_no_value_twice_and_not_too_many,
    what_systems_read_is_looked_at_closely,
    people_change_what_is_editable_on_their_own_entry,
    object_classes_are_added_and_taken_away,
);

fn of(number: u32, list: &[&str]) -> PersonChange {
    let values = list.iter().map(|text| text.as_bytes().to_vec()).collect();
    PersonChange { values: vec![(number, values)], ..PersonChange::default() }
}

async fn an_attribute_is_defined_changed_and_deleted(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let team = house.group("team").await;
    let new = NewAttribute { on_groups: true, ..new_attribute("costCentre") };
    let def = app.attribute_add(&ctx, &new).await.unwrap();
    assert!(def.number >= 1001);
    let shown = app.directory().schema().def(def.number).cloned();
    assert_eq!(shown, Some(def.clone()));
    app.person_change(&ctx, ada.id, &of(def.number, &["4711"])).await.unwrap();
    let change = GroupChange { values: vec![(def.number, vec![b"4712".to_vec()])], ..GroupChange::default() };
    app.group_change(&ctx, team, &change).await.unwrap();
    assert_eq!(app.directory().values_of_user(ada.id, def.number), ["4711"]);
    assert_eq!(app.directory().values_of_group(team, def.number), ["4712"]);

    let off = |on_users, on_groups| AttributeFlags { on_users, on_groups, ..AttributeFlags::default() };
    let words = "have values of it";
    refused(&house, words, app.attribute_change(&ctx, def.number, &off(Some(false), None))).await;
    refused(&house, words, app.attribute_change(&ctx, def.number, &off(None, Some(false)))).await;
    refused(
        &house,
        "people have it, or groups",
        app.attribute_change(&ctx, def.number, &off(Some(false), Some(false))),
    )
    .await;
    let change = GroupChange { values: vec![(def.number, Vec::new())], ..GroupChange::default() };
    app.group_change(&ctx, team, &change).await.unwrap();
    app.attribute_change(&ctx, def.number, &off(None, Some(false))).await.unwrap();
    let change = GroupChange { values: vec![(def.number, vec![b"4712".to_vec()])], ..GroupChange::default() };
    refused(&house, "no attribute named \"costCentre\"", app.group_change(&ctx, team, &change)).await;
    let flags = AttributeFlags { is_visible: Some(false), is_editable: Some(true), ..AttributeFlags::default() };
    app.attribute_change(&ctx, def.number, &flags).await.unwrap();
    let before = house.tables().await;
    app.attribute_change(&ctx, def.number, &flags).await.unwrap();
    assert_eq!(house.tables().await, before);

    refused(&house, "An attribute has this name", app.attribute_add(&ctx, &new_attribute("COSTcentre"))).await;
    app.attribute_delete(&ctx, def.number).await.unwrap();
    assert!(app.directory().values_of_user(ada.id, def.number).is_empty());
    refused(&house, "no attribute", app.attribute_delete(&ctx, def.number)).await;
    refused(&house, "no attribute", app.attribute_change(&ctx, def.number, &flags)).await;
    refused(&house, "no attribute", app.person_change(&ctx, ada.id, &of(def.number, &["4711"]))).await;
    let again = app.attribute_add(&ctx, &new_attribute("costCentre")).await.unwrap();
    assert!(again.number > def.number, "a number is never used again");
    assert!(app.directory().values_of_user(ada.id, again.number).is_empty());
    other.attribute_delete(&ctx, again.number).await.unwrap();
    refused(&house, "no attribute", app.person_change(&ctx, ada.id, &of(again.number, &["4711"]))).await;
}

async fn names_that_mean_something_already_are_refused(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    for (name, words) in [
        ("uid", "Ostiary has an attribute of this name"),
        ("CommonName", "Ostiary has an attribute of this name"),
        ("email", "Ostiary has an attribute of this name"),
        ("dn", "Ostiary has an attribute of this name"),
        ("memberOf", "Ostiary has an attribute of this name"),
        ("jpegPhoto", "Ostiary has an attribute of this name"),
        ("uidNumber", "Ostiary has an attribute of this name"),
        ("userPassword", "take an attribute of this name for a password"),
        ("unicodePwd", "take an attribute of this name for a password"),
        ("creatorsName", "expect a server to fill"),
        ("sshPublicKey", "An attribute has this name already"),
        ("LOGINSHELL", "An attribute has this name already"),
        ("", "is empty"),
        ("1st", "begin with a letter"),
        ("cost_centre", "letters from a to z"),
        ("größe", "letters from a to z"),
        (&"x".repeat(65), "longer than 64"),
    ] {
        refused(&house, words, app.attribute_add(&ctx, &new_attribute(name))).await;
    }
    let nowhere = NewAttribute { on_users: false, ..new_attribute("badge") };
    refused(&house, "people have it, or groups", app.attribute_add(&ctx, &nowhere)).await;
    for number in [SSH_PUBLIC_KEY, LOGIN_SHELL, HOME_DIRECTORY] {
        refused(&house, "so it stays", app.attribute_delete(&ctx, number)).await;
        let flags = AttributeFlags { on_groups: Some(true), ..AttributeFlags::default() };
        refused(&house, "so it stays", app.attribute_change(&ctx, number, &flags)).await;
        let flags = AttributeFlags { is_editable: Some(true), is_visible: Some(true), ..AttributeFlags::default() };
        app.attribute_change(&ctx, number, &flags).await.unwrap();
    }
}

/// One attribute of each kind, as a list.
async fn of_each_kind(house: &House) -> [u32; 4] {
    let mut numbers = [0; 4];
    let kinds = [AttributeKind::String, AttributeKind::Integer, AttributeKind::Boolean, AttributeKind::DateTime];
    for (number, kind) in numbers.iter_mut().zip(kinds) {
        let name = format!("list-of-{}", kind.as_str().replace('_', "-"));
        let new = NewAttribute { kind, is_list: true, ..new_attribute(&name) };
        *number = house.app.attribute_add(&house.cli(), &new).await.unwrap().number;
    }
    numbers
}

async fn values_are_kept_in_one_form(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let [text, integer, boolean, time] = of_each_kind(&house).await;
    for (number, given, kept) in [
        (text, &[" Lagos ", "two\nlines"][..], &["Lagos", "two\nlines"][..]),
        (integer, &["+7", "-007", "9223372036854775807"], &["7", "-7", "9223372036854775807"]),
        (boolean, &["true", "False"], &["TRUE", "FALSE"]),
        (time, &["20261122174500.5+0100"], &["20261122164500Z"]),
    ] {
        house.app.person_change(&house.cli(), ada.id, &of(number, given)).await.unwrap();
        assert_eq!(house.app.directory().values_of_user(ada.id, number), kept);
        assert_eq!(house.another().await.directory().values_of_user(ada.id, number), kept);
        let rows = house.store().await.user_value_bytes(ada.id, number).await.unwrap();
        assert_eq!(rows, kept.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        // In the form in which it is kept it is the same value.
        let before = house.tables().await;
        house.pass(ostiary_model::Span::from_mins(1));
        house.app.person_change(&house.cli(), ada.id, &of(number, kept)).await.unwrap();
        assert_eq!(house.tables().await, before);
    }
}

async fn values_that_do_not_fit_are_refused(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let [text, integer, boolean, time] = of_each_kind(&house).await;
    let picture = NewAttribute { kind: AttributeKind::Jpeg, ..new_attribute("badge-photo") };
    let picture = app.attribute_add(&ctx, &picture).await.unwrap().number;
    for (number, value, words) in [
        (text, " ", "list-of-string: the value is empty"),
        (text, "a\u{0}b", "the value is not a text"),
        (text, &"x".repeat(16 * 1024 + 1), "longer than"),
        (integer, "1.5", "list-of-integer: the value is not a whole number"),
        (integer, "9223372036854775808", "not a whole number"),
        (boolean, "yes", "neither TRUE nor FALSE"),
        (time, "yesterday", "not a time such as"),
        (picture, "<svg onload=alert(1)>", "icture"),
        (4711, "x", "no attribute"),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &of(number, &[value]))).await;
    }
    let bytes = PersonChange { values: vec![(text, vec![vec![0xff, 0xfe]])], ..PersonChange::default() };
    refused(&house, "not a text", app.person_change(&ctx, ada.id, &bytes)).await;
}

async fn lists_have_no_value_twice_and_not_too_many(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let [text, integer, boolean, time] = of_each_kind(&house).await;
    let single = app.attribute_add(&ctx, &new_attribute("badge")).await.unwrap().number;
    for (number, list, words) in [
        (single, &["a", "b"][..], "badge takes one value"),
        (text, &["Lagos", "LAGOS"], "\"LAGOS\" twice"),
        (integer, &["7", "+7"], "\"7\" twice"),
        (boolean, &["TRUE", "true"], "\"TRUE\" twice"),
        (time, &["20261122174500Z", "20261122184500+0100"], "twice"),
        (integer, &vec!["1"; 501], "500 values at most"),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &of(number, list))).await;
    }
    // Who names an attribute twice means the later one, also when that is what is there already.
    app.person_change(&ctx, ada.id, &of(single, &["a"])).await.unwrap();
    let mut change = of(single, &["b"]);
    change.values.extend(of(single, &["a"]).values);
    app.person_change(&ctx, ada.id, &change).await.unwrap();
    assert_eq!(app.directory().values_of_user(ada.id, single), ["a"]);
    let many: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    app.person_change(&ctx, ada.id, &of(integer, &many)).await.unwrap();
    assert_eq!(app.directory().values_of_user(ada.id, integer).len(), 500);
}

async fn what_systems_read_is_looked_at_closely(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let ada = house.person("ada").await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ada@lamp";
    for (number, value, words) in [
        (SSH_PUBLIC_KEY, "-----BEGIN OPENSSH PRIVATE KEY-----", "a key is one line"),
        (SSH_PUBLIC_KEY, &format!("{key}\n{key}"), "a key is one line"),
        (LOGIN_SHELL, "bash", "a path begins with /"),
        (LOGIN_SHELL, "/bin/bash:x", "a path begins with /"),
        (HOME_DIRECTORY, "/home/a\nroot:x:0", "a path begins with /"),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &of(number, &[value]))).await;
    }
    refused(&house, "takes one value", app.person_change(&ctx, ada.id, &of(LOGIN_SHELL, &["/bin/a", "/bin/b"]))).await;
    // Case counts in keys and paths.
    let twin = key.replace("IOMq", "IOMQ");
    app.person_change(&ctx, ada.id, &of(SSH_PUBLIC_KEY, &[key, &twin])).await.unwrap();
    app.person_change(&ctx, ada.id, &of(LOGIN_SHELL, &["/usr/bin/zsh"])).await.unwrap();
    assert_eq!(app.directory().values_of_user(ada.id, LOGIN_SHELL), ["/usr/bin/zsh"]);
}

async fn people_change_what_is_editable_on_their_own_entry(pair: Pair) {
    let house = House::new(pair).await;
    let (app, cli) = (&house.app, house.cli());
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let badge = app.attribute_add(&cli, &new_attribute("badge")).await.unwrap().number;
    let ctx = house.acting(&house.signed_in(&ada).await.session);
    refused(&house, "You may not change badge", app.person_change(&ctx, ada.id, &of(badge, &["7"]))).await;
    let flags = AttributeFlags { is_editable: Some(true), ..AttributeFlags::default() };
    app.attribute_change(&cli, badge, &flags).await.unwrap();
    app.person_change(&ctx, ada.id, &of(badge, &["7"])).await.unwrap();
    refused(&house, "You may not do that", app.person_change(&ctx, bob.id, &of(badge, &["7"]))).await;
    for (change, words) in [
        (PersonChange { username: Some("root".into()), ..of(badge, &["8"]) }, "You may not change uid"),
        (PersonChange { email: Some("x@example.tld".into()), ..of(badge, &["8"]) }, "You may not change mail"),
        (PersonChange { addresses: Some(Vec::new()), ..of(badge, &["8"]) }, "You may not change mail"),
        (PersonChange { not_after: Some(None), ..of(badge, &["8"]) }, "You may not change the time"),
        (PersonChange { is_service: Some(true), ..of(badge, &["8"]) }, "You may not change the kind"),
        (PersonChange { uid_number: Some(7), ..of(badge, &["8"]) }, "You may not change uidNumber"),
        (PersonChange { gid_number: Some(None), ..of(badge, &["8"]) }, "You may not change gidNumber"),
        (
            PersonChange { display_name: Some("A".into()), ..of(LOGIN_SHELL, &["/bin/a"]) },
            "You may not change loginShell",
        ),
    ] {
        refused(&house, words, app.person_change(&ctx, ada.id, &change)).await;
    }
    let names = PersonChange {
        display_name: Some("Ada".into()),
        given_name: Some("A".into()),
        family_name: Some(String::new()),
        ..PersonChange::default()
    };
    app.person_change(&ctx, ada.id, &names).await.unwrap();
    assert_eq!(house.user(&ada).profile.display_name, "Ada");
}

async fn object_classes_are_added_and_taken_away(pair: Pair) {
    let house = House::new(pair).await;
    let (app, ctx) = (&house.app, house.cli());
    let class = |name: &str, on_users, on_groups| NewObjectClass { name: name.to_owned(), on_users, on_groups };
    let shown = || {
        let schema = app.directory().schema();
        schema.classes().iter().map(|class| (class.name.as_str().to_owned(), class.on_users, class.on_groups)).collect()
    };
    app.object_class_add(&ctx, &class("nextcloudUser", true, false)).await.unwrap();
    assert_eq!(shown(), vec![("nextcloudUser".to_owned(), true, false)]);
    app.object_class_add(&ctx, &class("NEXTCLOUDuser", false, true)).await.unwrap();
    let both: Vec<(String, bool, bool)> = shown();
    assert_eq!(both, [("nextcloudUser".to_owned(), true, true)]);
    for (new, words) in [
        (class("nextclouduser", true, false), "An object class has this name"),
        (class("inetOrgPerson", true, false), "entries have this object class already"),
        (class("TOP", true, true), "entries have this object class already"),
        (class("extensibleObject", true, true), "changes what an entry is"),
        (class("mine", false, false), "people have it, or groups"),
        (class("my class", true, false), "letters from a to z"),
    ] {
        refused(&house, words, app.object_class_add(&ctx, &new)).await;
    }
    app.object_class_delete(&ctx, "nextCloudUser").await.unwrap();
    assert!(app.directory().schema().classes().is_empty());
    refused(&house, "no object class", app.object_class_delete(&ctx, "nextcloudUser")).await;
    refused(&house, "no object class", app.object_class_delete(&ctx, "top")).await;
}
