//! `ostiary client …`.

use std::sync::Arc;

use anyhow::Result;
use clap::Subcommand;
use ostiary_app::App;
use ostiary_model::{Client, ClientId, ClientKind, ClientSource, NewClient, Secret, SignInPolicy};
use serde_json::{Value, json};

use super::{Table, moment, print, print_json, rfc3339};
use crate::config::{Remember, format_span};

const ADD: &str = "\
Examples:
  ostiary client add directus --name 'My Directus' \\
      --redirect-uri https://cms.example.org/auth/login/ostiary/callback
  ostiary client add desktop --name 'Our program' --public --redirect-uri http://127.0.0.1/callback";

/// What can be done with applications.
#[derive(Subcommand)]
pub(crate) enum ClientCommand {
    /// Register an application. Its secret is shown once
    #[command(after_help = ADD)]
    Add {
        /// What the application calls itself: letters, digits and - . _ ~
        id: String,
        /// What people read when they sign in to it
        #[arg(long)]
        name: String,
        /// Where it is answered, exactly as it asks; may be repeated
        #[arg(long = "redirect-uri", value_name = "URI", required = true)]
        redirect_uris: Vec<String>,
        /// It cannot keep a secret, such as a program on somebody's own machine
        #[arg(long)]
        public: bool,
        /// What people must have proved: one_factor or two_factor
        #[arg(long, default_value = "two_factor", value_parser = policy)]
        policy: SignInPolicy,
        /// What it may ask for; may be repeated [default: openid, profile, email, groups, offline_access]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Put name, address and groups into the ID token as well
        #[arg(long)]
        claims_in_id_token: bool,
        /// How long a person's consent is remembered: such as 30d, or never
        #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = remember)]
        remember: Remember,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// List all applications
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show one application
    Show {
        /// Its client id
        #[arg(value_parser = client_id)]
        id: ClientId,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Give an application a new secret, shown once; the old one is dead at once
    RotateSecret {
        /// Its client id
        #[arg(value_parser = client_id)]
        id: ClientId,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Delete an application; its tokens are dead at once
    Delete {
        /// Its client id
        #[arg(value_parser = client_id)]
        id: ClientId,
    },
}

fn policy(text: &str) -> Result<SignInPolicy, String> {
    text.parse().map_err(|_| "allowed are one_factor and two_factor".to_owned())
}

fn remember(text: &str) -> Result<Remember, String> {
    Remember::parse(text).ok_or_else(|| "allowed is a length of time such as 30d, or never".to_owned())
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

/// Runs one command.
///
/// # Errors
/// What the verb says.
pub(crate) async fn run(app: &Arc<App>, command: ClientCommand) -> Result<()> {
    let ctx = moment(app);
    match command {
        ClientCommand::Add { id, name, redirect_uris, public, policy, scopes, claims_in_id_token, remember, json } => {
            let new =
                NewClient { id, name, redirect_uris, public, policy, scopes, remember: remember.0, claims_in_id_token };
            let (client, secret) = app.client_add(&ctx, &new).await?;
            with_secret(&client, secret.as_ref(), "Registered", json)?;
        }
        ClientCommand::List { json } => {
            let clients = app.client_list(&ctx).await?;
            if json {
                return print_json(&Value::Array(clients.iter().map(|client| as_json(client, None)).collect()));
            }
            print(&table(&clients).text());
        }
        ClientCommand::Show { id, json } => {
            let client = app.client_show(&ctx, &id).await?;
            if json {
                return print_json(&as_json(&client, None));
            }
            print(&lines(&client));
        }
        ClientCommand::RotateSecret { id, json } => {
            let (client, secret) = app.client_rotate_secret(&ctx, &id).await?;
            with_secret(&client, Some(&secret), "Changed the secret of", json)?;
        }
        ClientCommand::Delete { id } => {
            app.client_delete(&ctx, &id).await?;
            print(&format!("Deleted {}.\n", id.as_str()));
        }
    }
    Ok(())
}

fn with_secret(client: &Client, secret: Option<&Secret>, done: &str, json: bool) -> Result<()> {
    if json {
        return print_json(&as_json(client, secret));
    }
    let id = client.id().as_str();
    match secret {
        None => print(&format!("{done} {id}. It is public and has no secret.\n")),
        Some(secret) => {
            print(&format!("{done} {id}. This is its secret; it is not shown again:\n{}\n", secret.expose()))
        }
    }
    Ok(())
}

const fn source(client: &Client) -> &'static str {
    match client.source {
        ClientSource::Command => "command",
        ClientSource::Config => "config",
    }
}

fn scopes(client: &Client) -> Vec<&'static str> {
    client.details.scopes.iter().map(|scope| scope.as_str()).collect()
}

fn redirect_uris(client: &Client) -> Vec<&str> {
    client.details.redirect_uris.iter().map(|uri| uri.as_str()).collect()
}

fn remembered(client: &Client) -> String {
    client.details.remember.map_or_else(|| "never".to_owned(), format_span)
}

fn table(clients: &[Client]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "POLICY", "SECRET", "FROM", "REDIRECT URIS"]);
    for client in clients {
        table.row(vec![
            client.id().as_str().to_owned(),
            client.details.name.as_str().to_owned(),
            client.details.policy.as_str().to_owned(),
            if client.is_public() { "public" } else { "secret" }.to_owned(),
            source(client).to_owned(),
            redirect_uris(client).join(", "),
        ]);
    }
    table
}

fn lines(client: &Client) -> String {
    let secret = match client.kind {
        ClientKind::Public => "none, it is public".to_owned(),
        ClientKind::Confidential { secret_changed_at } => format!("since {}", rfc3339(secret_changed_at)),
    };
    let lines = [
        ("id", client.id().as_str().to_owned()),
        ("name", client.details.name.as_str().to_owned()),
        ("redirect URIs", redirect_uris(client).join(", ")),
        ("policy", client.details.policy.as_str().to_owned()),
        ("scopes", scopes(client).join(" ")),
        ("secret", secret),
        ("consent", format!("remembered: {}", remembered(client))),
        ("ID token", if client.details.claims_in_id_token { "with all claims" } else { "with few claims" }.to_owned()),
        ("registered", format!("{} by {}", rfc3339(client.created_at), source(client))),
        ("changed", rfc3339(client.modified_at)),
    ];
    lines.iter().map(|(name, value)| format!("{name:<14} {value}\n")).collect()
}

fn as_json(client: &Client, secret: Option<&Secret>) -> Value {
    let mut value = json!({
        "client_id": client.id().as_str(),
        "client_name": client.details.name.as_str(),
        "redirect_uris": redirect_uris(client),
        "policy": client.details.policy.as_str(),
        "scopes": scopes(client),
        "public": client.is_public(),
        "consent_remember": remembered(client),
        "claims_in_id_token": client.details.claims_in_id_token,
        "source": source(client),
        "created_at": rfc3339(client.created_at),
        "modified_at": rfc3339(client.modified_at),
    });
    if let (Some(secret), Some(members)) = (secret, value.as_object_mut()) {
        members.insert("client_secret".to_owned(), Value::String(secret.expose().to_owned()));
    }
    value
}
