//! The same questions to Ostiary and to OpenLDAP's slapd: the answers must be the same, but for the
//! differences that [`rules::RULES`] names.
//!
//!   OSTIARY_TEST_SEED    the seed of the cases (random); the same seed gives the same cases
//!   OSTIARY_TEST_CASES   how many (600; `bash tests/run` asks for ten thousand)

mod both;
mod changes;
mod compare;
mod controls;
mod dice;
mod dn;
mod filters;
mod known;
mod mirror;
mod peer;
mod reads;
mod rules;
mod run;
mod schema;
mod shares;
mod shrink;
mod slapd;
mod translate;
mod translate_writes;
mod values;
mod verdict;
mod world;
mod writes;

use anyhow::Result;
use ostiary_tests::{Pair, Setup};

/// Cases of a run that nobody has asked for more of.
const CASES: usize = 600;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[tokio::test]
async fn slapd_gives_the_same_answers() -> Result<()> {
    let seed = setting("OSTIARY_TEST_SEED")
        .unwrap_or_else(|| u64::from_str_radix(&ostiary_tests::random_hex()[..8], 16).unwrap_or_default());
    let cases = setting("OSTIARY_TEST_CASES").and_then(|cases| usize::try_from(cases).ok()).unwrap_or(CASES);
    println!("seed {seed}, {cases} cases");
    // Some of the binds are with wrong passwords, all of them from here.
    let setup = ["PER_ADDRESS", "PER_ACCOUNT", "PER_ACCOUNT_AND_ADDRESS"]
        .iter()
        .fold(Setup::on(Pair::Embedded), |setup, key| setup.with(&format!("OSTIARY_LOCKOUT__{key}"), "100000"));
    let mut ostiary = setup.start().await?;
    let admin = ostiary.add_person("admin", &["lldap_admin"]).await?;
    both::define(&ostiary).await?;
    // What commands do beside a server is seen a moment later; from its start on it knows all.
    ostiary.stop().await?;
    ostiary.start_again()?;
    let (address, base) = (ostiary.ldap_address()?, ostiary.base_dn()?.to_owned());
    let dn = ostiary.person_dn(&admin.username)?;
    let report = tokio::task::spawn_blocking(move || -> Result<String> {
        both::Both::prepare(address, &base, &dn, &admin.password)?.go(seed, cases)
    })
    .await??;
    println!("{report}");
    drop(ostiary);
    Ok(())
}
