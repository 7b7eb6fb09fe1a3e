//! What the HTTPS front remembers: certificates, accounts with authorities, orders under way,
//! answers to challenges, what went wrong, and which node orders.
//!
//! One node at a time writes. It holds the front under a fence, a number that only ever grows, and
//! everything it writes goes through a [`FrontTx`], which does not begin for a fence of the past.
//! A holder shows that it lives by raising a beat. Others take over when they have seen it stand
//! still for long enough by their own measure, so clocks that differ do no harm.

use ostiary_model::Timestamp;

use crate::db::{Store, read, row, within};
use crate::error::Error;
use crate::front_writes::FrontTx;

row! {
    /// Who orders, and how much has been written so far.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct FrontState {
        fence: i64,
        beat: i64,
        seq: i64,
    }
}

impl FrontState {
    /// Whether nobody holds the front: nobody ever did, or the last one left it in good order.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.fence == 0 || self.beat < 0
    }

    /// What stands still when its holder is gone.
    #[must_use]
    pub const fn pulse(&self) -> (i64, i64) {
        (self.fence, self.beat)
    }

    /// The number of the last write.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.seq
    }
}

/// An account with an authority (RFC 8555 section 7.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeAccount {
    /// The address of the authority's directory.
    pub directory: String,
    /// The account's address; `None` as long as the authority has not been heard to know it.
    pub url: Option<String>,
    /// Its private key (PKCS#8), sealed for this row.
    pub key_sealed: Vec<u8>,
    /// When it was stored.
    pub created_at: Timestamp,
}

row! {
    struct AccountRow {
        directory: String,
        url: String,
        key_sealed: Vec<u8>,
        created_at: i64,
    }
}

/// A certificate and when it is to be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    /// Its names, sorted and divided by a blank.
    pub names: String,
    /// Counts the certificates that these names have had, from 1. Given by the store.
    pub version: i64,
    /// The directory of the authority it is from.
    pub directory: String,
    /// The kind of challenge by which the names were proved.
    pub challenge: String,
    /// Certificate and issuers as PEM (RFC 8555 section 9.1).
    pub chain: String,
    /// Its private key (PKCS#8), sealed for this row.
    pub key_sealed: Vec<u8>,
    /// From when it is good.
    pub not_before: Timestamp,
    /// Until when it is good.
    pub not_after: Timestamp,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When and why it is renewed.
    pub plan: RenewalPlan,
}

/// When a certificate is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalPlan {
    /// The moment, drawn once.
    pub renew_at: Timestamp,
    /// What the authority suggested (RFC 9773 section 4.2) when the moment was drawn.
    pub window: Option<(Timestamp, Timestamp)>,
    /// When the authority is asked for a suggestion again.
    pub ask_at: Timestamp,
}

row! {
    struct CertificateRow {
        names: String,
        version: i64,
        directory: String,
        challenge: String,
        chain: String,
        key_sealed: Vec<u8>,
        not_before: i64,
        not_after: i64,
        stored_at: i64,
        renew_at: i64,
        window_start: Option<i64>,
        window_end: Option<i64>,
        ask_at: i64,
    }
}

impl From<CertificateRow> for CertificateRecord {
    fn from(row: CertificateRow) -> Self {
        let at = Timestamp::from_micros;
        Self {
            names: row.names,
            version: row.version,
            directory: row.directory,
            challenge: row.challenge,
            chain: row.chain,
            key_sealed: row.key_sealed,
            not_before: at(row.not_before),
            not_after: at(row.not_after),
            stored_at: at(row.stored_at),
            plan: RenewalPlan {
                renew_at: at(row.renew_at),
                window: row.window_start.zip(row.window_end).map(|(start, end)| (at(start), at(end))),
                ask_at: at(row.ask_at),
            },
        }
    }
}

/// An order under way (RFC 8555 section 7.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeOrder {
    /// Its names, sorted and divided by a blank.
    pub names: String,
    /// The directory of the authority it was made with.
    pub directory: String,
    /// Its address.
    pub url: String,
    /// The kind of challenge it goes by.
    pub challenge: String,
    /// The private key of the certificate to come (PKCS#8), sealed for this row.
    pub key_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

row! {
    struct OrderRow {
        names: String,
        directory: String,
        url: String,
        challenge: String,
        key_sealed: Vec<u8>,
        created_at: i64,
    }
}

/// By which way an authority looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// Over HTTP, by token (RFC 8555 section 8.3).
    Http01,
    /// Over TLS, by host name (RFC 8737).
    TlsAlpn01,
}

impl AnswerKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// What any node answers an authority that looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeAnswer {
    /// How it is asked for.
    pub kind: AnswerKind,
    /// The token or the host name.
    pub name: String,
    /// The key authorization (RFC 8555 section 8.1) over HTTP, its SHA-256 in base64url over TLS.
    pub value: String,
    /// From when on it may be forgotten, should nobody take it back.
    pub expires_at: Timestamp,
}

row! {
    struct AnswerRow {
        kind: String,
        name: String,
        value: String,
        expires_at: i64,
    }
}

impl TryFrom<AnswerRow> for AcmeAnswer {
    type Error = Error;

    fn try_from(row: AnswerRow) -> Result<Self, Error> {
        let kind = [AnswerKind::Http01, AnswerKind::TlsAlpn01].into_iter().find(|kind| kind.name() == row.kind);
        Ok(Self {
            kind: kind.ok_or(Error::Corrupt("acme_answer.kind"))?,
            name: row.name,
            value: row.value,
            expires_at: Timestamp::from_micros(row.expires_at),
        })
    }
}

/// What is to be done about something that went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// It may pass by itself.
    Retry,
    /// The authority said when to come again.
    Wait,
    /// Somebody has to change something.
    Permanent,
}

impl TroubleKind {
    const ALL: [Self; 3] = [Self::Retry, Self::Wait, Self::Permanent];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Permanent => "permanent",
        }
    }
}

/// What went wrong, and when it may be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeTrouble {
    /// The names that it concerns, sorted and divided by a blank; empty when it concerns everything
    /// at this authority.
    pub names: String,
    /// The directory of the authority.
    pub directory: String,
    /// What is to be done.
    pub kind: TroubleKind,
    /// How often in a row.
    pub failures: i64,
    /// What went wrong, for people.
    pub told: String,
    /// Names the settings that it happened under.
    pub settings: String,
    /// When it last happened.
    pub failed_at: Timestamp,
    /// Before this nothing is tried.
    pub next_at: Timestamp,
}

row! {
    struct TroubleRow {
        names: String,
        directory: String,
        kind: String,
        failures: i64,
        told: String,
        settings: String,
        failed_at: i64,
        next_at: i64,
    }
}

impl TryFrom<TroubleRow> for AcmeTrouble {
    type Error = Error;

    fn try_from(row: TroubleRow) -> Result<Self, Error> {
        let kind = TroubleKind::ALL.into_iter().find(|kind| kind.name() == row.kind);
        Ok(Self {
            names: row.names,
            directory: row.directory,
            kind: kind.ok_or(Error::Corrupt("acme_trouble.kind"))?,
            failures: row.failures,
            told: row.told,
            settings: row.settings,
            failed_at: Timestamp::from_micros(row.failed_at),
            next_at: Timestamp::from_micros(row.next_at),
        })
    }
}

impl Store {
    /// Who orders, and how much has been written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_state(&self) -> Result<FrontState, Error> {
        Ok(read!(self, db => sqlx::query_as("SELECT fence, beat, seq FROM front").fetch_one(db).await)?)
    }

    /// Takes the front over from a holder whose state is still the one that was `seen`. Gives the
    /// new fence; `None` when somebody else was quicker or the holder lives.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_take(&self, seen: FrontState, now: Timestamp) -> Result<Option<i64>, Error> {
        let mut tx = self.begin().await?;
        let fence: Option<i64> = within!(tx, db => sqlx::query_scalar(
            "UPDATE front SET fence = fence + 1, beat = 0 WHERE fence = $1 AND beat = $2 RETURNING fence",
        ).bind(seen.fence).bind(seen.beat).fetch_optional(db).await)?;
        tx.commit(now).await?;
        Ok(fence)
    }

    /// Shows that the holder of `fence` lives. False when it holds the front no longer.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_beat(&self, fence: i64, now: Timestamp) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let found = within!(tx, db => sqlx::query("UPDATE front SET beat = beat + 1 WHERE fence = $1 AND beat >= 0")
            .bind(fence).execute(db).await.map(|done| done.rows_affected()))?;
        tx.commit(now).await?;
        Ok(found > 0)
    }

    /// Leaves the front, so that the next one need not wait until the beat has stood still.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_leave(&self, fence: i64, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        within!(tx, db => sqlx::query("UPDATE front SET beat = -1 WHERE fence = $1").bind(fence).execute(db).await.map(drop))?;
        tx.commit(now).await?;
        Ok(())
    }

    /// Begins to write for the holder of `fence`. `None` when it holds the front no longer; until
    /// the transaction ends nobody can take it over.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_begin(&self, fence: i64) -> Result<Option<FrontTx>, Error> {
        let mut tx = self.begin().await?;
        let found = within!(tx, db => sqlx::query("UPDATE front SET seq = seq + 1 WHERE fence = $1")
            .bind(fence).execute(db).await.map(|done| done.rows_affected()))?;
        Ok((found > 0).then_some(FrontTx(tx)))
    }

    /// The account with the authority of `directory`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn acme_account(&self, directory: &str) -> Result<Option<AcmeAccount>, Error> {
        let row: Option<AccountRow> = read!(self, db => sqlx::query_as(
            "SELECT directory, url, key_sealed, created_at FROM acme_account WHERE directory = $1",
        ).bind(directory).fetch_optional(db).await)?;
        Ok(row.map(|AccountRow { directory, url, key_sealed, created_at }| {
            let url = Some(url).filter(|url| !url.is_empty());
            AcmeAccount { directory, url, key_sealed, created_at: Timestamp::from_micros(created_at) }
        }))
    }

    /// All certificates.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn certificates(&self) -> Result<Vec<CertificateRecord>, Error> {
        let rows: Vec<CertificateRow> = read!(self, db => sqlx::query_as(
            "SELECT names, version, directory, challenge, chain, key_sealed, not_before, not_after, stored_at, renew_at, \
             window_start, window_end, ask_at FROM certificate ORDER BY names",
        ).fetch_all(db).await)?;
        Ok(rows.into_iter().map(CertificateRecord::from).collect())
    }

    /// The order under way for `names` with the authority of `directory`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn acme_order(&self, names: &str, directory: &str) -> Result<Option<AcmeOrder>, Error> {
        let row: Option<OrderRow> = read!(self, db => sqlx::query_as(
            "SELECT names, directory, url, challenge, key_sealed, created_at FROM acme_order \
             WHERE names = $1 AND directory = $2",
        ).bind(names).bind(directory).fetch_optional(db).await)?;
        Ok(row.map(|OrderRow { names, directory, url, challenge, key_sealed, created_at }| {
            let created_at = Timestamp::from_micros(created_at);
            AcmeOrder { names, directory, url, challenge, key_sealed, created_at }
        }))
    }

    /// All answers. That their time is over is no reason to leave them out: whoever stored them may
    /// have had another clock, and takes them back when an authority has looked.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn acme_answers(&self) -> Result<Vec<AcmeAnswer>, Error> {
        let rows: Vec<AnswerRow> = read!(self, db => sqlx::query_as(
            "SELECT kind, name, value, expires_at FROM acme_answer ORDER BY kind, name",
        ).fetch_all(db).await)?;
        rows.into_iter().map(AcmeAnswer::try_from).collect()
    }

    /// Everything that went wrong and was not made good.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn acme_troubles(&self) -> Result<Vec<AcmeTrouble>, Error> {
        let rows: Vec<TroubleRow> = read!(self, db => sqlx::query_as(
            "SELECT names, directory, kind, failures, told, settings, failed_at, next_at FROM acme_trouble \
             ORDER BY names, directory",
        ).fetch_all(db).await)?;
        rows.into_iter().map(AcmeTrouble::try_from).collect()
    }
}
