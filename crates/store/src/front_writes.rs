//! What the holder of the HTTPS front writes. Reads, and who holds it, are in `front`.

use ostiary_model::Timestamp;

use crate::db::{Tx, within};
use crate::error::Error;
use crate::front::{AcmeAccount, AcmeAnswer, AcmeOrder, AcmeTrouble, AnswerKind, CertificateRecord, RenewalPlan};

/// A writing transaction of whoever holds the front. Dropped without [`FrontTx::commit`], it leaves
/// nothing behind.
pub struct FrontTx(pub(crate) Tx);

impl FrontTx {
    /// Makes everything that was written last.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; nothing is written then.
    pub async fn commit(self, now: Timestamp) -> Result<(), Error> {
        self.0.commit(now).await.map(drop)
    }

    /// Stores an account in the place of the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn account_put(&mut self, account: &AcmeAccount) -> Result<(), Error> {
        within!(self.0, db => sqlx::query(
            "INSERT INTO acme_account (directory, url, key_sealed, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (directory) DO UPDATE SET url = excluded.url, key_sealed = excluded.key_sealed, \
             created_at = excluded.created_at",
        )
        .bind(account.directory.as_str()).bind(account.url.as_deref().unwrap_or_default())
        .bind(account.key_sealed.as_slice()).bind(account.created_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Stores a certificate in the place of the one that these names had. What stands in its
    /// `version` is not looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn certificate_put(&mut self, certificate: &CertificateRecord) -> Result<(), Error> {
        let CertificateRecord { plan, .. } = certificate;
        within!(self.0, db => sqlx::query(
            "INSERT INTO certificate (names, version, directory, challenge, chain, key_sealed, not_before, not_after, \
             stored_at, renew_at, window_start, window_end, ask_at) \
             VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (names) DO UPDATE SET version = certificate.version + 1, directory = excluded.directory, \
             challenge = excluded.challenge, chain = excluded.chain, key_sealed = excluded.key_sealed, \
             not_before = excluded.not_before, not_after = excluded.not_after, stored_at = excluded.stored_at, \
             renew_at = excluded.renew_at, window_start = excluded.window_start, window_end = excluded.window_end, \
             ask_at = excluded.ask_at",
        )
        .bind(certificate.names.as_str()).bind(certificate.directory.as_str()).bind(certificate.challenge.as_str())
        .bind(certificate.chain.as_str()).bind(certificate.key_sealed.as_slice())
        .bind(certificate.not_before.as_micros()).bind(certificate.not_after.as_micros())
        .bind(certificate.stored_at.as_micros()).bind(plan.renew_at.as_micros())
        .bind(plan.window.map(|(start, _)| start.as_micros())).bind(plan.window.map(|(_, end)| end.as_micros()))
        .bind(plan.ask_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Plans the renewal of a certificate anew. False when it was replaced meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn certificate_plan(&mut self, names: &str, version: i64, plan: &RenewalPlan) -> Result<bool, Error> {
        let found = within!(self.0, db => sqlx::query(
            "UPDATE certificate SET renew_at = $3, window_start = $4, window_end = $5, ask_at = $6 \
             WHERE names = $1 AND version = $2",
        )
        .bind(names).bind(version).bind(plan.renew_at.as_micros())
        .bind(plan.window.map(|(start, _)| start.as_micros())).bind(plan.window.map(|(_, end)| end.as_micros()))
        .bind(plan.ask_at.as_micros())
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(found > 0)
    }

    /// Stores an order in the place of the one before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn order_put(&mut self, order: &AcmeOrder) -> Result<(), Error> {
        within!(self.0, db => sqlx::query(
            "INSERT INTO acme_order (names, directory, url, challenge, key_sealed, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (names, directory) DO UPDATE SET \
             url = excluded.url, challenge = excluded.challenge, key_sealed = excluded.key_sealed, \
             created_at = excluded.created_at",
        )
        .bind(order.names.as_str()).bind(order.directory.as_str()).bind(order.url.as_str())
        .bind(order.challenge.as_str()).bind(order.key_sealed.as_slice()).bind(order.created_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets an order that came to its end.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn order_delete(&mut self, names: &str, directory: &str) -> Result<(), Error> {
        within!(self.0, db => sqlx::query("DELETE FROM acme_order WHERE names = $1 AND directory = $2")
            .bind(names).bind(directory).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Lets every node give this answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn answer_put(&mut self, answer: &AcmeAnswer) -> Result<(), Error> {
        within!(self.0, db => sqlx::query(
            "INSERT INTO acme_answer (kind, name, value, expires_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        )
        .bind(answer.kind.name()).bind(answer.name.as_str()).bind(answer.value.as_str())
        .bind(answer.expires_at.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Takes an answer back.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn answer_delete(&mut self, kind: AnswerKind, name: &str) -> Result<(), Error> {
        within!(self.0, db => sqlx::query("DELETE FROM acme_answer WHERE kind = $1 AND name = $2")
            .bind(kind.name()).bind(name).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Notes that something went wrong, in the place of what was noted before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn trouble_put(&mut self, trouble: &AcmeTrouble) -> Result<(), Error> {
        within!(self.0, db => sqlx::query(
            "INSERT INTO acme_trouble (names, directory, kind, failures, told, settings, failed_at, next_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (names, directory) DO UPDATE SET \
             kind = excluded.kind, failures = excluded.failures, told = excluded.told, settings = excluded.settings, \
             failed_at = excluded.failed_at, next_at = excluded.next_at",
        )
        .bind(trouble.names.as_str()).bind(trouble.directory.as_str()).bind(trouble.kind.name())
        .bind(trouble.failures).bind(trouble.told.as_str()).bind(trouble.settings.as_str())
        .bind(trouble.failed_at.as_micros()).bind(trouble.next_at.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets what went wrong: it was made good.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn trouble_delete(&mut self, names: &str, directory: &str) -> Result<(), Error> {
        within!(self.0, db => sqlx::query("DELETE FROM acme_trouble WHERE names = $1 AND directory = $2")
            .bind(names).bind(directory).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets the certificate of these names.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn certificate_forget(&mut self, names: &str) -> Result<(), Error> {
        within!(self.0, db => sqlx::query("DELETE FROM certificate WHERE names = $1")
            .bind(names).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets answers whose time is over, and orders that were made before `before`. What is not
    /// made anew by itself stays, as clocks are off at times: certificates, and how long an
    /// authority wants to be left alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn front_prune(&mut self, now: Timestamp, before: Timestamp) -> Result<(), Error> {
        for (sql, moment) in [
            ("DELETE FROM acme_answer WHERE expires_at <= $1", now),
            ("DELETE FROM acme_order WHERE created_at < $1", before),
        ] {
            within!(self.0, db => sqlx::query(sql).bind(moment.as_micros()).execute(db).await.map(drop))?;
        }
        Ok(())
    }
}
