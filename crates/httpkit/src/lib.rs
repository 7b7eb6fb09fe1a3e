//! What every HTTP door shares: who is at the door, forms that cannot be forged, cookies, headers,
//! problems, and the addresses of pages.
//!
//! A door's handler takes a [`Door`] (or a [`Caller`] when no browser is there), calls one verb
//! and answers. Whatever goes wrong is a [`Problem`]; how it looks is decided by whoever renders
//! it. Nothing here knows a page, a protocol or a rule.

mod address;
mod cookies;
mod csrf;
mod door;
mod extract;
mod front;
mod headers;
mod health;
mod mac;
mod multipart;
mod problem;
mod reply;
pub mod routes;
mod upload;

pub use address::{Unreadable, client_address};
pub use cookies::{Cookies, Jar, Theme};
pub use csrf::CsrfForm;
pub use door::{Arrival, Caller, Door, Side};
pub use extract::{Path, Query};
pub use front::{Doors, FrontSettings, Render, asked_host, front};
pub use headers::INERT_POLICY;
pub use health::CertificatesShown;
pub use mac::version_of;
pub use problem::{Problem, Way, Words};
pub use reply::{not_modified, see_other, with_cookie};
pub use upload::CsrfPicture;
