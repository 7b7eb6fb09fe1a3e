//! What an entry shows can be asked for: by every value of every attribute, by parts of every text,
//! and the other way round; and closed accounts are shown as closed.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary_tests::{Pair, eventually, on_both_pairs};

use super::schema;
use super::writes::{DORA, Desk};

on_both_pairs!(
    every_value_is_found_by_what_it_is,
    a_rule_is_asked_of_every_attribute_that_has_it,
    closed_accounts_are_shown_as_closed,
);

const DORA_DN: &str = "uid=dora,ou=people,dc=localhost";

/// Attributes that administrators define, with values, many of them in lists.
const DEFINED: &[(&str, &str, &[&str])] = &[
    ("phone", "string", &["+49 30 1", "+49 (0)30 *2", "back\\slash"]),
    ("badge", "integer", &["7", "-9223372036854775808"]),
    ("remote", "boolean", &["TRUE", "FALSE"]),
    ("since", "date_time", &["20260101000000Z", "19700101000001Z"]),
];

/// Equality by every value, and parts of every text, list attributes included.
async fn every_value_is_found_by_what_it_is(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    for (name, kind, _) in DEFINED {
        desk.house.ostiary.cli(&["attribute", "add", name, "--kind", kind, "--users", "--groups", "--list"]).await?;
    }
    desk.house.ostiary.cli(&["user", "disable", "carla"]).await?;
    desk.must(&desk.root, DORA).await?;
    let list = |(name, _, values): &(&str, &str, &[&str])| {
        let values: String = values.iter().map(|value| format!("{name}: {value}\n")).collect();
        format!("add: {name}\n{values}-\n")
    };
    let defined: String = DEFINED.iter().map(list).collect();
    let staff = "cn=Staff\\, all,ou=groups,dc=localhost";
    for dn in [DORA_DN, staff] {
        let written = async || desk.modify(&desk.root, &format!("dn: {dn}\nchangetype: modify\n{defined}")).await;
        eventually("the attributes", async || Ok((written().await?.code == Some(0)).then_some(()))).await?;
    }
    desk.must(&desk.root, &format!("dn: {staff}\nchangetype: modify\nadd: member\nmember: {DORA_DN}\n")).await?;
    let types = schema::read(&desk.see("cn=Subschema", &["attributeTypes"]).await?, "attributeTypes")?;
    let mut asked = 0;
    for dn in [DORA_DN, staff, "uid=carla,ou=people,dc=localhost", "ou=people,dc=localhost", "dc=localhost"] {
        let mut filters = Vec::new();
        for line in desk.see(dn, &["*", "+"]).await? {
            let (name, value) = line.split_once(':').with_context(|| line.clone())?;
            let value = match value.strip_prefix(':') {
                Some(encoded) => String::from_utf8(STANDARD.decode(encoded.trim())?)?,
                None => value.trim_start().to_owned(),
            };
            let kind = types.iter().find(|kind| kind.get("NAME").iter().any(|known| known == name));
            let kind = kind.with_context(|| format!("{name} is not published"))?;
            filters.push(format!("({name}={})", escaped(&value)));
            if kind.has("SUBSTR") {
                filters.extend(parts(name, &value));
            }
            if kind.has("ORDERING") {
                filters.push(format!("({name}>={})", escaped(&value)));
                filters.push(format!("({name}<={})", escaped(&value)));
            }
        }
        if count(&desk, dn, "%s", &filters).await? != filters.len() {
            bail!("{dn} is not found by {}", missed(&desk, dn, &filters).await?);
        }
        assert_eq!(count(&desk, dn, "(!%s)", &filters).await?, 0, "{dn} is found by the opposite");
        asked += filters.len();
    }
    ensure!(asked > 200, "only {asked} filters");
    Ok(())
}

/// By how many of these filters `dn` is found, each put into `pattern`; with one bind for all.
async fn count(desk: &Desk, dn: &str, pattern: &str, filters: &[String]) -> Result<usize> {
    let arguments = ["-LLL", "-s", "base", "-b", dn, "-f", "-", pattern, "1.1"];
    let found = desk.run(&desk.root, "ldapsearch", &arguments, &(filters.join("\n") + "\n")).await?.ok()?;
    Ok(found.lines().filter(|line| line.starts_with("dn:")).count())
}

/// The filters by which `dn` is not found.
async fn missed(desk: &Desk, dn: &str, filters: &[String]) -> Result<String> {
    let mut missed = String::new();
    for filter in filters {
        if count(desk, dn, "%s", std::slice::from_ref(filter)).await? == 0 {
            missed.push_str(filter);
        }
    }
    Ok(missed)
}

async fn finds(desk: &Desk, dn: &str, filter: &str) -> Result<bool> {
    let arguments = ["-LLL", "-s", "base", "-b", dn, filter, "1.1"];
    Ok(desk.run(&desk.root, "ldapsearch", &arguments, "").await?.ok()?.contains("dn:"))
}

/// A value as it stands in a filter (RFC 4515 section 3).
fn escaped(value: &str) -> String {
    let escape = |c: char| match c {
        '*' | '(' | ')' | '\\' | '\0' => format!("\\{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    value.chars().map(escape).collect()
}

/// What asks for parts of a text: its beginning, its end, its middle, and all three.
fn parts(name: &str, value: &str) -> Vec<String> {
    let letters: Vec<char> = value.chars().collect();
    let (third, rest) = (letters.len() / 3, letters.len() - letters.len() / 3);
    let part = |from: usize, to: usize| escaped(&letters[from..to].iter().collect::<String>());
    if third == 0 {
        return vec![format!("({name}={}*)", escaped(value)), format!("({name}=*{})", escaped(value))];
    }
    let (first, middle, last) = (part(0, third), part(third, rest), part(rest, letters.len()));
    vec![
        format!("({name}={first}*)"),
        format!("({name}=*{last})"),
        format!("({name}=*{middle}*)"),
        format!("({name}={first}*{middle}*{last})"),
    ]
}

/// RFC 4511 section 4.5.1.7.7: a rule without an attribute.
async fn a_rule_is_asked_of_every_attribute_that_has_it(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let bob = "uid=bob,ou=people,dc=localhost";
    for (filter, is_true) in [
        ("(:caseIgnoreMatch:=BOB)", true),
        ("(:2.5.13.2:=bob@example.tld)", true),
        ("(:caseIgnoreMatch:=people)", false),
        ("(:dn:caseIgnoreMatch:=people)", true),
        ("(:caseExactMatch:=/home/bob)", true),
        ("(:caseExactMatch:=/HOME/BOB)", false),
        ("(:distinguishedNameMatch:=cn=staff\\5c, all,ou=groups,dc=localhost)", true),
        ("(:integerMatch:=512)", true),
        ("(:1.2.840.113556.1.4.803:=512)", true),
        ("(!(:caseIgnoreMatch:=carla))", true),
        ("(!(:nobodysMatch:=carla))", false),
        ("(!(:integerMatch:=carla))", false),
    ] {
        assert_eq!(finds(&desk, bob, filter).await?, is_true, "{filter}");
    }
    Ok(())
}

/// Closed by an administrator, at its end, and before its beginning: each is told by the attributes
/// that programs look at, and binds nobody.
async fn closed_accounts_are_shown_as_closed(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let bob = "uid=bob,ou=people,dc=localhost";
    let (shut, whole) =
        (["userAccountControl: 514", "pwdAccountLockedTime: 000001010000Z"], ["userAccountControl: 512"]);
    let names = ["userAccountControl", "pwdAccountLockedTime"];
    assert_eq!(desk.see(bob, &names).await?, whole);
    for (closing, opening, is_for_good) in [
        (&["disable", "bob"][..], &["enable", "bob"][..], true),
        (&["change", "bob", "--not-after", "2026-01-01"], &["change", "bob", "--not-after", "none"], false),
        (&["change", "bob", "--not-before", "2090-01-01"], &["change", "bob", "--not-before", "none"], false),
    ] {
        desk.house.ostiary.cli(&[&["user"], closing].concat()).await?;
        let seen = eventually("the closed account", async || {
            let seen = desk.see(bob, &names).await?;
            Ok((seen.first().map(String::as_str) == Some(shut[0])).then_some(seen))
        })
        .await?;
        if is_for_good {
            assert_eq!(seen, shut);
        }
        ensure!(seen.len() == 2, "{closing:?}: {seen:?}");
        assert_eq!(desk.code_of_bind(bob, &desk.house.bob.password).await?, 49, "{closing:?}");
        let at = seen[1].split_once(": ").context("a value")?.1;
        for filter in [
            "(userAccountControl=514)",
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(pwdAccountLockedTime=*)",
            &format!("(pwdAccountLockedTime={at})"),
        ] {
            ensure!(finds(&desk, bob, filter).await?, "{closing:?}: {filter}");
        }
        let compared = desk.run(&desk.root, "ldapcompare", &[bob, &format!("pwdAccountLockedTime:{at}")], "").await?;
        assert_eq!(compared.code, Some(6), "{closing:?}: {compared:?}");
        desk.house.ostiary.cli(&[&["user"], opening].concat()).await?;
        eventually("the open account", async || Ok((desk.see(bob, &names).await? == whole).then_some(()))).await?;
        assert_eq!(desk.code_of_bind(bob, &desk.house.bob.password).await?, 0, "{opening:?}");
    }
    Ok(())
}
