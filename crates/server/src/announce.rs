//! What the server prints when it starts: where everything is, and how to become the first
//! administrator.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ostiary_app::Settings;
use ostiary_httpkit::routes;
use ostiary_model::Secret;

use crate::cli::print;

/// Where what is spoken.
pub(crate) struct Addresses {
    /// Plain HTTP that leads to HTTPS.
    pub(crate) redirect: Vec<SocketAddr>,
    pub(crate) ldap: Vec<SocketAddr>,
    pub(crate) ldaps: Vec<SocketAddr>,
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
    let _ = writeln!(text, "  data        {}", data.display());
    print(&text);
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
