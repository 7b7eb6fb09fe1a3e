//! Changes that are made only if an entry is as somebody expects it to be (RFC 4528).

use ostiary_model::{Filter, Truth};
use ostiary_store::Tx;

use super::EntryError;
use crate::App;
use crate::directory::{Reader, Target};

/// How often it is tried to look at the entry while nobody writes.
const TRIES: usize = 16;

impl App {
    /// A transaction that changes the directory, begun while `condition` is true of the entry: no
    /// other writer comes in between.
    pub(super) async fn change_begin_if(
        &self,
        reader: Reader,
        target: Target,
        condition: Option<&Filter>,
    ) -> Result<Tx, EntryError> {
        let Some(condition) = condition else { return Ok(self.change_begin().await?) };
        for _ in 0..TRIES {
            let mut tx = self.change_begin().await?;
            // Other writers wait from here on, so what is in memory is what is in the database,
            // once it is up to date.
            if tx.directory_head().await? == self.directory().seq() {
                let truth = self.directory().view(reader, target, |view| condition.evaluate(view));
                return match truth {
                    Some(Truth::True) => Ok(tx),
                    Some(Truth::False | Truth::Undefined) => Err(EntryError::Asserted),
                    None => Err(EntryError::NoSuchEntry { matched: String::new() }),
                };
            }
            drop(tx);
            self.directory().catch_up(self.store()).await?;
        }
        Err(EntryError::Busy)
    }
}
