//! The harness itself, on the shortest way through the house: first administrator, a person, a
//! sign-in with two factors, tokens, and the end of it all by one command.

use anyhow::{Result, ensure};
use ostiary_tests::{Browser, Ostiary, Pair, on_both_pairs};
use serde_json::json;

on_both_pairs!(one_way_through_the_house);

async fn one_way_through_the_house(pair: Pair) -> Result<()> {
    let ostiary = Ostiary::start(pair).await?;
    let (_, root) = ostiary.first_administrator().await?;
    assert_eq!(ostiary.json(&["user", "show", &root.username]).await?["groups"], json!(["lldap_admin"]));

    let mut ada = ostiary.add_person("ada", &[]).await?;
    let application = ostiary.add_application("cms", &[]).await?;
    let browser = Browser::new(&ostiary)?;
    let tokens = application.sign_in(&browser, &mut ada, "openid profile groups offline_access").await?;
    ensure!(tokens.status.is_success(), "{:?}", tokens.body);
    assert_eq!(tokens.id_claims()?["aud"], "cms");
    let (status, claims) = application.userinfo(tokens.get("access_token")).await?;
    ensure!(status.is_success() && claims.contains("\"preferred_username\":\"ada\""), "{claims}");

    // A second application: the session is there, only consent is asked for.
    let other = ostiary.add_application("wiki", &[]).await?;
    ensure!(other.sign_in(&browser, &mut ada, "openid").await?.status.is_success());

    ostiary.cli(&["user", "disable", "ada"]).await?;
    let refused = application.refresh(tokens.get("refresh_token")).await?;
    assert_eq!((refused.status.as_u16(), refused.get("error")), (400, "invalid_grant"));
    Ok(())
}
