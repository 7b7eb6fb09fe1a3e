//! What the sources must not say: the key type that signs with a library that leaks time, and a
//! way to hand something out without asking whether the person may still have it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ostiary_tests::repository;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Every source file of the crates, with its text.
fn texts() -> Result<Vec<(String, String)>> {
    let root = repository();
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(root.join("crates"))? {
        sources(&entry?.path().join("src"), &mut paths)?;
    }
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            Ok((name, std::fs::read_to_string(path)?))
        })
        .collect()
}

/// RUSTSEC-2023-0071: the `rsa` crate is in the tree, through libraries that verify with it; a
/// private key must never get near it.
#[test]
fn no_private_key_gets_near_the_rsa_crate() -> Result<()> {
    let forbidden = [["CoreRsa", "PrivateSigningKey"].concat(), ["rsa::", "RsaPrivateKey"].concat()];
    let texts = texts()?;
    assert!(texts.len() > 50, "the sources were found");
    for (name, text) in texts {
        for word in &forbidden {
            assert!(!text.contains(word.as_str()), "{name} names {word}");
        }
    }
    Ok(())
}

/// The statements that hand something out to an application stand only in files of `app` that ask
/// `entitled` first, and those are these.
#[test]
fn nothing_is_handed_out_without_asking() -> Result<()> {
    let doors = [
        (".grant_approve(&", &["crates/app/src/grants.rs"][..]),
        (".grant_exchange(", &["crates/app/src/exchange.rs"]),
        (".access_token_insert(", &["crates/app/src/exchange.rs"]),
        (".access_token_put(", &["crates/app/src/exchange.rs", "crates/app/src/refresh.rs"]),
        (".family_insert(", &["crates/app/src/exchange.rs"]),
        (".refresh_token_insert(", &["crates/app/src/exchange.rs"]),
        (".refresh_token_rotate(", &["crates/app/src/refresh.rs"]),
        (".consent_put(", &["crates/app/src/grants.rs"]),
    ];
    let texts = texts()?;
    for (statement, expected) in doors {
        let mut found: Vec<&str> =
            texts.iter().filter(|(_, text)| text.contains(statement)).map(|(name, _)| name.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "who calls {statement}");
    }
    for name in ["grants", "exchange", "refresh"] {
        let path = format!("crates/app/src/{name}.rs");
        let text = texts.iter().find(|(found, _)| *found == path).map(|(_, text)| text.as_str()).unwrap_or_default();
        assert!(text.contains("entitled(ctx, &mut tx, "), "{path} asks");
    }
    Ok(())
}
