//! `ostiary user app-passwords …`. Nobody makes one here: its secret is for its owner alone.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use ostiary_app::App;
use ostiary_model::{AppPassword, Network, User};
use serde_json::{Value, json};

use super::user::find;
use super::{Table, day, moment, print, print_json, rfc3339};

/// What can be done with the app passwords of a person.
#[derive(Subcommand)]
pub(crate) enum AppPasswordsCommand {
    /// List them; people make them on their account page
    List {
        /// Sign-in name
        name: String,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Revoke one: at once no LDAP bind with it
    Revoke {
        /// Sign-in name
        name: String,
        /// Its id, as the list shows it
        id: String,
    },
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: AppPasswordsCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        AppPasswordsCommand::List { name, json } => {
            let user = find(app, &name)?;
            let all = app.app_passwords(&ctx, user.id).await?;
            if json {
                return print_json(&Value::Array(all.iter().map(|password| as_json(app, &user, password)).collect()));
            }
            print(&table(app, &user, &all).text());
        }
        AppPasswordsCommand::Revoke { name, id } => {
            let user = find(app, &name)?;
            let name = &user.profile.username;
            let all = app.app_passwords(&ctx, user.id).await?;
            let found = all.iter().find(|password| password.id.to_string() == id).with_context(|| {
                format!("{name} has no app password {id:?}; `ostiary user app-passwords list {name}` shows them")
            })?;
            app.app_password_revoke(&ctx, user.id, found.id).await?;
            print(&format!("Revoked the app password {:?} of {name}.\n", found.name.as_str()));
        }
    }
    Ok(())
}

fn table(app: &App, user: &User, all: &[AppPassword]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "STATE", "MADE", "LAST USED", "FROM", "NETWORKS", "SERVICE"]);
    for password in all {
        table.row(vec![
            password.id.to_string(),
            password.name.as_str().to_owned(),
            if works(user, password) { "works" } else { "ended" }.to_owned(),
            day(password.created_at),
            password.last_used_at.map(day).unwrap_or_default(),
            password.last_used_address.map(|address| address.to_string()).unwrap_or_default(),
            networks(password).join(" "),
            service(app, password).unwrap_or_default(),
        ]);
    }
    table
}

/// Whether it is of the owner's generation: else everything was ended that they held.
fn works(user: &User, password: &AppPassword) -> bool {
    password.generation == user.generation
}

fn networks(password: &AppPassword) -> Vec<String> {
    password.networks.iter().map(Network::to_string).collect()
}

fn service(app: &App, password: &AppPassword) -> Option<String> {
    password.service.and_then(|id| app.directory().user(id)).map(|service| service.profile.username.to_string())
}

fn as_json(app: &App, user: &User, password: &AppPassword) -> Value {
    json!({
        "id": password.id.to_string(),
        "name": password.name.as_str(),
        "works": works(user, password),
        "networks": networks(password),
        "service": service(app, password),
        "created_at": rfc3339(password.created_at),
        "last_used_at": password.last_used_at.map(rfc3339),
        "last_used_address": password.last_used_address.map(|address| address.to_string()),
    })
}
