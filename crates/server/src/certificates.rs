//! The certificates of this server: whoever gets them is started here, gets from `app` what it
//! needs, and is asked how it stands with them.
//!
//! What is said of files before they make trouble stands in `certificate_files`.

use std::sync::Arc;

use anyhow::{Context, Result};
use ostiary_app::App;
use ostiary_edge::acme::{Acme, Answers};
use ostiary_edge::{Certificates, Download, Internal, Lifecycle, Means, Root, ServedCertificate, Vault, VaultError};
use ostiary_httpkit::CertificatesShown;
use ostiary_model::CertificateState;
use zeroize::Zeroizing;

use crate::certificate_files;
use crate::config::{Config, HttpsMode, Served};
use crate::machine::{SystemClock, SystemEntropy};

/// Whoever sees to the certificates while the server runs. Clones share everything.
#[derive(Clone)]
pub(crate) struct Keepers {
    /// Every host that HTTPS is to be spoken on, own ones first.
    hosts: Vec<String>,
    served: Certificates,
    files: Vec<(&'static str, Arc<ServedCertificate>)>,
    acme: Option<Acme>,
    internal: Option<Internal>,
}

impl Keepers {
    /// Serves what there is, and gets what is missing in its own time. Waits for nobody but the
    /// database.
    ///
    /// # Errors
    /// When a setting cannot be used, or the store does not answer.
    pub(crate) async fn start(app: &Arc<App>, config: &Config, served: Served, life: &Lifecycle) -> Result<Self> {
        let (mut ordering, mut making) = (None, None);
        match config.https.mode {
            HttpsMode::Acme => ordering = Some(acme(app, config, &served.https, life).await?),
            HttpsMode::Internal => {
                let internal = internal(app, config, &served.https);
                internal.load().await.context("the root of [https] mode = \"internal\"")?;
                life.service("certificates", internal.clone().run());
                making = Some(internal);
            }
            HttpsMode::Off | HttpsMode::Files => {}
        }
        let hosts = if config.https.is_on() { config.hosts() } else { Vec::new() };
        certificate_files::follow(&served, &hosts, life);
        Ok(Self { hosts, served: served.https, files: served.files, acme: ordering, internal: making })
    }

    /// What authorities are answered that look over plain HTTP.
    pub(crate) fn answers(&self) -> Option<Answers> {
        self.acme.as_ref().map(Acme::answers)
    }

    /// Hands out the root of the house, if it has one.
    pub(crate) fn download(&self) -> Option<Download> {
        self.internal.clone().map(Download::new)
    }

    /// The root of the house, if it has one.
    pub(crate) fn root(&self) -> Option<Arc<Root>> {
        self.internal.as_ref().and_then(Internal::root)
    }

    /// Tells the doors how it stands.
    pub(crate) fn shown(&self) -> CertificatesShown {
        let (own, rooted) = (self.clone(), self.clone());
        CertificatesShown::new(move || own.state())
            .with_root(move || rooted.root().map(|root| root.fingerprint().to_owned()))
    }

    /// Lets other nodes take over: for the end of the process.
    pub(crate) async fn leave(&self) {
        if let Some(acme) = &self.acme
            && let Err(error) = acme.leave().await
        {
            tracing::warn!(%error, "another node waits a while before it orders certificates");
        }
    }

    /// How it stands with everything that is served, or should be.
    fn state(&self) -> Vec<CertificateState> {
        let of = |wanted: &'static str| {
            self.files.iter().filter(move |(section, _)| *section == wanted).map(|(_, file)| file.state())
        };
        let made = self.acme.iter().flat_map(Acme::state).chain(self.internal.iter().flat_map(Internal::state));
        let mut all: Vec<_> = made.chain(of("https")).collect();
        let is_told = |host: &String| all.iter().any(|state| state.names.contains(host));
        let missing = self.hosts.iter().filter(|host| self.served.get(host).is_none() && !is_told(host));
        let missing: Vec<_> = missing.map(|host| self.without(host)).collect();
        all.extend(missing);
        all.extend(of("ldap"));
        all
    }

    fn without(&self, host: &str) -> CertificateState {
        let file = self.files.iter().find(|(section, _)| *section == "https");
        let told = match file {
            Some((_, file)) => format!("{}, which is served, is not for it", file.files().certificate.display()),
            None => "no certificate is for it".to_owned(),
        };
        CertificateState {
            names: vec![host.to_owned()],
            issuer: None,
            not_before: None,
            not_after: None,
            renew_at: None,
            last_error: Some(told),
            next_attempt: None,
        }
    }
}

/// Serves the certificates that are stored, and orders what is missing.
async fn acme(app: &Arc<App>, config: &Config, certificates: &Certificates, life: &Lifecycle) -> Result<Acme> {
    let acme = Acme::new(means(app, certificates), config.acme.settings(config.sets_of_hosts())).context("[acme]")?;
    acme.load().await.context("the stored certificates cannot be read")?;
    life.service("certificates", acme.clone().run());
    Ok(acme)
}

/// Makes certificates for `certificates` from the root of the house.
pub(crate) fn internal(app: &Arc<App>, config: &Config, certificates: &Certificates) -> Internal {
    Internal::new(means(app, certificates), config.internal())
}

fn means(app: &Arc<App>, certificates: &Certificates) -> Means {
    Means {
        store: app.shared_store(),
        vault: Arc::new(Sealed(Arc::clone(app))),
        certificates: certificates.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    }
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
