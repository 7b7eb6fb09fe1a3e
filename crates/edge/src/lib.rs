//! The wall around the house: listeners, limits on connections, the loop that accepts, HTTP/1.1
//! on a connection, and the way everything ends in order.
//!
//! Knows no users and no pages: a door is an async function over a stream (LDAP) or a tower
//! service (HTTP). Leaves out TLS, which will stand between the accepted stream and the door.

mod accept;
mod guarded;
mod http;
mod lifecycle;
mod limits;
mod listen;

pub use accept::accept;
pub use http::{HttpDoor, HttpLimits};
pub use lifecycle::{End, Lifecycle, Signals, Stop};
pub use limits::{Gate, Limits, Permit};
pub use listen::{BindError, bind};
