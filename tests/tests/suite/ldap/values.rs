//! Names and values of every kind: what must be escaped, what administrators have defined, what is
//! hidden.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary_tests::{Pair, eventually, on_both_pairs};

use super::writes::Desk;

on_both_pairs!(names_survive_every_escape, defined_attributes_are_written_and_hidden);

/// Group names of every kind of trouble, added, found, renamed and deleted by their names.
async fn names_survive_every_escape(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    for (dn, filter, name) in [
        ("cn=a\\, b", "(cn=a, b)", "a, b"),
        ("cn=a\\+b\\=c", "(cn=a+b=c)", "a+b=c"),
        ("cn=say \\\"hi\\\"", "(cn=say \"hi\")", "say \"hi\""),
        ("cn=\\#first", "(cn=#first)", "#first"),
        ("cn=a\\;b\\<c\\>", "(cn=a;b<c>)", "a;b<c>"),
        ("cn=back\\\\slash", "(cn=back\\5cslash)", "back\\slash"),
        ("cn=star*(s)", "(cn=star\\2a\\28s\\29)", "star*(s)"),
        ("cn=\\C3\\89quipe", "(cn=équipe)", "Équipe"),
        ("cn=Команда", "(cn=команда)", "Команда"),
        ("cn=日本", "(cn=日本)", "日本"),
    ] {
        let full = format!("{dn},ou=groups,dc=localhost");
        let add =
            format!("dn: {full}\nchangetype: add\nobjectClass: groupOfNames\nmember: uid=bob,ou=people,dc=localhost\n");
        // LDIF takes names beyond ASCII in base64 alone.
        let add = add.replacen(&format!("dn: {full}"), &format!("dn:: {}", base64(&full)), 1);
        desk.must(&desk.root, &add).await?;
        let found = desk
            .run(&desk.root, "ldapsearch", &["-LLL", "-b", "ou=groups,dc=localhost", filter, "cn"], "")
            .await?
            .ok()?;
        let cn = if name.is_ascii() && !name.starts_with([':', '<', ' ']) {
            format!("cn: {name}")
        } else {
            format!("cn:: {}", base64(name))
        };
        ensure!(found.lines().any(|line| line == cn), "{filter}: {found}");
        // The name that is printed leads back to the entry, also as somebody's group.
        let printed = found.lines().next().context("an entry")?.to_owned();
        let printed =
            printed.strip_prefix("dn: ").map_or_else(|| unbase64(printed.trim_start_matches("dn:: ")), str::to_owned);
        assert_eq!(desk.see(&printed, &["cn"]).await?, std::slice::from_ref(&cn));
        let escaped = printed.replace('\\', "\\5c").replace('*', "\\2a").replace('(', "\\28").replace(')', "\\29");
        let member_of = format!("(memberOf={escaped})");
        let bob =
            desk.run(&desk.root, "ldapsearch", &["-LLL", "-b", "dc=localhost", &member_of, "1.1"], "").await?.ok()?;
        ensure!(bob.starts_with("dn: uid=bob,"), "{member_of}: {bob}");
        let renamed = desk.run(&desk.root, "ldapmodrdn", &["-r", &printed, "cn=plain"], "").await?;
        assert_eq!(renamed.code, Some(0), "{renamed:?}");
        let back = desk.run(&desk.root, "ldapmodrdn", &["-r", "cn=plain,ou=groups,dc=localhost", dn], "").await?;
        assert_eq!(back.code, Some(0), "{back:?}");
        assert_eq!(desk.see(&full, &["cn"]).await?, [cn]);
        desk.run(&desk.root, "ldapdelete", &[&full], "").await?.ok()?;
    }
    // Blanks at the ends are not kept: they would tell nobody anything.
    desk.must(&desk.root, "dn: cn=\\ blank\\20,ou=groups,dc=localhost\nchangetype: add\nobjectClass: groupOfNames\n")
        .await?;
    assert_eq!(desk.see("cn=blank,ou=groups,dc=localhost", &["cn"]).await?, ["cn: blank"]);
    Ok(())
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn unbase64(text: &str) -> String {
    STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

async fn defined_attributes_are_written_and_hidden(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let define = async |arguments: &[&str]| desk.house.ostiary.cli(&[&["attribute", "add"], arguments].concat()).await;
    define(&["phone", "--users", "--list", "--editable"]).await?;
    define(&["badge", "--users", "--groups", "--kind", "integer"]).await?;
    define(&["salary", "--users", "--kind", "integer", "--hidden"]).await?;
    define(&["since", "--users", "--kind", "date_time"]).await?;
    define(&["remote", "--users", "--kind", "boolean"]).await?;
    let bob = "uid=bob,ou=people,dc=localhost";
    let of = |changes: &str| format!("dn: {bob}\nchangetype: modify\n{changes}\n");
    let all = "add: phone\nphone: +49 30 1\nphone: +49 30 2\n-\nadd: badge\nbadge: 007\n-\nadd: salary\nsalary: 5000\n-\n\
               add: since\nsince: 20260101120000+0100\n-\nadd: remote\nremote: true\n-";
    let written = async || Ok((desk.modify(&desk.root, &of(all)).await?.code == Some(0)).then_some(()));
    eventually("the definitions", written).await?;
    let names = ["phone", "badge", "salary", "since", "remote"];
    assert_eq!(
        desk.see(bob, &names).await?,
        ["phone: +49 30 1", "phone: +49 30 2", "badge: 7", "salary: 5000", "since: 20260101110000Z", "remote: TRUE"]
    );
    for (code, changes) in [
        (20, "add: phone\nphone: +49  30 1\n-"),
        (16, "delete: phone\nphone: +49 30 3\n-"),
        (19, "add: badge\nbadge: 8\n-"),
        (21, "replace: badge\nbadge: seven\n-"),
        (21, "replace: since\nsince: yesterday\n-"),
        (21, "replace: remote\nremote: maybe\n-"),
        (18, "increment: phone\nphone: 1\n-"),
    ] {
        desk.refused(&desk.root, &[(code, &of(changes))]).await?;
    }
    desk.must(&desk.root, &of("increment: badge\nbadge: 3\n-\ndelete: phone\nphone: +49 30 1\n-\ndelete: remote\n-"))
        .await?;
    assert_eq!(desk.see(bob, &["phone", "badge", "remote"]).await?, ["phone: +49 30 2", "badge: 10"]);
    let staff = "dn: cn=Staff\\, all,ou=groups,dc=localhost\nchangetype: modify\n";
    desk.must(&desk.root, &format!("{staff}add: badge\nbadge: 1\n")).await?;
    desk.refused(&desk.root, &[(65, &format!("{staff}add: phone\nphone: 1\n"))]).await?;
    what_is_hidden_stays_hidden(&desk).await
}

/// Not by reading, not by asking, not by comparing, not by trying.
async fn what_is_hidden_stays_hidden(desk: &Desk) -> Result<()> {
    let (own, bob) = (&desk.house.bob, "uid=bob,ou=people,dc=localhost");
    let of = |changes: &str| format!("dn: {bob}\nchangetype: modify\n{changes}\n");
    desk.must(own, &of("replace: phone\nphone: 1\n-")).await?;
    desk.refused(
        own,
        &[
            (50, &of("delete: salary\nsalary: 5000\n-")),
            (50, &of("delete: salary\nsalary: 1\n-")),
            (50, &of("replace: badge\nbadge: 99\n-")),
            (50, &of("increment: badge\nbadge: 1\n-")),
        ],
    )
    .await?;
    let seen =
        desk.run(own, "ldapsearch", &["-LLL", "-s", "base", "-b", bob, "(uid=bob)", "*", "salary"], "").await?.ok()?;
    ensure!(seen.contains("phone: 1") && !seen.contains("salary"), "{seen}");
    for filter in ["(salary=*)", "(salary=5000)", "(salary>=1)", "(salary:1.2.840.113556.1.4.803:=8)"] {
        let found = desk.run(own, "ldapsearch", &["-LLL", "-b", "dc=localhost", filter, "1.1"], "").await?.ok()?;
        assert_eq!(found.trim(), "", "{filter}");
    }
    assert_eq!(desk.run(own, "ldapcompare", &[bob, "salary:5000"], "").await?.code, Some(16));
    for (condition, code) in [("(salary=5000)", 122), ("(!(salary=5000))", 0)] {
        let assertion = ["-e", &format!("!assert={condition}")];
        let finished = desk.run(own, "ldapmodify", &assertion, &of("replace: phone\nphone: 2\n-")).await?;
        assert_eq!(finished.code, Some(code), "{condition}: {finished:?}");
    }
    Ok(())
}
