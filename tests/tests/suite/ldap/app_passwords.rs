//! App passwords from the page where they are made to the tools and connections that use them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ldap3_proto::proto::{
    LdapModify, LdapModifyRequest, LdapModifyType, LdapOp, LdapPartialAttribute, LdapPasswordModifyRequest,
    LdapResultCode,
};
use ostiary_tests::{Browser, Finished, Ostiary, Page, Pair, Person, Setup, eventually, on_both_pairs, run};

use super::{House, Wire, person_query, result_of};

on_both_pairs!(
    whoever_signs_in_with_two_steps_binds_with_app_passwords,
    a_revoked_one_ends_its_connections,
    one_for_a_service_works_through_it_alone,
    a_setting_lets_everybody_bind_with_their_own_password,
);

/// Somebody in a browser, who has an authenticator app.
pub(super) struct Holder {
    person: Person,
    browser: Browser,
}

impl Holder {
    pub(super) async fn new(ostiary: &Ostiary, name: &str, groups: &[&str]) -> Result<Self> {
        let (mut person, browser) = (ostiary.add_person(name, groups).await?, Browser::new(ostiary)?);
        person.sign_in(&browser).await?;
        let page = browser.visit("/sign-in/authenticator").await?;
        let page = person.sign_in_from(&browser, page).await?;
        ensure!(page.path() == "/account", "{}", page.url);
        Ok(Self { person, browser })
    }

    /// Fills in the form, and gives the secret.
    pub(super) async fn make(&self, fields: &[(&str, &str)]) -> Result<String> {
        let page = self.list().await?;
        let form = fields.iter().fold(page.form("networks")?, |form, (name, value)| form.fill(name, value));
        let page = self.browser.send(&page, &form).await?;
        let secret = page.element("secret")?;
        ensure!(secret.starts_with("ost_ap_") && secret.len() == 39, "{secret}");
        ensure!(page.text().contains(&format!("uid={},ou=people,dc=localhost", self.person.username)));
        ensure!(page.header("cache-control").contains("no-store"), "{:?}", page.headers);
        ensure!(!self.list().await?.body.contains(&secret), "it is shown once");
        Ok(secret)
    }

    async fn list(&self) -> Result<Page> {
        self.browser.visit("/account/app-passwords").await
    }

    /// Revokes the newest, through the page that asks.
    async fn revoke_newest(&self) -> Result<Page> {
        let list = self.list().await?;
        let (_, rest) = list.body.split_once("href=\"/account/app-passwords/").context("nothing to revoke")?;
        let id = rest.split('/').next().unwrap_or_default();
        let page = self.browser.visit(&format!("/account/app-passwords/{id}/revoke")).await?;
        self.browser.send(&page, &page.form("csrf")?).await
    }
}

/// `ldapwhoami`, with its password in a file, as nobody else should see it.
async fn who_am_i(ostiary: &Ostiary, username: &str, password: &str) -> Result<Finished> {
    let file = ostiary.folder().join(format!("password-{username}"));
    std::fs::write(&file, password)?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let mut command = Command::new("ldapwhoami");
    command.args(["-x", "-H", &ostiary.ldap_url()?, "-D", &ostiary.person_dn(username)?]).arg("-y").arg(&file);
    tokio::task::spawn_blocking(move || run(&mut command, "")).await?
}

/// That the tool was told "invalid credentials".
fn is_refused(finished: &Finished) -> bool {
    finished.code == Some(49)
}

async fn whoever_signs_in_with_two_steps_binds_with_app_passwords(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let ostiary = &house.ostiary;
    // A name of its own: all tests share a cache, and guesses at a name are counted there.
    let eve = Holder::new(ostiary, "evelyn", &["lldap_admin"]).await?;
    ensure!(is_refused(&who_am_i(ostiary, "evelyn", &eve.person.password).await?), "the main password");
    let list = eve.list().await?;
    ensure!(list.text().contains("No app passwords yet"), "{}", list.text());

    let secret = eve.make(&[("name", "Mail on my phone"), ("networks", "10.0.0.0/8, 127.0.0.0/8")]).await?;
    let who = who_am_i(ostiary, "evelyn", &secret).await?.ok()?;
    assert_eq!(who.trim(), "dn:uid=evelyn,ou=people,dc=localhost");
    for (why, username, password) in [
        ("of another person", "bob", secret.clone()),
        ("one letter less", "evelyn", secret[..38].to_owned()),
        ("the main password, still", "evelyn", eve.person.password.clone()),
    ] {
        ensure!(is_refused(&who_am_i(ostiary, username, &password).await?), "{why}");
    }
    let elsewhere = eve.make(&[("name", "Desk"), ("networks", "192.0.2.0/24")]).await?;
    ensure!(is_refused(&who_am_i(ostiary, "evelyn", &elsewhere).await?), "from another network");

    // An administrator's reads as anybody's, and opens no page.
    let mut wire = house.wire().await?;
    assert_eq!(wire.bind(&ostiary.person_dn("evelyn")?, &secret).await?, LdapResultCode::Success);
    assert!(wire.search(person_query("bob"), Vec::new()).await?.entries.is_empty());
    assert_eq!(wire.search(person_query("evelyn"), Vec::new()).await?.entries.len(), 1);
    let stranger = Browser::new(ostiary)?;
    let page = stranger.visit("/sign-in").await?;
    let form = page.form("password")?.fill("username", "evelyn").fill("password", &secret);
    let page = stranger.send(&page, &form).await?;
    ensure!(page.path() == "/sign-in" && page.text().contains("do not match"), "{}", page.text());

    // Its owner and the command line see where it was used.
    eventually("the last use", async || {
        let list = ostiary.json(&["user", "app-passwords", "list", "evelyn"]).await?;
        Ok((list[1]["last_used_address"] == "127.0.0.1").then_some(()))
    })
    .await?;
    let text = eve.list().await?.text();
    ensure!(text.contains("Mail on my phone") && text.contains("from 127.0.0.1"), "{text}");
    ensure!(eve.browser.visit("/account").await?.text().contains("2 app passwords"));

    // What ends everything ends it, and its owner reads why.
    ostiary.cli(&["user", "reset-factors", "evelyn"]).await?;
    ensure!(is_refused(&who_am_i(ostiary, "evelyn", &secret).await?), "after a reset");
    let mut eve = eve;
    eve.person.authenticator = None;
    eve.person.sign_in(&eve.browser).await?;
    ensure!(eve.list().await?.text().contains("so it no longer works"));
    Ok(())
}

/// Asks until the connection is ended, for at most two seconds.
async fn is_ended(wire: &mut Wire) -> Result<bool> {
    for _ in 0..100 {
        match wire.search(person_query("eve"), Vec::new()).await {
            Ok(found) => ensure!(found.entries.len() == 1),
            Err(_) => return Ok(true),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(false)
}

async fn a_revoked_one_ends_its_connections(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let ostiary = &house.ostiary;
    let eve = Holder::new(ostiary, "eve", &[]).await?;
    let dn = ostiary.person_dn("eve")?;
    let mut wires = Vec::new();
    let mut secrets = Vec::new();
    for name in ["kept", "by command", "by page"] {
        let secret = eve.make(&[("name", name)]).await?;
        let mut wire = house.wire().await?;
        assert_eq!(wire.bind(&dn, &secret).await?, LdapResultCode::Success);
        assert_eq!(wire.search(person_query("eve"), Vec::new()).await?.entries.len(), 1);
        wires.push(wire);
        secrets.push(secret);
    }

    // In this process: at the next operation.
    let page = eve.revoke_newest().await?;
    ensure!(page.path() == "/account/app-passwords" && page.text().contains("by page was revoked"), "{}", page.text());
    let mut wire = wires.pop().context("three")?;
    wire.send(LdapOp::SearchRequest(person_query("eve")), Vec::new()).await?;
    assert_eq!(wire.goodbye().await?, LdapResultCode::Unavailable);

    // In another one: a moment later.
    let list = ostiary.json(&["user", "app-passwords", "list", "eve"]).await?;
    let id = list[0]["id"].as_str().context("an id")?;
    ostiary.cli(&["user", "app-passwords", "revoke", "eve", id]).await?;
    ensure!(is_ended(&mut wires.pop().context("two")?).await?, "the connection goes on");
    for secret in &secrets[1..] {
        ensure!(is_refused(&who_am_i(ostiary, "eve", secret).await?));
    }

    assert_eq!(wires[0].search(person_query("eve"), Vec::new()).await?.entries.len(), 1, "others go on");
    who_am_i(ostiary, "eve", &secrets[0]).await?.ok()?;
    let again = ostiary.try_cli(&["user", "app-passwords", "revoke", "eve", id], "").await?;
    ensure!(again.code == Some(1) && again.stderr.contains("eve has no app password"), "{again:?}");
    Ok(())
}

async fn one_for_a_service_works_through_it_alone(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair)).await?;
    let ostiary = &house.ostiary;
    let cloud = Person::named("cloud");
    ostiary
        .cli_with(
            &["user", "add", "cloud", "--email", "cloud@example.tld", "--service", "--password-stdin"],
            &format!("{}\n", cloud.password),
        )
        .await?;
    let eve = Holder::new(ostiary, "eve", &[]).await?;
    let secret = eve.make(&[("name", "Files"), ("service", "cloud")]).await?;
    ensure!(eve.list().await?.text().contains("Only through cloud"));
    ensure!(is_refused(&who_am_i(ostiary, "eve", &secret).await?), "the program never came");

    // A service account signs in on no page, whatever its password.
    let stranger = Browser::new(ostiary)?;
    let page = stranger.visit("/sign-in").await?;
    let form = page.form("password")?.fill("username", "cloud").fill("password", &cloud.password);
    ensure!(stranger.send(&page, &form).await?.text().contains("do not match"));

    // Over its connection, as many programs do it, and then from its address.
    let mut wire = house.bound(&cloud).await?;
    assert_eq!(wire.bind(&ostiary.person_dn("eve")?, &secret).await?, LdapResultCode::Success);
    who_am_i(ostiary, "eve", &secret).await?.ok()?;
    ostiary.cli(&["user", "disable", "cloud"]).await?;
    ensure!(is_refused(&who_am_i(ostiary, "eve", &secret).await?), "the service is closed");
    Ok(())
}

async fn a_setting_lets_everybody_bind_with_their_own_password(pair: Pair) -> Result<()> {
    let house = House::start(Setup::on(pair).with("OSTIARY_LDAP__BIND_PASSWORD", "any")).await?;
    let eve = Holder::new(&house.ostiary, "eve", &["lldap_admin"]).await?;
    let who = who_am_i(&house.ostiary, "eve", &eve.person.password).await?.ok()?;
    assert_eq!(who.trim(), "dn:uid=eve,ou=people,dc=localhost");
    // One proof of two: an administrator reads with it, and writes nothing, not even what is theirs.
    let mut wire = house.bound(&eve.person).await?;
    assert_eq!(wire.search(person_query("bob"), Vec::new()).await?.entries.len(), 1);
    let password = LdapPasswordModifyRequest {
        user_identity: None,
        old_password: Some(eve.person.password.clone()),
        new_password: Some("another one of eve".into()),
    };
    let modification = LdapPartialAttribute { atype: "sn".into(), vals: vec![b"Changed".to_vec()] };
    for request in [
        LdapOp::ModifyRequest(LdapModifyRequest {
            dn: house.ostiary.person_dn("eve")?,
            changes: vec![LdapModify { operation: LdapModifyType::Replace, modification }],
        }),
        LdapOp::DelRequest(house.ostiary.person_dn("bob")?),
        LdapOp::ExtendedRequest(password.into()),
    ] {
        let answer = wire.ask(request).await?;
        assert_eq!(result_of(&answer.op)?.code, LdapResultCode::InsufficentAccessRights);
    }
    ensure!(!eve.list().await?.text().contains("is not taken from programs"));
    Ok(())
}
