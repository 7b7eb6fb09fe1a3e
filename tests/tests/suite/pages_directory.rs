//! What the panel's forms say of the directory: everything that a person and a group have, groups
//! in groups, managers, attributes and object classes, app passwords.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Page, Pair, on_both_pairs};
use reqwest::{Method, StatusCode};

use crate::pages_panel::{own_form, post};

on_both_pairs!(a_person_has_all_that_the_form_says, groups_are_in_groups_and_have_managers);

/// Fills in a form that is to be refused, and gives what the page says.
async fn refused(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
    let page = post(browser, path, fields).await?;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {fields:?}: {}", page.text());
    Ok(page)
}

/// Adds an attribute to people and groups.
async fn add_attribute(browser: &Browser, name: &str, kind: &str, is_list: bool) -> Result<()> {
    let mut fields = vec![("name", name), ("kind", kind), ("on_users", "1"), ("on_groups", "1")];
    if is_list {
        fields.push(("is_list", "1"));
    }
    let page = post(browser, "/attributes/new", &fields).await?;
    ensure!(page.text().contains(&format!("The attribute {name} was added")), "{}", page.text());
    Ok(())
}

/// The words at a field.
fn error_at(page: &Page, field: &str) -> Result<String> {
    page.element(&format!("{field}-error")).with_context(|| page.text())
}

async fn a_person_has_all_that_the_form_says(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    for (name, kind, is_list) in [
        ("badge", "integer", false),
        ("remote", "boolean", false),
        ("born", "date_time", false),
        ("likes", "string", true),
        ("face", "jpeg", false),
    ] {
        add_attribute(&browser, name, kind, is_list).await?;
    }
    post(&browser, "/people/new", &[("username", "ada"), ("email", "ada@example.tld")]).await?;

    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@desk";
    let page = post(
        &browser,
        "/people/ada/edit",
        &[
            ("given_name", "Ada"),
            ("addresses", "a.okafor@example.tld\r\n\r\nada@example.org\r\n"),
            ("account", "service"),
            ("not_before", "2020-01-01T08:00"),
            ("not_after", "2021-01-01T08:00"),
            ("uid_number", "4711"),
            ("gid_number", "100"),
            ("attr-1", key),
            ("attr-2", "/bin/zsh"),
            ("attr-1001", "17"),
            ("attr-1002", "FALSE"),
            ("attr-1003", "1815-12-10T03:04:05"),
            ("attr-1004", "engines\r\npoetry"),
        ],
    )
    .await?;
    assert_eq!(page.path(), "/people/ada", "{}", page.text());
    let text = page.text();
    for words in [
        "Ada was saved",
        "a.okafor@example.tld",
        "ada@example.org",
        "Expired 1 January 2021",
        "Service account",
        "1 January 2020, 08:00 UTC",
        "4711",
        "100",
        key,
        "/bin/zsh",
        "/home/ada (by default)",
        "badge 17",
        "remote No",
        "10 December 1815, 03:04 UTC",
        "engines poetry",
    ] {
        ensure!(text.contains(words), "{words}: {text}");
    }

    // What is not touched stays, to the second; what is emptied goes.
    let page =
        post(&browser, "/people/ada/edit", &[("account", "person"), ("not_after", ""), ("gid_number", "")]).await?;
    let text = page.text();
    ensure!(text.contains("Active") && !text.contains("Expired") && !text.contains("Service account"), "{text}");
    ensure!(text.contains("4711 (own group)") && text.contains(key), "{text}");
    let form = own_form(&browser.open(browser.directory("/people/ada/edit")?).await?)?;
    assert_eq!(form.value("attr-1003"), Some("1815-12-10T03:04:05"));
    assert_eq!(form.value("addresses"), Some("a.okafor@example.tld\nada@example.org"));
    assert!(!form.offered.iter().any(|name| name == "attr-1005"), "pictures are only said to be there");

    for (field, typed, words) in [
        ("username", "", "isempty"),
        ("email", "root@example.tld", "hasthise-mailaddressalready"),
        ("addresses", "root@example.tld", "hasthise-mailaddressalready"),
        ("addresses", "b@example.tld\nb@example.tld", "standsheretwice"),
        ("addresses", "nobody", "e-mailaddress"),
        ("not_after", "soon", "nodateandtime"),
        ("uid_number", "many", "nowholenumber"),
        ("uid_number", "0", "between1and4294967294"),
        ("gid_number", "-1", "between1and4294967294"),
        ("attr-1", "ssh-ed25519 Zm9v", "Akeyisoneline"),
        ("attr-2", "zsh", "Apathbeginswith/"),
        ("attr-1001", "seventeen", "nowholenumber"),
        ("attr-1003", "yesterday", "nodateandtime"),
        ("attr-1004", "engines\nEngines", "standsheretwice"),
    ] {
        let email = if field == "email" { typed } else { "ada@example.tld" };
        let mut fields = vec![("email", email)];
        if field != "email" {
            fields.push((field, typed));
        }
        let page = refused(&browser, "/people/ada/edit", &fields).await?;
        let said = error_at(&page, field)?;
        ensure!(said.contains(words), "{field} {typed:?}: {said}");
        assert_eq!(own_form(&page)?.value(field), Some(typed), "what was typed is there again");
    }
    for (from, to) in [("2030-01-01T00:00", "2029-01-01T00:00"), ("2030-01-01T00:00", "2030-01-01T00:00")] {
        let page = refused(&browser, "/people/ada/edit", &[("not_before", from), ("not_after", to)]).await?;
        ensure!(error_at(&page, "not_after")?.contains("wouldendbeforeitbegins"), "{}", page.text());
    }

    // All of it from the start too; numbers that somebody has are refused.
    let new = [("username", "bea"), ("email", "bea@example.tld"), ("uid_number", "4711"), ("attr-1001", "18")];
    let page = refused(&browser, "/people/new", &new).await?;
    ensure!(error_at(&page, "uid_number")?.contains("belongstosomebodyelse"), "{}", page.text());
    ensure!(page.body.contains("<details class=\"more\" open>"), "the part with the mistake is open");
    let page = post(&browser, "/people/new", &[new[0], new[1], new[3], ("not_before", "2099-01-01T00:00")]).await?;
    ensure!(page.text().contains("Begins 1 January 2099") && page.text().contains("badge 18"), "{}", page.text());
    Ok(())
}

async fn groups_are_in_groups_and_have_managers(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    add_attribute(&browser, "room", "string", false).await?;
    for name in ["Staff", "Editors", "Alumni"] {
        post(&browser, "/groups/new", &[("name", name)]).await?;
    }
    post(&browser, "/people/new", &[("username", "ada"), ("email", "ada@example.tld")]).await?;
    post(&browser, "/people/ada/groups", &[("group", "Editors")]).await?;

    let page = post(&browser, "/groups/Staff/groups", &[("group", "Editors")]).await?;
    let text = page.text();
    ensure!(text.contains("Editors was added to Staff") && text.contains("0 people directly, 1 in all"), "{text}");
    ensure!(text.contains("1 person through other groups") && text.contains("ada ada Editors"), "{text}");
    let person = browser.open(browser.directory("/people/ada")?).await?.text();
    ensure!(person.contains("Staff through Editors"), "{person}");
    let inner = browser.open(browser.directory("/groups/Editors")?).await?.text();
    ensure!(inner.contains("In groups Staff"), "{inner}");

    // Round in a circle, from either side.
    let page = refused(&browser, "/groups/Editors/groups", &[("group", "Staff")]).await?;
    ensure!(page.text().contains("Editors is in Staff already, so Staff cannot be in Editors"), "{}", page.text());
    let page = refused(&browser, "/groups/Staff/parents", &[("group", "Editors")]).await?;
    ensure!(page.text().contains("Editors is in Staff already, so Staff cannot be in Editors"), "{}", page.text());
    ensure!(error_at(&page, "group")?.contains("isinStaffalready"), "{}", page.text());
    ensure!(page.body.contains("<option value=\"Editors\" selected>"), "what was chosen is chosen still");
    for (name, words) in
        [("none", "no group named"), ("Staff", "cannot be in itself"), ("lldap_admin", "no other group")]
    {
        let page = refused(&browser, "/groups/Staff/groups", &[("group", name)]).await?;
        ensure!(page.text().contains(words), "{name}: {}", page.text());
    }

    post(&browser, "/people/ada/groups", &[("group", "Staff")]).await?;
    let page = browser.open(browser.directory("/groups/Staff")?).await?;
    ensure!(page.text().contains("also through Editors") && page.text().contains("1 person"), "{}", page.text());
    let form = page.form_to("/groups/Staff/groups")?;
    let id = page.body.split("name=\"remove\" value=\"").nth(2).and_then(|rest| rest.split('"').next());
    let mut out = form;
    out.fields.push(("remove".to_owned(), id.context("no button to take Editors out")?.to_owned()));
    let page = browser.send(&page, &out).await?;
    ensure!(page.text().contains("Editors was removed from Staff"), "{}", page.text());
    let page = post(&browser, "/groups/Editors/parents", &[("group", "Staff")]).await?;
    ensure!(page.text().contains("In groups Staff"), "{}", page.text());

    // Managers are found and added as members are.
    let page = browser.open(browser.directory("/groups/Staff/managers?q=ada")?).await?;
    let id = page.body.split("name=\"add\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut form = page.form("add")?;
    form.fields.push(("add".to_owned(), id.context("no button")?.to_owned()));
    let page = browser.send(&page, &form).await?;
    ensure!(page.text().contains("ada manages Staff now") && page.text().contains("Manager"), "{}", page.text());
    let undone = browser.send(&page, &own_form(&page)?).await?;
    ensure!(undone.text().contains("ada no longer manages Staff"), "{}", undone.text());
    let built_in = browser.open(browser.directory("/groups/lldap_admin/managers?q=ada")?).await?;
    form.action = built_in.path().to_owned();
    let page = browser.send(&built_in, &form).await?;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "rights hang from it");

    let page =
        post(&browser, "/groups/Staff/edit", &[("name", "Everyone"), ("gid_number", "9000"), ("attr-1001", "Attic")])
            .await?;
    let text = page.text();
    ensure!(text.contains("The group Everyone was saved") && text.contains("9000") && text.contains("Attic"), "{text}");
    for (field, typed, words) in [
        ("name", "Editors", "hasthisnamealready"),
        ("gid_number", "x", "nowholenumber"),
        ("gid_number", "0", "between1and4294967294"),
        ("attr-1001", "\u{7}", "notatext"),
    ] {
        let page = refused(&browser, "/groups/Everyone/edit", &[(field, typed)]).await?;
        let said = error_at(&page, field)?;
        ensure!(said.contains(words), "{field} {typed:?}: {said}");
    }
    let fixed = browser.open(browser.directory("/groups/lldap_admin/edit")?).await?;
    assert!(!own_form(&fixed)?.offered.iter().any(|name| name == "name"));
    Ok(())
}

#[tokio::test]
async fn what_a_form_cannot_show_is_left_alone() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    add_attribute(&browser, "likes", "string", true).await?;
    add_attribute(&browser, "face", "jpeg", false).await?;
    ostiary.cli(&["user", "change", "root", "--set", "likes=engines\nof any kind", "--set", "likes=poetry"]).await?;
    let page = browser.open(browser.directory("/people/root/edit")?).await?;
    ensure!(page.text().contains("2 values, not all of them one line long"), "{}", page.text());
    ensure!(page.text().contains("One is set over LDAP or from the command line"), "{}", page.text());
    let mut form = own_form(&page)?.fill("given_name", "Ada");
    assert!(!form.offered.iter().any(|name| name.starts_with("attr-10")), "{:?}", form.offered);
    // Nor does it take them from somebody who makes the fields up.
    form.fields.extend(["attr-1001", "attr-1002"].map(|name| (name.to_owned(), "mine".to_owned())));
    let saved = browser.send(&page, &form).await?;
    ensure!(saved.text().contains("Ada was saved"), "{}", saved.text());
    let shown = ostiary.json(&["user", "show", "root"]).await?;
    assert_eq!(shown["attributes"]["likes"], serde_json::json!(["engines\nof any kind", "poetry"]));
    Ok(())
}

#[tokio::test]
async fn pages_of_a_group_say_what_else_holds() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    for name in ["Board", "Staff"] {
        post(&browser, "/groups/new", &[("name", name)]).await?;
    }
    post(&browser, "/groups/Staff/groups", &[("group", "Board")]).await?;
    post(&browser, "/people/root/groups", &[("group", "Board")]).await?;
    for step in ["members", "managers"] {
        let page = browser.open(browser.directory(&format!("/groups/Staff/{step}?q=(mail%3D"))?).await?;
        ensure!(error_at(&page, "q")?.contains("Thefilterhasamistake"), "{step}: {}", page.text());
    }
    let asked = browser.open(browser.directory("/groups/Staff/delete")?).await?;
    ensure!(asked.text().contains("1 person leaves it"), "through Board: {}", asked.text());

    let words = "only administrators change who is in it";
    let before = browser.open(browser.directory("/groups/Board")?).await?;
    ensure!(!before.text().contains(words), "{}", before.text());
    post(&browser, "/groups/Staff/parents", &[("group", "lldap_admin")]).await?;
    let after = browser.open(browser.directory("/groups/Board")?).await?;
    ensure!(after.text().contains(words), "rights hang from it through Staff: {}", after.text());
    Ok(())
}

#[tokio::test]
async fn attributes_are_defined_changed_and_deleted() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    let page = browser.open(browser.directory("/attributes")?).await?;
    let text = page.text();
    ensure!(text.contains("No attributes of your own yet") && text.contains("sshPublicKey"), "{text}");

    add_attribute(&browser, "badge", "integer", false).await?;
    for (name, words) in
        [("Badge", "has this name already"), ("uid", "cannot be added"), ("1st", "attribute's name"), ("", "is empty")]
    {
        let page = refused(&browser, "/attributes/new", &[("name", name), ("kind", "string")]).await?;
        ensure!(error_at(&page, "name").is_ok() && page.text().contains(words), "{name}: {}", page.text());
    }
    let page = browser.open(browser.directory("/attributes/1001")?).await?;
    let mut nobody = own_form(&page)?;
    nobody.fields.retain(|(name, _)| !name.starts_with("on_"));
    let page = browser.send(&page, &nobody).await?;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(error_at(&page, "bearers")?.contains("peoplehaveit"), "{}", page.text());

    let page = post(&browser, "/attributes/1001", &[("is_editable", "1")]).await?;
    ensure!(page.text().contains("The attribute badge was saved"), "{}", page.text());
    ensure!(page.text().contains("People, on their own entry"), "{}", page.text());
    let page = post(&browser, "/attributes/2", &[("is_editable", "1")]).await?;
    ensure!(page.text().contains("The attribute loginShell was saved"), "{}", page.text());

    post(&browser, "/people/root/edit", &[("attr-1001", "17")]).await?;
    let asked = browser.open(browser.directory("/attributes/1001/delete")?).await?;
    ensure!(asked.text().contains("1 person loses what it holds"), "{}", asked.text());
    refused(&browser, "/attributes/1001/delete", &[("name", "bagde")]).await?;
    let page = post(&browser, "/attributes/1001/delete", &[("name", "badge")]).await?;
    ensure!(page.text().contains("badge was deleted"), "{}", page.text());
    for path in ["/attributes/1001", "/attributes/1/delete", "/attributes/x", "/attributes/object-classes/none/delete"]
    {
        assert_eq!(browser.open(browser.directory(path)?).await?.status, StatusCode::NOT_FOUND, "{path}");
    }

    let page = post(&browser, "/attributes/object-classes/new", &[("name", "mailUser")]).await?;
    ensure!(page.text().contains("The object class mailUser was added"), "{}", page.text());
    for (name, words) in [("mailuser", "has this name already"), ("person", "cannot be added"), ("a b", "name")] {
        let page = refused(&browser, "/attributes/object-classes/new", &[("name", name)]).await?;
        ensure!(error_at(&page, "name").is_ok() && page.text().contains(words), "{name}: {}", page.text());
    }
    let page = post(&browser, "/attributes/object-classes/mailUser/delete", &[]).await?;
    ensure!(page.text().contains("The object class mailUser was removed"), "{}", page.text());
    Ok(())
}

#[tokio::test]
async fn an_administrator_revokes_an_app_password() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (root, _) = ostiary.first_administrator().await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    ada.sign_in(&browser).await?;
    let own = browser.visit("/account/app-passwords").await?;
    let made = browser.send(&own, &own.form("name")?.fill("name", "Mail on my phone")).await?;
    ensure!(made.status.is_success(), "{}", made.text());

    let page = root.open(root.directory("/people/ada")?).await?;
    ensure!(page.text().contains("Mail on my phone Never used"), "{}", page.text());
    let href = page.body.split("href=\"").find(|rest| rest.contains("/app-passwords/revoke?id="));
    let href = href.and_then(|rest| rest.split('"').next()).context("no way to revoke it")?.replace("&#38;", "&");
    let other = href.replace("/people/ada/", "/people/root/");
    assert_eq!(root.open(root.directory(&other)?).await?.status, StatusCode::NOT_FOUND, "it is not root's");
    let asked = root.open(root.directory(&href)?).await?;
    ensure!(asked.text().contains("Revoke the app password Mail on my phone?"), "{}", asked.text());
    let done = root.send(&asked, &own_form(&asked)?).await?;
    ensure!(done.text().contains("The app password Mail on my phone was revoked"), "{}", done.text());
    let again = root.send(&asked, &own_form(&asked)?).await?;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "once");
    Ok(())
}

#[tokio::test]
async fn no_form_is_taken_without_its_token() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    add_attribute(&browser, "badge", "integer", false).await?;
    post(&browser, "/groups/new", &[("name", "Editors")]).await?;
    for path in [
        "/people/root/edit",
        "/people/root/app-passwords/revoke",
        "/groups/Editors/edit",
        "/groups/Editors/groups",
        "/groups/Editors/parents",
        "/groups/Editors/managers",
        "/attributes/new",
        "/attributes/1001",
        "/attributes/1001/delete",
        "/attributes/object-classes/new",
        "/attributes/object-classes/x/delete",
    ] {
        let fields = [("username", "eve"), ("email", "eve@example.tld"), ("name", "badge"), ("group", "Editors")];
        let request = browser.client().request(Method::POST, browser.directory(path)?).form(&fields);
        assert_eq!(request.send().await?.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let page = browser.open(browser.directory("/attributes")?).await?;
    ensure!(page.text().contains("badge"), "nothing was deleted");
    Ok(())
}
