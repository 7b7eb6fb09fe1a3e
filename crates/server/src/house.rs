//! Opening the house: data folder, master key, store and verbs, for the server and for commands.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ostiary_app::{App, OpenError, Parts, Trouble};
use ostiary_edge::is_root;
use ostiary_model::Clock;
use ostiary_store::{DatabaseUrl, Error as StoreError, Store};

use crate::config::Config;
use crate::machine::{SystemClock, SystemEntropy};
use crate::master_key;

const OWNER_ONLY: u32 = 0o700;
const REMEDY: &str = "choose another with [server] data_dir or OSTIARY_SERVER__DATA_DIR";

/// Makes a data folder for `[server] user`, if there is none and this is root, who can make one
/// where the user cannot.
///
/// # Errors
/// Says what stands in the way.
pub(crate) fn make_folder(config: &Config) -> Result<()> {
    let Some(user) = config.user.as_ref().filter(|_| is_root()) else { return Ok(()) };
    let made = user.make_folder(&config.data_dir);
    made.with_context(|| format!("the data folder {} cannot be made; {REMEDY}", config.data_dir.display()))
}

/// Becomes `[server] user`, if there is one, for good: before any file is opened that belongs to
/// the house, and before there is a second thread.
///
/// # Errors
/// When this is another user's process than root's or that user's.
pub(crate) fn enter(config: &Config) -> Result<()> {
    let Some(user) = &config.user else { return Ok(()) };
    user.enter().with_context(|| format!("Ostiary cannot run as {:?}, which [server] user names", user.name()))
}

/// Makes the data folder, if it is not there, and sees that it can be written.
///
/// # Errors
/// Says what stands in the way.
pub(crate) fn data_folder(folder: &Path) -> Result<()> {
    let shown = folder.display();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(folder)
        .with_context(|| format!("the data folder {shown} cannot be made; {REMEDY}"))?;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).with_context(|| {
        format!("the data folder {shown} cannot be written; give it to the user that runs Ostiary, or {REMEDY}")
    })?;
    Ok(())
}

/// Says so in the log when others may look into the data folder.
pub(crate) fn warn_of_readers(folder: &Path) {
    let mode = fs::metadata(folder).map_or(OWNER_ONLY, |data| data.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        tracing::warn!("the data folder {0} is open to others (mode {mode:04o}): chmod 700 {0}", folder.display());
    }
}

/// Opens database and cache and brings the schema up to date.
///
/// # Errors
/// Says what stands in the way, without the password in the database's address.
pub(crate) async fn store(config: &Config) -> Result<Store> {
    let database = config.database();
    Store::open(&database, &config.cache, SystemClock.now()).await.map_err(|error| match error {
        newer @ StoreError::NewerSchema { .. } => newer.into(),
        other => anyhow::Error::new(other).context(match &database {
            DatabaseUrl::Sqlite(path) => format!("the database {} cannot be opened", path.display()),
            DatabaseUrl::Postgres(_) => "the PostgreSQL database of [database] url cannot be opened".to_owned(),
        }),
    })
}

/// Opens everything. `port` is the one that the pages are on, for addresses that follow from it.
///
/// # Errors
/// Says what stands in the way.
pub(crate) async fn open(config: &Config, port: u16) -> Result<Arc<App>> {
    data_folder(&config.data_dir)?;
    let kept = master_key::keep(&config.data_dir, &SystemEntropy)?;
    let made_now = kept.made_now().map(Path::to_owned);
    let settings = config.settings(port).map_err(anyhow::Error::msg)?;
    let store = store(config).await?;
    let parts =
        Parts { store, settings, master_key: kept.key, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) };
    match App::open(parts).await {
        Ok(app) => Ok(app),
        Err(OpenError::Trouble(Trouble::Sealed)) => match made_now {
            Some(path) => {
                master_key::Kept::take_back(&path);
                bail!(
                    "the master key {} is missing, and the database holds secrets that were sealed with it; restore the file from a backup",
                    path.display()
                )
            }
            None => bail!(
                "the database holds secrets that were sealed with another master key than {}; restore the one that belongs to it",
                config.data_dir.join("master.key").display()
            ),
        },
        Err(error) => Err(error.into()),
    }
}
