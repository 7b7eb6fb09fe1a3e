//! The configuration: `ostiary.toml`, overridden by `OSTIARY_SECTION__KEY`, secrets also from
//! files. The one place that reads the environment.
//!
//! Everything is read before anything is judged, so that all mistakes are told at once, each with
//! file, key, what was found and what is allowed. Leaves out what needs a running server.

mod acme;
mod clients;
mod environment;
mod example;
mod file;
mod https;
mod keys;
mod ldap;
mod log;
mod metrics;
mod problems;
mod raw;
mod read;
mod setting;
mod site;
mod sites;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ostiary_app::{
    HashParameters, LockoutSettings, MailRoute, PasswordPolicy, PosixSettings, SessionSettings, TokenSettings,
};
use ostiary_edge::{HttpLimits, SystemUser};
use ostiary_model::{Network, Span};
use ostiary_store::{CacheUrl, DatabaseUrl};
use url::Url;

pub(crate) use acme::AcmeConfig;
pub(crate) use clients::{ClientConfig, Remember};
pub(crate) use example::example;
pub(crate) use https::{HttpsConfig, HttpsMode, Served};
pub(crate) use ldap::LdapConfig;
pub(crate) use log::{LogFormat, LogLevel};
pub(crate) use metrics::MetricsConfig;
use problems::Place;
pub(crate) use problems::Problems;
pub(crate) use setting::format_span;
pub(crate) use sites::SiteEntry;

/// The file that is read when the command line names none and it is there.
const DEFAULT_FILE: &str = "ostiary.toml";

/// Everything that can be set.
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    /// Who is run as. `None`: whoever starts it.
    pub(crate) user: Option<SystemUser>,
    pub(crate) shutdown_grace: Span,
    pub(crate) site: SiteConfig,
    pub(crate) base_dn: String,
    pub(crate) posix: PosixSettings,
    pub(crate) database: Option<DatabaseUrl>,
    pub(crate) cache: CacheUrl,
    pub(crate) http: HttpConfig,
    pub(crate) https: HttpsConfig,
    pub(crate) acme: AcmeConfig,
    pub(crate) ldap: LdapConfig,
    pub(crate) mail: MailConfig,
    pub(crate) hash: HashParameters,
    pub(crate) lockout: LockoutSettings,
    pub(crate) session: SessionSettings,
    pub(crate) password_policy: PasswordPolicy,
    pub(crate) tokens: TokenSettings,
    pub(crate) metrics: MetricsConfig,
    pub(crate) log: LogConfig,
    pub(crate) clients: Vec<ClientConfig>,
    pub(crate) sites: Vec<SiteEntry>,
    /// Section and key of all that was set, and where.
    places: Vec<(String, String, Place)>,
}

/// `[site]`.
pub(crate) struct SiteConfig {
    pub(crate) domain: String,
    pub(crate) org_name: String,
    pub(crate) accounts_url: Option<Url>,
    pub(crate) directory_url: Option<Url>,
}

/// `[http]`.
pub(crate) struct HttpConfig {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) proxy_protocol_from: Vec<Network>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) limits: HttpLimits,
}

/// `[mail]`.
pub(crate) struct MailConfig {
    pub(crate) route: Option<MailRoute>,
    pub(crate) from: String,
}

/// `[log]`.
pub(crate) struct LogConfig {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            user: None,
            shutdown_grace: Span::from_secs(10),
            site: SiteConfig {
                domain: "localhost".to_owned(),
                org_name: "Ostiary".to_owned(),
                accounts_url: None,
                directory_url: None,
            },
            base_dn: String::new(),
            posix: PosixSettings::default(),
            database: None,
            cache: CacheUrl::Memory,
            http: HttpConfig {
                listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
                trusted_proxies: Vec::new(),
                proxy_protocol_from: Vec::new(),
                max_connections: 1_000,
                max_connections_per_address: 100,
                limits: HttpLimits::default(),
            },
            https: HttpsConfig::default(),
            acme: AcmeConfig::default(),
            ldap: LdapConfig::default(),
            mail: MailConfig { route: None, from: String::new() },
            hash: HashParameters::default(),
            lockout: LockoutSettings::default(),
            session: SessionSettings::default(),
            password_policy: PasswordPolicy::default(),
            tokens: TokenSettings::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig { level: LogLevel::Info, format: LogFormat::Text },
            clients: Vec::new(),
            sites: Vec::new(),
            places: Vec::new(),
        }
    }
}

/// Reads the file (`file`, else `ostiary.toml` in the working folder, else none) and the
/// environment.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn load(file: Option<&Path>) -> Result<Config, Problems> {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let mut problems = Problems::default();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            problems.general(format_args!("{} cannot be read: {error}", path.display()));
            None
        }
    };
    read::read(text.as_deref().map(|text| (path, text)), environment::variables(), problems)
}
