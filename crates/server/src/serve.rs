//! `ostiary serve`: ports, house, doors, a word to the administrator, and the end in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ostiary_edge::{End, Handover, Lifecycle, Signals, raise_descriptors, tell_ready};
use ostiary_httpkit::CertificatesShown;
use ostiary_model::Actor;

use crate::announce::Addresses;
use crate::certificates::Keepers;
use crate::config::Config;
use crate::doors::{HttpPorts, LdapPorts};
use crate::metrics::Metrics;
use crate::ports::{Ports, addresses, served};
use crate::{announce, background, doors, house, log};

/// Files and sockets that are kept free of connections: for database, cache, mail and files.
const RESERVED: usize = 256;

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
    // Ports first: a second start by mistake ends here, before it touches any data.
    let ports = Ports::open(&config)?;
    house::make_folder(&config)?;
    house::enter(&config)?;
    if ostiary_edge::is_root() {
        tracing::warn!("running as root: name a user with [server] user, who is run as once the ports are open");
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads can be started")?;
    runtime.block_on(serve(config, ports, begun))
}

async fn serve(mut config: Config, ports: Ports, begun: Instant) -> Result<()> {
    let signals = Signals::listen().context("signals cannot be listened for")?;
    let handover = Handover::new(ports.all()).context("a restart cannot be prepared")?;
    let life = Lifecycle::new();
    let certificates = config.certificates()?;
    let (at, port) = (announced(&config, &ports)?, page_port(&config, &ports)?);
    let mut http = HttpPorts {
        plain: served(ports.http)?,
        tls: served(ports.https)?,
        certificates: certificates.https.clone(),
        answers: None,
        shown: CertificatesShown::default(),
        root: None,
    };
    let ldap =
        LdapPorts { plain: served(ports.ldap)?, tls: served(ports.ldaps)?, certificates: certificates.ldap.clone() };
    fit_connections(&mut config)?;

    let app = house::open(&config, port).await?;
    house::warn_of_readers(&config.data_dir);
    let ctx = app.ctx(Actor::Server);
    doors::sync_clients(&app, &ctx, &config.clients).await?;
    let link = app.first_administrator_link(&ctx).await?;

    let keepers = Keepers::start(&app, &config, certificates, &life).await?;
    (http.answers, http.shown, http.root) = (keepers.answers(), keepers.shown(), keepers.download());
    let sites = doors::sites(&ctx, &config.http, &config.sites, &life);
    let gates = vec![
        ("http", doors::http(&app, &config.http, http, &sites, &life)?),
        ("ldap", doors::ldap(&app, &config.ldap, ldap, &life)?),
    ];
    let metrics = Metrics { app: Arc::clone(&app), certificates: keepers.shown(), gates, since: ctx.now };
    metrics.open(served(ports.metrics)?, &life);
    background::start(&app, &life);
    life.service("handover", handover.follow(life.stop().clone()));

    announce::addresses(app.settings(), &at, &config.data_dir);
    if let Some(root) = keepers.root() {
        announce::root(app.settings(), &at, &root);
    }
    if let Some(token) = &link {
        announce::first_administrator(app.settings(), token);
    }
    announce::ready(begun.elapsed());
    tell_ready(ports.parent);

    let leaving = async {
        life.stop().draining().cancelled().await;
        keepers.leave().await;
    };
    let (end, ()) = tokio::join!(life.run(signals, config.shutdown_grace.to_std()), leaving);
    app.close().await;
    match end {
        End::Drained | End::Cut => Ok(()),
        End::Died(name) => bail!("the service {name:?} ended by itself; the log says why"),
    }
}

/// Where what is spoken.
fn announced(config: &Config, ports: &Ports) -> Result<Addresses> {
    Ok(Addresses {
        redirect: if config.https.is_on() { addresses(&ports.http)? } else { Vec::new() },
        ldap: addresses(&ports.ldap)?,
        ldaps: addresses(&ports.ldaps)?,
        metrics: addresses(&ports.metrics)?,
    })
}

/// The port that the pages are on.
fn page_port(config: &Config, ports: &Ports) -> Result<u16> {
    let pages = if config.https.is_on() { &ports.https } else { &ports.http };
    Ok(addresses(pages)?.first().map_or(0, SocketAddr::port))
}

/// Makes the numbers of connections such that they never take what everything else needs: a
/// database that cannot be opened is worse than a connection that has to wait.
fn fit_connections(config: &mut Config) -> Result<()> {
    let most = raise_descriptors().context("the system does not tell how many files may be open")?;
    let (http, ldap) = (config.http.max_connections, config.ldap.max_connections);
    // As much may be forwarded at once as there are connections, each to a connection of its own.
    let each = if config.sites.is_empty() { 1 } else { 2 };
    let kept = config.sites.len().saturating_mul(ostiary_gate::MAX_KEPT).min(most / 4);
    let (http, ldap) = shares(most.saturating_sub(RESERVED).saturating_sub(kept), http.saturating_mul(each), ldap);
    let http = (http / each).max(1);
    if (http, ldap) != (config.http.max_connections, config.ldap.max_connections) {
        tracing::warn!(
            "the system lets this process open {most} files, so [http] max_connections counts as {http} and [ldap] max_connections as {ldap}; raise the limit (LimitNOFILE in systemd, ulimits in Docker)"
        );
    }
    (config.http.max_connections, config.ldap.max_connections) = (http, ldap);
    Ok(())
}

/// Divides `room` in proportion to what is wanted, where that is more.
fn shares(room: usize, http: usize, ldap: usize) -> (usize, usize) {
    let wanted = http.saturating_add(ldap);
    if wanted <= room {
        return (http, ldap);
    }
    let share = |part: usize| {
        let share = u128::try_from(part).unwrap_or(0) * u128::try_from(room).unwrap_or(0);
        usize::try_from(share / u128::try_from(wanted).unwrap_or(1).max(1)).unwrap_or(part).max(1)
    };
    (share(http), share(ldap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_what_the_system_gives() {
        for (room, wanted, given) in [
            (20_000, (1_000, 10_000), (1_000, 10_000)),
            (768, (1_000, 10_000), (69, 698)),
            (0, (1_000, 10_000), (1, 1)),
            (100, (10_000, 1), (99, 1)),
        ] {
            assert_eq!(shares(room, wanted.0, wanted.1), given, "{room}");
        }
    }
}
