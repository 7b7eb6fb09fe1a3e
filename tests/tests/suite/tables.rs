//! The tables of promises and proofs: every test that they name is there.

use anyhow::{Context as _, Result, ensure};
use ostiary_tests::repository;

/// What a name in the table begins with, and the folder that it stands for.
const FOLDERS: &[(&str, &str)] = &[
    ("ldap/", "tests/tests/suite/ldap/"),
    ("verbs/", "crates/app/tests/verbs/"),
    ("front/", "tests/tests/suite/front/"),
    ("acme/", "crates/edge/tests/acme/"),
];

#[test]
fn every_test_in_the_table_of_ldap_is_there() -> Result<()> {
    is_true("tests/LDAP.md", 100)
}

#[test]
fn every_test_in_the_table_of_the_front_is_there() -> Result<()> {
    is_true("tests/FRONT.md", 50)
}

/// Looks for every test that a table names, which must be so many at least.
fn is_true(table: &str, least: usize) -> Result<()> {
    let table = std::fs::read_to_string(repository().join(table))?;
    let mut count = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")) {
        let proofs = row.split(" | ").last().context("no cells")?;
        let named: Vec<_> = proofs.split('`').skip(1).step_by(2).collect();
        ensure!(!named.is_empty(), "nothing is named in {row}");
        for name in named {
            let (file, test) = name.split_once('#').with_context(|| format!("{name} is not of the form file#test"))?;
            let folder = FOLDERS.iter().find_map(|(short, folder)| Some((file.strip_prefix(short)?, *folder)));
            let path = folder.map_or_else(|| file.to_owned(), |(rest, folder)| format!("{folder}{rest}"));
            let text = std::fs::read_to_string(repository().join(&path)).with_context(|| path.clone())?;
            let is_there = match path.rsplit('.').next() {
                Some("rs") => text.contains(&format!("fn {test}(")),
                Some("py") => text.contains(&format!("def {test}(")),
                _ => text.contains(test),
            };
            ensure!(is_there, "{path} has no {test}");
            count += 1;
        }
    }
    ensure!(count > least, "only {count} tests are named");
    Ok(())
}
