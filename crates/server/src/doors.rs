//! The doors on their listeners: HTTP with everything behind it, and LDAP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::acme::Answers;
use ostiary_edge::{
    Certificates, Encrypted, Gate, HttpDoor, HttpsDoor, Lifecycle, Limits, Redirect, Seat, Stop,
    Tls, accept, bounded, redirecting,
};
use ostiary_gate::{Settings, Sites};
use ostiary_httpkit::{CertificatesShown, Doors, FrontSettings, front, routes};
use ostiary_ldap::{Encrypt, LdapDoor, Peer};
use ostiary_model::Ctx;
use tokio::net::{TcpListener, TcpStream};

use crate::config::{ClientConfig, HttpConfig, LdapConfig, SiteEntry};

/// How long a TLS handshake may take. Whoever needs longer is no client.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Brings the clients of the configuration into the store.
///
/// # Errors
/// When a client with the same id was registered by a command.
pub(crate) async fn sync_clients(app: &App, ctx: &Ctx, clients: &[ClientConfig]) -> Result<()> {
    let configured: Vec<_> = clients.iter().map(ClientConfig::to_configured).collect();
    app.clients_from_config(ctx, &configured).await.context("[[clients]]")
}

/// Forwards requests for the hosts of `[[sites]]`.
pub(crate) fn sites(ctx: &Ctx, config: &HttpConfig, entries: &[SiteEntry], life: &Lifecycle) -> Sites {
    let settings = Settings {
        trusted_proxies: config.trusted_proxies.clone(),
        most: config.max_connections,
        ..Settings::default()
    };
    let life = life.clone();
    let spawn = Arc::new(move |work| life.connection(work));
    Sites::new(entries.iter().filter_map(SiteEntry::to_site).collect(), settings, ctx, spawn)
}

/// Where HTTP and HTTPS are opened, and the certificates for it.
pub(crate) struct HttpPorts {
    pub(crate) plain: Vec<TcpListener>,
    /// Empty: there is no HTTPS.
    pub(crate) tls: Vec<TcpListener>,
    pub(crate) certificates: Certificates,
    /// What authorities are answered that look over plain HTTP.
    pub(crate) answers: Option<Answers>,
    /// How it stands with the certificates.
    pub(crate) shown: CertificatesShown,
}

/// Opens the pages and OpenID Connect on `ports`, behind `sites`. With HTTPS, plain HTTP only leads
/// there.
///
/// # Errors
/// When TLS cannot be spoken.
pub(crate) fn http(
    app: &Arc<App>,
    config: &HttpConfig,
    ports: HttpPorts,
    sites: &Sites,
    life: &Lifecycle,
) -> Result<()> {
    let settings = FrontSettings { trusted_proxies: config.trusted_proxies.clone(), certificates: ports.shown };
    let doors = Doors {
        accounts: ostiary_ui::portal(Arc::clone(app)).merge(ostiary_oidc::router(Arc::clone(app))),
        directory: ostiary_ui::panel(Arc::clone(app)),
    };
    let limits = config.limits;
    let pages = bounded(front(Arc::clone(app), settings, doors, ostiary_ui::render_problem), limits);
    let service = sites.before(pages.clone(), !ports.tls.is_empty());
    let gate = Gate::new(Limits {
        total: config.max_connections,
        per_party: config.max_connections_per_address,
        shared: config.trusted_proxies.clone(),
    });
    if ports.tls.is_empty() {
        let door = HttpDoor { service, limits };
        open("HTTP", ports.plain, &gate, life, move |stream, peer, stop| door.clone().serve(stream, peer, stop));
        return Ok(());
    }
    let site = &app.settings().site;
    let origins = [&site.accounts_url, &site.directory_url]
        .map(|url| (url.host_str().unwrap_or_default().to_owned(), url.origin().ascii_serialization()));
    let port = site.accounts_url.port().map_or_else(String::new, |port| format!(":{port}"));
    let forwarded = sites.hosts().map(|host| (host.to_owned(), format!("https://{host}{port}")));
    let origins = origins.into_iter().chain(forwarded);
    let is_health = |path: &str| path == routes::HEALTH;
    let door = HttpDoor { service: redirecting(Redirect::new(origins, ports.answers), pages, is_health), limits };
    open("HTTP", ports.plain, &gate, life, move |stream, peer, stop| door.clone().serve(stream, peer, stop));
    let tls = Tls::for_https(&ports.certificates, HANDSHAKE.min(limits.idle))?;
    let door = HttpsDoor { tls, door: HttpDoor { service, limits } };
    open("HTTPS", ports.tls, &gate, life, move |stream, peer, stop| door.clone().serve(stream, peer, stop));
    Ok(())
}

/// Serves what comes in on `listeners`.
fn open<F>(
    name: &'static str,
    listeners: Vec<TcpListener>,
    gate: &Gate,
    life: &Lifecycle,
    serve: impl Fn(TcpStream, SocketAddr, Stop) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    for listener in listeners {
        let (serve, stop) = (serve.clone(), life.stop().clone());
        let serve = move |stream, peer, _: Seat| serve(stream, peer, stop.clone());
        life.service(name, accept(listener, gate.clone(), life.clone(), serve));
    }
}

/// Where LDAP is opened, and the certificates for it, if there are any.
pub(crate) struct LdapPorts {
    pub(crate) plain: Vec<TcpListener>,
    pub(crate) tls: Vec<TcpListener>,
    pub(crate) certificates: Option<Certificates>,
}

/// Opens LDAP on `ports`.
///
/// # Errors
/// When TLS is wanted and cannot be spoken.
pub(crate) fn ldap(app: &Arc<App>, config: &LdapConfig, ports: LdapPorts, life: &Lifecycle) -> Result<()> {
    let gate = Gate::new(Limits {
        total: config.max_connections,
        per_party: config.max_connections_per_address,
        shared: Vec::new(),
    });
    let door = LdapDoor {
        app: Arc::clone(app),
        settings: Arc::new(config.limits.clone()),
        stop: life.stop().draining().clone(),
    };
    // Whoever shakes hands is nobody yet, and waits no longer than such a one may.
    let patience = HANDSHAKE.min(config.limits.idle_unbound);
    let tls = ports.certificates.map(|certificates| Tls::for_ldap(&certificates, patience)).transpose()?;
    for listener in ports.plain {
        let (door, tls, gate) = (door.clone(), tls.clone(), gate.only_from(&config.allow_from));
        let serve = move |stream, peer, seat| door.clone().plain(stream, at(peer, seat), tls.clone().map(StartTls));
        life.service("LDAP", accept(listener, gate, life.clone(), serve));
    }
    for (listener, tls) in ports.tls.into_iter().zip(tls.iter().cycle()) {
        let (door, tls, gate) = (door.clone(), tls.clone(), gate.only_from(&config.tls_allow_from));
        let serve = move |stream, peer, seat| ldaps(door.clone(), tls.clone(), stream, at(peer, seat));
        life.service("LDAPS", accept(listener, gate, life.clone(), serve));
    }
    Ok(())
}

/// What an LDAP connection knows of its other end. Who has bound keeps their place.
fn at(peer: SocketAddr, seat: Seat) -> Peer {
    Peer { address: peer.ip(), settle: Box::new(move |is_bound| seat.settle(is_bound)) }
}

async fn ldaps(door: LdapDoor, tls: Tls, stream: TcpStream, peer: Peer) {
    match tls.handshake(stream).await {
        Ok(stream) => door.encrypted(stream, peer).await,
        Err(error) => tracing::debug!(peer = %peer.address, %error, "LDAPS connection closed: no TLS"),
    }
}

/// StartTLS by means of the library that `edge` knows.
struct StartTls(Tls);

impl Encrypt<TcpStream> for StartTls {
    type Encrypted = Encrypted<TcpStream>;

    async fn encrypt(self, plain: TcpStream) -> io::Result<Self::Encrypted> {
        self.0.handshake(plain).await
    }
}
