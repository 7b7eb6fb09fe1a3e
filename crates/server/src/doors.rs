//! The doors on their listeners: HTTP with everything behind it, and LDAP.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::{Gate, HttpDoor, Lifecycle, Limits, accept};
use ostiary_httpkit::{Doors, FrontSettings, front};
use ostiary_model::Ctx;
use tokio::net::TcpListener;

use crate::config::{ClientConfig, HttpConfig, LdapConfig};

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
    let door = HttpDoor { service, limits: config.limits };
    for listener in listeners {
        let (door, stop) = (door.clone(), life.stop().clone());
        let serve = move |stream, peer| door.clone().serve(stream, peer, stop.clone());
        life.service("HTTP", accept(listener, gate.clone(), life.clone(), serve));
    }
}

/// Opens LDAP on `listeners`.
pub(crate) fn ldap(app: &Arc<App>, config: &LdapConfig, listeners: Vec<TcpListener>, life: &Lifecycle) {
    let gate = Gate::new(Limits {
        total: config.max_connections,
        per_party: config.max_connections_per_address,
        shared: Vec::new(),
    });
    for listener in listeners {
        let (app, settings, stop) = (Arc::clone(app), config.limits, life.stop().draining().clone());
        let serve = move |stream, peer: SocketAddr| {
            ostiary_ldap::serve(Arc::clone(&app), stream, peer.ip(), settings, stop.clone())
        };
        life.service("LDAP", accept(listener, gate.clone(), life.clone(), serve));
    }
}
