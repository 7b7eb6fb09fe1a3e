//! `[ldap]`: ports, who may come to them, the certificate, and what does not go together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ostiary_app::BindPassword;
use ostiary_ldap::LdapSettings;
use ostiary_model::Network;

use super::log::{choice, write_choice};
use super::raw::Raw;
use super::setting::{Allowed, Setting};

/// `[ldap]`.
pub(crate) struct LdapConfig {
    pub(crate) listen: Option<Vec<SocketAddr>>,
    pub(crate) allow_from: Vec<Network>,
    pub(crate) tls_listen: Option<Vec<SocketAddr>>,
    pub(crate) tls_allow_from: Vec<Network>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) bind_password: BindPassword,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) limits: LdapSettings,
}

impl Default for LdapConfig {
    fn default() -> Self {
        Self {
            listen: Some(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 3890))]),
            allow_from: Vec::new(),
            tls_listen: None,
            tls_allow_from: Vec::new(),
            certificate_file: None,
            key_file: None,
            bind_password: BindPassword::default(),
            // An idle connection costs a few kilobytes, and programs keep pools of them.
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            limits: LdapSettings::default(),
        }
    }
}

const BIND_PASSWORDS: &[(&str, BindPassword)] = &[("one_factor", BindPassword::OneFactor), ("any", BindPassword::Any)];

impl Setting for BindPassword {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        choice(raw, BIND_PASSWORDS)
    }

    fn write(&self) -> String {
        write_choice(self, BIND_PASSWORDS)
    }
}

impl LdapConfig {
    /// Where programs find LDAP, as people are told: over TLS where that is offered, on this machine
    /// where nobody else gets in, else on `host`. `None` where the port is not known beforehand.
    pub(super) fn url(&self, host: &str) -> Option<String> {
        let (scheme, usual, addresses) = match (&self.tls_listen, &self.listen) {
            (Some(addresses), _) => ("ldaps", 636, addresses),
            (None, Some(addresses)) => ("ldap", 389, addresses),
            (None, None) => return None,
        };
        let first = addresses.first().filter(|address| address.port() != 0)?;
        let port = if first.port() == usual { String::new() } else { format!(":{}", first.port()) };
        let is_here = addresses.iter().all(|address| address.ip().is_loopback());
        Some(match first.ip() {
            IpAddr::V4(own) if is_here => format!("{scheme}://{own}{port}"),
            IpAddr::V6(own) if is_here => format!("{scheme}://[{own}]{port}"),
            _ => format!("{scheme}://{host}{port}"),
        })
    }

    /// Keys that do not go with the others, and why. `https` is whether there are certificates for
    /// HTTPS.
    pub(super) fn problems(&self, https: bool) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut missing = |key, given: &str, what: &str| {
            problems.push((key, format!("is not set, but {given} is; set both, or none: it names the file of {what}")));
        };
        match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => missing("key_file", "certificate_file", "the certificate's private key"),
            (None, Some(_)) => missing("certificate_file", "key_file", "the certificate"),
            (None, None) if self.tls_listen.is_some() && !https => {
                let what = "needs a certificate: set certificate_file and key_file, or [https] mode";
                problems.push(("tls_listen", what.to_owned()));
            }
            _ => {}
        }
        problems
    }

    /// What works but deserves a word.
    pub(super) fn warnings(&self, https: bool) -> Vec<String> {
        let plain = self.listen.iter().flatten().filter(|address| !address.ip().is_loopback());
        plain
            .filter(|_| self.certificate_file.is_none() && !https)
            .map(|address| format!("LDAP on {address} is plain text: passwords can be read on the way"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_where_ldap_is() {
        let url = |listen: Option<&str>, tls: Option<&str>| {
            let addresses = |text: &str| vec![text.parse().unwrap()];
            let config =
                LdapConfig { listen: listen.map(addresses), tls_listen: tls.map(addresses), ..LdapConfig::default() };
            config.url("accounts.example.org")
        };
        for (listen, tls, told) in [
            (Some("127.0.0.1:3890"), None, Some("ldap://127.0.0.1:3890")),
            (Some("[::1]:389"), None, Some("ldap://[::1]")),
            (Some("0.0.0.0:3890"), None, Some("ldap://accounts.example.org:3890")),
            (Some("0.0.0.0:389"), Some("0.0.0.0:636"), Some("ldaps://accounts.example.org")),
            (None, Some("[::]:6360"), Some("ldaps://accounts.example.org:6360")),
            (Some("127.0.0.1:0"), None, None),
            (None, None, None),
        ] {
            assert_eq!(url(listen, tls).as_deref(), told, "{listen:?} {tls:?}");
        }
    }
}
