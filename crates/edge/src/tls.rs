//! TLS between the accepted stream and the door: one library, one set of rules (1.2 and 1.3, see
//! RFC 9325), certificates from whoever resolves them.
//!
//! A [`Tls`] asks its resolver at each handshake, so certificates are swapped by swapping what the
//! resolver holds; open connections go on. Knows no files.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ResolvesServerCert;
use rustls::version::{TLS12, TLS13};
use thiserror::Error as ThisError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take. Whoever needs longer is no client.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A stream on which everything is encrypted. Boxed: its state is large, and is moved about.
pub type Encrypted<S> = Box<TlsStream<S>>;

/// TLS cannot be spoken. The text says why.
#[derive(Debug, ThisError)]
#[error("TLS cannot be set up: {0}")]
pub struct TlsError(String);

/// Chooses the library for all TLS of the process, also that of connections to databases, caches
/// and mail servers.
///
/// # Errors
/// When one was chosen before.
pub fn choose_tls_library() -> std::result::Result<(), TlsError> {
    aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| TlsError("the library for it was chosen twice".to_owned()))
}

pub(crate) fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// The server's part of handshakes. Clones share everything.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Handshakes with the certificates that `certificates` gives.
    ///
    /// # Errors
    /// When the library cannot do what is asked of it.
    pub fn new(certificates: Arc<dyn ResolvesServerCert>) -> std::result::Result<Self, TlsError> {
        let told = |error: rustls::Error| TlsError(error.to_string());
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(told)?
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        // Programs that open a connection for each sign-in come again and again: a ticket spares
        // both sides the signature, and us the memory.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(told)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Does the server's part of a handshake on `stream`.
    ///
    /// # Errors
    /// When the other side does not do its part, or takes too long; the stream is gone then.
    pub async fn handshake<S>(&self, stream: S) -> Result<Encrypted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let done = tokio::time::timeout(HANDSHAKE, Box::pin(self.acceptor.accept(stream))).await;
        done.map_err(|_| Error::new(ErrorKind::TimedOut, "the TLS handshake took too long"))?.map(Box::new)
    }
}
