//! The command line over the whole data model: every field of people and groups, groups in groups,
//! managers, attributes and object classes; what it prints for people and for programs.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Ostiary, Pair, on_both_pairs};
use serde_json::{Value, json};

on_both_pairs!(a_person_with_every_field, groups_in_groups_and_their_managers, attributes_and_object_classes);

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ada@lamp";

/// That `shown` has these members.
fn has(shown: &Value, members: &[(&str, Value)]) {
    for (key, value) in members {
        assert_eq!(&shown[key], value, "{key}");
    }
}

async fn a_person_with_every_field(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.cli(&["attribute", "add", "badge", "--users", "--kind", "integer"]).await?;
    ostiary.cli(&["attribute", "add", "validUntil", "--users", "--kind", "date_time"]).await?;
    let key = format!("sshPublicKey={KEY}");
    let names = ["user", "add", "ada", "--email", "ada@example.tld", "--given-name", "Ada", "--family-name", "Okafor"];
    let access = ["--not-before", "2026-01-01", "--not-after", "2099-01-01T09:00:00+01:00", "--service"];
    let numbers = ["--uid-number", "4711", "--gid-number", "100", "--address", "desk@example.tld"];
    let values = ["--set", "badge=007", "--set", "validUntil=2099-12-31", "--set", &key];
    ostiary.cli(&[&names[..], &access, &numbers, &values].concat()).await?;
    let shown = ostiary.json(&["user", "show", "ada"]).await?;
    has(
        &shown,
        &[
            ("email", json!("ada@example.tld")),
            ("addresses", json!(["desk@example.tld"])),
            ("not_before", json!("2026-01-01T00:00:00Z")),
            ("not_after", json!("2099-01-01T08:00:00Z")),
            ("service", json!(true)),
            ("open", json!(true)),
            ("uid_number", json!(4711)),
            ("gid_number", json!(100)),
            ("attributes", json!({"badge": ["7"], "validUntil": ["20991231000000Z"], "sshPublicKey": [KEY]})),
        ],
    );
    let told = ostiary.cli(&["user", "show", "ada"]).await?;
    for (name, value) in
        [("further e-mail", "desk@example.tld"), ("belongs to", "a program"), ("badge", "7"), ("uidNumber", "4711")]
    {
        ensure!(told.lines().any(|line| line.starts_with(name) && line.ends_with(&format!("  {value}"))), "{told}");
    }

    let names = ["user", "change", "ada", "--name", "ada.okafor", "--email", "desk@example.tld"];
    let access = ["--not-before", "none", "--not-after", "2026-02-01", "--service=false", "--gid-number", "own"];
    let values = ["--set", "loginShell=/bin/zsh", "--unset", "badge", "--unset", "sshPublicKey", "--display-name", "A"];
    assert_eq!(ostiary.cli(&[&names[..], &access, &values].concat()).await?, "Changed ada.okafor.\n");
    let shown = ostiary.json(&["user", "show", "ada.okafor"]).await?;
    has(
        &shown,
        &[
            ("email", json!("desk@example.tld")),
            ("addresses", json!(["ada@example.tld"])),
            ("not_before", Value::Null),
            ("not_after", json!("2026-02-01T00:00:00Z")),
            ("service", json!(false)),
            ("open", json!(false)),
            ("uid_number", json!(4711)),
            ("gid_number", json!(4711)),
            ("display_name", json!("A")),
            ("given_name", json!("Ada")),
            ("attributes", json!({"loginShell": ["/bin/zsh"], "validUntil": ["20991231000000Z"]})),
        ],
    );
    ensure!(ostiary.cli(&["user", "list"]).await?.contains("expired"));
    ostiary.cli(&["user", "change", "ada.okafor", "--address", "", "--not-after", "none"]).await?;
    let shown = ostiary.json(&["user", "show", "ada.okafor"]).await?;
    has(&shown, &[("addresses", json!([])), ("not_after", Value::Null), ("open", json!(true))]);
    // Numbers that nobody chose come from the range of the settings.
    ostiary.cli(&["user", "add", "bo", "--email", "bo@example.tld"]).await?;
    let number = ostiary.json(&["user", "show", "bo"]).await?["uid_number"].as_i64();
    ensure!(number.is_some_and(|number| (200_000..=524_287).contains(&number)), "{number:?}");
    Ok(())
}

async fn groups_in_groups_and_their_managers(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    for name in ["team", "house", "everybody"] {
        ostiary.cli(&["group", "add", name]).await?;
    }
    for name in ["ada", "bo"] {
        ostiary.cli(&["user", "add", name, "--email", &format!("{name}@example.tld")]).await?;
    }
    ostiary.cli(&["group", "add-member", "team", "ada"]).await?;
    assert_eq!(ostiary.cli(&["group", "add-group", "house", "team"]).await?, "team is now in house.\n");
    assert_eq!(
        ostiary.cli(&["group", "add-group", "everybody", "house", "team"]).await?,
        "house is now in everybody.\nteam is now in everybody.\n"
    );
    assert_eq!(ostiary.cli(&["group", "add-group", "house", "TEAM"]).await?, "team was already in house.\n");
    let shown = ostiary.json(&["user", "show", "ada"]).await?;
    has(&shown, &[("groups", json!(["everybody", "house", "team"])), ("direct_groups", json!(["team"]))]);
    let shown = ostiary.json(&["group", "show", "everybody"]).await?;
    has(&shown, &[("members", json!([])), ("all_members", json!(["ada"])), ("groups", json!(["house", "team"]))]);
    // One that cannot come in keeps the others out, too.
    ostiary.cli(&["group", "add", "lone"]).await?;
    let refused = ostiary.try_cli(&["group", "add-group", "team", "lone", "everybody"], "").await?;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    ensure!(refused.stderr.contains("team was left as it was: A group cannot be in itself"), "{}", refused.stderr);
    assert_eq!(ostiary.json(&["group", "show", "team"]).await?["groups"], json!([]));
    let list = ostiary.cli(&["group", "list"]).await?;
    let row = list.lines().find(|line| line.starts_with("everybody ")).context("no row")?;
    ensure!(row.split_whitespace().skip(1).take(2).eq(["0", "2"]), "{list}");

    assert_eq!(ostiary.cli(&["group", "manager", "add", "team", "bo"]).await?, "bo is now a manager of team.\n");
    assert_eq!(ostiary.json(&["user", "show", "bo"]).await?["manages"], json!(["team"]));
    let told = ostiary.cli(&["group", "show", "team"]).await?;
    ensure!(told.contains("  everybody, house\n") && told.contains("  bo\n"), "{told}");
    ostiary.cli(&["group", "manager", "remove", "team", "bo"]).await?;
    assert_eq!(ostiary.json(&["group", "show", "team"]).await?["managers"], json!([]));

    assert_eq!(ostiary.cli(&["group", "remove-group", "house", "team"]).await?, "team is no longer in house.\n");
    assert_eq!(ostiary.cli(&["group", "remove-group", "house", "team"]).await?, "team was not in house.\n");
    assert_eq!(ostiary.json(&["user", "show", "ada"]).await?["groups"], json!(["everybody", "team"]));

    ostiary.cli(&["attribute", "add", "costCentre", "--groups"]).await?;
    let change = ["group", "set", "team", "--name", "crew", "--gid-number", "5000", "--set", "costCentre=4711"];
    assert_eq!(ostiary.cli(&change).await?, "Changed the group crew.\n");
    let shown = ostiary.json(&["group", "show", "CREW"]).await?;
    has(&shown, &[("gid_number", json!(5000)), ("attributes", json!({"costCentre": ["4711"]}))]);
    Ok(())
}

async fn attributes_and_object_classes(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let add = ["attribute", "add", "telephoneNumber", "--users", "--groups", "--list", "--hidden"];
    assert_eq!(ostiary.cli(&add).await?, "Added the attribute telephoneNumber.\n");
    let list = ostiary.json(&["attribute", "list"]).await?;
    let rows = list.as_array().context("no list")?;
    let names: Vec<_> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["sshPublicKey", "loginShell", "homeDirectory", "telephoneNumber"]);
    has(
        &rows[3],
        &[
            ("kind", json!("string")),
            ("list", json!(true)),
            ("groups", json!(true)),
            ("visible", json!(false)),
            ("editable", json!(false)),
            ("oid", json!("2.5.4.20")),
        ],
    );
    let change =
        ["attribute", "change", "telephonenumber", "--groups", "false", "--visible", "true", "--editable", "true"];
    ostiary.cli(&change).await?;
    let told = ostiary.cli(&["attribute", "list"]).await?;
    ensure!(told.contains("telephoneNumber  string  several  people  everybody  its owner"), "{told}");
    ostiary.cli(&["attribute", "delete", "telephoneNumber"]).await?;
    ensure!(!ostiary.cli(&["attribute", "list"]).await?.contains("telephoneNumber"));

    ostiary.cli(&["object-class", "add", "nextcloudUser", "--users"]).await?;
    let classes = ostiary.json(&["object-class", "list"]).await?;
    assert_eq!(classes, json!([{"name": "nextcloudUser", "users": true, "groups": false}]));
    ostiary.cli(&["object-class", "delete", "nextclouduser"]).await?;
    assert_eq!(ostiary.json(&["object-class", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_set_is_told_with_a_way_out() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    ostiary.add_person("ada", &[]).await?;
    ostiary.cli(&["attribute", "add", "badge", "--users", "--kind", "integer"]).await?;
    let before = ostiary.json(&["user", "show", "ada"]).await?;
    for (arguments, code, words) in [
        (&["user", "change", "ada"][..], 1, "say what is to change"),
        (&["user", "change", "nobody", "--service"], 1, "there is nobody named \"nobody\""),
        (
            &["user", "change", "ada", "--set", "colour=red"],
            1,
            "people have no attribute \"colour\"; they have: sshPublicKey",
        ),
        (&["user", "change", "ada", "--set", "mail=x@example.tld"], 1, "mail is set with --email and --address"),
        (&["user", "change", "ada", "--set", "cn=Ada"], 1, "cn is set with --display-name"),
        (&["user", "change", "ada", "--set", "entryUUID=x"], 1, "Ostiary fills it"),
        (&["user", "change", "ada", "--set", "badge"], 1, "needs the form NAME=VALUE"),
        (
            &["user", "change", "ada", "--set", "badge=seven", "--display-name", "X"],
            1,
            "badge: the value is not a whole number",
        ),
        (&["user", "change", "ada", "--set", "badge=1", "--set", "badge=2"], 1, "badge takes one value"),
        (&["user", "change", "ada", "--set", "sshPublicKey=key"], 1, "a key is one line"),
        (&["user", "change", "ada", "--set-file", "badge=/nowhere"], 1, "/nowhere cannot be read"),
        (&["user", "change", "ada", "--set-file", "badge=/dev/zero"], 1, "badge: the value is longer than"),
        (&["user", "change", "ada", "--set-file", "badge"], 1, "needs the form NAME=FILE"),
        (
            &["user", "change", "ada", "--display-name", "X", "--picture", "/dev/zero"],
            1,
            "/dev/zero: The picture is larger",
        ),
        (
            &["user", "change", "ada", "--display-name", "X", "--picture", "/proc/version"],
            1,
            "not a picture that can be used",
        ),
        (&["user", "app-passwords", "revoke", "ada", "1"], 1, "`ostiary user app-passwords list ada` shows them"),
        (&["user", "change", "ada", "--uid-number", "0"], 1, "between 1 and 4294967294"),
        (&["user", "change", "ada", "--address", "ADA@example.tld"], 1, "twice"),
        (
            &["user", "change", "ada", "--not-after", "2026-01-01", "--not-before", "2026-01-02"],
            1,
            "end before it begins",
        ),
        (&["user", "change", "ada", "--not-after", "tomorrow"], 2, "allowed is a day such as"),
        (&["user", "change", "ada", "--gid-number", "mine"], 2, "a number, or own"),
        (&["user", "change", "ada", "--picture", "/nowhere"], 1, "/nowhere cannot be read"),
        (&["group", "set", "lldap_admin", "--name", "bosses"], 1, "neither renamed nor deleted"),
        (
            &["group", "set", "lldap_admin", "--set", "badge=7"],
            1,
            "groups have no attribute \"badge\"; they have: none yet",
        ),
        (&["group", "manager", "add", "lldap_admin", "ada"], 1, "only administrators change who is in it"),
        (&["attribute", "add", "mail", "--users"], 1, "Ostiary has an attribute of this name already"),
        (&["attribute", "add", "userPassword", "--users"], 1, "for a password"),
        (&["attribute", "add", "colour"], 2, "--users"),
        (&["attribute", "add", "colour", "--users", "--kind", "text"], 2, "use string, integer"),
        (&["attribute", "delete", "sshPublicKey"], 1, "so it stays"),
        (&["attribute", "delete", "uid"], 1, "`ostiary attribute list` shows them"),
        (&["object-class", "add", "person", "--users"], 1, "entries have this object class already"),
    ] {
        let told = ostiary.try_cli(arguments, "").await?;
        assert_eq!(told.code, Some(code), "{arguments:?}: {}{}", told.stdout, told.stderr);
        ensure!(told.stderr.contains(words) && told.stdout.is_empty(), "{arguments:?}: {}{}", told.stdout, told.stderr);
    }
    assert_eq!(ostiary.json(&["user", "show", "ada"]).await?, before, "nothing was half done");
    Ok(())
}
