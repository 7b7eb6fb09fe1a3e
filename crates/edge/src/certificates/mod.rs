//! The certificates that are served, wherever they come from.

mod files;
mod map;

pub use files::{CertificateError, CertificateFiles, ServedCertificate};
pub use map::Certificates;
pub(crate) use map::{ACME_TLS, Strangers};
