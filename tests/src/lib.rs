//! The harness: starts the real binary on ports and in a folder of its own, and talks to it as
//! people, applications and administrators do.
//!
//! Every journey runs on both pairs of database and cache: write an async function that takes a
//! [`Pair`] and name it in [`on_both_pairs!`]. The binary is `OSTIARY_BIN`, or is built when that
//! is not set. Without `OSTIARY_TEST_POSTGRES` and `OSTIARY_TEST_REDIS` the tests that need them
//! fail: a test that was not run proves nothing.
#![expect(clippy::expect_used, reason = "a harness may end a test where it stands")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their environment, measure time and start threads of their own"
)]

mod authenticator;
mod binary;
mod browser;
mod certificates;
mod chance;
mod html;
mod journeys;
mod machine;
mod pair;
mod pebble;
mod postgres;
mod process;
mod server;

pub use authenticator::{Authenticator, totp};
pub use binary::{binary, repository};
pub use browser::{Browser, Page};
pub use certificates::{Authority, Issued};
pub use chance::random_hex;
pub use html::{Form, text_of};
pub use journeys::{Application, Asked, Person, Tokens};
pub use machine::Machine;
pub use pair::Pair;
pub use pebble::{Pebble, free_port};
pub use postgres::FreshPostgres;
pub use process::{Finished, brought_by, run};
pub use server::{Ostiary, Setup};

/// Makes two tests of each async function named: one on SQLite and memory, one on PostgreSQL and
/// Redis. The functions take a [`Pair`] and return `anyhow::Result<()>`.
#[macro_export]
macro_rules! on_both_pairs {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn on_sqlite_and_memory() -> anyhow::Result<()> {
                super::$name($crate::Pair::Embedded).await
            }

            #[tokio::test]
            async fn on_postgres_and_redis() -> anyhow::Result<()> {
                super::$name($crate::Pair::Servers).await
            }
        }
    )+};
}

/// Asks again and again until `probe` gives something, for at most ten seconds.
///
/// # Errors
/// When it never does; `what` says what was waited for.
pub async fn eventually<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if begun.elapsed() > std::time::Duration::from_secs(10) {
            anyhow::bail!("waited ten seconds for {what}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
