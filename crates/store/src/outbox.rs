//! Mail that waits to be handed over. Written in the transaction that gives the reason for it,
//! so that a crash neither loses it nor sends it for something that did not happen.

use ostiary_model::{Span, Timestamp};
use uuid::Uuid;

use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

row! {
    /// One mail to one recipient.
    pub struct OutgoingMail {
        id: Uuid,
        recipient: String,
        subject: String,
        body_text: String,
        body_html: String,
        attempts: i64,
    }
}

impl OutgoingMail {
    /// A mail that was not tried yet.
    #[must_use]
    pub const fn new(id: Uuid, recipient: String, subject: String, body_text: String, body_html: String) -> Self {
        Self { id, recipient, subject, body_text, body_html, attempts: 0 }
    }

    /// Its id, also the left half of its Message-ID.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The address it goes to.
    #[must_use]
    pub fn recipient(&self) -> &str {
        &self.recipient
    }

    /// Its subject line.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its plain text.
    #[must_use]
    pub fn body_text(&self) -> &str {
        &self.body_text
    }

    /// The same as HTML.
    #[must_use]
    pub fn body_html(&self) -> &str {
        &self.body_html
    }

    /// How often it was tried before.
    #[must_use]
    pub const fn attempts(&self) -> i64 {
        self.attempts
    }
}

impl Store {
    /// Claims the next mail that is due, so that no other process takes it for `lease`. It comes
    /// up again after that unless [`Tx::outbox_delete`] removed it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outbox_claim(&self, now: Timestamp, lease: Span) -> Result<Option<OutgoingMail>, Error> {
        // A look costs no writing transaction; most of the time there is nothing to do.
        let due: i64 = read!(self, db => sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE due_at <= $1")
            .bind(now.as_micros()).fetch_one(db).await)?;
        if due == 0 {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let claimed: Option<OutgoingMail> = within!(tx, db => sqlx::query_as(
            "UPDATE outbox SET attempts = attempts + 1, due_at = $2 \
             WHERE due_at <= $1 AND id = (SELECT id FROM outbox WHERE due_at <= $1 ORDER BY due_at LIMIT 1) \
             RETURNING id, recipient, subject, body_text, body_html, attempts",
        ).bind(now.as_micros()).bind((now + lease).as_micros()).fetch_optional(db).await)?;
        tx.commit(now).await?;
        Ok(claimed)
    }
}

impl Tx {
    /// Puts a mail into the outbox, due at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outbox_insert(&mut self, mail: &OutgoingMail, now: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO outbox (id, recipient, subject, body_text, body_html, created_at, due_at, attempts) \
             VALUES ($1, $2, $3, $4, $5, $6, $6, 0)",
        )
        .bind(mail.id).bind(mail.recipient.as_str()).bind(mail.subject.as_str())
        .bind(mail.body_text.as_str()).bind(mail.body_html.as_str()).bind(now.as_micros())
        .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Puts a claimed mail off until `due_at`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outbox_postpone(&mut self, id: Uuid, due_at: Timestamp) -> Result<(), Error> {
        within!(self, db => sqlx::query("UPDATE outbox SET due_at = $2 WHERE id = $1")
            .bind(id).bind(due_at.as_micros()).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Removes a mail that was handed over or given up.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outbox_delete(&mut self, id: Uuid) -> Result<(), Error> {
        within!(self, db => sqlx::query("DELETE FROM outbox WHERE id = $1").bind(id).execute(db).await.map(drop))?;
        Ok(())
    }
}
