//! The root and the schema, read as strict programs read them (RFC 4512 section 4.1): every
//! description has its form, whatever is referred to is there, and every entry keeps to its
//! classes.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, ensure};
use ostiary_tests::{Pair, on_both_pairs};

use super::writes::Desk;

on_both_pairs!(the_schema_is_whole_and_entries_keep_to_it, attributes_are_chosen_by_every_kind_of_name);

/// A description: its identifier, and what stands behind each word.
pub(super) struct Description {
    oid: String,
    fields: HashMap<String, Vec<String>>,
}

impl Description {
    /// Reads `( oid WORD value WORD ( value $ value ) … )`.
    fn read(text: &str) -> Result<Self> {
        const FLAGS: &[&str] =
            &["SINGLE-VALUE", "NO-USER-MODIFICATION", "ABSTRACT", "STRUCTURAL", "AUXILIARY", "COLLECTIVE", "OBSOLETE"];
        let words = text.strip_prefix("( ").and_then(|rest| rest.strip_suffix(" )")).context("no parentheses")?;
        let (oid, mut rest) = words.split_once(' ').unwrap_or((words, ""));
        let mut fields = HashMap::new();
        while !rest.is_empty() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            let mut values = Vec::new();
            if !FLAGS.contains(&word) {
                let value;
                (value, rest) = if let Some(list) = rest.strip_prefix("( ") {
                    let (list, after) = list.split_once(" )").context("a list without an end")?;
                    (list, after.trim_start())
                } else if let Some(quoted) = rest.strip_prefix('\'') {
                    let (quoted, after) = quoted.split_once('\'').context("a quote without an end")?;
                    (quoted, after.trim_start())
                } else {
                    rest.split_once(' ').unwrap_or((rest, ""))
                };
                let quotes = |value: &str| value.trim_matches('\'').to_owned();
                values = match word {
                    "DESC" => vec![value.to_owned()],
                    _ => value.split([' ', '$']).filter(|value| !value.is_empty()).map(quotes).collect(),
                };
                ensure!(!values.is_empty(), "{word} says nothing");
            }
            ensure!(fields.insert(word.to_owned(), values).is_none(), "{word} twice");
        }
        Ok(Self { oid: oid.to_owned(), fields })
    }

    pub(super) fn get(&self, word: &str) -> &[String] {
        self.fields.get(word).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.fields.contains_key(word)
    }
}

/// The values of an attribute in LDIF.
fn values<'a>(ldif: &'a [String], attribute: &str) -> Vec<&'a str> {
    ldif.iter().filter_map(|line| line.strip_prefix(attribute)?.strip_prefix(": ")).collect()
}

pub(super) fn read(ldif: &[String], attribute: &str) -> Result<Vec<Description>> {
    let read = |text: &&str| Description::read(text).with_context(|| (*text).to_owned());
    values(ldif, attribute).iter().map(read).collect()
}

async fn the_schema_is_whole_and_entries_keep_to_it(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    for (name, kind) in [
        ("telephoneNumber", "string"),
        ("badge", "integer"),
        ("remote", "boolean"),
        ("since", "date_time"),
        ("scan", "jpeg"),
    ] {
        desk.house.ostiary.cli(&["attribute", "add", name, "--kind", kind, "--users", "--groups", "--list"]).await?;
    }
    desk.house.ostiary.cli(&["object-class", "add", "nextcloudUser", "--users"]).await?;
    desk.house.ostiary.cli(&["object-class", "add", "nextcloudGroup", "--groups"]).await?;
    let values = "add: telephoneNumber\ntelephoneNumber: 1\n-\nadd: badge\nbadge: 7\n-\nadd: remote\nremote: TRUE\n-\n\
                  add: since\nsince: 20260101000000Z\n-\n";
    for dn in ["uid=bob,ou=people,dc=localhost", "cn=Staff\\, all,ou=groups,dc=localhost"] {
        let written = async || desk.modify(&desk.root, &format!("dn: {dn}\nchangetype: modify\n{values}")).await;
        ostiary_tests::eventually("the attributes", async || Ok((written().await?.code == Some(0)).then_some(())))
            .await?;
    }
    let schema = desk.see("cn=Subschema", &["*", "+"]).await?;
    let types = read(&schema, "attributeTypes")?;
    let classes = read(&schema, "objectClasses")?;
    let rules = read(&schema, "matchingRules")?;
    let syntaxes: HashSet<_> = read(&schema, "ldapSyntaxes")?.into_iter().map(|syntax| syntax.oid).collect();
    let mut oids = HashSet::new();
    for description in types.iter().chain(&classes).chain(&rules) {
        ensure!(oids.insert(description.oid.clone()), "{} twice", description.oid);
        ensure!(description.oid.split('.').all(|arc| arc.parse::<u128>().is_ok()), "{}", description.oid);
    }
    let rule_names: HashSet<_> = rules.iter().flat_map(|rule| rule.get("NAME")).map(String::as_str).collect();
    let mut known = HashMap::new();
    for kind in &types {
        for name in kind.get("NAME") {
            ensure!(known.insert(name.to_ascii_lowercase(), kind).is_none(), "{name} twice");
        }
        let syntax = kind.get("SYNTAX").first().with_context(|| format!("{} has no syntax", kind.oid))?;
        ensure!(syntaxes.contains(syntax), "{syntax} is no syntax");
        for word in ["EQUALITY", "ORDERING", "SUBSTR"] {
            ensure!(kind.get(word).iter().all(|rule| rule_names.contains(rule.as_str())), "{word} of {}", kind.oid);
        }
    }
    let by_name: HashMap<_, _> = classes
        .iter()
        .flat_map(|class| class.get("NAME").iter().map(move |name| (name.to_ascii_lowercase(), class)))
        .collect();
    for class in &classes {
        let mentioned = class.get("MUST").iter().chain(class.get("MAY"));
        let unknown: Vec<_> = mentioned.filter(|name| !known.contains_key(&name.to_ascii_lowercase())).collect();
        ensure!(unknown.is_empty(), "{:?} mentions {unknown:?}", class.get("NAME"));
        ensure!(class.get("SUP").iter().all(|above| by_name.contains_key(&above.to_ascii_lowercase())));
    }
    every_entry_keeps_to_its_classes(&desk, &by_name, &known).await
}

async fn every_entry_keeps_to_its_classes(
    desk: &Desk,
    classes: &HashMap<String, &Description>,
    types: &HashMap<String, &Description>,
) -> Result<()> {
    let arguments = ["-LLL", "-o", "ldif-wrap=no", "-b", "dc=localhost", "(objectClass=*)", "*", "+"];
    let ldif = desk.run(&desk.root, "ldapsearch", &arguments, "").await?.ok()?;
    let mut seen = 0;
    for entry in ldif.split("\n\n").filter(|entry| !entry.trim().is_empty()) {
        seen += 1;
        let lines: Vec<_> = entry.lines().map(str::to_owned).collect();
        let mut queue: Vec<String> =
            values(&lines, "objectClass").iter().map(|name| name.to_ascii_lowercase()).collect();
        let (mut must, mut may, mut structural) = (HashSet::new(), HashSet::new(), Vec::new());
        while let Some(name) = queue.pop() {
            let class = classes.get(&name).with_context(|| format!("no class {name}: {entry}"))?;
            must.extend(class.get("MUST").iter().map(|name| name.to_ascii_lowercase()));
            may.extend(class.get("MAY").iter().map(|name| name.to_ascii_lowercase()));
            queue.extend(class.get("SUP").iter().map(|name| name.to_ascii_lowercase()));
            if class.has("STRUCTURAL") {
                structural.push(name);
            }
        }
        let own = values(&lines, "structuralObjectClass").first().context("a structural class")?.to_ascii_lowercase();
        ensure!(structural.contains(&own), "{own} is not structural: {entry}");
        let attributes: HashSet<_> =
            lines.iter().skip(1).filter_map(|line| line.split(':').next()).map(str::to_ascii_lowercase).collect();
        let missing: Vec<_> = must.difference(&attributes).collect();
        ensure!(missing.is_empty(), "{missing:?} is missing: {entry}");
        for attribute in &attributes {
            let kind = types.get(attribute).with_context(|| format!("no type {attribute}: {entry}"))?;
            let is_operational = kind.has("USAGE");
            let names: HashSet<_> = kind.get("NAME").iter().map(|name| name.to_ascii_lowercase()).collect();
            let is_allowed = !names.is_disjoint(&must) || !names.is_disjoint(&may);
            ensure!(is_operational || is_allowed, "{attribute} is of no class: {entry}");
            let count =
                lines.iter().filter(|line| line.to_ascii_lowercase().starts_with(&format!("{attribute}:"))).count();
            ensure!(count == 1 || !kind.has("SINGLE-VALUE"), "{attribute} has {count} values: {entry}");
        }
    }
    ensure!(seen >= 3 + 6 + 4, "{seen} entries");
    Ok(())
}

async fn attributes_are_chosen_by_every_kind_of_name(pair: Pair) -> Result<()> {
    let desk = Desk::start(pair).await?;
    let ada = "uid=ada,ou=people,dc=localhost";
    for (asked, shown) in [
        (&["2.5.4.3"][..], &["cn: Ada Okafor"][..]),
        (&["2.5.4.3", "CN", "cn"], &["cn: Ada Okafor"]),
        (&["surname", "2.5.4.42"], &["surname: Okafor", "givenName: Ada"]),
        (&["cn;lang-en", "uid;x-y", "shoeSize", "1.2.3.4", "userPassword"], &[]),
        (&["1.1"], &[]),
        (&["1.1", "uid"], &["uid: Ada"]),
        (&["dn", "uid"], &["uid: Ada"]),
        (&["hasSubordinates", "numSubordinates"], &["hasSubordinates: FALSE", "numSubordinates: 0"]),
    ] {
        assert_eq!(desk.see(ada, asked).await?, shown, "{asked:?}");
    }
    let all = desk.see(ada, &["*", "+"]).await?;
    for part in [desk.see(ada, &["*"]).await?, desk.see(ada, &["+"]).await?] {
        ensure!(part.iter().all(|line| all.contains(line)), "{part:?}");
    }
    let subordinates = desk.see("dc=localhost", &["numSubordinates", "structuralObjectClass"]).await?;
    assert_eq!(subordinates, ["numSubordinates: 2", "structuralObjectClass: domain"]);
    let root =
        desk.see("", &["supportedControl", "supportedExtension", "supportedFeatures", "supportedLDAPVersion"]).await?;
    for line in [
        "supportedControl: 1.2.840.113556.1.4.319",
        "supportedControl: 1.2.840.113556.1.4.473",
        "supportedControl: 1.3.6.1.1.12",
        "supportedControl: 1.3.6.1.1.13.1",
        "supportedControl: 1.3.6.1.1.13.2",
        "supportedControl: 2.16.840.1.113730.3.4.2",
        "supportedExtension: 1.3.6.1.4.1.4203.1.11.1",
        "supportedExtension: 1.3.6.1.4.1.4203.1.11.3",
        "supportedFeatures: 1.3.6.1.4.1.4203.1.5.1",
        "supportedFeatures: 1.3.6.1.4.1.4203.1.5.3",
        "supportedFeatures: 1.3.6.1.1.14",
        "supportedLDAPVersion: 3",
    ] {
        ensure!(root.contains(&line.to_owned()), "{line} in {root:?}");
    }
    for (filter, found) in [
        ("(objectClass=*)", true),
        ("(namingContexts=DC=localhost)", true),
        ("(namingContexts=dc=elsewhere)", false),
        ("(&(objectClass=top)(!(supportedLDAPVersion=2)))", true),
        ("(shoeSize=41)", false),
    ] {
        let arguments = ["-LLL", "-s", "base", "-b", "", filter, "1.1"];
        let root = desk.run(&desk.root, "ldapsearch", &arguments, "").await?.ok()?;
        assert_eq!(root.contains("dn:"), found, "{filter}: {root}");
    }
    Ok(())
}
