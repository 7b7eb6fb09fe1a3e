//! The binary: command line, configuration, wiring, lifecycle. Holds no rule.

mod announce;
mod background;
mod certificate_files;
mod certificates;
mod cli;
mod config;
mod doors;
mod health;
mod house;
mod log;
mod machine;
mod master_key;
mod metrics;
mod ports;
mod serve;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Arguments, Command};

fn main() -> ExitCode {
    // Clap itself ends with 2 when the command line cannot be understood.
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if let Some(Command::Check { example: true }) = arguments.command {
        // Asked for by whoever has no configuration yet, or one that needs mending.
        cli::print(&config::example());
        return Ok(());
    }
    let config = config::load(arguments.config.as_deref())?;
    ostiary_edge::choose_tls_library()?;
    let command = arguments.command.unwrap_or(Command::Serve);
    match command {
        // It opens the ports first.
        Command::Serve => {}
        // It opens no file.
        Command::Health => {}
        Command::Migrate => {
            house::make_folder(&config)?;
            house::enter(&config)?;
        }
        _ => house::enter(&config)?,
    }
    match command {
        Command::Serve => serve::run(config),
        Command::Check { .. } => cli::check(&config),
        Command::Health => health::ask(&config),
        Command::Migrate => cli::migrate(&config),
        Command::User(command) => cli::with_house(&config, async |app| cli::user::run(&app, command).await),
        Command::Group(command) => cli::with_house(&config, async |app| cli::group::run(&app, command).await),
        Command::Attribute(command) => cli::with_house(&config, async |app| cli::attribute::run(&app, command).await),
        Command::ObjectClass(command) => {
            cli::with_house(&config, async |app| cli::attribute::run_class(&app, command).await)
        }
        Command::Client(command) => cli::with_house(&config, async |app| cli::client::run(&app, command).await),
        Command::Keys(command) => cli::with_house(&config, async |app| cli::keys::run(&app, command).await),
        Command::Ca(command) => cli::ca::run(&config, &command),
    }
}
