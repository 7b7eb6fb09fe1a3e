//! Signing in with name and password: the one verb behind the sign-in page and the LDAP bind.
//!
//! Name unknown, password wrong, account closed: the same answer after the same work. Hashing
//! happens outside any transaction; the row is asked again when the session is made.

use std::sync::Arc;

use ostiary_model::{AuthMethod, AuthMethods, Ctx, Folded, Role, Secret, Session, Span, User, UserId};
use thiserror::Error;
use uuid::Uuid;

use crate::access::standing;
use crate::hasher::Verdict;
use crate::sessions::Opening;
use crate::throttle::{Counted, Guess, Suspect, Throttle};
use crate::{App, Trouble};

/// Longer passwords are nobody's: setting one is refused.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;

/// Longer names are nobody's: e-mail addresses have up to 254 characters.
const MAX_NAME_BYTES: usize = 1024;

/// A new session and the cookie that opens it.
#[derive(Debug)]
pub struct SignedIn {
    /// The cookie's value.
    pub token: Secret,
    /// The session.
    pub session: Session,
}

/// Whose password a bind brings.
#[derive(Debug, Clone)]
pub enum BindName {
    /// An account's.
    User(UserId),
    /// Nobody's: a name that leads to no account. Checked all the same, for the same time.
    Unknown(Folded),
}

/// A proved LDAP identity. Ask [`App::bound`] at each operation whether it still holds.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The account.
    pub user: Arc<User>,
    /// What it may do.
    pub role: Role,
}

/// Why somebody was not signed in. Outside, the first two say nothing about the account.
#[derive(Debug, Error)]
pub enum SignInError {
    /// Name and password do not belong together, or the account is closed.
    #[error("name and password do not match")]
    Rejected {
        /// How many more tries there are from here before a pause.
        left: u32,
    },
    /// Too many tries: nothing was looked at.
    #[error("sign-in is paused after too many tries")]
    Paused {
        /// The pause ends after this time at the latest.
        left: Span,
    },
    /// The machinery.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl From<ostiary_store::Error> for SignInError {
    fn from(error: ostiary_store::Error) -> Self {
        Self::Trouble(error.into())
    }
}

impl App {
    /// Signs a person in by user name or e-mail address and password. The session is of one
    /// factor; [`App::code_check`] makes it two.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        ctx: &Ctx,
        name: &str,
        password: &Secret,
        remember: bool,
    ) -> Result<SignedIn, SignInError> {
        let folded = askable(name);
        let (by_name, by_email) = tokio::join!(self.store().user_by_name(&folded), self.store().user_by_email(&folded));
        let user = by_name?.or(by_email?);
        let (user, left) = self.password_check(ctx, user, folded, password).await?;
        let opening = Opening {
            methods: AuthMethods::default().with(AuthMethod::Password),
            authenticated_at: ctx.now,
            remembered: remember,
            replaces: Vec::new(),
        };
        let mut tx = self.store().begin().await?;
        // The account's row is written below: in the order that administrators write in, or two of
        // them would wait for each other.
        tx.directory_lock().await?;
        let Some(user) = standing(&mut tx, user.id, user.generation).await? else {
            return Err(SignInError::Rejected { left });
        };
        let opened = self.session_open(ctx, &mut tx, &user, opening).await?;
        if !user.has_totp {
            tx.user_signed_in(user.id, ctx.now).await?;
        }
        Ok(self.session_opened(ctx, tx, opened).await?)
    }

    /// Checks the password of an LDAP bind.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn bind(&self, ctx: &Ctx, name: &BindName, password: &Secret) -> Result<Bound, SignInError> {
        let (user, folded) = match name {
            BindName::User(id) => {
                let user = self.store().user_by_id(*id).await?;
                // Counted as typed, like a name that leads nowhere: else the two would tell apart.
                let name =
                    user.as_ref().map_or_else(|| Folded::new(&id.to_string()), |user| user.profile.username.folded());
                (user, name)
            }
            BindName::Unknown(folded) => {
                let folded = askable(folded.as_str());
                (self.store().user_by_name(&folded).await?, folded)
            }
        };
        let (user, left) = self.password_check(ctx, user, folded, password).await?;
        let Some(user) = self.standing_now(user.id, user.generation).await? else {
            return Err(SignInError::Rejected { left });
        };
        // Another process may have changed the account a moment ago. What was proved against its
        // row must hold in memory from the first operation on.
        if self.bound(user.id, user.generation).is_none() {
            self.directory().catch_up(self.store()).await?;
        }
        let role = self.directory().role(user.id);
        Ok(Bound { user: Arc::new(user), role })
    }

    /// The account, if `password` is its password and it is open, and how many tries are left.
    /// `name` is what was asked for.
    async fn password_check(
        &self,
        ctx: &Ctx,
        user: Option<User>,
        name: Folded,
        password: &Secret,
    ) -> Result<(User, u32), SignInError> {
        let suspect = match &user {
            Some(user) => Suspect::Named(name, user.id, user.generation),
            None => Suspect::Unknown(name),
        };
        // Never the typed name: it may be a password in the wrong field.
        let account = user.as_ref().map(|user| user.id.to_string());
        let counted = match self.guess(ctx, Guess::Password, &suspect).await? {
            Throttle::Go(counted) => counted,
            Throttle::Paused => {
                tracing::info!(target: "audit", request = %ctx.request, account, address = ?ctx.address, "sign-in paused");
                return Err(SignInError::Paused { left: self.settings().lockout.window });
            }
            Throttle::Silent { left } => {
                tracing::info!(target: "audit", request = %ctx.request, account, address = ?ctx.address, "sign-in held back");
                self.hasher.verify(ctx, password, None).await?;
                return Err(SignInError::Rejected { left });
            }
        };
        let (verdict, hash) = self.password_verdict(ctx, user.as_ref(), password, &counted).await?;
        match (user, verdict) {
            (Some(user), verdict @ (Verdict::Right | Verdict::RightUpgraded(_))) if !user.state.is_disabled() => {
                self.guess_was_right(ctx, &counted).await?;
                if let (Verdict::RightUpgraded(new), Some(old)) = (verdict, hash) {
                    self.password_upgrade(ctx, user.id, &old, &new).await?;
                }
                Ok((user, counted.left))
            }
            (user, _) => {
                let closed = user.is_some_and(|user| user.state.is_disabled());
                tracing::info!(target: "audit", request = %ctx.request, account, closed, address = ?ctx.address, "sign-in refused");
                Err(SignInError::Rejected { left: counted.left })
            }
        }
    }

    /// What the hash says of `password`, and the hash. Being too busy to look is nobody's wrong
    /// guess.
    async fn password_verdict(
        &self,
        ctx: &Ctx,
        user: Option<&User>,
        password: &Secret,
        counted: &Counted,
    ) -> Result<(Verdict, Option<String>), Trouble> {
        // Nobody has the nil id: an unknown name asks the same question and gets no hash.
        let id = user.map_or_else(|| UserId::from(Uuid::nil()), |user| user.id);
        let hash = self.store().password_hash(id).await?;
        let fits = password.expose().len() <= MAX_PASSWORD_BYTES;
        match self.hasher.verify(ctx, password, hash.as_deref().filter(|_| fits)).await {
            Ok(verdict) => Ok((verdict, hash)),
            Err(trouble) => {
                self.guess_not_looked_at(ctx, counted).await?;
                Err(trouble)
            }
        }
    }

    async fn password_upgrade(&self, ctx: &Ctx, user: UserId, old: &str, new: &str) -> Result<(), Trouble> {
        let mut tx = self.store().begin().await?;
        tx.password_upgrade(user, old, new).await?;
        self.commit(ctx, tx).await
    }
}

/// The form in which a typed name is looked for and counted. What no account can be called is one
/// and the same unknown name: it is neither folded, which costs time, nor asked of the database,
/// where PostgreSQL has no text with a zero byte.
fn askable(name: &str) -> Folded {
    let is_possible = name.len() <= MAX_NAME_BYTES && !name.contains('\0');
    if is_possible { Folded::new(name) } else { Folded::new("") }
}
