//! `ostiary attribute …` and `ostiary object-class …`: what entries of the directory are made of,
//! beside what is always there.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Subcommand};
use ostiary_app::{App, AttributeFlags, NewAttribute, NewObjectClass};
use ostiary_model::{AttributeDef, AttributeKind};
use serde_json::{Value, json};

use super::{Table, moment, print, print_json};

const ADD: &str = "\
Examples:
  ostiary attribute add costCentre --users --groups
  ostiary attribute add telephoneNumber --users --list --editable
  ostiary attribute add badgeValidUntil --users --kind date_time --hidden

Values are set with `ostiary user change NAME --set costCentre=4711`.";

/// What can be done with attributes.
#[derive(Subcommand)]
pub(crate) enum AttributeCommand {
    /// List the attributes that people and groups can have beside what is always there
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Define an attribute
    #[command(after_help = ADD, group = ArgGroup::new("bearer").args(["users", "groups"]).multiple(true).required(true))]
    Add {
        /// Its name: letters, digits and hyphens
        name: String,
        /// What its values are: string, integer, boolean, date_time or jpeg
        #[arg(long, default_value = "string", value_parser = kind)]
        kind: AttributeKind,
        /// An entry may have several values
        #[arg(long)]
        list: bool,
        /// People have it
        #[arg(long)]
        users: bool,
        /// Groups have it
        #[arg(long)]
        groups: bool,
        /// Shown to administrators and readers of the whole directory alone
        #[arg(long)]
        hidden: bool,
        /// People may change it on their own entry
        #[arg(long)]
        editable: bool,
    },
    /// Change who has an attribute, and who sees and changes it
    Change {
        /// Its name
        name: String,
        /// Whether people have it
        #[arg(long, value_name = "YES")]
        users: Option<bool>,
        /// Whether groups have it
        #[arg(long, value_name = "YES")]
        groups: Option<bool>,
        /// Whether everybody who sees an entry sees it
        #[arg(long, value_name = "YES")]
        visible: Option<bool>,
        /// Whether people may change it on their own entry
        #[arg(long, value_name = "YES")]
        editable: Option<bool>,
    },
    /// Delete an attribute and all its values, for good
    Delete {
        /// Its name
        name: String,
        /// Do not ask first (nobody is asked when standard input is no terminal)
        #[arg(long)]
        yes: bool,
    },
}

/// What can be done with object classes.
#[derive(Subcommand)]
pub(crate) enum ObjectClassCommand {
    /// List the object classes that were added
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Give all people or all groups an object class, for programs that look for it
    #[command(group = ArgGroup::new("bearer").args(["users", "groups"]).multiple(true).required(true))]
    Add {
        /// Its name: letters, digits and hyphens
        name: String,
        /// People have it
        #[arg(long)]
        users: bool,
        /// Groups have it
        #[arg(long)]
        groups: bool,
    },
    /// Take an object class away that was added
    Delete {
        /// Its name
        name: String,
    },
}

fn kind(text: &str) -> Result<AttributeKind, String> {
    AttributeKind::parse(text).map_err(|error| error.to_string())
}

/// Runs one command about attributes.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: AttributeCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        AttributeCommand::List { json } => list(app, json)?,
        AttributeCommand::Add { name, kind, list, users, groups, hidden, editable } => {
            let new = NewAttribute {
                name,
                kind,
                is_list: list,
                on_users: users,
                on_groups: groups,
                is_visible: !hidden,
                is_editable: editable,
            };
            let def = app.attribute_add(&ctx, &new).await?;
            print(&format!("Added the attribute {}.\n", def.name.as_str()));
        }
        AttributeCommand::Change { name, users, groups, visible, editable } => {
            let def = find(app, &name)?;
            if [users, groups, visible, editable].iter().all(Option::is_none) {
                bail!("say what is to change; `ostiary attribute change --help` shows what can");
            }
            let flags =
                AttributeFlags { on_users: users, on_groups: groups, is_visible: visible, is_editable: editable };
            app.attribute_change(&ctx, def.number, &flags).await?;
            print(&format!("Changed the attribute {}.\n", def.name.as_str()));
        }
        AttributeCommand::Delete { name, yes } => {
            let def = find(app, &name)?;
            if !yes && !is_sure(&def)? {
                bail!("nothing was deleted");
            }
            app.attribute_delete(&ctx, def.number).await?;
            print(&format!("Deleted the attribute {}.\n", def.name.as_str()));
        }
    }
    Ok(())
}

/// Runs one command about object classes.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run_class(app: &Arc<App>, command: ObjectClassCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        ObjectClassCommand::List { json } => classes(app, json)?,
        ObjectClassCommand::Add { name, users, groups } => {
            let new = NewObjectClass { name: name.clone(), on_users: users, on_groups: groups };
            app.object_class_add(&ctx, &new).await?;
            print(&format!("Added the object class {name}.\n"));
        }
        ObjectClassCommand::Delete { name } => {
            app.object_class_delete(&ctx, &name).await?;
            print(&format!("Deleted the object class {name}.\n"));
        }
    }
    Ok(())
}

/// The attribute named so, in any case.
fn find(app: &App, name: &str) -> Result<AttributeDef> {
    let schema = app.directory().schema();
    schema.def_by_name(name).cloned().with_context(|| {
        format!("there is no attribute {name:?} that can be changed; `ostiary attribute list` shows them")
    })
}

/// Asks on a terminal; a script has said what it wants.
fn is_sure(def: &AttributeDef) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let mut out = std::io::stderr();
    let name = def.name.as_str();
    write!(out, "This deletes {name} and all values of it on every entry, for good. Type yes to go on: ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

const fn bearers(on_users: bool, on_groups: bool) -> &'static str {
    match (on_users, on_groups) {
        (true, true) => "people, groups",
        (true, false) => "people",
        (false, true) => "groups",
        (false, false) => "",
    }
}

fn list(app: &App, json: bool) -> Result<()> {
    let schema = app.directory().schema();
    if json {
        let all = schema.defs().map(|def| {
            json!({
                "name": def.name.as_str(),
                "kind": def.kind.as_str(),
                "list": def.is_list,
                "users": def.on_users,
                "groups": def.on_groups,
                "visible": def.is_visible,
                "editable": def.is_editable,
                "built_in": def.is_built_in(),
                "oid": def.oid(),
            })
        });
        return print_json(&Value::Array(all.collect()));
    }
    let mut table = Table::new(&["NAME", "KIND", "VALUES", "ON", "SEEN BY", "CHANGED BY"]);
    for def in schema.defs() {
        table.row(vec![
            def.name.as_str().to_owned(),
            def.kind.as_str().to_owned(),
            if def.is_list { "several" } else { "one" }.to_owned(),
            bearers(def.on_users, def.on_groups).to_owned(),
            if def.is_visible { "everybody" } else { "administrators" }.to_owned(),
            if def.is_editable { "its owner" } else { "administrators" }.to_owned(),
        ]);
    }
    print(&table.text());
    Ok(())
}

fn classes(app: &App, json: bool) -> Result<()> {
    let schema = app.directory().schema();
    if json {
        let all = schema
            .classes()
            .iter()
            .map(|class| json!({"name": class.name.as_str(), "users": class.on_users, "groups": class.on_groups}));
        return print_json(&Value::Array(all.collect()));
    }
    let mut table = Table::new(&["NAME", "ON"]);
    for class in schema.classes() {
        table.row(vec![class.name.as_str().to_owned(), bearers(class.on_users, class.on_groups).to_owned()]);
    }
    print(&table.text());
    Ok(())
}
