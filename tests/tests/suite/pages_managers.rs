//! The panel of people who manage single groups: they see these, put people in and take them out;
//! whatever they make up, nothing else.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Form, Ostiary, Page, Pair, Person, on_both_pairs};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::pages_panel::{FIELDS, GETS, POSTS, own_form, state};

on_both_pairs!(
    a_manager_keeps_who_is_in_their_groups,
    a_manager_reaches_nothing_else,
    a_manager_sees_only_what_they_manage_at_this_moment,
);

/// Choir, which bea manages, and groups that are none of her business: Board is one that she
/// manages as well, and that rights hang from.
async fn house(pair: Pair) -> Result<(Ostiary, Person)> {
    let ostiary = Ostiary::start(pair).await?;
    ostiary.add_person("root", &["lldap_admin"]).await?;
    ostiary.add_person("ada", &[]).await?;
    ostiary.add_person("cyd", &[]).await?;
    let bea = ostiary.add_person("bea", &[]).await?;
    for group in ["Choir", "Altos", "Editors", "Board"] {
        ostiary.cli(&["group", "add", group]).await?;
    }
    ostiary.cli(&["group", "add-group", "Choir", "Altos"]).await?;
    ostiary.cli(&["group", "add-group", "lldap_admin", "Board"]).await?;
    for group in ["Choir", "Board"] {
        ostiary.cli(&["group", "manager", "add", group, "bea"]).await?;
    }
    Ok((ostiary, bea))
}

/// Somebody in the panel, wherever they come in.
async fn in_panel(ostiary: &Ostiary, person: &mut Person) -> Result<(Browser, Page)> {
    let browser = Browser::new(ostiary)?;
    let page = browser.open(browser.directory("/")?).await?;
    let page = person.sign_in_from(&browser, page).await?;
    Ok((browser, page))
}

async fn id(ostiary: &Ostiary, kind: &str, name: &str) -> Result<String> {
    let shown = ostiary.json(&[kind, "show", name]).await?;
    shown.get("id").and_then(Value::as_str).map(str::to_owned).context("no id")
}

async fn members(ostiary: &Ostiary, group: &str) -> Result<Value> {
    Ok(ostiary.json(&["group", "show", group]).await?["members"].clone())
}

fn add(page: &Page, who: &str) -> Result<Form> {
    Ok(page.form("who")?.fill("who", who))
}

async fn a_manager_keeps_who_is_in_their_groups(pair: Pair) -> Result<()> {
    let (ostiary, mut bea) = house(pair).await?;
    ostiary.cli(&["group", "add-member", "Altos", "cyd"]).await?;

    // With one step she is told where her groups are, and asked for the second on the way.
    let browser = Browser::new(&ostiary)?;
    let account = bea.sign_in(&browser).await?;
    ensure!(account.text().contains("You manage Choir : add people and take them out"), "{}", account.text());
    ensure!(account.text().contains("ask your administrator"), "{}", account.text());
    let asked = browser.open(browser.directory("/groups/Choir")?).await?;
    assert_eq!(asked.path(), "/sign-in/authenticator");
    ensure!(asked.text().contains("managers sign in with two steps"), "{}", asked.text());
    assert_eq!(bea.sign_in_from(&browser, asked).await?.path(), "/groups/Choir", "where she wanted to go");

    let (browser, list) = in_panel(&ostiary, &mut bea).await?;
    assert_eq!(list.path(), "/groups", "{}", list.text());
    ensure!(
        list.text().contains("1 group that you manage") && list.text().contains("Choir 0 people"),
        "{}",
        list.text()
    );
    for other in ["Editors", "Board", "Altos", "lldap", "/people", "/attributes", "/system", "/groups/new"] {
        ensure!(!list.body.contains(other), "the list holds {other}");
    }
    let group = browser.open(browser.directory("/groups/Choir")?).await?;
    ensure!(group.text().contains("0 people directly, 1 in all"), "{}", group.text());
    ensure!(
        group.text().contains("1 person through other groups Person User name Through cyd cyd Altos"),
        "{}",
        group.text()
    );
    for other in ["/people", "/edit", "/delete", "/managers", "/parents", "/groups/Choir/groups", "/attributes", "@"] {
        ensure!(!group.body.contains(other), "the page of the group holds {other}");
    }

    let page = browser.send(&group, &add(&group, " ADA ")?).await?;
    assert_eq!(page.path(), "/groups/Choir");
    ensure!(page.text().contains("ada was added to Choir") && !page.body.contains("ada@"), "{}", page.text());
    assert_eq!(members(&ostiary, "Choir").await?, json!(["ada"]));
    let undone = browser.send(&page, &page.form("remove")?).await?;
    ensure!(undone.text().contains("ada was removed from Choir"), "{}", undone.text());
    assert_eq!(members(&ostiary, "Choir").await?, json!([]));
    let back = browser.send(&undone, &undone.form("add")?).await?;
    ensure!(back.text().contains("ada was added to Choir"), "{}", back.text());

    // By address, and herself, which gives her nothing that she does not give others.
    let page = browser.send(&back, &add(&back, "Bea@Example.TLD")?).await?;
    ensure!(page.text().contains("bea was added to Choir"), "{}", page.text());
    for (who, words) in [
        ("nobody.here", "Nobody has this user name or e-mail address"),
        ("", "Nobody has this user name or e-mail address"),
        ("a*", "Nobody has this user name or e-mail address"),
        ("(uid=ada)", "Nobody has this user name or e-mail address"),
        ("<b>\u{0}\"", "Nobody has this user name or e-mail address"),
        ("ada", "ada is in Choir already"),
    ] {
        let refused = browser.send(&page, &add(&page, who)?).await?;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{who}");
        ensure!(refused.element("who-error")?.contains(&words.replace(' ', "")), "{who}: {}", refused.text());
        assert_eq!(refused.form("who")?.value("who"), Some(who), "what was typed is there again");
        ensure!(!refused.body.contains("<b>"), "{who} is escaped");
    }
    // After a refusal the address is that of the form; who opens it again is back on the page.
    let again = browser.open(browser.directory("/groups/Choir/members?q=a")?).await?;
    assert_eq!(again.path(), "/groups/Choir");

    let page = browser.open(browser.directory("/groups/Choir")?).await?;
    let mut out = page.form("remove")?;
    out.fields.push(("remove".to_owned(), id(&ostiary, "user", "ada").await?));
    let page = browser.send(&page, &out).await?;
    ensure!(page.text().contains("ada was removed from Choir"), "{}", page.text());
    assert_eq!(members(&ostiary, "Choir").await?, json!(["bea"]));
    Ok(())
}

async fn a_manager_reaches_nothing_else(pair: Pair) -> Result<()> {
    let (ostiary, mut bea) = house(pair).await?;
    let (browser, _) = in_panel(&ostiary, &mut bea).await?;
    let own = browser.open(browser.directory("/groups/Choir")?).await?;
    let token = own.form("who")?.value("csrf").context("a token")?.to_owned();
    let (own_id, ada) = (id(&ostiary, "user", "bea").await?, id(&ostiary, "user", "ada").await?);
    let before = state(&ostiary).await?;

    // Other people's pages are not hers, and of other groups she does not even hear whether they
    // are there.
    let none = browser.open_once(&browser.directory("/groups/none")?).await?;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let mut strange = vec!["Editors".to_owned(), "Altos".to_owned(), "Board".to_owned(), "lldap_admin".to_owned()];
    for group in strange.clone() {
        strange.push(id(&ostiary, "group", &group).await?);
    }
    for group in &strange {
        for path in [format!("/groups/{group}"), format!("/groups/{group}/members")] {
            let page = browser.open_once(&browser.directory(&path)?).await?;
            assert_eq!((page.status, own_words(&page)), (none.status, own_words(&none)), "{path}");
        }
    }
    for path in GETS.iter().filter(|path| !["/groups", "/groups/none", "/groups/lldap_admin"].contains(path)) {
        for path in [(*path).to_owned(), path.replace("Editors", "Choir")] {
            let page = browser.open_once(&browser.directory(&path)?).await?;
            match path.as_str() {
                "/groups/Choir/members" => assert_eq!(page.status, StatusCode::SEE_OTHER),
                "/groups/Editors/members" => assert_eq!(page.status, StatusCode::NOT_FOUND),
                _ => assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}"),
            }
            ensure!(!page.body.contains("Editors\"") && !page.text().contains("ada@"), "{path}: {}", page.text());
        }
    }
    for path in [format!("/avatar/{ada}"), "/groups/Choir/else".to_owned()] {
        assert_eq!(browser.open_once(&browser.directory(&path)?).await?.status, StatusCode::NOT_FOUND, "{path}");
    }

    // Forms that she makes up, with the right token and whatever they could hold.
    let post = async |path: &str, fields: &[(&str, &str)]| -> Result<StatusCode> {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &token));
        let request = browser.client().request(Method::POST, browser.directory(path)?).form(&fields);
        Ok(request.send().await?.status())
    };
    for path in POSTS {
        for path in [(*path).to_owned(), path.replace("Editors", "Choir").replace("/ada/", "/bea/")] {
            if path != "/groups/Choir/members" {
                let status = post(&path, FIELDS).await?;
                let expected = if path.ends_with("/members") { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN };
                assert_eq!(status, expected, "{path}");
            }
        }
    }
    for group in &strange {
        for field in ["add", "remove"] {
            let path = format!("/groups/{group}/members");
            assert_eq!(post(&path, &[(field, &own_id)]).await?, StatusCode::NOT_FOUND, "{path} {field}");
        }
        assert_eq!(
            post(&format!("/groups/{group}/members"), &[("who", "bea")]).await?,
            StatusCode::NOT_FOUND,
            "{group}"
        );
    }
    // Her own group takes one person at a time, and groups not at all.
    let editors = id(&ostiary, "group", "Editors").await?;
    for (fields, expected) in [
        (&[("add", own_id.as_str()), ("who", "ada")][..], StatusCode::BAD_REQUEST),
        (&[("add", &own_id), ("remove", &ada)], StatusCode::BAD_REQUEST),
        (&[("add", &own_id), ("add", &ada)], StatusCode::BAD_REQUEST),
        (&[("q", "ada")], StatusCode::BAD_REQUEST),
        (&[("add", &editors)], StatusCode::NOT_FOUND),
        (&[("add", "ada")], StatusCode::NOT_FOUND),
        (&[("who", "Editors")], StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(post("/groups/Choir/members", fields).await?, expected, "{fields:?}");
    }
    // Who is not in it cannot be taken out, and is not named either: an id alone tells nothing.
    for stranger in [ada.as_str(), &own_id, &editors, "00000000-0000-7000-8000-000000000000"] {
        let fields = [("remove", stranger), ("csrf", token.as_str())];
        let request = browser.client().post(browser.directory("/groups/Choir/members")?).form(&fields);
        let answer = request.send().await?;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{stranger}");
        ensure!(answer.headers().get("set-cookie").is_none(), "a note for {stranger}");
        // A request's number may well have "ada" in it.
        let page = answer.text().await?;
        let words = page.split("Details for your administrator").next().unwrap_or_default();
        ensure!(!words.contains("was removed") && !words.contains("ada"), "{words}");
    }
    ensure!(!ostiary.log().contains("member removed"), "nobody was");
    let bare = browser.client().post(browser.directory("/groups/Choir/members")?).form(&[("who", "bea")]);
    assert_eq!(bare.send().await?.status(), StatusCode::FORBIDDEN, "without its token");
    assert_eq!(state(&ostiary).await?, before, "nothing was changed");

    // What else a form holds is not looked at.
    let more = [("who", "ada"), ("name", "Mine"), ("managers", "ada"), ("group", "lldap_admin"), ("gid_number", "1")];
    assert_eq!(post("/groups/Choir/members", &more).await?, StatusCode::SEE_OTHER);
    let choir = ostiary.json(&["group", "show", "Choir"]).await?;
    assert_eq!((&choir["members"], &choir["managers"]), (&json!(["ada"]), &json!(["bea"])));
    assert_eq!(ostiary.json(&["user", "show", "ada"]).await?["groups"], json!(["Choir"]));
    Ok(())
}

/// What a page says of itself, without the details that differ from request to request.
fn own_words(page: &Page) -> String {
    page.text().split("Details for your administrator").next().unwrap_or_default().to_owned()
}

async fn a_manager_sees_only_what_they_manage_at_this_moment(pair: Pair) -> Result<()> {
    let (ostiary, mut bea) = house(pair).await?;
    let (browser, _) = in_panel(&ostiary, &mut bea).await?;
    let group = browser.open(browser.directory("/groups/Choir")?).await?;
    let open = async |path: &str| browser.open_once(&browser.directory(path)?).await;

    // Somebody puts her group into one that rights hang from: she would give them to herself.
    ostiary.cli(&["group", "add-group", "lldap_admin", "Choir"]).await?;
    let refused = browser.send(&group, &add(&group, "bea")?).await?;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert_eq!(members(&ostiary, "Choir").await?, json!([]));
    assert_eq!(open("/groups").await?.status, StatusCode::FORBIDDEN, "nothing is left to see");
    ostiary.cli(&["group", "remove-group", "lldap_admin", "Choir"]).await?;
    assert_eq!(open("/groups").await?.status, StatusCode::OK);

    ostiary.cli(&["group", "manager", "remove", "Choir", "bea"]).await?;
    for path in ["/groups", "/groups/Choir", "/"] {
        let page = open(path).await?;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        ensure!(page.text().contains("This part is for administrators"), "{path}: {}", page.text());
    }
    assert_eq!(browser.send(&group, &add(&group, "ada")?).await?.status, StatusCode::FORBIDDEN);
    assert_eq!(members(&ostiary, "Choir").await?, json!([]));
    let account = browser.visit("/account").await?;
    ensure!(!account.text().contains("You manage"), "{}", account.text());

    // Who administers as well sees everything, and loses no group by it.
    ostiary.cli(&["group", "manager", "add", "Choir", "bea"]).await?;
    ostiary.cli(&["group", "add-member", "lldap_admin", "bea"]).await?;
    assert_eq!(browser.open(browser.directory("/")?).await?.path(), "/people");
    let whole = browser.open(browser.directory("/groups/Choir")?).await?;
    ensure!(own_form(&whole).is_ok() && whole.body.contains("/groups/Choir/edit"), "{}", whole.text());
    Ok(())
}
