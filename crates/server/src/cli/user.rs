//! `ostiary user …`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, Subcommand};
use ostiary_app::{App, NewPerson, PersonChange};
use ostiary_model::{Ctx, Folded, User};

use super::app_passwords::{self, AppPasswordsCommand};
use super::fields::{PersonFields, file_bytes};
use super::person_view::{list, show};
use super::{PasswordInput, moment, print};

const ADD: &str = "\
Examples:
  ostiary user add ada --email ada@example.org --given-name Ada --family-name Okafor
  ostiary user add ada --email ada@example.org --group lldap_admin --password-file ada.txt
  pass show ada | ostiary user add ada --email ada@example.org --password-stdin
  ostiary user add wiki --email wiki@example.org --service --group lldap_strict_readonly";

const CHANGE: &str = "\
Examples:
  ostiary user change ada --name ada.okafor --email ada@example.org --address a.okafor@example.org
  ostiary user change ada --not-after 2027-01-01
  ostiary user change ada --set 'sshPublicKey=ssh-ed25519 AAAA… ada@lamp' --set loginShell=/bin/zsh
  ostiary user change ada --unset loginShell --not-after none --picture ada.jpg

What is not named stays as it is.";

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
        #[command(flatten)]
        fields: Box<PersonFields>,
        /// A group to be in; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Change what a person is made of
    #[command(after_help = CHANGE)]
    Change {
        /// Sign-in name
        user: String,
        /// A new sign-in name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// A new address. A further address that becomes this one trades places with it
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        #[command(flatten)]
        fields: Box<PersonFields>,
        #[command(flatten)]
        picture: Picture,
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

/// A picture to set or take away.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct Picture {
    /// A picture: a JPEG, PNG or WebP file, cut to a square
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// No picture any more
    #[arg(long)]
    no_picture: bool,
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: UserCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        UserCommand::Add { name, email, fields, groups, password } => {
            let password = password.read()?;
            let new = NewPerson { username: name, email, groups, change: fields.change(app)?, ..NewPerson::default() };
            let user = app.person_add(&ctx, &new, password.as_ref()).await?;
            let rest = if password.is_some() { "" } else { " They cannot sign in before a password is set." };
            print(&format!("Added {}.{rest}\n", user.profile.username));
        }
        UserCommand::Change { user, name, email, fields, picture } => {
            let change = PersonChange { username: name, email, ..fields.change(app)? };
            change_person(app, &ctx, &*find(app, &user)?, change, picture).await?;
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
    let found = app.directory().user_by_name(&Folded::new(name));
    found.with_context(|| format!("there is nobody named {name:?}; `ostiary user list` shows everybody"))
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

async fn change_person(app: &App, ctx: &Ctx, user: &User, change: PersonChange, picture: Picture) -> Result<()> {
    let file = match &picture.picture {
        Some(path) => {
            let file = file_bytes(path)?;
            // Looked at before anything is changed: what cannot be used leaves nothing half done.
            app.picture_prepare(&file).await.with_context(|| path.display().to_string())?;
            Some(file)
        }
        None => None,
    };
    let is_pictured = file.is_some() || picture.no_picture;
    if change == PersonChange::default() && !is_pictured {
        bail!("say what is to change; `ostiary user change --help` shows what can");
    }
    app.person_change(ctx, user.id, &change).await?;
    if is_pictured {
        app.avatar_set(ctx, user.id, file.as_deref()).await.context("all else was changed, but not the picture")?;
    }
    let name = app.directory().user(user.id).map(|user| user.profile.username.to_string());
    print(&format!("Changed {}.\n", name.unwrap_or_default()));
    Ok(())
}
