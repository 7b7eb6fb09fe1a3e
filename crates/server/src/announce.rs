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

/// Where LDAP is spoken.
pub(crate) struct LdapAddresses {
    pub(crate) plain: Vec<SocketAddr>,
    pub(crate) tls: Vec<SocketAddr>,
}

/// Prints where to go.
pub(crate) fn addresses(settings: &Settings, ldap: &LdapAddresses, data: &Path) {
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let mut text = format!("Ostiary {}\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "  sign in     {}", settings.site.issuer());
    let _ = writeln!(text, "  administer  {}", routes::on_directory(&settings.site, ""));
    for address in &ldap.plain {
        let _ = writeln!(text, "  LDAP        ldap://{address}  {}", settings.base_dn);
    }
    for address in &ldap.tls {
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
