//! The command line: what it does, what it prints for people and for programs, and that a running
//! server notices at once.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Pair, eventually, on_both_pairs};
use serde_json::{Value, json};

on_both_pairs!(people_and_groups, a_running_server_notices_at_once, applications);

fn names(list: &Value, key: &str) -> Vec<String> {
    let rows = list.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row[key].as_str().map(str::to_owned)).collect()
}

async fn people_and_groups(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.cli(&["group", "add", "Editors"]).await?;
    let mut arguments = vec!["user", "add", "ada.okafor", "--email", "ada@example.tld", "--given-name", "Ada"];
    arguments.extend([
        "--family-name",
        "Okafor",
        "--display-name",
        "Ada Okafor",
        "--group",
        "editors",
        "--password-stdin",
    ]);
    let told = ostiary.cli_with(&arguments, "a lamp in the harbour\n").await?;
    assert_eq!(told, "Added ada.okafor.\n");
    let told = ostiary.cli(&["user", "add", "bo", "--email", "bo@example.tld"]).await?;
    ensure!(told.contains("cannot sign in before a password is set"), "{told}");

    let shown = ostiary.json(&["user", "show", "ADA.Okafor"]).await?;
    for (key, value) in [
        ("username", json!("ada.okafor")),
        ("email", json!("ada@example.tld")),
        ("display_name", json!("Ada Okafor")),
        ("groups", json!(["Editors"])),
        ("disabled", json!(false)),
        ("has_password", json!(true)),
        ("has_totp", json!(false)),
        ("last_sign_in_at", Value::Null),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let list = ostiary.cli(&["user", "list"]).await?;
    let lines: Vec<&str> = list.lines().collect();
    ensure!(
        lines[0].starts_with("NAME  ") && lines[1].starts_with("ada.okafor  Ada Okafor  ada@example.tld"),
        "{list}"
    );
    assert_eq!(names(&ostiary.json(&["user", "list"]).await?, "username"), ["ada.okafor", "bo"]);

    assert_eq!(
        ostiary.cli(&["group", "add-member", "editors", "bo", "ada.okafor"]).await?,
        "bo is now in Editors.\nada.okafor was already in Editors.\n"
    );
    assert_eq!(
        ostiary.cli(&["group", "remove-member", "editors", "ada.okafor"]).await?,
        "ada.okafor is no longer in Editors.\n"
    );
    let groups = ostiary.json(&["group", "list"]).await?;
    let editors =
        groups.as_array().and_then(|all| all.iter().find(|group| group["name"] == "Editors")).context("no group")?;
    assert_eq!(editors["members"], json!(["bo"]));
    assert_eq!(names(&groups, "name").len(), 4, "three that rights hang from, and ours");

    ostiary.cli(&["user", "delete", "bo"]).await?;
    ostiary.cli(&["group", "delete", "Editors"]).await?;
    assert_eq!(names(&ostiary.json(&["user", "list"]).await?, "username"), ["ada.okafor"]);
    Ok(())
}

async fn a_running_server_notices_at_once(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    // The server has not seen her before this command; now she signs in there.
    let page = ada.sign_in(&browser).await?;
    assert_eq!(page.path(), "/account", "{}", page.text());

    ostiary.cli(&["user", "disable", "ada"]).await?;
    eventually("the session to end", async || {
        let page = browser.visit("/account").await?;
        Ok((page.path() == "/sign-in").then_some(()))
    })
    .await?;
    // Said to nobody outside: a closed account looks like a wrong password.
    ensure!(ada.sign_in(&Browser::new(&ostiary)?).await.is_err(), "a closed account opened");
    ostiary.cli(&["user", "enable", "ada"]).await?;
    let page = browser.visit("/account").await?;
    assert_eq!(page.path(), "/sign-in", "what ended before stays ended");

    ada.password = "a new key to an old door".to_owned();
    ostiary.cli_with(&["user", "set-password", "ada", "--password-stdin"], "a new key to an old door").await?;
    eventually("the new password to open", async || {
        let mut again = ada.clone();
        let page = again.sign_in(&browser).await;
        Ok(page.is_ok_and(|page| page.path() == "/account").then_some(()))
    })
    .await
}

async fn applications(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let callback = "https://cms.example.tld/callback";
    let add = ["client", "add", "cms", "--name", "The CMS", "--redirect-uri", callback];
    let told = ostiary.cli(&add).await?;
    let secret = told.lines().nth(1).context("no secret")?.to_owned();
    ensure!(
        told.starts_with("Registered cms. This is its secret; it is not shown again:\n") && secret.len() > 32,
        "{told}"
    );
    let shown = ostiary.json(&["client", "show", "cms"]).await?;
    assert_eq!(shown["redirect_uris"], json!([callback]));
    assert_eq!((&shown["policy"], &shown["public"]), (&json!("two_factor"), &json!(false)));
    ensure!(shown.get("client_secret").is_none(), "the secret is shown again");
    let rotated = ostiary.json(&["client", "rotate-secret", "cms"]).await?;
    ensure!(rotated["client_secret"].as_str().is_some_and(|new| new != secret), "{rotated}");

    let public = ["client", "add", "phone", "--name", "Phone", "--redirect-uri", "http://127.0.0.1/cb", "--public"];
    let more = [
        "--policy",
        "one_factor",
        "--scope",
        "openid",
        "--scope",
        "groups",
        "--remember",
        "never",
        "--claims-in-id-token",
    ];
    let made = ostiary.json(&[&public[..], &more[..]].concat()).await?;
    ensure!(made.get("client_secret").is_none() && made["public"] == true, "{made}");
    assert_eq!((&made["policy"], &made["consent_remember"]), (&json!("one_factor"), &json!("never")));
    assert_eq!((&made["scopes"], &made["claims_in_id_token"]), (&json!(["openid", "groups"]), &json!(true)));

    assert_eq!(names(&ostiary.json(&["client", "list"]).await?, "client_id"), ["cms", "phone"]);
    let refused = ostiary.try_cli(&add, "").await?;
    assert_eq!(refused.code, Some(1));
    let refused = ostiary.try_cli(&["client", "rotate-secret", "phone"], "").await?;
    assert_eq!(refused.code, Some(1));
    ostiary.cli(&["client", "delete", "cms"]).await?;
    assert_eq!(names(&ostiary.json(&["client", "list"]).await?, "client_id"), ["phone"]);
    assert_eq!(ostiary.json(&["keys", "list"]).await?[0]["alg"], "RS256");
    Ok(())
}

#[tokio::test]
async fn what_is_refused_ends_with_1_and_what_is_not_understood_with_2() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    ostiary.add_person("ada", &[]).await?;
    for (arguments, stdin, code, words) in [
        (&["user", "show", "nobody"][..], "", 1, "there is nobody named \"nobody\""),
        (&["user", "add", "ADA", "--email", "x@example.tld"], "", 1, "name"),
        (&["user", "add", "bo", "--email", "ada@example.tld"], "", 1, "e-mail"),
        (&["user", "add", "b o", "--email", "bo@example.tld"], "", 1, "must not contain ' '"),
        (&["user", "add", "bo", "--email", "bo"], "", 1, "address"),
        (
            &["user", "add", "bo", "--email", "bo@example.tld", "--group", "nowhere"],
            "",
            1,
            "no group named \"nowhere\"",
        ),
        (&["user", "add", "bo", "--email", "bo@example.tld", "--password-stdin"], "short", 1, "assword"),
        (&["user", "add", "bo", "--email", "bo@example.tld", "--password-stdin"], "", 1, "the password is empty"),
        (&["user", "set-password", "ada", "--password-file", "/nowhere"], "", 1, "/nowhere cannot be read"),
        (&["group", "delete", "lldap_admin"], "", 1, "neither renamed nor deleted"),
        (&["group", "add-member", "nowhere", "ada"], "", 1, "there is no group named \"nowhere\""),
        (
            &["client", "add", "x", "--name", "X", "--redirect-uri", "javascript:alert(1)"],
            "",
            1,
            "is not a complete address",
        ),
        (&["client", "show", "nobody"], "", 1, "nobody"),
        (&["user", "set-password", "ada"], "", 2, "--password-stdin"),
        (&["user", "add", "bo"], "", 2, "--email"),
        (&["user", "frobnicate"], "", 2, "unrecognized subcommand"),
        (
            &["client", "add", "x", "--name", "X", "--redirect-uri", "https://a.b/c", "--policy", "none"],
            "",
            2,
            "one_factor and two_factor",
        ),
        (
            &["user", "add", "bo", "--email", "b@c", "--password-stdin", "--password-file", "x"],
            "",
            2,
            "cannot be used with",
        ),
    ] {
        let told = ostiary.try_cli(arguments, stdin).await?;
        assert_eq!(told.code, Some(code), "{arguments:?}: {}{}", told.stdout, told.stderr);
        ensure!(told.stderr.contains(words) && told.stdout.is_empty(), "{arguments:?}: {}{}", told.stdout, told.stderr);
    }
    assert_eq!(names(&ostiary.json(&["user", "list"]).await?, "username"), ["ada"], "nothing was half done");
    Ok(())
}

#[tokio::test]
async fn help_is_help_and_a_secret_is_no_argument() -> Result<()> {
    let ostiary = ostiary_tests::Setup::on(Pair::Embedded).prepare().await?;
    for arguments in [&["--help"][..], &["user", "add", "--help"], &["client", "add", "--help"]] {
        let told = ostiary.cli(arguments).await?;
        ensure!(told.contains("Examples:") && told.contains("Usage: ostiary"), "{told}");
    }
    ensure!(ostiary.cli(&["--version"]).await?.starts_with("ostiary "));
    let told = ostiary.try_cli(&["user", "add", "ada", "--email", "a@b", "--password", "x"], "").await?;
    assert_eq!(told.code, Some(2));
    Ok(())
}

#[tokio::test]
async fn without_a_data_folder_commands_say_so() -> Result<()> {
    let ostiary = ostiary_tests::Setup::on(Pair::Embedded).prepare().await?;
    let told = ostiary.try_cli(&["user", "list"], "").await?;
    assert_eq!(told.code, Some(1));
    ensure!(told.stderr.contains("there is no data folder") && !ostiary.data_dir().exists(), "{}", told.stderr);
    Ok(())
}

#[tokio::test]
async fn health_is_asked_and_told() -> Result<()> {
    let mut ostiary = Ostiary::start(Pair::Embedded).await?;
    ensure!(ostiary.cli(&["health"]).await?.contains("OK"));
    ensure!(ostiary.cli(&["healthcheck"]).await?.contains("OK"));
    ostiary.stop().await?;
    let told = ostiary.try_cli(&["health"], "").await?;
    assert_eq!(told.code, Some(1));
    ensure!(told.stderr.contains("nobody answers on 127.0.0.1:"), "{}", told.stderr);
    Ok(())
}

#[tokio::test]
async fn clients_of_the_file_follow_it() -> Result<()> {
    let file = "[[clients]]\nid = \"cms\"\nname = \"The CMS\"\nsecret = \"0123456789abcdef0123456789abcdef\"\nredirect_uris = [\"https://cms.example.tld/cb\"]\n";
    let mut ostiary = ostiary_tests::Setup::on(Pair::Embedded).with_file(file).start().await?;
    let shown = ostiary.json(&["client", "show", "cms"]).await?;
    assert_eq!((&shown["source"], &shown["client_name"]), (&json!("config"), &json!("The CMS")));
    let refused = ostiary.try_cli(&["client", "delete", "cms"], "").await?;
    assert_eq!(refused.code, Some(1), "the file would bring it back");
    ostiary.stop().await?;
    std::fs::write(ostiary.folder().join("ostiary.toml"), "")?;
    ostiary.start_again()?;
    assert_eq!(names(&ostiary.json(&["client", "list"]).await?, "client_id"), Vec::<String>::new());
    Ok(())
}
