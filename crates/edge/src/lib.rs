//! The wall around the house: listeners, limits on connections, the loop that accepts, TLS, HTTP/1.1
//! on a connection, and the way everything ends in order.
//!
//! Knows no users and no pages: a door is an async function over a stream (LDAP) or a tower
//! service (HTTP). The one crate that names the library for TLS.

mod accept;
pub mod acme;
mod certificates;
mod descriptors;
mod guarded;
mod handover;
mod http;
mod http2;
mod https;
mod inherited;
mod internal;
mod lifecycle;
mod limits;
mod listen;
mod means;
mod privileges;
mod proxies;
mod proxy_header;
mod redirect;
mod streams;
mod tls;
mod tunnel;

pub use accept::accept;
pub use certificates::{CertificateError, CertificateFiles, Certificates, ServedCertificate};
pub use descriptors::raise_descriptors;
pub use handover::{Handover, Parent, tell_ready};
pub use http::{BoundedBody, HttpDoor, HttpLimits, HttpService, bounded};
pub use https::HttpsDoor;
pub use inherited::{InheritError, Inherited};
pub use internal::{Download, Internal, InternalSettings, Root, RootError, offering};
pub use lifecycle::{End, Lifecycle, Signals, Stop};
pub use limits::{Gate, Limits, Seat};
pub use listen::{BindError, bind};
pub use means::{Means, Vault, VaultError};
pub use privileges::{PrivilegeError, SystemUser, is_root};
pub use proxies::Proxies;
pub use redirect::{Redirect, redirecting};
pub use tls::{Encrypted, Tls, TlsError, choose_tls_library};
