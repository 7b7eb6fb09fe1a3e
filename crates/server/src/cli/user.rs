//! `ostiary user …`.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Subcommand};
use ostiary_app::directory::{Page, PeopleSort, PeopleState};
use ostiary_app::{App, NewPerson};
use ostiary_model::{Folded, User};
use serde_json::{Value, json};

use super::app_passwords::{self, AppPasswordsCommand};
use super::{PasswordInput, Table, day, moment, print, print_json, rfc3339};

const ADD: &str = "\
Examples:
  ostiary user add ada --email ada@example.org --given-name Ada --family-name Okafor
  ostiary user add ada --email ada@example.org --group lldap_admin --password-file ada.txt
  pass show ada | ostiary user add ada --email ada@example.org --password-stdin";

/// What can be done with people.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a person. Without a password they cannot sign in yet
    #[command(after_help = ADD)]
    Add {
        /// Sign-in name
        name: String,
        /// Address, of nobody else
        #[arg(long)]
        email: String,
        /// Full name
        #[arg(long, default_value = "", hide_default_value = true)]
        display_name: String,
        /// Given name
        #[arg(long, default_value = "", hide_default_value = true)]
        given_name: String,
        /// Family name
        #[arg(long, default_value = "", hide_default_value = true)]
        family_name: String,
        /// A group to be in; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// List everybody
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show one person
    Show {
        /// Sign-in name
        name: String,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Set a password; ends everything the person is signed in to
    #[command(group = ArgGroup::new("source").args(["password_stdin", "password_file"]).required(true))]
    SetPassword {
        /// Sign-in name
        name: String,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Close an account: at once no page, no token, no LDAP bind
    Disable {
        /// Sign-in name
        name: String,
    },
    /// Open a closed account again
    Enable {
        /// Sign-in name
        name: String,
    },
    /// Delete a person and all that belongs to them, for good
    Delete {
        /// Sign-in name
        name: String,
        /// Do not ask first (nobody is asked when standard input is no terminal)
        #[arg(long)]
        yes: bool,
    },
    /// Passwords that a person made for single programs
    #[command(subcommand)]
    AppPasswords(AppPasswordsCommand),
    /// Take away the authenticator app, so that the next sign-in sets one up anew
    ResetFactors {
        /// Sign-in name
        name: String,
    },
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: UserCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        UserCommand::Add { name, email, display_name, given_name, family_name, groups, password } => {
            let password = password.read()?;
            let new = NewPerson { username: name, email, display_name, given_name, family_name, groups, ..NewPerson::default() };
            let user = app.person_add(&ctx, &new, password.as_ref()).await?;
            let rest = if password.is_some() { "" } else { " They cannot sign in before a password is set" };
            print(&format!("Added {}.{rest}\n", user.profile.username));
        }
        UserCommand::List { json } => list(app, json)?,
        UserCommand::Show { name, json } => show(app, &*find(app, &name)?, json)?,
        UserCommand::SetPassword { name, password } => {
            let user = find(app, &name)?;
            // Clap has seen to it that there is one.
            let Some(password) = password.read()? else { return Ok(()) };
            app.person_set_password(&ctx, user.id, &password).await?;
            print(&format!("Set the password of {}.\n", user.profile.username));
        }
        UserCommand::Disable { name } => {
            let user = find(app, &name)?;
            app.person_disable(&ctx, user.id).await?;
            print(&format!("Disabled {}.\n", user.profile.username));
        }
        UserCommand::Enable { name } => {
            let user = find(app, &name)?;
            app.person_enable(&ctx, user.id).await?;
            print(&format!("Enabled {}.\n", user.profile.username));
        }
        UserCommand::Delete { name, yes } => {
            let user = find(app, &name)?;
            if !yes && !is_sure(&user)? {
                bail!("nothing was deleted");
            }
            app.person_delete(&ctx, user.id).await?;
            print(&format!("Deleted {}.\n", user.profile.username));
        }
        UserCommand::AppPasswords(command) => app_passwords::run(app, command).await?,
        UserCommand::ResetFactors { name } => {
            let user = find(app, &name)?;
            app.person_reset_factors(&ctx, user.id).await?;
            print(&format!("{} sets up an authenticator app at the next sign-in.\n", user.profile.username));
        }
    }
    Ok(())
}

/// The person named so, in any spelling.
pub(crate) fn find(app: &App, name: &str) -> Result<Arc<User>> {
    app.directory().user_by_name(&Folded::new(name)).with_context(|| format!("there is nobody named {name:?}"))
}

/// Asks on a terminal; a script has said what it wants.
fn is_sure(user: &User) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let mut out = std::io::stderr();
    write!(
        out,
        "This deletes {} ({}) and all that belongs to them, for good. Type yes to go on: ",
        user.profile.username,
        user.profile.full_name()
    )?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn list(app: &App, json: bool) -> Result<()> {
    let people = app
        .directory()
        .find_people(
            app.ctx(ostiary_model::Actor::CommandLine).now,
            "",
            PeopleState::Any,
            PeopleSort::default(),
            Page::ALL,
        )?
        .rows;
    if json {
        return print_json(&Value::Array(people.iter().map(|user| as_json(app, user)).collect()));
    }
    let mut table = Table::new(&["NAME", "FULL NAME", "E-MAIL", "GROUPS", "STATE", "LAST SIGN-IN"]);
    for user in &people {
        table.row(vec![
            user.profile.username.to_string(),
            user.profile.full_name(),
            user.profile.email.to_string(),
            groups(app, user).join(", "),
            state(user).to_owned(),
            user.last_sign_in_at.map(day).unwrap_or_default(),
        ]);
    }
    print(&table.text());
    Ok(())
}

fn groups(app: &App, user: &User) -> Vec<String> {
    app.directory().groups_of(user.id).iter().map(|group| group.name.to_string()).collect()
}

const fn state(user: &User) -> &'static str {
    if user.state.is_disabled() {
        "disabled"
    } else if user.password_changed_at.is_none() {
        "no password"
    } else if user.has_totp {
        "two factors"
    } else {
        "one factor"
    }
}

fn show(app: &App, user: &User, json: bool) -> Result<()> {
    if json {
        return print_json(&as_json(app, user));
    }
    let or_never = |time: Option<_>| time.map_or_else(|| "never".to_owned(), rfc3339);
    let lines = [
        ("name", user.profile.username.to_string()),
        ("full name", user.profile.full_name()),
        ("given name", user.profile.given_name.clone()),
        ("family name", user.profile.family_name.clone()),
        ("e-mail", user.profile.email.to_string()),
        ("groups", groups(app, user).join(", ")),
        ("state", state(user).to_owned()),
        ("added", rfc3339(user.created_at)),
        ("password set", or_never(user.password_changed_at)),
        ("last sign-in", or_never(user.last_sign_in_at)),
        ("id", user.id.to_string()),
        ("subject", user.subject.to_string()),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        let value = if value.is_empty() { "-" } else { &value };
        text.push_str(&format!("{name:<13} {value}\n"));
    }
    print(&text);
    Ok(())
}

fn as_json(app: &App, user: &User) -> Value {
    json!({
        "username": user.profile.username.as_str(),
        "email": user.profile.email.as_str(),
        "email_verified": user.profile.email_verified,
        "display_name": user.profile.display_name,
        "given_name": user.profile.given_name,
        "family_name": user.profile.family_name,
        "groups": groups(app, user),
        "disabled": user.state.is_disabled(),
        "has_password": user.password_changed_at.is_some(),
        "has_totp": user.has_totp,
        "created_at": rfc3339(user.created_at),
        "modified_at": rfc3339(user.modified_at),
        "password_changed_at": user.password_changed_at.map(rfc3339),
        "last_sign_in_at": user.last_sign_in_at.map(rfc3339),
        "id": user.id.to_string(),
        "subject": user.subject.to_string(),
    })
}
