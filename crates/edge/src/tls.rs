//! TLS between the accepted stream and the door: one library, one set of rules (1.2 and 1.3, see
//! RFC 9325).
//!
//! Certificates are looked up at each handshake, so that a new one is served at once; open
//! connections go on.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{Error as RustlsError, ServerConfig};
use thiserror::Error as ThisError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::{ACME_TLS, Certificates, Strangers};
use crate::lifecycle::Stop;

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// A stream on which everything is encrypted. Boxed: its state is large, and is moved about.
pub type Encrypted<S> = Box<TlsStream<S>>;

/// What is spoken on an encrypted stream, as was agreed on (ALPN, RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.1; also where nothing was agreed on.
    Http1,
    /// HTTP/2.
    Http2,
    /// Nothing: a CA has seen what it wanted to see (RFC 8737 section 3).
    Challenge,
}

pub(crate) fn spoken<S>(stream: &Encrypted<S>) -> Spoken {
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => Spoken::Http2,
        Some(ACME_TLS) => Spoken::Challenge,
        _ => Spoken::Http1,
    }
}

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

/// A certificate, its issuers and its key, for handshakes. `key` is not copied, so whoever has it can
/// wipe it; the library keeps its own form of it, as long as it is served.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> std::result::Result<CertifiedKey, RustlsError> {
    let certified = CertifiedKey::new(chain, any_supported_type(key)?);
    certified.keys_match().map(|()| certified)
}

/// The server's part of handshakes. Clones share everything.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificates: Certificates,
    patience: Duration,
    stop: Stop,
}

impl Tls {
    /// TLS for HTTPS: HTTP/2 and HTTP/1.1, and challenges of a CA. Who names a site that has no
    /// certificate in `certificates` is refused. A handshake may take `patience`, and is not waited
    /// for by a `stop`.
    ///
    /// # Errors
    /// When the library cannot do what is asked of it.
    pub fn for_https(
        certificates: &Certificates,
        patience: Duration,
        stop: &Stop,
    ) -> std::result::Result<Self, TlsError> {
        let protocols = [HTTP_2, HTTP_1, ACME_TLS].map(<[u8]>::to_vec).to_vec();
        Self::new(certificates, Strangers::Refused, protocols, patience, stop)
    }

    /// TLS for LDAP, under whatever name it is asked for.
    ///
    /// # Errors
    /// As [`Tls::for_https`].
    pub fn for_ldap(
        certificates: &Certificates,
        patience: Duration,
        stop: &Stop,
    ) -> std::result::Result<Self, TlsError> {
        Self::new(certificates, Strangers::GetDefault, Vec::new(), patience, stop)
    }

    /// Whether there is a certificate for those who name no name. Without one a handshake would be
    /// offered in vain.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.certificates.has_default()
    }

    fn new(
        certificates: &Certificates,
        strangers: Strangers,
        protocols: Vec<Vec<u8>>,
        patience: Duration,
        stop: &Stop,
    ) -> std::result::Result<Self, TlsError> {
        let told = |error: rustls::Error| TlsError(error.to_string());
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(told)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates.resolver(strangers)));
        config.alpn_protocols = protocols;
        // All that is offered is good, so a client could as well choose; that it cannot is what
        // scanners and the house rules behind them ask for (RFC 9325 section 4.2.1).
        config.ignore_client_order = true;
        // Programs that open a connection for each sign-in come again and again: a ticket spares
        // both sides the signature, and us the memory.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(told)?;
        let certificates = certificates.clone();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificates, patience, stop: stop.clone() })
    }

    /// Does the server's part of a handshake on `stream`.
    ///
    /// # Errors
    /// When the other side does not do its part, or takes too long; the stream is gone then.
    pub async fn handshake<S>(&self, stream: S) -> Result<Encrypted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let done = self.stop.within(self.patience, Box::pin(self.acceptor.accept(stream))).await;
        done.ok_or_else(|| Error::new(ErrorKind::TimedOut, "the TLS handshake took too long"))?.map(Box::new)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::sign::CertifiedKey;
    use rustls::{CipherSuite, ClientConfig, NamedGroup, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream as ClientStream;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn made() -> (Tls, CertificateDer<'static>) {
        let Made { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let certified = CertifiedKey::from_der(vec![cert.der().clone()], key, &provider()).unwrap();
        let certificates = Certificates::new();
        certificates.put(&["localhost".to_owned()], Arc::new(certified));
        (Tls::for_https(&certificates, PATIENCE, &Stop::default()).unwrap(), cert.der().clone())
    }

    type Pair = (Encrypted<DuplexStream>, ClientStream<DuplexStream>);

    /// A handshake with a client that trusts `certificate` and knows what `provider` knows.
    async fn shaken(
        tls: &Tls,
        certificate: &CertificateDer<'static>,
        provider: CryptoProvider,
        version: &'static SupportedProtocolVersion,
    ) -> Pair {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (ours, theirs) = duplex(16 * 1024);
        let connector = TlsConnector::from(Arc::new(config));
        let client = connector.connect(ServerName::try_from("localhost").unwrap(), theirs);
        let (server, client) = tokio::join!(tls.handshake(ours), client);
        (server.unwrap(), client.unwrap())
    }

    #[tokio::test]
    async fn what_is_recorded_today_cannot_be_read_by_the_computers_of_tomorrow() {
        let (tls, certificate) = made();
        let (server, _client) = shaken(&tls, &certificate, provider(), &TLS13).await;
        let group = server.get_ref().1.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    }

    #[tokio::test]
    async fn the_server_chooses_the_cipher() {
        let (tls, certificate) = made();
        let mut backwards = provider();
        backwards.cipher_suites.reverse();
        for (version, first) in [
            (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
            (&TLS13, CipherSuite::TLS13_AES_256_GCM_SHA384),
        ] {
            let (server, _client) = shaken(&tls, &certificate, backwards.clone(), version).await;
            assert_eq!(server.get_ref().1.negotiated_cipher_suite().unwrap().suite(), first);
        }
    }

    #[tokio::test]
    async fn both_versions_are_spoken() {
        let (tls, certificate) = made();
        for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let (mut server, mut client) = shaken(&tls, &certificate, provider(), version).await;
            assert_eq!(server.get_ref().1.protocol_version(), Some(expected));
            client.write_all(b"hello").await.unwrap();
            let mut heard = [0; 5];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"hello");
        }
    }

    #[tokio::test]
    async fn who_does_not_shake_hands_is_left() {
        let (tls, _) = made();
        let (ours, _theirs) = duplex(1024);
        assert_eq!(tls.handshake(ours).await.err().unwrap().kind(), ErrorKind::TimedOut);
        let (ours, mut theirs) = duplex(1024);
        theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(tls.handshake(ours).await.err().unwrap().kind(), ErrorKind::InvalidData);
    }
}
