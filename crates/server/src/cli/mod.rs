//! The command line: what can be asked, and the parts that all commands share.

mod app_passwords;
pub(crate) mod attribute;
pub(crate) mod ca;
pub(crate) mod client;
mod fields;
pub(crate) mod group;
pub(crate) mod keys;
mod person_view;
mod secret_input;
mod table;
mod time;
pub(crate) mod user;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use ostiary_app::App;
use ostiary_model::Actor;
use ostiary_store::MIGRATIONS;

use crate::config::{Config, LogFormat};
use crate::{certificate_files, house, log};

pub(crate) use secret_input::PasswordInput;
pub(crate) use table::Table;
pub(crate) use time::{day, rfc3339};

const EXAMPLES: &str = "\
Examples:
  ostiary                                   start with defaults; prints where to go
  ostiary --config /etc/ostiary.toml check  look for mistakes in the configuration
  ostiary user list --json                  works while the server runs

Settings come from ostiary.toml, or the file that --config names, and from variables such as
OSTIARY_HTTP__LISTEN. Exit codes: 0 done, 1 refused or failed, 2 not understood.";

/// Ostiary: LDAP directory, single sign-on with two factors, and administration, in one program.
#[derive(Parser)]
#[command(name = "ostiary", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The configuration file [default: ostiary.toml in the working folder, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What can be asked.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the server (what happens without a command)
    Serve,
    /// Look for mistakes in the configuration, without starting
    Check {
        /// Print every key with its default and what it does, as a file to begin with
        #[arg(long)]
        example: bool,
    },
    /// Ask a running server whether it is well, for containers and systemd
    #[command(alias = "healthcheck")]
    Health,
    /// Bring the database's schema up to date, without starting
    Migrate,
    /// People
    #[command(subcommand)]
    User(user::UserCommand),
    /// Groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Attributes that people and groups can have beside what is always there
    #[command(subcommand)]
    Attribute(attribute::AttributeCommand),
    /// Object classes that entries have beside what is always there
    #[command(subcommand)]
    ObjectClass(attribute::ObjectClassCommand),
    /// Applications that people sign in to (OpenID Connect clients)
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Keys that tokens are signed with
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The root of the certificates that Ostiary makes itself (`[https] mode = "internal"`)
    #[command(subcommand)]
    Ca(ca::CaCommand),
}

/// Writes `text` to standard output. Whoever has stopped reading is not an error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes an error and its causes to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "ostiary: {error:#}");
}

/// `ostiary check`.
///
/// # Errors
/// When a file that it names cannot be used. Other mistakes do not let it get this far.
pub(crate) fn check(config: &Config) -> Result<()> {
    let served = config.certificates()?;
    let of_files = certificate_files::warnings(&served, &config.hosts());
    for warning in config.warnings().into_iter().chain(of_files) {
        let _ = writeln!(std::io::stderr(), "ostiary: warning: {warning}");
    }
    print("The configuration has no mistakes.\n");
    Ok(())
}

/// `ostiary migrate`.
///
/// # Errors
/// When the database cannot be opened or is of a newer release.
pub(crate) fn migrate(config: &Config) -> Result<()> {
    log::start_for_command(LogFormat::Text);
    small_runtime()?.block_on(async {
        house::data_folder(&config.data_dir)?;
        house::store(config).await?.close().await;
        let version = MIGRATIONS.last().map_or(0, |migration| migration.version);
        print(&format!("The database has schema version {version}, the newest that this release knows.\n"));
        Ok(())
    })
}

/// Opens the house for one command and closes it after.
///
/// # Errors
/// When it cannot be opened, and what the command says.
pub(crate) fn with_house(config: &Config, command: impl AsyncFnOnce(Arc<App>) -> Result<()>) -> Result<()> {
    log::start_for_command(LogFormat::Text);
    if !config.data_dir.is_dir() {
        bail!(
            "there is no data folder {}; start the server once, or name the right one with [server] data_dir or OSTIARY_SERVER__DATA_DIR",
            config.data_dir.display()
        );
    }
    let pages = if config.https.is_on() { &config.https.listen } else { &config.http.listen };
    let port = pages.first().map_or(0, std::net::SocketAddr::port);
    small_runtime()?.block_on(async {
        let app = house::open(config, port).await?;
        let outcome = command(Arc::clone(&app)).await;
        app.close().await;
        outcome
    })
}

fn small_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("the program cannot start")
}

/// A moment in which the command line acts.
pub(crate) fn moment(app: &App) -> ostiary_model::Ctx {
    app.ctx(Actor::CommandLine)
}

/// Prints `value` as JSON for programs.
///
/// # Errors
/// None in practice: all that is printed can be written as JSON.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?));
    Ok(())
}
