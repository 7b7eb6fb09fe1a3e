//! The verbs of Ostiary: sign in, prove a second factor, search, grant, mint, administer.
//!
//! A door (LDAP, OpenID Connect, pages, the command line) parses what came in, calls one verb
//! here, and turns the answer into its own protocol. What is allowed is decided in `model` and
//! done here, once, for every door. Nothing here speaks HTTP or LDAP.

mod access;
mod admin;
mod app_passwords;
mod avatar;
mod bind;
mod changes;
mod claims;
mod clients;
pub mod directory;
mod entitled;
pub mod entries;
mod errors;
mod exchange;
mod factors;
mod first_admin;
mod front;
mod grants;
mod hand_over;
mod hasher;
mod jws;
mod keys;
mod mail;
mod people;
mod picture;
mod refresh;
mod seal;
mod sessions;
mod settings;
mod sign_in;
mod throttle;
mod tokens;
mod upkeep;
mod workers;

use std::sync::Arc;

use ostiary_model::{Actor, Clock, Ctx, Dn, Entropy, Timestamp};
use ostiary_store::{Store, Tx};

pub use access::{PanelAccess, PanelPart, Visitor};
pub use app_passwords::{AppPasswordError, NewAppPassword};
pub use bind::{BindFrom, BindName, Binding, Bound, BoundWith};
pub use changes::{
    AdminError, AttributeFlags, GroupChange, NewAttribute, NewGroup, NewObjectClass, NewPerson, PersonChange,
    PersonEdit,
};
pub use claims::{PersonClaims, UserinfoError};
pub use clients::{ClientError, ClientProofError, ConfiguredClient, ConfiguredSecret};
pub use directory::Directory;
pub use errors::{OpenError, Trouble};
pub use exchange::{CodeExchange, ExchangeError, Issued};
pub use factors::{CodeError, Enrolment};
pub use grants::{Application, ConsentView, GrantError, Next, UnknownClient};
pub use hasher::HashParameters;
pub use keys::PublicKey;
pub use mail::{InvalidMail, MailRoute, MailSettings};
pub use ostiary_store::{Avatar, Conflict};
pub use people::WeakPassword;
pub use picture::{MAX_PICTURE_BYTES, PictureError};
pub use seal::{MasterKey, MasterKeyError};
pub use settings::{
    BindPassword, LockoutSettings, PasswordPolicy, PosixSettings, SessionSettings, Settings, Site, TokenSettings,
};
pub use sign_in::{SignInError, SignedIn};
pub use upkeep::{Health, Part};

use app_passwords::AppPasswords;
use changes::PosixWarning;
use hasher::Hasher;
use keys::KeyRing;
use mail::Mailer;
use picture::Darkroom;
use seal::Vault;
use throttle::Turns;

/// A running Ostiary, without its doors.
pub struct App {
    store: Arc<Store>,
    directory: Directory,
    hasher: Hasher,
    darkroom: Darkroom,
    vault: Vault,
    keys: KeyRing,
    mailer: Mailer,
    turns: Turns,
    app_passwords: AppPasswords,
    posix_warning: PosixWarning,
    settings: Settings,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What [`App::open`] is made from.
pub struct Parts {
    /// Database and cache, with the schema up to date.
    pub store: Store,
    /// How it behaves.
    pub settings: Settings,
    /// Opens what is stored sealed.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
}

impl App {
    /// Loads the directory and makes what a first start needs: the three groups that rights hang
    /// from, and a signing key.
    ///
    /// # Errors
    /// When the store cannot be read or written, or was sealed with another master key.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, OpenError> {
        let Parts { mut store, settings, master_key, clock, entropy } = parts;
        store.vouch_for_cache(&*seal::cache_key(&master_key)?);
        let hasher = Hasher::start(settings.hash)?;
        let ctx = Ctx::new(clock.now(), Actor::Server, Arc::clone(&entropy));
        let vault = Vault::new(&master_key)?;
        let app = Self {
            keys: KeyRing::open(&ctx, &store, &vault).await?,
            vault,
            mailer: Mailer::new(&settings.mail, &settings.site.org_name)?,
            directory: Directory::load(&store, &Dn::parse_base(&settings.base_dn)?, settings.posix.defaults.clone())
                .await?,
            turns: Turns::default(),
            app_passwords: AppPasswords::default(),
            posix_warning: PosixWarning::default(),
            hasher,
            darkroom: Darkroom::start()?,
            store: Arc::new(store),
            settings,
            clock,
            entropy,
        };
        app.ensure_built_in_groups(&ctx).await?;
        app.posix_make_up(&ctx).await?;
        Ok(Arc::new(app))
    }

    /// A moment, now, in which `actor` acts.
    #[must_use]
    pub fn ctx(&self, actor: Actor) -> Ctx {
        Ctx::new(self.clock.now(), actor, Arc::clone(&self.entropy))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How this Ostiary behaves.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// People and groups, in memory.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Commits `tx` and shows its changes in the directory before it returns. What is committed
    /// is done: when it cannot be shown at once, the follower shows it a moment later.
    pub(crate) async fn commit(&self, ctx: &Ctx, tx: Tx) -> Result<(), Trouble> {
        if tx.commit(ctx.now).await?.is_some()
            && let Err(error) = self.directory.catch_up(&self.store).await
        {
            tracing::warn!(%error, "a change is committed and not yet shown");
        }
        Ok(())
    }
}
