//! `ostiary keys …`.

use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use ostiary_app::App;
use serde_json::{Value, json};

use super::{Table, print, print_json, rfc3339};

/// What can be done with signing keys.
#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys that tokens are signed with, newest first
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: KeysCommand) -> Result<()> {
    let KeysCommand::List { json } = command;
    let keys = app.public_keys().await?;
    if json {
        let all = keys.iter().map(|key| {
            json!({
                "kid": key.kid,
                "alg": key.alg,
                "created_at": rfc3339(key.created_at),
                "active_from": rfc3339(key.active_from),
                "id": key.id.to_string(),
            })
        });
        return print_json(&Value::Array(all.collect()));
    }
    let mut table = Table::new(&["KEY ID", "ALGORITHM", "MADE", "SIGNS FROM"]);
    for key in &keys {
        table.row(vec![key.kid.clone(), key.alg.clone(), rfc3339(key.created_at), rfc3339(key.active_from)]);
    }
    print(&table.text());
    Ok(())
}
