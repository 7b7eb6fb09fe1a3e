//! The doors on their listeners: HTTP with everything behind it, and LDAP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::{Encrypted, Gate, HttpDoor, Lifecycle, Limits, Seat, ServedCertificate, Tls, accept, bounded};
use ostiary_httpkit::{Doors, FrontSettings, front};
use ostiary_ldap::{Encrypt, LdapDoor, Peer};
use ostiary_model::Ctx;
use tokio::net::{TcpListener, TcpStream};

use crate::certificate;
use crate::config::{ClientConfig, HttpConfig, LdapConfig};

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

/// Opens the pages and OpenID Connect on `listeners`.
pub(crate) fn http(app: &Arc<App>, config: &HttpConfig, listeners: Vec<TcpListener>, life: &Lifecycle) {
    let settings = FrontSettings { trusted_proxies: config.trusted_proxies.clone() };
    let doors = Doors {
        accounts: ostiary_ui::portal(Arc::clone(app)).merge(ostiary_oidc::router(Arc::clone(app))),
        directory: ostiary_ui::panel(Arc::clone(app)),
    };
    let service = front(Arc::clone(app), settings, doors, ostiary_ui::render_problem);
    let gate = Gate::new(Limits {
        total: config.max_connections,
        per_party: config.max_connections_per_address,
        shared: config.trusted_proxies.clone(),
    });
    let door = HttpDoor { service: bounded(service, config.limits), limits: config.limits };
    for listener in listeners {
        let (door, stop) = (door.clone(), life.stop().clone());
        let serve = move |stream, peer, _: Seat| door.clone().serve(stream, peer, stop.clone());
        life.service("HTTP", accept(listener, gate.clone(), life.clone(), serve));
    }
}

/// Where LDAP is opened, and the certificate for it, if there is one.
pub(crate) struct LdapPorts {
    pub(crate) plain: Vec<TcpListener>,
    pub(crate) tls: Vec<TcpListener>,
    pub(crate) certificate: Option<Arc<ServedCertificate>>,
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
    let tls = match ports.certificate {
        Some(certificate) => {
            life.service("the certificate for LDAP", Arc::clone(&certificate).follow());
            life.service("the end of the certificate for LDAP", certificate::watch(Arc::clone(&certificate)));
            // Whoever shakes hands is nobody yet, and waits no longer than such a one may.
            Some(Tls::new(certificate, HANDSHAKE.min(config.limits.idle_unbound))?)
        }
        None => None,
    };
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
