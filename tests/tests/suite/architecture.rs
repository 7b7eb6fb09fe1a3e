//! The drawing and the house are the same: what ARCHITECTURE.md says of crates, packages and files
//! is compared with what Cargo and the sources say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use ostiary_tests::repository;
use serde_json::Value;

/// They test and measure the others, and may use anything.
const OUTSIDE: [&str; 2] = ["tests", "bench"];
/// What only one room may name, come what may.
const GUARDED: [&str; 11] =
    ["argon2", "askama", "axum", "clap", "ldap3_proto", "lettre", "openidconnect", "redis", "sqlx", "toml", "totp-rs"];

type Uses = BTreeMap<String, BTreeSet<String>>;

fn set(words: &str) -> BTreeSet<String> {
    words.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "–").map(str::to_owned).collect()
}

/// The rows of the table under a heading of ARCHITECTURE.md: first cell, and the words of the second.
fn table(heading: &str) -> Uses {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let section = text.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let table: Uses = rows.map(|(name, words)| (name.trim().to_owned(), set(words))).collect();
    // The heads of the columns are a row as well.
    let table: Uses = table.into_iter().filter(|(name, _)| name != "crate" && name != "package").collect();
    assert!(table.len() > 5, "no table under {heading:?}");
    table
}

/// What each crate of ours builds on, our own without their prefix. Dependencies of tests alone do
/// not count.
fn dependencies() -> Uses {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |value: &Value| {
        let name = value["name"].as_str().unwrap();
        name.strip_prefix("ostiary-").unwrap_or(name).to_owned()
    };
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            (short(package), all.filter(|one| one["kind"].as_str() != Some("dev")).map(short).collect())
        })
        .collect()
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("target") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The sources of our crates, without those of the outside.
fn inside() -> Vec<(PathBuf, String)> {
    let found: Vec<_> = sources(&repository().join("crates"))
        .into_iter()
        .filter(|(path, _)| path.components().any(|part| part.as_os_str() == "src"))
        .collect();
    assert!(found.len() > 50, "only {} files were found", found.len());
    found
}

fn short_path(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

#[test]
fn the_arrows_are_as_drawn() {
    let drawn = table("Arrows");
    let dependencies = dependencies();
    let built: Uses = dependencies
        .iter()
        .filter(|(name, _)| !OUTSIDE.contains(&name.as_str()))
        .map(|(name, uses)| {
            (name.clone(), uses.iter().filter(|other| dependencies.contains_key(*other)).cloned().collect())
        })
        .collect();
    assert_eq!(built, drawn, "what Cargo builds (left) is not what ARCHITECTURE.md draws (right)");
}

#[test]
fn each_package_is_named_by_its_owners_alone() {
    let drawn = table("Who may name what");
    for package in GUARDED {
        assert!(drawn.contains_key(package), "ARCHITECTURE.md does not say who may name {package}");
    }
    let dependencies = dependencies();
    for (package, owners) in drawn {
        let named: BTreeSet<String> = dependencies
            .iter()
            .filter(|(name, uses)| !OUTSIDE.contains(&name.as_str()) && uses.contains(&package))
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(named, owners, "who names {package} (left) and who may (right)");
    }
}

#[test]
fn cargo_deny_holds_the_same_table() {
    let text = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    let bans = deny["bans"]["deny"].as_array().unwrap();
    let ours = dependencies();
    for (package, owners) in table("Who may name what") {
        let ban = bans.iter().find(|ban| ban["crate"].as_str() == Some(package.as_str()));
        let ban = ban.unwrap_or_else(|| panic!("deny.toml does not guard {package}"));
        let wrappers: BTreeSet<String> = ban["wrappers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|name| name.as_str()?.strip_prefix("ostiary-"))
            .inspect(|name| assert!(ours.contains_key(*name), "deny.toml names ostiary-{name}, which is not there"))
            .filter(|name| !OUTSIDE.contains(name))
            .map(str::to_owned)
            .collect();
        assert_eq!(wrappers, owners, "deny.toml (left) and ARCHITECTURE.md (right) on {package}");
    }
}

#[test]
fn every_crate_is_under_the_same_lints() {
    let root = repository();
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    for folder in crates.chain(OUTSIDE.map(|name| root.join(name))) {
        let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(text.contains("[lints]\nworkspace = true\n"), "{} goes without the lints", short_path(&folder));
    }
    let workspace = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for lint in
        ["unsafe_code = \"forbid\"", "unwrap_used", "expect_used", "panic", "indexing_slicing", "allow_attributes"]
    {
        assert!(workspace.contains(&format!("\n{lint}")), "the workspace has lost its lint {lint}");
    }
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    // An `expect` says why, and complains when it is no longer needed; an `allow` does neither.
    let all = sources(&repository().join("crates")).into_iter().chain(sources(&repository().join("tests")));
    for (path, text) in all.chain(sources(&repository().join("bench"))) {
        let silenced = [concat!("#[", "allow("), concat!("#![", "allow(")];
        assert!(!silenced.iter().any(|word| text.contains(word)), "{} silences a lint", short_path(&path));
        for (number, rest) in text.split(concat!("[", "expect(")).enumerate().skip(1) {
            let inside = rest.split(")]").next().unwrap_or_default();
            assert!(inside.contains("reason ="), "{}: expectation {number} gives no reason", short_path(&path));
        }
    }
}

#[test]
fn only_the_store_contains_sql() {
    for (path, text) in inside() {
        let short = short_path(&path);
        if short.starts_with("crates/store/") {
            continue;
        }
        for word in ["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"CREATE TABLE "] {
            assert!(!text.contains(word), "{short} contains {word:?}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    for (path, text) in inside() {
        let short = short_path(&path);
        assert!(text.starts_with("//!"), "{short} does not begin with what it is for");
        let lines = text.lines().count();
        assert!(lines <= 500, "{short} has {lines} lines; 500 are long");
    }
}
