//! `ostiary ca …`.

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use ostiary_edge::{Certificates, Root};

use super::{print, with_house};
use crate::announce::root_address;
use crate::certificates::internal;
use crate::config::{Config, HttpsMode};

/// What can be done with the root of the house.
#[derive(Subcommand)]
pub(crate) enum CaCommand {
    /// Show the root that machines have to trust: what it is for, its fingerprint, where it is
    Show {
        /// Print its certificate itself (PEM)
        #[arg(long)]
        pem: bool,
    },
    /// Make another root, which running servers take up within seconds
    Renew {
        /// Do it: no machine trusts the new root before it is told to
        #[arg(long)]
        yes: bool,
    },
}

/// Runs one command.
///
/// # Errors
/// When there is no root in this mode, and what stands in the way of showing or making one.
pub(crate) fn run(config: &Config, command: &CaCommand) -> Result<()> {
    if config.https.mode != HttpsMode::Internal {
        bail!("there is no root: [https] mode is {:?}, and only \"internal\" has one", config.https.mode.name());
    }
    with_house(config, async |app| {
        // Nothing is served from here.
        let internal = internal(&app, config, &Certificates::new());
        let root = match command {
            CaCommand::Show { .. } => internal.root_of_the_house().await.context("the root")?,
            CaCommand::Renew { yes: true } => internal.renew_root().await.context("the root")?,
            CaCommand::Renew { yes: false } => bail!(
                "every machine that trusts the root of now turns away until it trusts the new one as well; say --yes when that is wanted"
            ),
        };
        if let CaCommand::Show { pem: true } = command {
            print(root.pem());
            return Ok(());
        }
        let plain = config.http.listen.first().map(std::net::SocketAddr::port).filter(|port| *port != 0);
        print(&shown(&root, &root_address(&app.settings().site, plain)));
        Ok(())
    })
}

fn shown(root: &Root, address: &str) -> String {
    format!(
        "{}\n  for          {}, and all names under them\n  ends         {}\n  SHA-256      {}\n  download     {address}\n",
        root.subject(),
        root.names().join(", "),
        root.not_after().to_rfc3339(),
        root.fingerprint(),
    )
}
