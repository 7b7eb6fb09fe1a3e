//! The doors on their listeners: HTTP with everything behind it, and LDAP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::acme::Answers;
use ostiary_edge::{
    Certificates, Download, Encrypted, Gate, HttpDoor, HttpsDoor, Lifecycle, Limits, Proxies, Redirect, Seat, Stop,
    Tls, accept, bounded, offering, redirecting,
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
    /// Hands out the root of the house, if it has one.
    pub(crate) root: Option<Download>,
}

/// Opens the pages and OpenID Connect on `ports`, behind `sites`. With HTTPS, plain HTTP only leads
/// there. Gives the gate that both share.
///
/// # Errors
/// When TLS cannot be spoken.
pub(crate) fn http(
    app: &Arc<App>,
    config: &HttpConfig,
    ports: HttpPorts,
    sites: &Sites,
    life: &Lifecycle,
) -> Result<Gate> {
    let settings = FrontSettings {
        trusted_proxies: config.trusted_proxies.clone(),
        certificates: ports.shown,
        // Whoever does not trust a new root yet has to come over plain HTTP to get it.
        pins_https: ports.root.is_none(),
    };
    let doors = Doors {
        accounts: ostiary_ui::portal(Arc::clone(app)).merge(ostiary_oidc::router(Arc::clone(app))),
        directory: ostiary_ui::panel(Arc::clone(app)),
    };
    let limits = config.limits;
    let pages = bounded(front(Arc::clone(app), settings, doors, ostiary_ui::render_problem), limits);
    let service = sites.before(pages.clone(), !ports.tls.is_empty());
    let wall = HttpWall::new(config, life);
    if ports.tls.is_empty() {
        let door = HttpDoor { service, limits };
        wall.open("HTTP", ports.plain, move |stream, peer, _, stop| door.clone().serve(stream, peer, stop));
        return Ok(wall.gate);
    }
    let site = &app.settings().site;
    let origins = [&site.accounts_url, &site.directory_url]
        .map(|url| (url.host_str().unwrap_or_default().to_owned(), url.origin().ascii_serialization()));
    let port = site.accounts_url.port().map_or_else(String::new, |port| format!(":{port}"));
    let forwarded = sites.hosts().map(|host| (host.to_owned(), format!("https://{host}{port}")));
    let origins = origins.into_iter().chain(forwarded);
    let is_health = |path: &str| path == routes::HEALTH;
    let leading = redirecting(Redirect::new(origins, ports.answers), pages, is_health);
    let (leading, service) = (offering(ports.root.clone(), leading), offering(ports.root, service));
    let door = HttpDoor { service: leading, limits };
    wall.open("HTTP", ports.plain, move |stream, peer, _, stop| door.clone().serve(stream, peer, stop));
    let tls = Tls::for_https(&ports.certificates, wall.handshake, life.stop())?;
    let door = HttpsDoor { tls, certificates: ports.certificates, door: HttpDoor { service, limits } };
    wall.open("HTTPS", ports.tls, move |stream, peer, seat, stop| door.clone().serve(stream, peer, seat, stop));
    Ok(wall.gate)
}

/// What stands before HTTP and HTTPS alike.
struct HttpWall<'a> {
    gate: Gate,
    proxies: Proxies,
    /// How long a handshake may take.
    handshake: Duration,
    life: &'a Lifecycle,
}

impl<'a> HttpWall<'a> {
    fn new(config: &HttpConfig, life: &'a Lifecycle) -> Self {
        let handshake = HANDSHAKE.min(config.limits.idle);
        let gate = Gate::new(Limits {
            total: config.max_connections,
            per_party: config.max_connections_per_address,
            shared: [&config.trusted_proxies[..], &config.proxy_protocol_from].concat(),
        });
        Self { gate, proxies: Proxies::new(&config.proxy_protocol_from, handshake, life.stop()), handshake, life }
    }

    /// Serves what comes in on `listeners`.
    fn open<F>(
        &self,
        name: &'static str,
        listeners: Vec<TcpListener>,
        serve: impl Fn(TcpStream, SocketAddr, Seat, Stop) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        for listener in listeners {
            let (serve, proxies, stop) = (serve.clone(), self.proxies.clone(), self.life.stop().clone());
            let serve = move |mut stream, peer, seat: Seat| {
                let (serve, proxies, stop) = (serve.clone(), proxies.clone(), stop.clone());
                async move {
                    if let Some(client) = proxies.client(&mut stream, peer, &seat).await {
                        serve(stream, client, seat, stop).await;
                    }
                }
            };
            self.life.service(name, accept(listener, self.gate.clone(), self.life.clone(), serve));
        }
    }
}

/// Where LDAP is opened, and the certificates for it, if there are any.
pub(crate) struct LdapPorts {
    pub(crate) plain: Vec<TcpListener>,
    pub(crate) tls: Vec<TcpListener>,
    pub(crate) certificates: Option<Certificates>,
}

/// Opens LDAP on `ports`. Gives the gate that they share.
///
/// # Errors
/// When TLS is wanted and cannot be spoken.
pub(crate) fn ldap(app: &Arc<App>, config: &LdapConfig, ports: LdapPorts, life: &Lifecycle) -> Result<Gate> {
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
    let tls = ports.certificates.map(|certificates| Tls::for_ldap(&certificates, patience, life.stop())).transpose()?;
    for listener in ports.plain {
        let (door, tls, gate) = (door.clone(), tls.clone(), gate.only_from(&config.allow_from));
        let serve = move |stream, peer, seat| {
            door.clone().plain(stream, at(peer, seat), tls.clone().filter(Tls::is_ready).map(StartTls))
        };
        life.service("LDAP", accept(listener, gate, life.clone(), serve));
    }
    for (listener, tls) in ports.tls.into_iter().zip(tls.iter().cycle()) {
        let (door, tls, gate) = (door.clone(), tls.clone(), gate.only_from(&config.tls_allow_from));
        let serve = move |stream, peer, seat| ldaps(door.clone(), tls.clone(), stream, at(peer, seat));
        life.service("LDAPS", accept(listener, gate, life.clone(), serve));
    }
    Ok(gate)
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
