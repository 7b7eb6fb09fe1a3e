//! What the server prints when it starts: where everything is, and how to become the first
//! administrator.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ostiary_app::{Settings, Site};
use ostiary_edge::{Download, Root};
use ostiary_httpkit::routes;
use ostiary_model::Secret;

use crate::cli::print;
use crate::metrics;

/// Where what is spoken.
pub(crate) struct Addresses {
    /// Plain HTTP that leads to HTTPS.
    pub(crate) redirect: Vec<SocketAddr>,
    pub(crate) ldap: Vec<SocketAddr>,
    pub(crate) ldaps: Vec<SocketAddr>,
    pub(crate) metrics: Vec<SocketAddr>,
}

/// Prints where to go.
pub(crate) fn addresses(settings: &Settings, at: &Addresses, data: &Path) {
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let mut text = format!("Ostiary {}\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  sign in     {}", settings.site.issuer());
    let _ = writeln!(text, "  administer  {}", routes::on_directory(&settings.site, ""));
    for address in &at.redirect {
        let _ = writeln!(text, "  plain HTTP  http://{address}  leads to HTTPS");
    }
    for address in &at.ldap {
        let _ = writeln!(text, "  LDAP        ldap://{address}  {}", settings.base_dn);
    }
    for address in &at.ldaps {
        let _ = writeln!(text, "  LDAPS       ldaps://{address}  {}", settings.base_dn);
    }
    for address in &at.metrics {
        let _ = writeln!(text, "  metrics     http://{address}{}", metrics::PATH);
    }
    let _ = writeln!(text, "  data        {}", data.display());
    print(&text);
}

/// Prints which root machines have to trust, and where it is.
pub(crate) fn root(settings: &Settings, at: &Addresses, root: &Root) {
    let address = root_address(&settings.site, at.redirect.first().map(SocketAddr::port));
    print(&format!(
        "\nWhoever is to come in has to trust {}. Compare its fingerprint:\n  root        {address}\n  SHA-256     {}\n",
        root.subject(),
        root.fingerprint()
    ));
}

/// Where the root is: over plain HTTP on the port `plain`, if there is one, as nobody trusts it yet.
pub(crate) fn root_address(site: &Site, plain: Option<u16>) -> String {
    let path = Download::path();
    let host = site.accounts_url.host_str().unwrap_or_default();
    match plain {
        Some(80) => format!("http://{host}{path}"),
        Some(port) => format!("http://{host}:{port}{path}"),
        None => format!("{}{path}", site.accounts_url.origin().ascii_serialization()),
    }
}

/// Prints the link that makes the first administrator.
pub(crate) fn first_administrator(settings: &Settings, token: &Secret) {
    print(&format!(
        "\nThere is no administrator yet. Within 24 hours, this link makes one:\n  {}\n\n",
        routes::set_up(&settings.site, token.expose())
    ));
}

/// Prints that requests are answered from now on.
pub(crate) fn ready(after: Duration) {
    print(&format!("ready in {} ms\n", after.as_millis()));
}
