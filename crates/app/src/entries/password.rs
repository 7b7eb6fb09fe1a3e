//! Passwords, set as a directory protocol does it: by a modification of `userPassword`, or by the
//! operation of RFC 3062, which can have one made.

use ostiary_model::{Action, Ctx, Dn, Folded, Generation, Role, Secret, UserId};
use ostiary_store::Tx;

use super::EntryError;
use super::step::PasswordStep;
use crate::App;

/// Letters and digits that are not taken for each other.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnopqrstuvwxyz23456789";
/// Characters of a password that is made here, five bits each: 100 bits.
const MADE: usize = 20;
/// After so many there is a hyphen, to keep one's place when typing.
const GROUP: usize = 5;

/// What is asked for (RFC 3062 section 2).
#[derive(Debug, Default)]
pub struct NewPassword {
    /// Whose password, as a distinguished name, an authzId (RFC 4513 section 5.2.1.8) or a user
    /// name; one's own where it is `None`.
    pub whose: Option<String>,
    /// What it is now. Checked when it is given.
    pub old: Option<Secret>,
    /// What it is to be; made here where it is `None`.
    pub new: Option<Secret>,
}

/// A password that was set.
#[derive(Debug)]
pub struct PasswordSet {
    /// The password, when it was made here.
    pub made: Option<Secret>,
    /// The generation of the account that acted, when it is its own password.
    pub own_generation: Option<Generation>,
}

/// A password that is hashed and ready to be set.
pub(super) struct PasswordWork {
    phc: String,
}

impl App {
    /// Sets a password. Ends every session and token of the person.
    ///
    /// # Errors
    /// [`EntryError`].
    pub async fn entry_password(&self, ctx: &Ctx, asked: &NewPassword) -> Result<PasswordSet, EntryError> {
        let reader = self.entry_reader(ctx)?;
        self.directory().catch_up(self.store()).await?;
        let whose = match &asked.whose {
            None => Some(reader.user),
            Some(identity) => self.identity(identity)?,
        };
        let Some(user) = whose else {
            // Who may set no other's password does not learn whom there is.
            return Err(match reader.role {
                Role::Admin | Role::PasswordManager => EntryError::NoSuchEntry { matched: String::new() },
                Role::Regular | Role::StrictReadonly => EntryError::Denied("you may not do that".to_owned()),
            });
        };
        let made = asked.new.is_none().then(|| self.password_made(ctx));
        let new = asked.new.clone().or_else(|| made.clone());
        let step = PasswordStep { replaces: true, old: asked.old.clone(), new };
        let work = self.password_prepare(ctx, user, step).await?;
        let mut tx = self.change_begin().await?;
        let own_generation = self.password_work_apply(ctx, &mut tx, user, work).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "password set", user);
        Ok(PasswordSet { made, own_generation })
    }

    /// The account that an identity names.
    fn identity(&self, identity: &str) -> Result<Option<UserId>, EntryError> {
        let name = identity.strip_prefix("u:").unwrap_or(identity);
        if name.len() == identity.len() && identity.contains('=') {
            let dn = Dn::parse(identity.strip_prefix("dn:").unwrap_or(identity));
            let dn = dn.map_err(|error| EntryError::Syntax(error.to_string()))?;
            return Ok(self.directory().account(&dn).ok());
        }
        Ok(self.directory().user_by_name(&Folded::new(name)).map(|user| user.id))
    }

    /// Asks whether the password may be set, checks the old one and hashes the new one: all that
    /// is done before a transaction begins.
    pub(super) async fn password_prepare(
        &self,
        ctx: &Ctx,
        whose: UserId,
        step: PasswordStep,
    ) -> Result<PasswordWork, EntryError> {
        self.early(ctx, Action::SetPassword(whose, self.directory().role(whose)))?;
        let gone = || EntryError::NoSuchEntry { matched: String::new() };
        let user = self.store().user_by_id(whose).await?.ok_or_else(gone)?;
        if !step.replaces && user.password_changed_at.is_some() {
            return Err(EntryError::Constraint("there is a password already: replace it".to_owned()));
        }
        if let Some(old) = &step.old {
            let tried = self.password_guess(ctx, Some(user.clone()), user.profile.username.folded(), old).await?;
            self.password_check(ctx, tried, old, |_| true).await?;
        }
        let new = step.new.ok_or_else(|| EntryError::Unwilling("there is no new password".to_owned()))?;
        Ok(PasswordWork { phc: self.new_password(ctx, &new, &user.profile).await? })
    }

    /// Sets a password in `tx`. Gives the generation of the account that acts when it is its own.
    pub(super) async fn password_work_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        whose: UserId,
        work: PasswordWork,
    ) -> Result<Option<Generation>, EntryError> {
        self.password_apply(ctx, tx, whose, &work.phc).await?;
        if ctx.actor.user() != Some(whose) {
            return Ok(None);
        }
        Ok(tx.user_by_id(whose).await?.map(|user| user.generation))
    }

    /// A password that nobody can guess and that can be read out.
    fn password_made(&self, ctx: &Ctx) -> Secret {
        let shortest = usize::try_from(self.settings().password_policy.min_length).unwrap_or(MADE);
        let count = MADE.max(shortest.min(256));
        let mut text = String::with_capacity(count + count / GROUP);
        let mut place = 0;
        while place < count {
            for byte in ctx.bytes::<32>().into_iter().take(count - place) {
                if place > 0 && place % GROUP == 0 {
                    text.push('-');
                }
                text.push(char::from(ALPHABET.get(usize::from(byte & 0x1f)).copied().unwrap_or(b'a')));
                place += 1;
            }
        }
        Secret::new(text)
    }
}
