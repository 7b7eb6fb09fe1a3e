//! `ostiary group …`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use ostiary_app::directory::Page;
use ostiary_app::{App, GroupChange, NewGroup};
use ostiary_model::{Ctx, Folded, Group, Nesting};
use serde_json::{Value, json};

use super::fields::{Bearer, Values};
use super::person_view::{aligned, names, shown, values_json};
use super::{Table, day, moment, print, print_json, rfc3339, user};

const CHANGE: &str = "\
Examples:
  ostiary group change editors --name writers
  ostiary group change editors --gid-number 5000 --set costCentre=4711

What is not named stays as it is.";

/// What can be done with groups.
#[derive(Subcommand)]
pub(crate) enum GroupCommand {
    /// Add a group
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        fields: GroupFields,
    },
    /// Change what a group is made of
    #[command(alias = "set", after_help = CHANGE)]
    Change {
        /// Its name
        group: String,
        /// A new name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        fields: GroupFields,
    },
    /// List all groups
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show one group
    Show {
        /// Its name
        name: String,
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
    /// Put groups into a group: whoever is in them is in it
    AddGroup {
        /// The outer group's name
        parent: String,
        /// The inner groups' names
        #[arg(required = true, value_name = "CHILD")]
        children: Vec<String>,
    },
    /// Take groups out of a group
    RemoveGroup {
        /// The outer group's name
        parent: String,
        /// The inner groups' names
        #[arg(required = true, value_name = "CHILD")]
        children: Vec<String>,
    },
    /// Who puts people into a group and takes them out, without being an administrator
    #[command(subcommand)]
    Manager(ManagerCommand),
}

/// What can be done with managers.
#[derive(Subcommand)]
pub(crate) enum ManagerCommand {
    /// Let people manage a group
    Add {
        /// The group's name
        group: String,
        /// Sign-in names
        #[arg(required = true)]
        users: Vec<String>,
    },
    /// Let people manage a group no longer
    Remove {
        /// The group's name
        group: String,
        /// Sign-in names
        #[arg(required = true)]
        users: Vec<String>,
    },
}

/// What a group is made of, beside its name.
#[derive(Args)]
pub(crate) struct GroupFields {
    /// gidNumber, instead of the one that is given
    #[arg(long, value_name = "NUMBER")]
    gid_number: Option<i64>,
    #[command(flatten)]
    values: Values,
}

impl GroupFields {
    fn change(&self, app: &App) -> Result<GroupChange> {
        let values = self.values.read(app, Bearer::Group)?;
        Ok(GroupChange { gid_number: self.gid_number, values, ..GroupChange::default() })
    }
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: GroupCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        GroupCommand::Add { name, fields } => {
            let group = app.group_add_with(&ctx, &NewGroup { name, change: fields.change(app)? }).await?;
            print(&format!("Added the group {}.\n", group.name));
        }
        GroupCommand::Change { group, name, fields } => {
            let group = find(app, &group)?;
            let change = GroupChange { name, ..fields.change(app)? };
            if change == GroupChange::default() {
                bail!("say what is to change; `ostiary group change --help` shows what can");
            }
            app.group_change(&ctx, group.id, &change).await?;
            let name = app.directory().group(group.id).map(|group| group.name.to_string());
            print(&format!("Changed the group {}.\n", name.unwrap_or_default()));
        }
        GroupCommand::List { json } => list(app, json)?,
        GroupCommand::Show { name, json } => show(app, &*find(app, &name)?, json)?,
        GroupCommand::Delete { name } => {
            let group = find(app, &name)?;
            app.group_delete(&ctx, group.id).await?;
            print(&format!("Deleted the group {}.\n", group.name));
        }
        GroupCommand::AddMember { group, users } => members(app, &ctx, &group, &users, true).await?,
        GroupCommand::RemoveMember { group, users } => members(app, &ctx, &group, &users, false).await?,
        GroupCommand::AddGroup { parent, children } => groups(app, &ctx, &parent, &children, true).await?,
        GroupCommand::RemoveGroup { parent, children } => groups(app, &ctx, &parent, &children, false).await?,
        GroupCommand::Manager(ManagerCommand::Add { group, users }) => {
            managers(app, &ctx, &group, &users, true).await?;
        }
        GroupCommand::Manager(ManagerCommand::Remove { group, users }) => {
            managers(app, &ctx, &group, &users, false).await?;
        }
    }
    Ok(())
}

/// What became of each name.
const fn outcome(is_coming: bool, is_done: bool) -> &'static str {
    match (is_coming, is_done) {
        (true, true) => "is now",
        (true, false) => "was already",
        (false, true) => "is no longer",
        (false, false) => "was not",
    }
}

async fn members(app: &App, ctx: &Ctx, group: &str, users: &[String], is_coming: bool) -> Result<()> {
    let group = find(app, group)?;
    // All names are known before anybody is moved.
    let users = users.iter().map(|name| user::find(app, name)).collect::<Result<Vec<_>>>()?;
    for user in users {
        let is_done = match is_coming {
            true => app.member_add(ctx, user.id, group.id).await?,
            false => app.member_remove(ctx, user.id, group.id).await?,
        };
        print(&format!("{} {} in {}.\n", user.profile.username, outcome(is_coming, is_done), group.name));
    }
    Ok(())
}

async fn groups(app: &App, ctx: &Ctx, parent: &str, children: &[String], is_coming: bool) -> Result<()> {
    let parent = find(app, parent)?;
    let children = children.iter().map(|name| find(app, name)).collect::<Result<Vec<_>>>()?;
    for child in children {
        let nesting = Nesting { child: child.id, parent: parent.id };
        let is_done = match is_coming {
            true => app.nesting_add(ctx, nesting).await?,
            false => app.nesting_remove(ctx, nesting).await?,
        };
        print(&format!("{} {} in {}.\n", child.name, outcome(is_coming, is_done), parent.name));
    }
    Ok(())
}

async fn managers(app: &App, ctx: &Ctx, group: &str, users: &[String], is_coming: bool) -> Result<()> {
    let group = find(app, group)?;
    let users = users.iter().map(|name| user::find(app, name)).collect::<Result<Vec<_>>>()?;
    for user in users {
        let is_done = match is_coming {
            true => app.manager_add(ctx, group.id, user.id).await?,
            false => app.manager_remove(ctx, group.id, user.id).await?,
        };
        print(&format!("{} {} a manager of {}.\n", user.profile.username, outcome(is_coming, is_done), group.name));
    }
    Ok(())
}

/// The group named so, in any spelling.
fn find(app: &App, name: &str) -> Result<Arc<Group>> {
    app.directory().group_by_name(&Folded::new(name)).with_context(|| format!("there is no group named {name:?}"))
}

fn people(users: &[Arc<ostiary_model::User>]) -> Vec<String> {
    users.iter().map(|user| user.profile.username.to_string()).collect()
}

fn list(app: &App, json: bool) -> Result<()> {
    let found = app.directory().find_groups(moment(app).now, "", Page::ALL)?.rows;
    if json {
        return print_json(&Value::Array(found.iter().map(|row| as_json(app, &row.group)).collect()));
    }
    let mut table = Table::new(&["NAME", "MEMBERS", "GROUPS IN IT", "ADDED"]);
    for row in &found {
        let group = &row.group;
        table.row(vec![
            group.name.to_string(),
            people(&app.directory().members_of(group.id)).join(", "),
            names(&app.directory().subgroups_of(group.id)).join(", "),
            day(group.created_at),
        ]);
    }
    print(&table.text());
    Ok(())
}

fn show(app: &App, group: &Group, json: bool) -> Result<()> {
    if json {
        return print_json(&as_json(app, group));
    }
    let directory = app.directory();
    let direct = people(&directory.members_of(group.id));
    let through: Vec<String> =
        people(&directory.effective_members_of(group.id)).into_iter().filter(|name| !direct.contains(name)).collect();
    let mut lines: Vec<(&str, String)> = vec![
        ("name", group.name.to_string()),
        ("members", direct.join(", ")),
        ("groups in it", names(&directory.subgroups_of(group.id)).join(", ")),
        ("members through them", through.join(", ")),
        ("is in", names(&directory.parents_of(group.id)).join(", ")),
        ("managers", people(&directory.managers_of(group.id)).join(", ")),
        ("gidNumber", group.gid_number.map(|number| number.to_string()).unwrap_or_default()),
    ];
    let schema = directory.schema();
    for def in schema.defs() {
        let values = directory.values_of_group(group.id, def.number);
        let pictures = directory.pictures_of_group(group.id, def.number);
        lines.extend(shown(values, pictures).map(|value| (def.name.as_str(), value)));
    }
    lines.extend([
        ("number", group.number.to_string()),
        ("added", rfc3339(group.created_at)),
        ("changed", rfc3339(group.modified_at)),
        ("id", group.id.to_string()),
    ]);
    print(&aligned(&lines));
    Ok(())
}

fn as_json(app: &App, group: &Group) -> Value {
    let directory = app.directory();
    json!({
        "name": group.name.as_str(),
        "number": group.number,
        "built_in": group.is_built_in(),
        "members": people(&directory.members_of(group.id)),
        "all_members": people(&directory.effective_members_of(group.id)),
        "groups": names(&directory.subgroups_of(group.id)),
        "parents": names(&directory.parents_of(group.id)),
        "managers": people(&directory.managers_of(group.id)),
        "gid_number": group.gid_number,
        "attributes": values_json(app, |number| directory.values_of_group(group.id, number)),
        "created_at": rfc3339(group.created_at),
        "modified_at": rfc3339(group.modified_at),
        "id": group.id.to_string(),
    })
}
