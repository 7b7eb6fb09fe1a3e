//! `ostiary group …`.

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use ostiary_app::App;
use ostiary_app::directory::Page;
use ostiary_model::{Folded, Group};
use serde_json::{Value, json};

use super::{Table, day, moment, print, print_json, rfc3339, user};

/// What can be done with groups.
#[derive(Subcommand)]
pub(crate) enum GroupCommand {
    /// Add a group
    Add {
        /// Its name
        name: String,
    },
    /// List all groups
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Delete a group; its members stay
    Delete {
        /// Its name
        name: String,
    },
    /// Put people into a group
    AddMember {
        /// The group's name
        group: String,
        /// Sign-in names
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Take people out of a group
    RemoveMember {
        /// The group's name
        group: String,
        /// Sign-in names
        #[arg(required = true)]
        users: Vec<String>,
    },
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: GroupCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        GroupCommand::Add { name } => {
            let group = app.group_add(&ctx, &name).await?;
            print(&format!("Added the group {}.\n", group.name));
        }
        GroupCommand::List { json } => list(app, json)?,
        GroupCommand::Delete { name } => {
            let group = find(app, &name)?;
            app.group_delete(&ctx, group.id).await?;
            print(&format!("Deleted the group {}.\n", group.name));
        }
        GroupCommand::AddMember { group, users } => {
            let group = find(app, &group)?;
            // All names are known before anybody is moved.
            let users = users.iter().map(|name| user::find(app, name)).collect::<Result<Vec<_>>>()?;
            for user in users {
                let done = if app.member_add(&ctx, user.id, group.id).await? { "is now" } else { "was already" };
                print(&format!("{} {done} in {}.\n", user.profile.username, group.name));
            }
        }
        GroupCommand::RemoveMember { group, users } => {
            let group = find(app, &group)?;
            let users = users.iter().map(|name| user::find(app, name)).collect::<Result<Vec<_>>>()?;
            for user in users {
                let done = if app.member_remove(&ctx, user.id, group.id).await? { "is no longer" } else { "was not" };
                print(&format!("{} {done} in {}.\n", user.profile.username, group.name));
            }
        }
    }
    Ok(())
}

/// The group named so, in any spelling.
fn find(app: &App, name: &str) -> Result<Arc<Group>> {
    app.directory().group_by_name(&Folded::new(name)).with_context(|| format!("there is no group named {name:?}"))
}

fn list(app: &App, json: bool) -> Result<()> {
    let found = app.directory().find_groups(app.ctx(Actor::CommandLine).now, "", Page::ALL)?.rows;
    let groups: Vec<_> = found.iter().map(|row| Arc::clone(&row.group)).collect();
    let members = |group: &Group| -> Vec<String> {
        app.directory().members_of(group.id).iter().map(|user| user.profile.username.to_string()).collect()
    };
    if json {
        let all = groups.iter().map(|group| {
            json!({
                "name": group.name.as_str(),
                "number": group.number,
                "built_in": group.is_built_in(),
                "members": members(group),
                "created_at": rfc3339(group.created_at),
                "id": group.id.to_string(),
            })
        });
        return print_json(&Value::Array(all.collect()));
    }
    let mut table = Table::new(&["NAME", "MEMBERS", "ADDED"]);
    for group in &groups {
        table.row(vec![group.name.to_string(), members(group).join(", "), day(group.created_at)]);
    }
    print(&table.text());
    Ok(())
}
