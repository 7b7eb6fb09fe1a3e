//! The contract of the store: every method, on SQLite with memory and on PostgreSQL with Redis.
//!
//! PostgreSQL and Redis are real servers named by `OSTIARY_TEST_POSTGRES` and
//! `OSTIARY_TEST_REDIS`; without them these tests fail, they are never skipped. Each test has a
//! database of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests read their environment and start tasks of their own")]

mod app_passwords;
mod attributes;
mod cache_away;
mod changes;
mod coverage;
mod credentials;
mod front;
mod nestings;
mod oidc;
mod people;
mod posix;
mod root;
mod schema;
mod sessions;
mod tickets;
mod upgrade;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ostiary_model::{
    Actor, Ctx, Email, Entropy, Generation, Group, GroupName, Profile, Subject, Timestamp, User, UserId, UserState,
    Username, Validity,
};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// A point in time that all tests share, so that nothing depends on when they run.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

/// What the cache's copies are vouched for with.
pub(crate) const CACHE_KEY: [u8; 32] = [7; 32];

/// The two pairs that are supported in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Embedded,
    Servers,
}

/// A store with an empty database, and what must live as long as it.
pub(crate) struct House {
    pub(crate) store: Arc<Store>,
    pub(crate) database: DatabaseUrl,
    pub(crate) cache: CacheUrl,
    pub(crate) url: String,
    folder: TempDir,
}

impl House {
    pub(crate) async fn new(pair: Pair) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, cache) = match pair {
            Pair::Embedded => (format!("sqlite:{}", folder.path().join("test.db").display()), "memory:".to_owned()),
            Pair::Servers => (fresh_postgres().await, setting("OSTIARY_TEST_REDIS")),
        };
        let database = DatabaseUrl::parse(&url).unwrap();
        let cache = CacheUrl::parse(&cache).unwrap();
        let mut store = Store::open(&database, &cache, NOW).await.unwrap();
        store.vouch_for_cache(&CACHE_KEY);
        Self { store: Arc::new(store), database, cache, url, folder }
    }

    /// The same database as another process would see it.
    pub(crate) async fn again(&self) -> Store {
        let mut store = Store::open(&self.database, &self.cache, NOW).await.unwrap();
        store.vouch_for_cache(&CACHE_KEY);
        store
    }

    /// The folder that goes with the test.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `bash tests/run rust`, which starts the server")
    })
}

/// A new database on the test server.
pub(crate) async fn fresh_postgres() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let server = setting("OSTIARY_TEST_POSTGRES");
    let name = format!("contract_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, query) = server.split_once('?').map_or((server.as_str(), ""), |(base, query)| (base, query));
    let base = &base[..base.rfind('/').unwrap()];
    if query.is_empty() { format!("{base}/{name}") } else { format!("{base}/{name}?{query}") }
}

/// Makes one test for each pair from an async function that takes a [`House`].
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::House::new(crate::Pair::Embedded).await).await; })*
        }
        mod servers {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::House::new(crate::Pair::Servers).await).await; })*
        }
    };
}
pub(crate) use contract;

struct Counter(AtomicU64);

impl Entropy for Counter {
    /// Never the same twice in a run, also not between tests: Redis is shared.
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 32)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A moment at [`NOW`] with chance of its own.
pub(crate) fn ctx() -> Ctx {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let seed = (u64::from(std::process::id()) << 40)
        ^ std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64
        ^ (NUMBER.fetch_add(1, Ordering::Relaxed) << 20);
    Ctx::new(NOW, Actor::Server, Arc::new(Counter(AtomicU64::new(seed))))
        .with_address(Some(IpAddr::from([192, 0, 2, 1])))
}

/// A person who is not stored yet.
pub(crate) fn person(ctx: &Ctx, name: &str) -> User {
    User {
        id: ctx.id(),
        subject: ctx.random_id::<Subject>(),
        profile: Profile {
            username: Username::parse(name).unwrap(),
            email: Email::parse(&format!("{name}@example.tld")).unwrap(),
            email_verified: true,
            display_name: format!("{name} the Person"),
            given_name: String::new(),
            family_name: String::new(),
        },
        state: UserState::Active,
        validity: Validity::default(),
        is_service: false,
        uid_number: None,
        gid_number: None,
        has_avatar: false,
        generation: Generation(1),
        has_totp: false,
        created_at: NOW,
        modified_at: NOW,
        password_changed_at: None,
        last_sign_in_at: None,
    }
}

/// A person who is stored.
pub(crate) async fn stored_person(house: &House, name: &str) -> User {
    let user = person(&ctx(), name);
    let mut tx = house.store.begin().await.unwrap();
    tx.user_insert(&user).await.unwrap();
    tx.commit(NOW).await.unwrap();
    user
}

/// A group that is stored.
pub(crate) async fn stored_group(house: &House, name: &str) -> Group {
    let mut tx = house.store.begin().await.unwrap();
    let group = tx.group_insert(ctx().id(), &GroupName::parse(name).unwrap(), None, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    group
}

pub(crate) async fn reread(house: &House, id: UserId) -> User {
    house.store.user_by_id(id).await.unwrap().unwrap()
}
