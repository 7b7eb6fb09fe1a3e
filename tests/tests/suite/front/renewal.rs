//! A renewal with a hundred connections open, over each of which requests go on all the time: none of
//! them notices, and who comes afterwards sees the new certificate at every door.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ostiary_tests::run;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

use super::acme::{HOSTS, Ordering};
use super::https::serial;

/// Certificates are renewed when half of their life is over.
const LIFE: Duration = Duration::from_secs(30);

/// How a visitor speaks, and how many of them there are.
const VISITORS: [(Speech, usize); 3] = [(Speech::Http1, 40), (Speech::Http2, 40), (Speech::Ldap, 20)];

#[derive(Debug, Clone, Copy)]
enum Speech {
    Http1,
    Http2,
    Ldap,
}

/// "Who am I?" (RFC 4532), which is answered in one message.
const WHO_AM_I: &[u8] = b"\x30\x1e\x02\x01\x01\x77\x19\x80\x171.3.6.1.4.1.4203.1.11.3";

/// One connection, kept.
enum Line {
    Http1(hyper::client::conn::http1::SendRequest<Empty<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Empty<Bytes>>),
    Ldap(Box<TlsStream<TcpStream>>),
}

struct Visitor {
    line: Line,
    host: String,
}

impl Visitor {
    async fn connect(speech: Speech, address: SocketAddr, roots: Arc<RootCertStore>) -> Result<Self> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = match speech {
            Speech::Http1 => vec![b"http/1.1".to_vec()],
            Speech::Http2 => vec![b"h2".to_vec()],
            Speech::Ldap => Vec::new(),
        };
        let stream = TcpStream::connect(address).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOSTS[0])?, stream).await?;
        let line = match speech {
            Speech::Http1 => {
                let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                Line::Http1(sender)
            }
            Speech::Http2 => {
                let io = TokioIo::new(stream);
                let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
                tokio::spawn(connection);
                Line::Http2(sender)
            }
            Speech::Ldap => Line::Ldap(Box::new(stream)),
        };
        Ok(Self { line, host: format!("{}:{}", HOSTS[0], address.port()) })
    }

    /// Asks ten times a second over this one connection until it is `over`. Gives how often.
    async fn stay(mut self, over: CancellationToken) -> Result<usize> {
        let mut asked = 0;
        while !over.is_cancelled() {
            self.ask().await.with_context(|| format!("question {asked} at {}", self.host))?;
            asked += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(asked)
    }

    async fn ask(&mut self) -> Result<()> {
        match &mut self.line {
            Line::Http1(sender) => {
                sender.ready().await?;
                is_answered(sender.send_request(page("/sign-in", &self.host)?).await?).await
            }
            Line::Http2(sender) => {
                sender.ready().await?;
                let uri = format!("https://{}/sign-in", self.host);
                is_answered(sender.send_request(page(&uri, &self.host)?).await?).await
            }
            Line::Ldap(stream) => {
                stream.write_all(WHO_AM_I).await?;
                let mut head = [0; 2];
                stream.read_exact(&mut head).await?;
                let mut rest = vec![0; usize::from(head[1])];
                stream.read_exact(&mut rest).await?;
                // The answer to an extended request, with success.
                ensure!(head[0] == 0x30 && rest[3] == 0x78 && rest[5..8] == [10, 1, 0], "{rest:?}");
                Ok(())
            }
        }
    }
}

fn page(uri: &str, host: &str) -> Result<Request<Empty<Bytes>>> {
    Ok(Request::get(uri).header("host", host).body(Empty::new())?)
}

async fn is_answered(answer: Response<Incoming>) -> Result<()> {
    ensure!(answer.status() == 200, "{answer:?}");
    ensure!(!answer.into_body().collect().await?.to_bytes().is_empty());
    Ok(())
}

/// What OpenSSL's client is shown, which must be of the authority.
async fn shown(ordering: &Ordering, address: SocketAddr, arguments: &[&str]) -> Result<String> {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address.to_string(), "-servername", HOSTS[0], "-CAfile"]);
    client.arg(ordering.pebble.root()?).args(arguments);
    let shown = tokio::task::spawn_blocking(move || run(&mut client, "")).await??;
    ensure!(shown.stdout.contains("Verify return code: 0"), "{shown:?}");
    serial(&shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_noticed_by_nobody_who_is_connected() -> Result<()> {
    let ordering = Ordering::start_with("tls-alpn-01", LIFE, |setup| {
        setup.with("OSTIARY_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "200")
    })
    .await?;
    ordering.until_served().await?;
    let ostiary = &ordering.ostiary;
    let (https, ldaps) = (ostiary.https_address()?, ostiary.ldaps_address()?);
    let before = shown(&ordering, https, &[]).await?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ordering.pebble.root()?)?)?;
    let (roots, over, mut visitors) = (Arc::new(roots), CancellationToken::new(), JoinSet::new());
    for (speech, count) in VISITORS {
        let address = if matches!(speech, Speech::Ldap) { ldaps } else { https };
        for _ in 0..count {
            let visitor = Visitor::connect(speech, address, Arc::clone(&roots)).await?;
            visitors.spawn(visitor.stay(over.clone()));
        }
    }
    assert_eq!(visitors.len(), 100);
    assert_eq!(ordering.pebble.orders()?, 1, "all of them were there before the renewal");
    let begun = Instant::now();
    let after = loop {
        let now = shown(&ordering, https, &[]).await?;
        if now != before {
            break now;
        }
        ensure!(begun.elapsed() < LIFE, "there was no renewal\n{}", ostiary.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(shown(&ordering, ldaps, &[]).await?, after);
    assert_eq!(shown(&ordering, ostiary.ldap_address()?, &["-starttls", "ldap"]).await?, after);
    tokio::time::sleep(Duration::from_secs(1)).await;
    over.cancel();
    let mut asked = 0;
    while let Some(visitor) = visitors.join_next().await {
        asked += visitor??;
    }
    ensure!(asked > 1_000, "only {asked} requests");
    assert_eq!(ordering.pebble.orders()?, 2);
    Ok(())
}
