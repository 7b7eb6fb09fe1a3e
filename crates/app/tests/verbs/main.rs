//! The verbs of the app, through the same face that every door uses, on SQLite with memory and on
//! PostgreSQL with Redis.
//!
//! PostgreSQL and Redis are real servers named by `OSTIARY_TEST_POSTGRES` and
//! `OSTIARY_TEST_REDIS`; without them these tests fail, they are never skipped. Each test has a
//! database of its own, and holds the clock.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests read their environment, measure, and start tasks of their own")]

mod administration;
mod app_password_ends;
mod app_passwords;
mod attempts;
mod attributes;
mod authenticator;
mod avatars;
mod doors;
mod expiry;
mod factors;
mod first_admin;
mod generation;
mod guards;
mod hand_over;
mod house;
mod mail;
mod managers;
mod nesting;
mod oidc_claims;
mod oidc_clients;
mod oidc_codes;
mod oidc_grants;
mod oidc_party;
mod oidc_refresh;
mod panel_access;
mod person_changes;
mod posix;
mod redis;
mod rights;
mod seal;
mod sessions;
mod sign_in;
mod smtp;
mod tables;
mod throttle;
mod together;
mod without_cache;

pub(crate) use house::{House, Pair, Person, secret};

/// Makes one test for each pair from an async function that takes a [`Pair`].
macro_rules! on_both_pairs {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::Pair::Embedded).await; })*
        }
        mod servers {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::Pair::Servers).await; })*
        }
    };
}
pub(crate) use on_both_pairs;
