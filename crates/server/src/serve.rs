//! `ostiary serve`: ports, house, doors, a word to the administrator, and the end in good order.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ostiary_edge::{End, Lifecycle, Signals, bind, raise_descriptors};
use ostiary_httpkit::CertificatesShown;
use ostiary_model::Actor;
use tokio::net::TcpListener;

use crate::announce::Addresses;
use crate::certificates::Keepers;
use crate::config::Config;
use crate::doors::{HttpPorts, LdapPorts};
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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads can be started")?;
    runtime.block_on(serve(config, begun))
}

async fn serve(mut config: Config, begun: Instant) -> Result<()> {
    let signals = Signals::listen().context("signals cannot be listened for")?;
    let life = Lifecycle::new();
    let served = config.certificates()?;
    // Ports first: a second start by mistake ends here, before it touches any data.
    let https = if config.https.is_on() { config.https.listen.as_slice() } else { &[] };
    let mut http = HttpPorts {
        plain: listen(&config.http.listen, "http", "listen")?,
        tls: listen(https, "https", "listen")?,
        certificates: served.https.clone(),
        answers: None,
        shown: CertificatesShown::default(),
    };
    let ldap = LdapPorts {
        plain: listen(config.ldap.listen.as_deref().unwrap_or_default(), "ldap", "listen")?,
        tls: listen(config.ldap.tls_listen.as_deref().unwrap_or_default(), "ldap", "tls_listen")?,
        certificates: served.ldap.clone(),
    };
    let plain_at = addresses(&http.plain)?;
    let pages_at = if config.https.is_on() { addresses(&http.tls)? } else { plain_at.clone() };
    let at = Addresses {
        redirect: if config.https.is_on() { plain_at } else { Vec::new() },
        ldap: addresses(&ldap.plain)?,
        ldaps: addresses(&ldap.tls)?,
    };
    fit_connections(&mut config)?;

    let app = house::open(&config, pages_at.first().map_or(0, SocketAddr::port)).await?;
    house::warn_of_readers(&config.data_dir);
    let ctx = app.ctx(Actor::Server);
    doors::sync_clients(&app, &ctx, &config.clients).await?;
    let link = app.first_administrator_link(&ctx).await?;

    let keepers = Keepers::start(&app, &config, served, &life).await?;
    (http.answers, http.shown) = (keepers.answers(), keepers.shown());
    doors::http(&app, &config.http, http, &doors::sites(&ctx, &config.http, &config.sites, &life), &life)?;
    doors::ldap(&app, &config.ldap, ldap, &life)?;
    background::start(&app, &life);

    announce::addresses(app.settings(), &at, &config.data_dir);
    if let Some(token) = &link {
        announce::first_administrator(app.settings(), token);
    }
    announce::ready(begun.elapsed());

    let end = life.run(signals, config.shutdown_grace.to_std()).await;
    keepers.leave().await;
    app.close().await;
    match end {
        End::Drained | End::Cut => Ok(()),
        End::Died(name) => bail!("the service {name:?} ended by itself; the log says why"),
    }
}

fn listen(addresses: &[SocketAddr], section: &str, key: &str) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = match bind(*address) {
            Ok(listener) => listener,
            Err(error) => {
                let variable = format!("OSTIARY_{}__{}", section.to_uppercase(), key.to_uppercase());
                bail!("{error}; choose another with [{section}] {key} or {variable}")
            }
        };
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Makes the numbers of connections such that they never take what everything else needs: a
/// database that cannot be opened is worse than a connection that has to wait.
fn fit_connections(config: &mut Config) -> Result<()> {
    let most = raise_descriptors().context("the system does not tell how many files may be open")?;
    let (http, ldap) = (config.http.max_connections, config.ldap.max_connections);
    // What is forwarded takes a second one for each connection.
    let each = if config.sites.is_empty() { 1 } else { 2 };
    let (http, ldap) = shares(most.saturating_sub(RESERVED), http.saturating_mul(each), ldap);
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

fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    listeners.iter().map(|listener| listener.local_addr().context("a port cannot be asked for")).collect()
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
