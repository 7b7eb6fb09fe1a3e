//! Whole handshakes of TLS 1.3: each request on a connection of its own, and no session is taken up
//! again. (wrk takes them up.) Nothing is verified: the other end's work is measured, not ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, HandshakeKind, ProtocolVersion, SignatureScheme,
};

use crate::Handshakes;

/// How the key is agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exchange {
    /// X25519.
    Classic,
    /// X25519MLKEM768, as today's browsers do.
    Hybrid,
}

/// Shakes hands for the time that is set; how many were answered.
pub(crate) fn run(settings: &Handshakes) -> anyhow::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(shake(settings))
}

async fn shake(settings: &Handshakes) -> anyhow::Result<u64> {
    let connector = TlsConnector::from(Arc::new(config(settings.exchange)?));
    let asked: Arc<str> = request(&settings.name, &settings.path).into();
    let end = Instant::now() + Duration::from_secs_f64(settings.seconds);
    let mut tasks = Vec::new();
    for _ in 0..settings.connections {
        let (connector, asked) = (connector.clone(), Arc::clone(&asked));
        let name = ServerName::try_from(settings.name.clone())?;
        let (address, length) = (settings.address, settings.length);
        tasks.push(tokio::spawn(async move {
            let mut answered = 0;
            while Instant::now() < end {
                let answer = answer(&connector, address, &name, &asked).await?;
                let body = parts(&answer)?.1.len();
                ensure!(body == length, "the answer has {body} bytes instead of {length}");
                answered += 1;
            }
            anyhow::Ok(answered)
        }));
    }
    let mut all = 0;
    for task in tasks {
        all += task.await??;
    }
    Ok(all)
}

/// Asks `address` for a page on a connection of its own.
///
/// # Errors
/// When the answer is not 200.
pub(crate) fn page(address: SocketAddr, name: &str, path: &str) -> anyhow::Result<Page> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connector = TlsConnector::from(Arc::new(config(Exchange::Classic)?));
    let host = ServerName::try_from(name.to_owned())?;
    let answer = runtime.block_on(answer(&connector, address, &host, &request(name, path)))?;
    let (head, body) = parts(&answer)?;
    Ok(Page { head: std::str::from_utf8(head)?.to_owned(), body: body.to_vec() })
}

/// An answer: its status line with its headers, and its body.
pub(crate) struct Page {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

fn request(name: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
}

async fn answer(
    connector: &TlsConnector,
    address: SocketAddr,
    name: &ServerName<'static>,
    asked: &str,
) -> anyhow::Result<Vec<u8>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = connector.connect(name.clone(), stream).await.context("the handshake failed")?;
    let tls = stream.get_ref().1;
    ensure!(tls.protocol_version() == Some(ProtocolVersion::TLSv1_3), "it is not TLS 1.3");
    ensure!(tls.handshake_kind() == Some(HandshakeKind::Full), "an earlier session was taken up");
    stream.write_all(asked.as_bytes()).await?;
    let mut answer = Vec::with_capacity(4096);
    stream.read_to_end(&mut answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "the answer is not 200");
    Ok(answer)
}

fn parts(answer: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("the answer has no head")?;
    answer.split_at_checked(end + 4).context("the answer has no head")
}

fn config(exchange: Exchange) -> anyhow::Result<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = match exchange {
        Exchange::Classic => vec![kx_group::X25519],
        Exchange::Hybrid => vec![kx_group::X25519MLKEM768],
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes everybody for who they say they are.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
