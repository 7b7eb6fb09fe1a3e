//! Signing in with name and password, and the check of passwords that the LDAP bind shares.
//!
//! Name unknown, password wrong, account closed: the same answer after the same work. Hashing
//! happens outside any transaction; the row is asked again when the session is made.

use ostiary_model::{AuthMethod, AuthMethods, Ctx, Folded, Secret, Session, Span, User, UserId};
use thiserror::Error;
use uuid::Uuid;

use crate::access::{may_sign_in, standing};
use crate::app_passwords::is_app_password;
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

/// A counted guess at somebody's password, or at nobody's.
pub(crate) struct Tried {
    pub(crate) user: Option<User>,
    pub(crate) counted: Counted,
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
        let tried = self.password_guess(ctx, user, folded, password).await?;
        let (user, left) = self.password_check(ctx, tried, password, may_sign_in).await?;
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
        let user = standing(ctx, &mut tx, user.id, user.generation).await?;
        let Some(user) = user.filter(may_sign_in) else { return Err(SignInError::Rejected { left }) };
        let opened = self.session_open(ctx, &mut tx, &user, opening).await?;
        if !user.has_totp {
            tx.user_signed_in(user.id, ctx.now).await?;
        }
        let signed_in = self.session_opened(ctx, tx, opened).await?;
        audit(ctx, Some(&user), if user.has_totp { "signed in, first step" } else { "signed in" });
        Ok(signed_in)
    }

    /// Counts a guess at the password of `user`, or of nobody. `name` is what was asked for. What
    /// is held back is answered here, after the same work.
    pub(crate) async fn password_guess(
        &self,
        ctx: &Ctx,
        user: Option<User>,
        name: Folded,
        password: &Secret,
    ) -> Result<Tried, SignInError> {
        let suspect = match &user {
            Some(user) => Suspect::Named(name, user.id, user.generation),
            None => Suspect::Unknown(name),
        };
        let guess = if is_app_password(password) { Guess::AppPassword } else { Guess::Password };
        match self.guess(ctx, guess, &suspect).await? {
            Throttle::Go(counted) => Ok(Tried { user, counted }),
            Throttle::Paused => {
                audit(ctx, user.as_ref(), "sign-in paused");
                Err(SignInError::Paused { left: self.settings().lockout.window })
            }
            Throttle::Silent { left, turn } => {
                audit(ctx, user.as_ref(), "sign-in held back");
                let looked_at = self.hasher.verify(password, None).await;
                drop(turn);
                looked_at?;
                Err(SignInError::Rejected { left })
            }
        }
    }

    /// The account that was tried, if `password` is its password, it is open and `may` come in this
    /// way, and how many tries are left. One hash is computed in any case.
    pub(crate) async fn password_check(
        &self,
        ctx: &Ctx,
        tried: Tried,
        password: &Secret,
        may: impl Fn(&User) -> bool,
    ) -> Result<(User, u32), SignInError> {
        let Tried { user, counted } = tried;
        let (verdict, hash) = self.password_verdict(ctx, user.as_ref(), password, &counted).await?;
        let Some(user) = user else { return Err(refused(ctx, None, "nobody has this name", &counted)) };
        if verdict == Verdict::Wrong {
            return Err(refused(ctx, Some(&user), "wrong password", &counted));
        }
        if !user.is_open(ctx.now) {
            return Err(refused(ctx, Some(&user), "the account is closed", &counted));
        }
        // Counted like a wrong one: else the count would tell that it was right.
        if !may(&user) {
            return Err(refused(ctx, Some(&user), "not with this password here", &counted));
        }
        self.guess_was_right(ctx, &counted).await?;
        if let (Verdict::RightOutdated, Some(old)) = (verdict, hash) {
            self.password_upgrade(ctx, user.id, password, &old).await?;
        }
        Ok((user, counted.left))
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
        // What looks like an app password is nobody's own password: it is counted for itself.
        let fits = password.expose().len() <= MAX_PASSWORD_BYTES && !is_app_password(password);
        match self.hasher.verify(password, hash.as_deref().filter(|_| fits)).await {
            Ok(verdict) => Ok((verdict, hash)),
            Err(trouble) => {
                self.guess_not_looked_at(ctx, counted).await?;
                Err(trouble)
            }
        }
    }

    /// Puts a hash of today's cost in the place of `old`; later, when there is much to do now.
    async fn password_upgrade(&self, ctx: &Ctx, user: UserId, password: &Secret, old: &str) -> Result<(), Trouble> {
        let new = match self.hasher.hash(ctx, password).await {
            Err(Trouble::Busy) => return Ok(()),
            other => other?,
        };
        let mut tx = self.store().begin().await?;
        tx.password_upgrade(user, old, &new).await?;
        self.commit(ctx, tx).await
    }
}

fn refused(ctx: &Ctx, user: Option<&User>, why: &'static str, counted: &Counted) -> SignInError {
    // Never the typed name: it may be a password in the wrong field.
    let account = user.map(|user| user.id.to_string());
    tracing::info!(target: "audit", request = %ctx.request, account, why, address = ?ctx.address, "sign-in refused");
    SignInError::Rejected { left: counted.left }
}

fn audit(ctx: &Ctx, user: Option<&User>, what: &'static str) {
    let account = user.map(|user| user.id.to_string());
    tracing::info!(target: "audit", request = %ctx.request, account, address = ?ctx.address, "{what}");
}

/// The form in which a typed name is looked for and counted. What no account can be called is one
/// and the same unknown name: it is neither folded, which costs time, nor asked of the database,
/// where PostgreSQL has no text with a zero byte.
pub(crate) fn askable(name: &str) -> Folded {
    let is_possible = name.len() <= MAX_NAME_BYTES && !name.contains('\0');
    if is_possible { Folded::new(name) } else { Folded::new("") }
}
