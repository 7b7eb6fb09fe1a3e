//! The ports: taken over or opened before anything else, by whoever starts the server, who may be
//! root. What comes after belongs to `[server] user`.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use ostiary_edge::{Inherited, Parent, bind};
use tokio::net::TcpListener as Served;

use crate::config::Config;

/// Everything that is listened on.
pub(crate) struct Ports {
    pub(crate) http: Vec<TcpListener>,
    /// Empty: there is no HTTPS.
    pub(crate) https: Vec<TcpListener>,
    pub(crate) ldap: Vec<TcpListener>,
    pub(crate) ldaps: Vec<TcpListener>,
    pub(crate) metrics: Vec<TcpListener>,
    /// Who waits for this process to be ready.
    pub(crate) parent: Option<Parent>,
}

impl Ports {
    /// Takes what this process was given and opens the rest. To be called once, before there is a
    /// second thread.
    ///
    /// # Errors
    /// Says which port stands in the way, and which setting is about it.
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let mut inherited = Inherited::take()?;
        let mut listen = |addresses: &[SocketAddr], section: &str, key: &str| {
            let one = |address: &SocketAddr| match bind(*address, &mut inherited) {
                Ok(listener) => Ok(listener),
                Err(error) => {
                    let variable = format!("OSTIARY_{}__{}", section.to_uppercase(), key.to_uppercase());
                    bail!("{error}; choose another with [{section}] {key} or {variable}")
                }
            };
            addresses.iter().map(one).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            http: listen(&config.http.listen, "http", "listen")?,
            https: listen(if config.https.is_on() { &config.https.listen } else { &[] }, "https", "listen")?,
            ldap: listen(config.ldap.listen.as_deref().unwrap_or_default(), "ldap", "listen")?,
            ldaps: listen(config.ldap.tls_listen.as_deref().unwrap_or_default(), "ldap", "tls_listen")?,
            metrics: listen(config.metrics.listen.as_deref().unwrap_or_default(), "metrics", "listen")?,
            parent: inherited.finish()?,
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &TcpListener> {
        [&self.http, &self.https, &self.ldap, &self.ldaps, &self.metrics].into_iter().flatten()
    }
}

/// Where `listeners` are.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn addresses(listeners: &[TcpListener]) -> Result<Vec<SocketAddr>> {
    listeners.iter().map(|listener| listener.local_addr().context("a port cannot be asked for")).collect()
}

/// `listeners`, for tasks to accept on.
///
/// # Errors
/// When the system does not watch them.
pub(crate) fn served(listeners: Vec<TcpListener>) -> Result<Vec<Served>> {
    listeners.into_iter().map(|listener| Served::from_std(listener).context("a port cannot be listened on")).collect()
}
