//! The panel: who gets in, how it shares the sign-in of the accounts host, and what an
//! administrator does there.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Form, Ostiary, Page, Pair, eventually, on_both_pairs};
use reqwest::{Method, StatusCode};
use serde_json::json;
use url::Url;

on_both_pairs!(
    only_administrators_with_two_steps_get_in,
    a_ticket_works_once_and_in_its_own_browser_only,
    rights_end_at_once,
    an_administrator_keeps_the_directory,
);

/// Every page of the panel that somebody could want to see or change.
pub(crate) const GETS: &[&str] = &[
    "/people",
    "/people/new",
    "/people/ada",
    "/people/ada/edit",
    "/people/ada/password",
    "/people/ada/picture",
    "/people/ada/groups",
    "/people/ada/disable",
    "/people/ada/enable",
    "/people/ada/reset-factors",
    "/people/ada/sign-out",
    "/people/ada/delete",
    "/groups",
    "/groups/new",
    "/groups/lldap_admin",
    "/groups/Editors/edit",
    "/groups/Editors/delete",
    "/groups/Editors/members",
    "/groups/Editors/groups",
    "/groups/Editors/parents",
    "/groups/Editors/managers",
    "/attributes",
    "/attributes/new",
    "/attributes/1",
    "/attributes/1001/delete",
    "/attributes/object-classes/new",
    "/system",
    "/people/ada/app-passwords/revoke",
    "/people/nobody",
    "/groups/none",
];
pub(crate) const POSTS: &[&str] = &[
    "/people/new",
    "/people/picked",
    "/people/ada/edit",
    "/people/ada/password",
    "/people/ada/picture",
    "/people/ada/picture/remove",
    "/people/ada/groups",
    "/people/ada/disable",
    "/people/ada/enable",
    "/people/ada/reset-factors",
    "/people/ada/sign-out",
    "/people/ada/delete",
    "/groups/new",
    "/groups/Editors/edit",
    "/groups/Editors/delete",
    "/groups/Editors/members",
    "/groups/Editors/groups",
    "/groups/Editors/parents",
    "/groups/Editors/managers",
    "/attributes/new",
    "/attributes/1",
    "/attributes/1001/delete",
    "/attributes/object-classes/new",
    "/attributes/object-classes/x/delete",
    "/people/ada/app-passwords/revoke",
];

/// Everything that a form could hold.
pub(crate) const FIELDS: &[(&str, &str)] = &[
    ("username", "eve"),
    ("email", "eve@example.tld"),
    ("password", "a lamp in the harbour"),
    ("name", "ada"),
    ("group", "lldap_admin"),
    ("do", "disable"),
    ("sure", "1"),
    ("add", "ada"),
];

/// The first form of a page's own part, beside the navigation.
pub(crate) fn own_form(page: &Page) -> Result<Form> {
    let (_, main) = page.body.split_once("<main").context("no main part")?;
    Page { body: main.to_owned(), ..page.clone() }.form("csrf")
}

/// Waits until the panel shows what a command has just made.
async fn shown(browser: &Browser, path: &str, words: &str) -> Result<Page> {
    let url = browser.directory(path)?;
    let page = eventually(words, async || {
        let page = browser.open(&url).await?;
        Ok(page.text().contains(words).then_some(page))
    });
    page.await
}

/// Everybody and every group, as the command line lists them.
pub(crate) async fn state(ostiary: &Ostiary) -> Result<String> {
    Ok(format!(
        "{}{}",
        ostiary.cli(&["user", "list", "--json"]).await?,
        ostiary.cli(&["group", "list", "--json"]).await?
    ))
}

async fn only_administrators_with_two_steps_get_in(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.add_person("ada", &["lldap_admin"]).await?;
    let mut bea = ostiary.add_person("bea", &["lldap_password_manager", "lldap_strict_readonly"]).await?;
    ostiary.cli(&["group", "add", "Editors"]).await?;

    let nobody = Browser::new(&ostiary)?;
    for path in GETS {
        let page = nobody.open_once(&nobody.directory(path)?).await?;
        let onward = page.onward().with_context(|| format!("{path} does not lead on"))?;
        ensure!(onward.as_str().starts_with(nobody.accounts("/hand-over?state=")?.as_str()), "{path}: {onward}");
        assert_eq!(nobody.open(onward).await?.path(), "/sign-in", "{path}");
    }
    // Who has no business there hears it without being asked for a second step first.
    let mut dan = ostiary.add_person("dan", &[]).await?;
    let once = Browser::new(&ostiary)?;
    let page = once.open(once.directory("/people")?).await?;
    assert_eq!(dan.sign_in_from(&once, page).await?.status, StatusCode::FORBIDDEN);
    ensure!(dan.authenticator.is_none(), "none was asked for");
    // A password manager and reader, with two steps, is no administrator.
    let browser = Browser::new(&ostiary)?;
    bea.sign_in(&browser).await?;
    let page = browser.visit("/sign-in/authenticator").await?;
    bea.sign_in_from(&browser, page).await?;
    ensure!(bea.authenticator.is_some(), "she has two steps");
    let page = browser.open(browser.directory("/people")?).await?;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    ensure!(page.text().contains("for administrators") && !page.text().contains("ada"), "{}", page.text());
    let before = state(&ostiary).await?;
    for path in GETS {
        assert_eq!(browser.open_once(&browser.directory(path)?).await?.status, StatusCode::FORBIDDEN, "{path}");
    }
    for who in [&nobody, &once, &browser] {
        for path in POSTS {
            let request = who.client().request(Method::POST, who.directory(path)?).form(FIELDS);
            assert_eq!(request.send().await?.status(), StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert_eq!(state(&ostiary).await?, before, "nothing was changed");
    Ok(())
}

/// An administrator who is signed in on the accounts host.
async fn administrator(ostiary: &Ostiary, name: &str) -> Result<Browser> {
    let mut person = ostiary.add_person(name, &["lldap_admin"]).await?;
    let browser = Browser::new(ostiary)?;
    person.sign_in(&browser).await?;
    let page = browser.visit("/sign-in/authenticator").await?;
    person.sign_in_from(&browser, page).await?;
    Ok(browser)
}

/// Opens the panel and stops with the ticket in hand: where the accounts host sends the browser.
async fn ticket(browser: &Browser) -> Result<Url> {
    let begun = browser.open_once(&browser.directory("/groups?q=a%26b")?).await?;
    let over = browser.open_once(&begun.onward().context("no way to the accounts host")?).await?;
    over.onward().with_context(|| format!("no way back: {}", over.text()))
}

async fn a_ticket_works_once_and_in_its_own_browser_only(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (ada, bea) = (administrator(&ostiary, "ada").await?, administrator(&ostiary, "bea").await?);
    let strange = Browser::new(&ostiary)?;

    let stolen = ticket(&ada).await?;
    ticket(&bea).await?;
    for browser in [&strange, &bea] {
        let page = browser.open_once(&stolen).await?;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "a ticket of another browser opens nothing");
        ensure!(!page.header("set-cookie").contains("ostiary="), "no session");
    }
    let own = ticket(&ada).await?;
    let shown = ada.open(&own).await?;
    assert_eq!((shown.path(), shown.url.query()), ("/groups", Some("q=a%26b")), "back to the page that was asked for");
    let again = ada.open_once(&own).await?;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "once");

    // One sign-in: signing out on one host is signing out on the other.
    let panel = ada.open(ada.directory("/people")?).await?;
    ada.send(&panel, &panel.form_to("/sign-out")?).await?;
    assert_eq!(ada.visit("/account").await?.path(), "/sign-in");
    assert_eq!(ada.open(ada.directory("/people")?).await?.path(), "/sign-in");
    Ok(())
}

async fn rights_end_at_once(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (root, _) = ostiary.first_administrator().await?;
    let ada = administrator(&ostiary, "ada").await?;
    let list = ada.open(ada.directory("/people")?).await?;
    assert_eq!(list.path(), "/people");

    let group = root.open(root.directory("/groups/lldap_admin")?).await?;
    let id = button_in_row(&group, "ada")?;
    let mut form = group.form_to("/members")?;
    form.fields.push(("remove".to_owned(), id));
    let after = root.send(&group, &form).await?;
    ensure!(after.text().contains("ada was removed from lldap_admin"), "{}", after.text());
    let shut = ada.open(ada.directory("/people")?).await?;
    assert_eq!(shut.status, StatusCode::FORBIDDEN, "the session holds, the right is gone");
    let mut form = list.form_to("/people/picked")?;
    form.fields.extend([("do".to_owned(), "disable".to_owned()), ("sure".to_owned(), "1".to_owned())]);
    assert_eq!(ada.send(&list, &form).await?.status, StatusCode::FORBIDDEN);

    // Nobody shuts themselves out, and one administrator remains.
    let own = root.open(root.directory("/people/root/disable")?).await?;
    let refused = root.send(&own, &own_form(&own)?).await?;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(refused.text().contains("your own account"), "{}", refused.text());
    Ok(())
}

/// The value of the button that stands in the row of `name`.
fn button_in_row(page: &Page, name: &str) -> Result<String> {
    let row = page.body.split("<tr>").find(|row| row.contains(&format!(">{name}<"))).context("no such row")?;
    let value = row.split("name=\"remove\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    value.map(str::to_owned).context("no button in the row")
}

/// Fills in the form of a page of the panel and sends it.
pub(crate) async fn post(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Result<Page> {
    let page = browser.open(browser.directory(path)?).await?;
    ensure!(page.status.is_success(), "{path} answers {}: {}", page.status, page.text());
    let form = fields.iter().fold(own_form(&page)?, |form, (name, value)| form.fill(name, value));
    browser.send(&page, &form).await
}

async fn an_administrator_keeps_the_directory(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (browser, _) = ostiary.first_administrator().await?;

    let new = [
        ("username", "łukasz"),
        ("email", "l@example.tld"),
        ("given_name", "Łukasz"),
        ("family_name", "<b>Wiśniewski</b>"),
        ("password", "a lamp in the harbour"),
    ];
    let page = post(&browser, "/people/new", &new).await?;
    assert_eq!(page.path(), "/people/%C5%82ukasz");
    ensure!(page.text().contains("Łukasz <b>Wiśniewski</b> was added"), "{}", page.text());
    ensure!(!page.body.contains("<b>W"), "names are escaped");
    let mut same = new;
    same[1].1 = "another@example.tld";
    let twice = post(&browser, "/people/new", &same).await?;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(twice.text().contains("has this user name already"), "{}", twice.text());
    assert_eq!(twice.form("display_name")?.value("given_name"), Some("Łukasz"), "what was typed is there again");

    let edited = post(&browser, "/people/%C5%82ukasz/edit", &[("username", "new")]).await?;
    ensure!(edited.url.path() != "/people/new", "a name that is an address is reached by its id");
    ensure!(edited.text().contains("was saved"), "{}", edited.text());

    // Groups whose names would be something else in an address.
    for name in ["R&D / ü?#%2e", "..", "new", "<script>alert(1)</script>"] {
        let page = post(&browser, "/groups/new", &[("name", name)]).await?;
        ensure!(
            page.status.is_success() && page.text().contains(&format!("{name} was added")),
            "{name}: {}",
            page.text()
        );
        let joined = post(&browser, &format!("{}/groups", edited.path()), &[("group", name)]).await?;
        ensure!(joined.text().contains(&format!("was added to {name}")), "{name}: {}", joined.text());
        ensure!(joined.body.contains(">Undo</button>"), "{name}: no way back");
        let undone = browser.send(&joined, &own_form(&joined)?).await?;
        ensure!(undone.text().contains(&format!("was removed from {name}")), "{name}: {}", undone.text());
        let gone = post(&browser, &format!("{}/delete", page.path()), &[("name", name)]).await?;
        ensure!(gone.text().contains(&format!("{name} was deleted")), "{name}: {}", gone.text());
    }

    let wrong = post(&browser, &format!("{}/delete", edited.path()), &[("name", "łukasz")]).await?;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "the old name is not the name");
    let gone = post(&browser, &format!("{}/delete", edited.path()), &[("name", "NEW")]).await?;
    assert_eq!(gone.path(), "/people");
    ensure!(gone.text().contains("was deleted"), "{}", gone.text());
    assert_eq!(ostiary.json(&["user", "list"]).await?.as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn several_people_at_once() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    for name in ["ada", "bea", "cyd"] {
        ostiary.add_person(name, &[]).await?;
    }
    ostiary.cli(&["group", "add", "Editors"]).await?;
    shown(&browser, "/groups/Editors", "Nobody is in this group").await?;
    let list = shown(&browser, "/people?sort=-name", "4 people").await?;
    let ids: Vec<&str> = list
        .body
        .split("name=\"user\" value=\"")
        .skip(1)
        .filter(|row| {
            ["ada@", "bea@"].iter().any(|mail| row.split("</tr>").next().is_some_and(|row| row.contains(mail)))
        })
        .filter_map(|row| row.split('"').next())
        .collect();
    assert_eq!(ids.len(), 2);
    let pick = |deed: &str| {
        let mut form = list.form_to("/people/picked")?;
        form.fields.push(("do".to_owned(), deed.to_owned()));
        form.fields.extend(ids.iter().map(|id| ("user".to_owned(), (*id).to_owned())));
        anyhow::Ok(form)
    };
    let asked = browser.send(&list, &pick("group")?).await?;
    ensure!(asked.text().contains("Add 2 people to a group"), "{}", asked.text());
    let joined = browser.send(&asked, &asked.form("group")?.fill("group", "Editors")).await?;
    ensure!(joined.text().contains("2 people were added to Editors"), "{}", joined.text());
    assert_eq!(ostiary.json(&["user", "show", "ada"]).await?["groups"], json!(["Editors"]));

    let asked = browser.send(&list, &pick("disable")?).await?;
    ensure!(asked.text().contains("Disable 2 people?"), "{}", asked.text());
    assert_eq!(ostiary.json(&["user", "show", "ada"]).await?["disabled"], json!(false), "the first form only asks");
    let done = browser.send(&asked, &asked.form_to("/people/picked")?).await?;
    ensure!(done.text().contains("2 people were disabled"), "{}", done.text());
    for (name, closed) in [("ada", true), ("bea", true), ("cyd", false)] {
        assert_eq!(ostiary.json(&["user", "show", name]).await?["disabled"], json!(closed), "{name}");
    }
    // Nobody picked, or nothing to do with them.
    let nobody = browser.send(&list, &list.form_to("/people/picked")?).await?;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST);
    assert_eq!(browser.open(browser.directory("/people/picked")?).await?.path(), "/people");
    Ok(())
}

#[tokio::test]
async fn lists_are_searched_sorted_and_paged_by_their_address() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    for number in 10..40 {
        let (name, email) = (format!("p{number}"), format!("p{number}@example.tld"));
        ostiary.cli(&["user", "add", &name, "--email", &email, "--display-name", &format!("Person {number}")]).await?;
    }
    shown(&browser, "/people", "31 people").await?;
    let open = async |query: &str| browser.open(browser.directory(&format!("/people{query}"))?).await;
    for (query, has, has_not) in [
        ("", "31 people, by name", "Person 36"),
        ("?page=2", "26 to 31 of 31", "Person 10"),
        ("?page=99", "26 to 31 of 31", "Person 10"),
        ("?sort=-name", "by name, from the end", "Person 10"),
        ("?q=person+12", "1 person", "Person 13"),
        ("?q=(%26(uid%3Dp1*)(!(mail%3Dp10*)))", "9 people", "Person 20"),
        ("?state=disabled", "Nobody matches", "Person 10"),
        ("?q=%22%3E%3Cb%3E", "Nobody has “\"><b>”", "Person 10"),
        ("?q=(mail%3D", "The filter has a mistake", "Person 10"),
    ] {
        let page = open(query).await?;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        let text = page.text();
        ensure!(text.contains(has) && !text.contains(has_not), "{query}: {text}");
    }
    assert_eq!(open("?page=x").await?.status, StatusCode::BAD_REQUEST);
    Ok(())
}

#[tokio::test]
async fn nobody_else_puts_words_on_a_page() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    let page = post(&browser, "/groups/new", &[("name", "Editors")]).await?;
    ensure!(page.text().contains("Editors was added"), "{}", page.text());
    let again = browser.open(&page.url).await?;
    ensure!(!again.text().contains("was added"), "a note is said once");
    for planted in ["done=group-added&who=Your+account&group=", "x.done=group-added&who=Your+account&group=", "."] {
        browser.plant(&browser.directory("/")?, &format!("ostiary-done={planted}"));
        let page = browser.open(browser.directory("/groups")?).await?;
        assert_eq!(page.status, StatusCode::OK, "{planted}");
        ensure!(!page.body.contains("Your account was"), "{planted}");
    }
    Ok(())
}
