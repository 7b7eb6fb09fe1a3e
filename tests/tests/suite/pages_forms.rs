//! Forms that our own pages did not send, and addresses that would lead away.

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Browser, Ostiary, Page, Pair};
use reqwest::{RequestBuilder, StatusCode, header};

type Fields = Vec<(String, String)>;

/// The right fields of the sign-in form, in a browser that has its page.
async fn sign_in_fields(browser: &Browser) -> Result<Fields> {
    let page = browser.visit("/sign-in").await?;
    Ok(page.form("password")?.fill("username", "ada").fill("password", "the door of ada").fields)
}

fn without_token(mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| name != "csrf");
    fields
}

fn with_token(fields: Fields, token: &str) -> Fields {
    let mut fields = without_token(fields);
    fields.push(("csrf".to_owned(), token.to_owned()));
    fields
}

fn post(browser: &Browser, fields: &Fields) -> Result<RequestBuilder> {
    Ok(browser.client().post(browser.accounts("/sign-in")?).form(fields))
}

#[tokio::test]
async fn only_our_own_pages_send_forms() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    ostiary.add_person("ada", &[]).await?;
    let (browser, other) = (Browser::new(&ostiary)?, Browser::new(&ostiary)?);
    let fields = sign_in_fields(&browser).await?;
    let token = fields.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.clone()).context("a token")?;
    let foreign = sign_in_fields(&other).await?;
    let foreign = foreign.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.clone()).context("a token")?;
    assert_ne!(token, foreign, "each browser has a token of its own");

    let own = browser.accounts("/")?.origin().ascii_serialization();
    let sister = browser.directory("/")?.origin().ascii_serialization();
    let right = || post(&browser, &fields);
    let refused = [
        ("no token", post(&browser, &without_token(fields.clone()))?),
        ("an empty token", post(&browser, &with_token(fields.clone(), ""))?),
        ("a cut token", post(&browser, &with_token(fields.clone(), &token[1..]))?),
        ("another browser's token", post(&browser, &with_token(fields.clone(), &foreign))?),
        ("from another site", right()?.header("sec-fetch-site", "cross-site")),
        ("from our other host", right()?.header("sec-fetch-site", "same-site")),
        ("from who knows where", right()?.header("sec-fetch-site", "else")),
        ("another origin", right()?.header(header::ORIGIN, "https://evil.example")),
        ("our other host's origin", right()?.header(header::ORIGIN, &sister)),
        ("no origin's name", right()?.header(header::ORIGIN, "null")),
        ("one header right, one wrong", right()?.header(header::ORIGIN, &own).header("sec-fetch-site", "cross-site")),
    ];
    for (what, request) in refused {
        let answer = request.send().await?;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{what}");
        ensure!(answer.headers().get(header::SET_COOKIE).is_none(), "{what}: a cookie was set");
    }
    let taken = right()?.header(header::ORIGIN, own).header("sec-fetch-site", "same-origin").send().await?;
    assert_eq!(taken.status(), StatusCode::SEE_OTHER);
    Ok(())
}

#[tokio::test]
async fn without_the_browsers_headers_the_token_alone_decides() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let fields = sign_in_fields(&browser).await?;
    assert_eq!(post(&browser, &fields)?.send().await?.status(), StatusCode::SEE_OTHER);
    Ok(())
}

#[tokio::test]
async fn a_token_ends_with_its_session() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let mut ada = ostiary.add_person("ada", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let before = browser.visit("/sign-in").await?.form("password")?.value("csrf").context("a token")?.to_owned();
    let account = ada.sign_in(&browser).await?;
    let now = account.form_to("/sign-out")?;
    assert_ne!(now.value("csrf"), Some(before.as_str()));

    let stale = vec![("csrf".to_owned(), before)];
    let refused = browser.client().post(browser.accounts("/sign-out")?).form(&stale).send().await?;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN, "the token from before the sign-in");
    assert_eq!(browser.visit("/account").await?.path(), "/account", "nobody was signed out");

    // Two tabs: the second one's form comes after the first one signed out. It leads to the
    // sign-in page rather than to a riddle.
    let left = browser.send(&account, &now).await?;
    assert_eq!((left.path(), left.status), ("/sign-out", StatusCode::OK));
    Ok(())
}

#[tokio::test]
async fn what_is_no_form_is_not_read() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let browser = Browser::new(&ostiary)?;
    let fields = sign_in_fields(&browser).await?;
    let token = fields.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.clone()).context("a token")?;
    let url = browser.accounts("/sign-in")?;
    let form = |body: String| {
        let request = browser.client().post(url.clone()).body(body);
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    };
    let large = "x".repeat(70 * 1024);
    for (what, request, status) in [
        ("JSON", browser.client().post(url.clone()).json(&serde_json::json!({ "csrf": token })), 400),
        ("no type", browser.client().post(url.clone()).body(format!("csrf={token}")), 400),
        ("broken UTF-8", form(format!("csrf={token}&username=%ff&password=x")), 400),
        ("a missing field", form(format!("csrf={token}&username=ada")), 400),
        ("nothing", form(String::new()), 403),
        ("too much", form(format!("csrf={token}&username=ada&password={large}")), 413),
    ] {
        let answer = request.send().await?;
        assert_eq!(answer.status(), status, "{what}");
        ensure!(answer.text().await?.contains("<h1>"), "{what}: no page");
    }
    Ok(())
}

#[tokio::test]
async fn no_address_leads_away() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let (browser, _) = ostiary.first_administrator().await?;
    let away =
        ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", ""];
    let state = "0123456789abcdef0123456789abcdef";
    for path in away {
        let encoded: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        for url in [
            browser.accounts(&format!("/hand-over?state={state}&path={encoded}"))?,
            browser.accounts(&format!("/sign-in?panel={state}&path={encoded}"))?,
            browser.accounts(&format!("/continue?panel={state}&path={encoded}"))?,
            browser.directory(&format!("/hand-over?ticket=c0123&path={encoded}"))?,
        ] {
            let page = browser.open_once(&url).await?;
            ensure!(page.status.is_client_error(), "{url} answers {}", page.status);
            ensure!(page.onward().is_none(), "{url} leads on");
        }
        let account = browser.visit("/account").await?;
        let mut form = account.form("theme")?.fill("back", path);
        form.fields.push(("theme".to_owned(), "dark".to_owned()));
        let answer = browser.client().post(browser.accounts("/theme")?).form(&form.fields).send().await?;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path:?}");
        assert_eq!(answer.headers()[header::LOCATION], "/", "{path:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_theme_is_chosen_without_scripts() -> Result<()> {
    let ostiary = Ostiary::start(Pair::Embedded).await?;
    let browser = Browser::new(&ostiary)?;
    let themed = |page: &Page| {
        let tag = page.body.split("<html").nth(1).and_then(|rest| rest.split('>').next()).unwrap_or_default();
        tag.split_once("data-theme=\"").and_then(|(_, rest)| rest.split('"').next()).map(str::to_owned)
    };
    let mut page = browser.visit("/sign-in").await?;
    assert_eq!(themed(&page), None);
    for (choice, shown) in [("light", Some("light")), ("dark", Some("dark")), ("device", None), ("pink\"><b>", None)] {
        let mut form = page.form("theme")?;
        form.fields.push(("theme".to_owned(), choice.to_owned()));
        page = browser.send(&page, &form).await?;
        assert_eq!(page.path(), "/sign-in", "back where it was chosen");
        assert_eq!(themed(&page).as_deref(), shown, "{choice}");
    }
    Ok(())
}
