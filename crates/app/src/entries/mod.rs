//! Entries written as a directory protocol writes them: added, deleted, renamed, and changed by a
//! list of modifications of attributes. Whatever is asked for becomes one of the changes that the
//! panel makes as well, so rights, guards and rules are those of `changes`.
//!
//! Each verb does all or nothing in one transaction. Hashing and pictures are done before it
//! begins. The entry is read in it, so that "delete this value, add that one" is one step for
//! everybody; names of other entries are looked up in memory.

mod add;
mod condition;
mod delete;
mod draft;
mod error;
mod group;
mod members;
mod modify;
mod password;
mod person;
mod rename;
mod step;

use ostiary_model::{Actor, Ctx, Generation};

pub use error::EntryError;
pub use password::{NewPassword, PasswordSet};
pub use rename::Rename;
pub use step::{Kind, Modification};

use crate::App;
use crate::directory::{Reader, Target};

/// An entry that was changed.
#[derive(Debug, Clone, Copy)]
pub struct Modified {
    /// Which.
    pub target: Target,
    /// The generation of the account that acted, when its own password was changed.
    pub own_generation: Option<Generation>,
}

impl App {
    /// Whoever acts, as a reader: what they do not see they cannot change.
    fn entry_reader(&self, ctx: &Ctx) -> Result<Reader, EntryError> {
        let known = match &ctx.actor {
            Actor::Bound { user, generation } => self.bound(*user, *generation),
            _ => None,
        };
        let (user, role) = known.ok_or_else(|| EntryError::Denied("bind first".to_owned()))?;
        Ok(Reader { user: user.id, role, now: ctx.now })
    }
}
