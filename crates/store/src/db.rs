//! The two engines behind one text of SQL: pools, transactions, and the macros that expand the
//! same expression for either.
//!
//! PostgreSQL is the production store, SQLite the embedded default: WAL, one writer, several
//! readers. Every true difference of dialect stands in this file: the start of a writing
//! transaction, the notification after it, and how a pool is opened.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::hmac;
use ostiary_model::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

use crate::cache::{Cache, CacheUrl};
use crate::changes::ChangeKind;
use crate::error::{Error, InvalidUrl};
use crate::migrate;

/// The channel on which PostgreSQL tells replicas that the directory changed.
pub(crate) const CHANNEL: &str = "ostiary_directory";

/// Expands one expression for the pool that reads.
macro_rules! read {
    ($store:expr, $db:ident => $body:expr) => {
        match &$store.pools {
            $crate::db::Pools::Postgres($db) => $body,
            $crate::db::Pools::Sqlite { read: $db, .. } => $body,
        }
    };
}

/// Expands one expression for the transaction that writes.
macro_rules! within {
    ($tx:expr, $db:ident => $body:expr) => {
        match &mut $tx.inner {
            $crate::db::Inner::Postgres(inner) => {
                let $db = &mut **inner;
                $body
            }
            $crate::db::Inner::Sqlite(inner) => {
                let $db = &mut **inner;
                $body
            }
        }
    };
}

/// Declares a struct that is read from a row of either engine, column by column.
macro_rules! row {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $vis struct $name { $($field: $type,)* }
        row!(@impl $name, sqlx::postgres::PgRow, $($field,)*);
        row!(@impl $name, sqlx::sqlite::SqliteRow, $($field,)*);
    };
    (@impl $name:ident, $row:ty, $($field:ident,)*) => {
        impl<'r> sqlx::FromRow<'r, $row> for $name {
            fn from_row(row: &'r $row) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?,)* })
            }
        }
    };
}

pub(crate) use {read, row, within};

/// Which engine remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// Where the database is.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `postgres://user:password@host:port/name`.
    Postgres(Box<PgConnectOptions>),
    /// `sqlite:path`.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Reads `text`; a relative SQLite path is taken as it is.
    ///
    /// # Errors
    /// Says what was found and what is allowed, without the password in it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(InvalidUrl("sqlite: needs a path, such as sqlite:/var/lib/ostiary/ostiary.db".into()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text)
                .map_err(|error| InvalidUrl(format!("not an address of a PostgreSQL database: {error}")))?;
            return Ok(Self::Postgres(Box::new(options.application_name("ostiary"))));
        }
        let scheme = text.split(':').next().unwrap_or_default();
        Err(InvalidUrl(format!(
            "found {scheme:?}; allowed are sqlite:PATH and postgres://USER:PASSWORD@HOST:PORT/NAME"
        )))
    }

    /// Which engine it names.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }
}

pub(crate) enum Pools {
    Postgres(PgPool),
    Sqlite { read: SqlitePool, write: SqlitePool },
}

/// The memory of a running Ostiary. Cheap to share behind an `Arc`.
pub struct Store {
    pub(crate) pools: Pools,
    pub(crate) cache: Cache,
    /// Vouches for copies of sessions in the cache. Until it is set none is believed or made.
    pub(crate) cache_key: Option<hmac::Key>,
}

impl Store {
    /// Opens database and cache and brings the schema up to date.
    ///
    /// Redis is not waited for: when it is away the store works without it and goes on trying.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database cannot be opened, [`Error::NewerSchema`] when a
    /// newer release wrote it.
    pub async fn open(database: &DatabaseUrl, cache: &CacheUrl, now: Timestamp) -> Result<Self, Error> {
        let pools = match database {
            DatabaseUrl::Postgres(options) => Pools::Postgres(open_postgres(options).await?),
            DatabaseUrl::Sqlite(path) => open_sqlite(path).await?,
        };
        let store = Self { pools, cache: Cache::open(cache)?, cache_key: None };
        migrate::run(&store, now).await?;
        Ok(store)
    }

    /// Lets the cache hold copies of sessions, each with a code under `key`: whoever can write to
    /// the cache but has not the key cannot make a session up. All replicas need the same key.
    pub fn vouch_for_cache(&mut self, key: &[u8; 32]) {
        self.cache_key = Some(hmac::Key::new(hmac::HMAC_SHA256, key));
    }

    /// Which engine it is on.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.pools {
            Pools::Postgres(_) => Engine::Postgres,
            Pools::Sqlite { .. } => Engine::Sqlite,
        }
    }

    /// Begins a writing transaction. Dropped without [`Tx::commit`], it leaves nothing behind.
    /// On SQLite there is one at a time: do nothing slow before it ends.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn begin(&self) -> Result<Tx, Error> {
        let inner = match &self.pools {
            Pools::Postgres(pool) => Inner::Postgres(pool.begin().await?),
            Pools::Sqlite { write, .. } => Inner::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        };
        Ok(Tx { inner, changes: Vec::new(), noted: HashSet::new() })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        read!(self, db => sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        Ok(())
    }

    /// Whether the cache answers. Memory always does.
    pub async fn cache_ping(&self) -> bool {
        self.cache.ping().await
    }

    /// Whether the cache is one that other processes share, and not the memory of this one.
    #[must_use]
    pub const fn has_shared_cache(&self) -> bool {
        matches!(self.cache, Cache::Redis(_))
    }

    /// Closes the pools after open statements have ended.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

pub(crate) enum Inner {
    Postgres(Transaction<'static, Postgres>),
    Sqlite(Transaction<'static, Sqlite>),
}

/// A writing transaction: all of it or nothing.
pub struct Tx {
    pub(crate) inner: Inner,
    /// What changed, in order, and the same again to find it by.
    pub(crate) changes: Vec<ChangeKind>,
    pub(crate) noted: HashSet<ChangeKind>,
}

impl Tx {
    /// Makes everything that was written last, and what changed in the directory known to others.
    /// Gives the sequence number of the last change, if there was one.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; nothing is written then.
    pub async fn commit(mut self, now: Timestamp) -> Result<Option<i64>, Error> {
        let seq = self.changes_append(now).await?;
        match self.inner {
            Inner::Postgres(mut inner) => {
                if let Some(seq) = seq {
                    sqlx::query("SELECT pg_notify($1, $2)")
                        .bind(CHANNEL)
                        .bind(seq.to_string())
                        .execute(&mut *inner)
                        .await?;
                }
                inner.commit().await?;
            }
            Inner::Sqlite(inner) => inner.commit().await?,
        }
        Ok(seq)
    }
}

async fn open_postgres(options: &PgConnectOptions) -> Result<PgPool, Error> {
    Ok(PgPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(5))
        .connect_with(options.clone())
        .await?)
}

/// Makes the file before SQLite does: its own, and those that SQLite puts beside it with the same
/// mode, are for nobody else to read.
fn make_private(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::Unavailable { what: "database", cause: error.to_string() })
        }
        _ => Ok(()),
    }
}

async fn open_sqlite(path: &Path) -> Result<Pools, Error> {
    make_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write must survive a power cut, not only the end of the process.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        // Row data beyond this stays with the kernel's file cache; idle memory counts.
        .pragma("cache_size", "-1024");
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.clone())
        .await?;
    let read = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Pools::Sqlite { read, write })
}
