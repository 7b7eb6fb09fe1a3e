//! Everything that Ostiary remembers: SQL on two engines, the cache in front of it, counters,
//! and the change log that feeds the directory in memory.
//!
//! Only this crate contains SQL; nothing above it sees a driver's error or a database type. Reads
//! are methods of [`Store`], writes of [`Tx`], named noun first. Nothing here decides a rule: a
//! method does what it says, guarded statements report whether they found what they asked for.

mod app_passwords;
mod cache;
mod changes;
mod clients;
mod consents;
mod credentials;
mod db;
mod entries;
mod error;
mod front;
mod front_writes;
mod grants;
mod groups;
mod invitations;
mod migrate;
mod nestings;
mod outbox;
mod posix;
mod root;
mod schema;
mod sessions;
mod signing_keys;
mod tickets;
mod token_rows;
mod users;
mod values;

pub use cache::CacheUrl;
pub use changes::{Change, ChangeKind, ChangeListener};
pub use clients::ClientRecord;
pub use credentials::TotpRecord;
pub use db::{DatabaseUrl, Engine, Store, Tx};
pub use entries::Snapshot;
pub use error::{Conflict, Error, InvalidUrl};
pub use front::{
    AcmeAccount, AcmeAnswer, AcmeOrder, AcmeTrouble, AnswerKind, CertificateRecord, FrontState, RenewalPlan,
    TroubleKind,
};
pub use front_writes::FrontTx;
pub use invitations::InvitationKind;
pub use migrate::MIGRATIONS;
pub use outbox::OutgoingMail;
pub use root::RootRecord;
pub use sessions::NewSession;
pub use signing_keys::SigningKeyRecord;
pub use tickets::TicketHome;
pub use token_rows::RefreshRecord;
pub use values::Avatar;
