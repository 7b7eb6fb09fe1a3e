//! `ostiary group …`.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use ostiary_app::directory::Page;
use ostiary_app::{App, GroupChange, NewGroup};
use ostiary_model::{Ctx, Folded, Group, Member};
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
    /// List all groups, with how many are in each
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
        GroupCommand::AddMember { group, users } => members(app, &ctx, &group, users_named(app, &users)?, true).await?,
        GroupCommand::RemoveMember { group, users } => {
            members(app, &ctx, &group, users_named(app, &users)?, false).await?;
        }
        GroupCommand::AddGroup { parent, children } => {
            members(app, &ctx, &parent, groups_named(app, &children)?, true).await?;
        }
        GroupCommand::RemoveGroup { parent, children } => {
            members(app, &ctx, &parent, groups_named(app, &children)?, false).await?;
        }
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

/// Each with its name, for the answer.
type Named = Vec<(String, Member)>;

fn users_named(app: &App, names: &[String]) -> Result<Named> {
    let named = |name: &String| {
        let user = user::find(app, name)?;
        Ok((user.profile.username.to_string(), Member::User(user.id)))
    };
    names.iter().map(named).collect()
}

fn groups_named(app: &App, names: &[String]) -> Result<Named> {
    let named = |name: &String| {
        let group = find(app, name)?;
        Ok((group.name.to_string(), Member::Group(group.id)))
    };
    names.iter().map(named).collect()
}

/// Puts all of `moved` into a group, or takes them out: all, or none when one cannot.
async fn members(app: &App, ctx: &Ctx, group: &str, moved: Named, is_coming: bool) -> Result<()> {
    let group = find(app, group)?;
    let users = app.directory().members_of(group.id).into_iter().map(|user| Member::User(user.id));
    let groups = app.directory().subgroups_of(group.id).into_iter().map(|group| Member::Group(group.id));
    let mut inside: HashSet<Member> = users.chain(groups).collect();
    let all = moved.iter().map(|(_, member)| *member).collect();
    let change = match is_coming {
        true => GroupChange { add: all, ..GroupChange::default() },
        false => GroupChange { remove: all, ..GroupChange::default() },
    };
    let changed = app.group_change(ctx, group.id, &change).await;
    changed.with_context(|| format!("who is in {} was left as it was", group.name))?;
    for (name, member) in moved {
        let is_done = if is_coming { inside.insert(member) } else { inside.remove(&member) };
        print(&format!("{name} {} in {}.\n", outcome(is_coming, is_done), group.name));
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
    let found = app.directory().group_by_name(&Folded::new(name));
    found.with_context(|| format!("there is no group named {name:?}; `ostiary group list` shows all"))
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
            row.members.to_string(),
            app.directory().subgroups_of(group.id).len().to_string(),
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
