//! Certificates from authorities: what `edge` needs of `app` for them.

use std::sync::Arc;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::acme::{Acme, Means, Vault, VaultError};
use ostiary_edge::{Certificates, Lifecycle};
use zeroize::Zeroizing;

use crate::config::{Config, HttpsMode};
use crate::machine::{SystemClock, SystemEntropy};

/// Serves the certificates that are stored, and orders what is missing in its own time. `None`
/// unless `[https] mode` wants that.
///
/// # Errors
/// When a setting cannot be used, or the store does not answer.
pub(crate) async fn start(
    app: &Arc<App>,
    config: &Config,
    certificates: &Certificates,
    life: &Lifecycle,
) -> Result<Option<Acme>> {
    if config.https.mode != HttpsMode::Acme {
        return Ok(None);
    }
    let site = &app.settings().site;
    let own = [&site.accounts_url, &site.directory_url].map(|url| url.host_str().unwrap_or_default().to_owned());
    let others = config.sites.iter().map(|site| vec![site.host.clone()]);
    let names = std::iter::once(own.to_vec()).chain(others).collect();
    let means = Means {
        store: app.shared_store(),
        vault: Arc::new(Sealed(Arc::clone(app))),
        certificates: certificates.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    };
    let acme = Acme::new(means, config.acme.settings(names)).context("[acme]")?;
    acme.load().await.context("the stored certificates cannot be read")?;
    life.service("certificates", acme.clone().run());
    Ok(Some(acme))
}

/// Private keys are sealed with the master key.
struct Sealed(Arc<App>);

impl Vault for Sealed {
    fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.0.front_key_seal(row, plain).map_err(|error| VaultError(error.to_string()))
    }

    fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.0.front_key_open(row, sealed).map_err(|error| VaultError(error.to_string()))
    }
}
