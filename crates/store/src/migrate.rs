//! Brings the schema up to date at start: numbered files, each run once, in order, in one
//! transaction with its note in `schema_migration`.
//!
//! Only forward. A database that a newer release wrote is refused untouched.

use ostiary_model::Timestamp;

use crate::db::{Engine, Inner, Store, Tx, within};
use crate::error::Error;

/// One step of the schema.
#[derive(Debug)]
pub struct Migration {
    /// Its number, counting from 1.
    pub version: i64,
    /// Its name, the same on both engines.
    pub name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../../migrations/postgres/", $name, ".sql")),
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $name, ".sql")),
        }),*]
    };
}

/// Every step, in order.
pub const MIGRATIONS: &[Migration] =
    migrations![1 "0001_first_light", 2 "0002_directory", 3 "0003_front", 4 "0004_root"];

/// Any number that other programs on the same database are unlikely to use.
const ADVISORY_LOCK: i64 = 0x0517_1a27;

pub(crate) async fn run(store: &Store, now: Timestamp) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    tx.lock_schema().await?;
    within!(tx, db => sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migration (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)",
    ).execute(db).await.map(drop))?;
    let found: i64 = within!(tx, db => sqlx::query_scalar(
        "SELECT COALESCE(MAX(version), 0) FROM schema_migration",
    ).fetch_one(db).await)?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(Error::NewerSchema { found, known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        tx.migration_apply(migration, store.engine(), now).await?;
    }
    tx.commit(now).await?;
    Ok(())
}

impl Tx {
    /// Two processes may start at the same moment: the second waits and then finds all done.
    /// On SQLite the writing transaction itself is that lock.
    async fn lock_schema(&mut self) -> Result<(), Error> {
        if let Inner::Postgres(inner) = &mut self.inner {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut **inner).await?;
        }
        Ok(())
    }

    async fn migration_apply(&mut self, migration: &Migration, engine: Engine, now: Timestamp) -> Result<(), Error> {
        let sql = match engine {
            Engine::Postgres => migration.postgres,
            Engine::Sqlite => migration.sqlite,
        };
        within!(self, db => sqlx::raw_sql(sql).execute(db).await.map(drop))?;
        within!(self, db => sqlx::query("INSERT INTO schema_migration (version, name, applied_at) VALUES ($1, $2, $3)")
            .bind(migration.version).bind(migration.name).bind(now.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }
}
