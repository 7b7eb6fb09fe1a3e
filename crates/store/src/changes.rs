//! The change log: what in the directory changed, in the order in which it was committed.
//!
//! Sequence numbers come from one row that each writing transaction raises just before it commits
//! and holds until then. So numbers have no gaps, and whoever has seen `n` has missed nothing
//! below it: a sequence of the database would not promise that.

use ostiary_model::{GroupId, Membership, Nesting, Span, Timestamp, UserId};
use sqlx::QueryBuilder;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::db::{CHANNEL, Pools, Store, Tx, read, row, within};
use crate::error::Error;

/// How long changes are kept for those who follow. Who slept longer loads everything again.
const KEPT: Span = Span::from_hours(1);

/// How many changes one statement notes; each takes five of SQLite's 32,766 parameters.
const ROWS_AT_ONCE: usize = 500;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// This account was made, changed or deleted, or its addresses, values or picture changed.
    User(UserId),
    /// This group was made, changed or deleted, or its values or managers changed.
    Group(GroupId),
    /// This membership came or went.
    Membership(Membership),
    /// This group came into that one, or left it.
    Nesting(Nesting),
    /// Definitions of attributes or object classes changed.
    Schema,
}

/// One line of the change log.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Its place in the order of commits.
    pub seq: i64,
    /// What changed. How it is now stands in its tables.
    pub kind: ChangeKind,
}

row! {
    struct ChangeRow {
        seq: i64,
        kind: String,
        id: Uuid,
        other: Option<Uuid>,
    }
}

impl TryFrom<ChangeRow> for Change {
    type Error = Error;

    fn try_from(row: ChangeRow) -> Result<Self, Error> {
        let kind = match (row.kind.as_str(), row.other) {
            ("user", None) => ChangeKind::User(row.id.into()),
            ("group", None) => ChangeKind::Group(row.id.into()),
            ("membership", Some(group)) => {
                ChangeKind::Membership(Membership { user: row.id.into(), group: group.into() })
            }
            ("nesting", Some(parent)) => ChangeKind::Nesting(Nesting { child: row.id.into(), parent: parent.into() }),
            ("schema", None) => ChangeKind::Schema,
            _ => return Err(Error::Corrupt("directory_change.kind")),
        };
        Ok(Self { seq: row.seq, kind })
    }
}

impl ChangeKind {
    const fn columns(self) -> (&'static str, Uuid, Option<Uuid>) {
        match self {
            Self::User(id) => ("user", id.uuid(), None),
            Self::Group(id) => ("group", id.uuid(), None),
            Self::Membership(member) => ("membership", member.user.uuid(), Some(member.group.uuid())),
            Self::Nesting(nesting) => ("nesting", nesting.child.uuid(), Some(nesting.parent.uuid())),
            Self::Schema => ("schema", Uuid::nil(), None),
        }
    }
}

impl Store {
    /// The number of the last committed change.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn directory_head(&self) -> Result<i64, Error> {
        Ok(read!(self, db => sqlx::query_scalar("SELECT seq FROM directory_head").fetch_one(db).await)?)
    }

    /// The changes after `seq`, oldest first, at most 1,000. `None` when some of them are no
    /// longer kept: then [`Store::directory_snapshot`] is the way.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn directory_changes(&self, seq: i64) -> Result<Option<Vec<Change>>, Error> {
        let head = self.directory_head().await?;
        if head == seq {
            return Ok(Some(Vec::new()));
        }
        let rows: Vec<ChangeRow> = read!(self, db => sqlx::query_as(
            "SELECT seq, kind, id, other FROM directory_change WHERE seq > $1 ORDER BY seq LIMIT 1000",
        ).bind(seq).fetch_all(db).await)?;
        // Every number must be there: a hole is a change that nobody can make up for one by one.
        if rows.is_empty() || rows.iter().zip(seq + 1..).any(|(row, expected)| row.seq != expected) {
            return Ok(None);
        }
        rows.into_iter().map(Change::try_from).collect::<Result<_, _>>().map(Some)
    }

    /// Listens for changes by other processes. `None` where the engine cannot tell (SQLite).
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn change_listener(&self) -> Result<Option<ChangeListener>, Error> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(ChangeListener(listener)))
    }
}

/// Waits for word from other processes on the same PostgreSQL.
pub struct ChangeListener(PgListener);

impl ChangeListener {
    /// Returns when the directory has changed, or when word may have been missed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the connection is lost for good.
    pub async fn changed(&mut self) -> Result<(), Error> {
        self.0.try_recv().await?;
        Ok(())
    }
}

impl Tx {
    /// Notes that `kind` changed; the log gets it when the transaction commits.
    pub(crate) fn note(&mut self, kind: ChangeKind) {
        if self.noted.insert(kind) {
            self.changes.push(kind);
        }
    }

    /// Makes other writers of the directory wait until this transaction ends, for rules that
    /// look at more than one row, such as that one administrator must remain.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn directory_lock(&mut self) -> Result<(), Error> {
        within!(self, db => sqlx::query("UPDATE directory_head SET seq = seq").execute(db).await.map(drop))?;
        Ok(())
    }

    /// The number of the last committed change. With [`Tx::directory_lock`] held nothing comes
    /// after it until this transaction ends.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn directory_head(&mut self) -> Result<i64, Error> {
        Ok(within!(self, db => sqlx::query_scalar("SELECT seq FROM directory_head").fetch_one(db).await)?)
    }

    pub(crate) async fn changes_append(&mut self, now: Timestamp) -> Result<Option<i64>, Error> {
        let changes = std::mem::take(&mut self.changes);
        let Ok(count @ 1..) = i64::try_from(changes.len()) else { return Ok(None) };
        let last: i64 = within!(self, db => sqlx::query_scalar("UPDATE directory_head SET seq = seq + $1 RETURNING seq")
            .bind(count).fetch_one(db).await)?;
        // Many rows by one statement: an import changes thousands of entries at once.
        for (place, some) in changes.chunks(ROWS_AT_ONCE).enumerate() {
            let first = last - count + 1 + i64::try_from(place * ROWS_AT_ONCE).unwrap_or(i64::MAX);
            within!(self, db => {
                let mut insert = QueryBuilder::new("INSERT INTO directory_change (seq, kind, id, other, at) ");
                insert.push_values((first..).zip(some), |mut row, (seq, change)| {
                    let (kind, id, other) = change.columns();
                    row.push_bind(seq).push_bind(kind).push_bind(id).push_bind(other).push_bind(now.as_micros());
                });
                // Statements of usual length are prepared once, others not kept.
                insert.build().persistent(some.len() <= 4).execute(db).await.map(drop)
            })?;
        }
        Ok(Some(last))
    }

    /// Forgets changes that are too old for anybody to follow by: all before the first that is
    /// not, so that clocks that differ leave no hole.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn changes_prune(&mut self, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "DELETE FROM directory_change WHERE seq < \
             (SELECT COALESCE(MIN(seq), (SELECT seq + 1 FROM directory_head)) FROM directory_change WHERE at >= $1)",
        ).bind((now - KEPT).as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }
}
