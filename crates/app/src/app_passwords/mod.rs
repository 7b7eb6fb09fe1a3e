//! App passwords: made by people for one program each, good for LDAP alone.
//!
//! The secret is shown once and kept as a fingerprint. It is bound to its owner's generation, to
//! networks and to one service account where that was wished, and it ends with the owner's access:
//! it is a token, not a second account.

mod live;

use ostiary_model::{
    Actor, AppPassword, AppPasswordId, AppPasswordName, Ctx, Folded, InvalidName, Network, Secret, User, UserId,
};
use ostiary_store::{Error as StoreError, Tx};
use thiserror::Error;

use crate::access::{holds, may_sign_in, owes_second_factor, standing};
use crate::bind::BindFrom;
use crate::tokens::token_hash;
use crate::{AdminError, App, Trouble};

pub(crate) use live::AppPasswords;

const PREFIX: &str = "ost_ap_";
/// 160 bits: 32 letters and digits that can be told apart when they are typed.
const SECRET_BYTES: usize = 20;
/// App passwords that one account may have.
const MOST: usize = 50;
/// Networks that one app password may name.
const MOST_NETWORKS: usize = 20;

/// An app password to be made, as typed.
#[derive(Debug, Clone, Default)]
pub struct NewAppPassword {
    /// What to call it.
    pub name: String,
    /// Addresses or ranges that it may be used from; anywhere when empty.
    pub networks: Vec<String>,
    /// The user name of the service account whose program alone may use it.
    pub service: Option<String>,
}

/// Why an app password was not made, shown or revoked.
#[derive(Debug, Error)]
pub enum AppPasswordError {
    /// Whoever asks may not: nobody makes one for somebody else, and who has a second factor must
    /// have proved it.
    #[error("You may not do that. Sign in again")]
    Denied,
    /// The name is not well formed.
    #[error("{0}")]
    Name(#[from] InvalidName),
    /// A network is not well formed.
    #[error("{0:?} is no address and no range of addresses. Write it such as 192.0.2.7 or 10.0.0.0/8")]
    Network(String),
    /// Too many networks.
    #[error("An app password has {0} networks at most. Name larger ranges, or leave the field empty")]
    TooManyNetworks(usize),
    /// There is no such service account.
    #[error("There is no service account named {0:?}")]
    NoSuchService(String),
    /// Too many app passwords.
    #[error("You have {0} app passwords, which is the most. Revoke those that you no longer use")]
    TooMany(usize),
    /// The owner has no such app password; it may have been revoked a moment ago.
    #[error("There is no such app password. It may have been revoked already")]
    NoSuchAppPassword,
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for AppPasswordError {
    fn from(error: StoreError) -> Self {
        match error {
            // The account was deleted at this moment.
            StoreError::Orphan => Self::Denied,
            other => Self::Trouble(other.into()),
        }
    }
}

impl From<AdminError> for AppPasswordError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Trouble(trouble) => Self::Trouble(trouble),
            _ => Self::Denied,
        }
    }
}

impl App {
    /// Makes an app password for whoever acts, and gives its secret, which nobody sees again.
    ///
    /// # Errors
    /// [`AppPasswordError`].
    pub async fn app_password_add(
        &self,
        ctx: &Ctx,
        new: &NewAppPassword,
    ) -> Result<(AppPassword, Secret), AppPasswordError> {
        let name = AppPasswordName::parse(&new.name)?;
        let networks = networks(&new.networks)?;
        let service = match new.service.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => Some(self.service_named(ctx, name)?),
            None => None,
        };
        let mut tx = self.store().begin().await?;
        // One after the other, so that the limit holds.
        tx.directory_lock().await?;
        let owner = oneself(ctx, &mut tx).await?;
        make_room(ctx, &mut tx, &owner).await?;
        let secret = new_secret(ctx);
        let password = AppPassword {
            id: ctx.id(),
            user: owner.id,
            name,
            networks,
            service,
            generation: owner.generation,
            created_at: ctx.now,
            last_used_at: None,
            last_used_address: None,
        };
        tx.app_password_insert(&password, &token_hash(secret.expose())).await?;
        self.notice_app_password_made(ctx, &mut tx, &owner, password.name.as_str()).await?;
        self.commit(ctx, tx).await?;
        self.audit_app_password(ctx, "app password made", owner.id, password.id);
        Ok((password, secret))
    }

    /// The app passwords of `owner`, newest first, for the owner and for administrators. Those of an
    /// earlier generation than the owner's no longer work.
    ///
    /// # Errors
    /// [`AppPasswordError::Denied`], [`AppPasswordError::Trouble`].
    pub async fn app_passwords(&self, ctx: &Ctx, owner: UserId) -> Result<Vec<AppPassword>, AppPasswordError> {
        let is_own = match &ctx.actor {
            Actor::Person(session) if session.user == owner => {
                let found = self.bound(session.user, session.generation);
                found.is_some_and(|(user, _)| !owes_second_factor(&user, session))
            }
            _ => false,
        };
        if !is_own {
            self.admin_early(ctx)?;
        }
        Ok(self.store().app_passwords_of(owner).await?)
    }

    /// Revokes an app password, by its owner or an administrator. Connections that were bound with
    /// it are dead at their next operation; in other processes within a second.
    ///
    /// # Errors
    /// [`AppPasswordError`].
    pub async fn app_password_revoke(
        &self,
        ctx: &Ctx,
        owner: UserId,
        id: AppPasswordId,
    ) -> Result<(), AppPasswordError> {
        let mut tx = match &ctx.actor {
            Actor::Person(session) if session.user == owner => {
                let mut tx = self.store().begin().await?;
                tx.directory_lock().await?;
                oneself(ctx, &mut tx).await?;
                tx
            }
            _ => self.admin_begin(ctx).await?,
        };
        if !tx.app_password_delete(id, owner).await? {
            return Err(AppPasswordError::NoSuchAppPassword);
        }
        self.commit(ctx, tx).await?;
        self.app_passwords.ended(id, ctx.now);
        self.audit_app_password(ctx, "app password revoked", owner, id);
        Ok(())
    }

    /// With its owner: when it is gone nobody could tell any more whose it was.
    fn audit_app_password(&self, ctx: &Ctx, what: &'static str, owner: UserId, id: AppPasswordId) {
        self.audit(ctx, what, format_args!("{id} of {owner}"));
    }

    /// The app password of `user` that `password` is, if it may be used here and now. Its use is
    /// noted, later.
    pub(crate) async fn app_password_proof(
        &self,
        ctx: &Ctx,
        user: Option<&User>,
        password: &Secret,
        from: &BindFrom<'_>,
    ) -> Result<Option<AppPasswordId>, Trouble> {
        if !is_app_password(password) {
            return Ok(None);
        }
        let Some(found) = self.store().app_password_by_hash(&token_hash(password.expose())).await? else {
            return Ok(None);
        };
        let why = if user.is_none_or(|user| user.id != found.user) {
            Some("another account's")
        } else if user.is_none_or(|user| !holds(user, found.generation, ctx.now)) {
            Some("the owner's access ended")
        } else if !found.is_allowed_from(ctx.address) {
            Some("not from this address")
        } else if let Some(service) = found.service
            && !self.is_service_here(ctx, service, from).await?
        {
            Some("not through its service account")
        } else {
            None
        };
        if let Some(why) = why {
            tracing::info!(target: "audit", request = %ctx.request, app_password = %found.id, owner = %found.user, why, address = ?ctx.address, "app password refused");
            return Ok(None);
        }
        self.app_passwords.used(&found, ctx);
        Ok(Some(found.id))
    }

    fn service_named(&self, ctx: &Ctx, name: &str) -> Result<UserId, AppPasswordError> {
        let service = self.directory().user_by_name(&Folded::new(name));
        let service = service.filter(|service| service.is_service && service.is_open(ctx.now));
        service.map(|service| service.id).ok_or_else(|| AppPasswordError::NoSuchService(name.to_owned()))
    }
}

/// Whether `password` has the form of an app password. None of that form is anybody's own
/// password, so guesses at the two can be counted apart.
pub(crate) fn is_app_password(password: &Secret) -> bool {
    password.expose().starts_with(PREFIX)
}

/// Whoever acts, when it is a person whose session holds in `tx` and who proved all that their
/// account has.
async fn oneself(ctx: &Ctx, tx: &mut Tx) -> Result<User, AppPasswordError> {
    let Actor::Person(session) = &ctx.actor else { return Err(AppPasswordError::Denied) };
    let user = standing(ctx, tx, session.user, session.generation).await?;
    let user = user.filter(|user| may_sign_in(user) && !owes_second_factor(user, session));
    let user = user.ok_or(AppPasswordError::Denied)?;
    if tx.session_exists(session.id).await? { Ok(user) } else { Err(AppPasswordError::Denied) }
}

/// Those that no longer work stay to be seen, and give way to new ones.
async fn make_room(ctx: &Ctx, tx: &mut Tx, owner: &User) -> Result<(), AppPasswordError> {
    let all = tx.app_passwords_of(owner.id).await?;
    if all.len() < MOST {
        return Ok(());
    }
    let dead = all.iter().rev().find(|password| !holds(owner, password.generation, ctx.now));
    let dead = dead.ok_or(AppPasswordError::TooMany(MOST))?;
    tx.app_password_delete(dead.id, owner.id).await?;
    Ok(())
}

fn networks(typed: &[String]) -> Result<Vec<Network>, AppPasswordError> {
    let mut networks: Vec<Network> = Vec::new();
    for text in typed.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let network = text.parse().map_err(|_| AppPasswordError::Network(text.to_owned()))?;
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    if networks.len() > MOST_NETWORKS { Err(AppPasswordError::TooManyNetworks(MOST_NETWORKS)) } else { Ok(networks) }
}

fn new_secret(ctx: &Ctx) -> Secret {
    let chance = zeroize::Zeroizing::new(ctx.bytes::<SECRET_BYTES>());
    let mut text = data_encoding::BASE32_NOPAD.encode(chance.as_slice());
    text.make_ascii_lowercase();
    text.insert_str(0, PREFIX);
    Secret::new(text)
}
