//! The apps' door: host names that are not Ostiary's own and are forwarded to the service behind
//! each. What comes from outside is taken apart and put together anew, so that a service can
//! believe what it is told about where a request comes from.
//!
//! Bodies are passed on as they come, of any size and for any time, as long as something moves.
//! Speaks HTTP/1.1 with the services and carries WebSockets to them. Keeps no copies, and balances
//! no loads.

mod forward;
mod headers;
mod moving;
mod refusal;
mod site;
mod upstream;

pub use forward::{Patience, Settings};
pub use moving::{Carried, Failed};
pub use site::{Site, SiteOr, Sites};
pub use upstream::{InvalidUpstream, MAX_KEPT, Spawn, Upstream};
