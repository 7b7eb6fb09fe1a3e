//! What runs by itself: following other writers of the directory, handing over mail, and
//! forgetting what is over. Each is a plain async function that ends when told to; the binary
//! owns the tasks.

use std::time::Duration;

use ostiary_model::Actor;
use ostiary_store::{ChangeListener, Engine};

use crate::{App, Trouble};

/// How soon this process sees what another one wrote, where the engine cannot tell by itself.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
const FOLLOW_RETRY: Duration = Duration::from_secs(1);
const MAIL_EVERY: Duration = Duration::from_secs(2);
const NOTE_EVERY: Duration = Duration::from_secs(5);
const FORGET_EVERY: Duration = Duration::from_secs(300);

/// How it stands with what Ostiary is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Without it nothing works.
    pub database: Part,
    /// Without it everything works, slower.
    pub cache: Part,
}

/// A part that Ostiary is built on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is, for people: `PostgreSQL` or `SQLite`, `Redis` or `Memory`.
    pub kind: &'static str,
    /// Whether it answers at this moment.
    pub answers: bool,
}

impl App {
    /// Follows other processes that write to the same database: a second replica, the command
    /// line. Never returns; drop it to stop. Trouble is logged and tried again.
    pub async fn follow(&self) {
        let mut listener: Option<ChangeListener> = None;
        loop {
            match self.follow_once(&mut listener).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "the directory could not be followed, trying again");
                    listener = None;
                    tokio::time::sleep(FOLLOW_RETRY).await;
                }
            }
        }
    }

    async fn follow_once(&self, listener: &mut Option<ChangeListener>) -> Result<(), Trouble> {
        if listener.is_none() {
            *listener = self.store().change_listener().await?;
        }
        self.directory().catch_up(self.store()).await?;
        match listener {
            None => tokio::time::sleep(FOLLOW_EVERY).await,
            // Word may be lost with a connection, so a look now and then stays.
            Some(listener) => {
                if let Ok(word) = tokio::time::timeout(FOLLOW_RETRY, listener.changed()).await {
                    word?;
                }
            }
        }
        Ok(())
    }

    /// Hands over mail as it comes. Never returns; drop it to stop.
    pub async fn deliver(&self) {
        loop {
            match self.mail_hand_over(&self.ctx(Actor::Server)).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(MAIL_EVERY).await,
                Err(error) => {
                    tracing::warn!(%error, "the outbox could not be read, trying again");
                    tokio::time::sleep(MAIL_EVERY).await;
                }
            }
        }
    }

    /// Writes down what was noted meanwhile: when app passwords were used. Never returns; drop it to
    /// stop.
    pub async fn note(&self) {
        loop {
            tokio::time::sleep(NOTE_EVERY).await;
            if let Err(error) = self.app_passwords_note().await {
                tracing::warn!(%error, "the use of app passwords could not be noted");
            }
        }
    }

    /// Forgets what is over, every few minutes. Nothing depends on it: expiry is asked at each
    /// use. Never returns; drop it to stop.
    pub async fn forget(&self) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            if let Err(error) = self.forget_once().await {
                tracing::warn!(%error, "old records could not be deleted, trying again later");
            }
        }
    }

    async fn forget_once(&self) -> Result<(), Trouble> {
        let ctx = self.ctx(Actor::Server);
        let mut tx = self.store().begin().await?;
        tx.sessions_prune(ctx.now).await?;
        tx.changes_prune(ctx.now).await?;
        self.commit(&ctx, tx).await?;
        self.store().fallback_prune(ctx.now).await?;
        self.oidc_prune(&ctx).await
    }

    /// Whether database and cache answer.
    pub async fn health(&self) -> Health {
        let store = self.store();
        let database = match store.engine() {
            Engine::Postgres => "PostgreSQL",
            Engine::Sqlite => "SQLite",
        };
        let cache = if store.has_shared_cache() { "Redis" } else { "Memory" };
        Health {
            database: Part { kind: database, answers: store.ping().await.is_ok() },
            cache: Part { kind: cache, answers: store.cache_ping().await },
        }
    }

    /// Closes the store after everything else has stopped.
    pub async fn close(&self) {
        if let Err(error) = self.app_passwords_note().await {
            tracing::warn!(%error, "the use of app passwords could not be noted");
        }
        self.store().close().await;
    }
}
