//! `ostiary serve`: ports, house, doors, a word to the administrator, and the end in good order.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ostiary_edge::{End, Lifecycle, Signals, bind};
use ostiary_model::Actor;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::{announce, background, doors, house, log};

/// Runs the server until it is asked to stop.
///
/// # Errors
/// When it cannot start, or a part of it died.
pub(crate) fn run(config: Config) -> Result<()> {
    #[expect(clippy::disallowed_methods, reason = "measures how long the start takes")]
    let begun = Instant::now();
    log::start(config.log.level, config.log.format);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads can be started")?;
    runtime.block_on(serve(config, begun))
}

async fn serve(config: Config, begun: Instant) -> Result<()> {
    let signals = Signals::listen().context("signals cannot be listened for")?;
    let life = Lifecycle::new();
    // Ports first: a second start by mistake ends here, before it touches any data.
    let http = listen(&config.http.listen, "http").await?;
    let ldap = listen(&config.ldap.listen, "ldap").await?;
    let (http_at, ldap_at) = (addresses(&http)?, addresses(&ldap)?);

    let app = house::open(&config, http_at.first().map_or(0, SocketAddr::port)).await?;
    house::warn_of_readers(&config.data_dir);
    let ctx = app.ctx(Actor::Server);
    doors::sync_clients(&app, &ctx, &config.clients).await?;
    let link = app.first_administrator_link(&ctx).await?;

    doors::http(&app, &config.http, http, &life);
    doors::ldap(&app, &config.ldap, ldap, &life);
    background::start(&app, &life);

    announce::addresses(app.settings(), &ldap_at, &config.data_dir);
    if let Some(token) = &link {
        announce::first_administrator(app.settings(), token);
    }
    announce::ready(begun.elapsed());

    let end = life.run(signals, config.shutdown_grace.to_std()).await;
    app.close().await;
    match end {
        End::Drained | End::Cut => Ok(()),
        End::Died(name) => bail!("the service {name:?} ended by itself; the log says why"),
    }
}

async fn listen(addresses: &[SocketAddr], section: &str) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = match bind(*address).await {
            Ok(listener) => listener,
            Err(error) => {
                bail!("{error}; choose another with [{section}] listen or OSTIARY_{}__LISTEN", section.to_uppercase())
            }
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    listeners.iter().map(|listener| listener.local_addr().context("a port cannot be asked for")).collect()
}
