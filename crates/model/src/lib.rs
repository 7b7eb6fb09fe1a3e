//! The nouns of Ostiary and their rules: people, groups, sessions, clients, grants, filters.
//!
//! No I/O, no async, no clock and no chance of its own: time, chance and the caller come in
//! through [`Ctx`]. Everything here is total: bad input gives an error value, never a panic.

mod access;
mod answer;
mod app_password;
mod attribute;
mod certificate;
mod client;
mod ctx;
mod dn;
mod filter;
#[cfg(test)]
mod filter_tests;
mod filter_text;
mod folded;
mod generalized_time;
mod grant;
mod ids;
mod names;
mod network;
mod people;
mod pkce;
mod prompt;
mod redirect;
mod schema;
mod scope;
mod secret;
mod session;
#[cfg(test)]
mod test_chance;
mod time;
mod token;
mod value;

pub use access::{Action, Denied, Level, Role, may};
pub use answer::{AuthorizationError, ReturnAddress};
pub use app_password::{AppPassword, AppPasswordName};
pub use attribute::{Attribute, Custom, OBJECT_CLASSES, Rule, Usage};
pub use certificate::{CertificateStanding, CertificateState};
pub use client::{
    Client, ClientDetails, ClientKind, ClientSource, InvalidClient, InvalidPolicy, NewClient, SignInPolicy,
};
pub use ctx::{Actor, Clock, Ctx, Entropy};
pub use dn::{Dn, DnValue, InvalidDn, Rdn};
pub use filter::{Assertion, Entry, Filter, MAX_DEPTH, MAX_TERMS, Pattern, Reference, Truth, Value};
pub use filter_text::InvalidFilter;
pub use folded::Folded;
pub use grant::{Approved, Authentication, Cancelled, Consent, Exchanged, Grant, GrantRequest, Pending, Step};
pub use ids::{AccessTokenId, AppPasswordId, FamilyId, GrantId, GroupId, KeyId, RequestId, SessionId, Subject, UserId};
pub use names::{ClientId, ClientName, Email, GroupName, InvalidName, Username, is_invisible};
pub use network::{InvalidNetwork, Network};
pub use people::{
    ADMIN_GROUP, Generation, Group, GroupEntry, Member, Membership, Nesting, PASSWORD_MANAGER_GROUP, Profile,
    STRICT_READONLY_GROUP, StoredValues, User, UserEntry, UserState, Validity, is_built_in,
};
pub use pkce::{CodeChallenge, CodeVerifier};
pub use prompt::Prompt;
pub use redirect::{InvalidRedirect, RedirectUri};
pub use schema::{
    AttributeDef, AttributeKind, AttributeName, FIRST_CUSTOM, HOME_DIRECTORY, InvalidKind, LOGIN_SHELL, ObjectClass,
    SSH_PUBLIC_KEY, Schema,
};
pub use scope::{InvalidScope, Scope, Scopes};
pub use secret::{Secret, TokenHash};
pub use session::{AuthMethod, AuthMethods, Session};
pub use time::{Span, Timestamp};
pub use token::{AccessToken, Family, RefreshToken, RefreshUse, Rotation};
pub use value::{AttributeValue, InvalidValue, MAX_VALUE_BYTES};
