//! Groups in groups, asked over both protocols at once: what LDAP shows as `memberOf` is what
//! applications are told as `groups`, and one step out ends both.

use anyhow::{Context as _, Result};
use ostiary_tests::{Browser, Pair, on_both_pairs};
use serde_json::{Value, json};

use super::writes::Desk;

on_both_pairs!(nested_groups_are_told_alike_and_left_at_once);

const GROUPS: &str = "ou=groups,dc=localhost";

async fn nested_groups_are_told_alike_and_left_at_once(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let ostiary = &desk.house.ostiary;
    for (name, member) in [
        ("team", "uid=bob,ou=people,dc=localhost".to_owned()),
        ("house", format!("cn=team,{GROUPS}")),
        ("everybody", format!("cn=house,{GROUPS}")),
    ] {
        let ldif = format!("dn: cn={name},{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\nmember: {member}\n");
        desk.must(&desk.root, &ldif).await?;
    }
    let application = ostiary.add_application("cms", &["--policy", "one_factor"]).await?;
    let mut bob = desk.house.bob.clone();
    let tokens = application.sign_in(&Browser::new(ostiary)?, &mut bob, "openid groups").await?;
    let told = async |expected: &[&str], why: &str| -> Result<()> {
        let shown = desk.see("uid=bob,ou=people,dc=localhost", &["memberOf"]).await?;
        let mut shown: Vec<_> = shown
            .iter()
            .filter_map(|line| line.strip_prefix("memberOf: cn=")?.strip_suffix(&format!(",{GROUPS}")))
            .collect();
        shown.sort_unstable();
        assert_eq!(shown, expected, "{why}: memberOf");
        let (status, claims) = application.userinfo(tokens.get("access_token")).await?;
        let claims: Value = serde_json::from_str(&claims)?;
        let mut groups = claims.get("groups").and_then(|groups| groups.as_array()).context("no groups")?.clone();
        groups.sort_by_key(ToString::to_string);
        let expected: Vec<_> = expected.iter().map(|name| json!(name.replace("\\,", ","))).collect();
        assert_eq!((status.as_u16(), groups), (200, expected), "{why}: groups");
        Ok(())
    };
    told(&["Staff\\, all", "everybody", "house", "team"], "inside").await?;
    // Not by a step of bob's, but by one between others, over LDAP.
    desk.must(
        &desk.root,
        &format!("dn: cn=house,{GROUPS}\nchangetype: modify\ndelete: member\nmember: cn=team,{GROUPS}\n"),
    )
    .await?;
    told(&["Staff\\, all", "team"], "after a step between groups").await?;
    desk.must(&desk.root, &format!("dn: cn=team,{GROUPS}\nchangetype: modify\nreplace: memberUid\nmemberUid: carla\n"))
        .await?;
    told(&["Staff\\, all"], "after a step of his own").await?;
    let circle = format!("dn: cn=house,{GROUPS}\nchangetype: modify\nadd: member\nmember: cn=everybody,{GROUPS}\n");
    desk.refused(&desk.root, &[(53, &circle)]).await
}
