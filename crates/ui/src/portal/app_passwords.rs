//! One's own app passwords: what there is, a form for a new one, its secret shown once, and the
//! question before one is revoked.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use ostiary_app::{AppPasswordError, NewAppPassword, Visitor};
use ostiary_httpkit::routes::{self, APP_PASSWORDS, Errand};
use ostiary_httpkit::{CsrfForm, Door, Path, Problem, see_other};
use ostiary_model::{AppPassword, Network, Secret};
use serde::Deserialize;

use crate::done::{Done, Note, Said};
use crate::form::{Field, sentence};
use crate::frame::{self, Frame};
use crate::notice::Notice;
use crate::onward::{self, Step};
use crate::words::When;

/// The list and the form.
#[derive(Template)]
#[template(path = "portal/app_passwords.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) notice: Option<Notice>,
    /// What the last form did.
    pub(crate) note: Option<Said>,
    pub(crate) rows: Vec<Row>,
    /// Whether programs do not get in with the person's own password.
    pub(crate) needs_one: bool,
    pub(crate) name: Field,
    pub(crate) networks: Field,
    pub(crate) services: Vec<Choice>,
    pub(crate) service_error: Option<String>,
}

/// One app password.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) made: When,
    /// When and from where it was last used.
    pub(crate) used: Option<(When, Option<String>)>,
    pub(crate) networks: Vec<String>,
    pub(crate) service: Option<String>,
    /// Whether it no longer works, because everything ended that the person held.
    pub(crate) is_ended: bool,
    pub(crate) revoke: String,
}

/// A service account to choose.
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) is_chosen: bool,
}

/// The page that shows the secret, once.
#[derive(Template)]
#[template(path = "portal/app_password.html")]
pub(crate) struct Made {
    pub(crate) frame: Frame,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) username: String,
    pub(crate) dn: String,
    pub(crate) server: Option<String>,
}

/// The page that asks whether one is to end.
#[derive(Template)]
#[template(path = "portal/app_password_revoke.html")]
pub(crate) struct Ask {
    pub(crate) frame: Frame,
    pub(crate) name: String,
    pub(crate) is_ended: bool,
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Form {
    name: String,
    #[serde(default)]
    networks: String,
    #[serde(default)]
    service: String,
}

/// Nothing but the token.
#[derive(Deserialize)]
pub(crate) struct Sure {}

/// How many of them work.
pub(crate) async fn count(door: &Door, visitor: &Visitor) -> Result<usize, Problem> {
    let all = list(door, visitor).await?;
    Ok(all.iter().filter(|password| password.generation == visitor.user.generation).count())
}

/// The list, for whoever is signed in as far as their account asks.
pub(crate) async fn show(door: Door) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let mut page = page(&door, visitor, None).await?;
    page.note = Note::brought(&door).map(Note::said);
    Ok(Note::forget(&door, frame::ok(&door, &page)))
}

/// Makes one, and shows its secret in answer: there is no second time.
pub(crate) async fn add(door: Door, CsrfForm(form): CsrfForm<Form>) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let is_between = |letter: char| letter.is_whitespace() || letter == ',' || letter == ';';
    let new = NewAppPassword {
        name: form.name.clone(),
        networks: form.networks.split(is_between).map(str::to_owned).collect(),
        service: Some(form.service.clone()),
    };

    let made = door.app.app_password_add(&door.ctx, &new).await;

    match made {
        Ok((password, secret)) => Ok(frame::ok(&door, &shown(&door, visitor, &password, &secret))),
        Err(error) => refused(&door, visitor, &form, error).await,
    }
}

/// Asks whether one is to end.
pub(crate) async fn ask(door: Door, Path(id): Path) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let password = named(&door, visitor, &id).await?;
    let is_ended = password.generation != visitor.user.generation;
    let name = password.name.as_str().to_owned();
    Ok(frame::ok(&door, &Ask { frame: Frame::new(&door), name, is_ended }))
}

/// Ends one.
pub(crate) async fn revoke(door: Door, Path(id): Path, CsrfForm(Sure {}): CsrfForm<Sure>) -> Result<Response, Problem> {
    let visitor = match own(&door).await? {
        Ok(visitor) => visitor,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let password = named(&door, visitor, &id).await?;

    door.app.app_password_revoke(&door.ctx, visitor.user.id, password.id).await.map_err(problem)?;

    Ok(Note::new(Done::AppPasswordRevoked, password.name.as_str()).on(&door, see_other(APP_PASSWORDS)))
}

/// Whose page it is, or the way to what is missing before it can be shown.
async fn own(door: &Door) -> Result<Result<&Visitor, Response>, Problem> {
    match (onward::next(door, &Errand::Account).await?, &door.visitor) {
        (Step::Account, Some(visitor)) => Ok(Ok(visitor)),
        (step, _) => Ok(Err(step.go(door, &Errand::Account).await)),
    }
}

async fn list(door: &Door, visitor: &Visitor) -> Result<Vec<AppPassword>, Problem> {
    door.app.app_passwords(&door.ctx, visitor.user.id).await.map_err(problem)
}

/// The visitor's app password whose id stands in the address.
async fn named(door: &Door, visitor: &Visitor, id: &str) -> Result<AppPassword, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let all = list(door, visitor).await?;
    all.into_iter().find(|password| password.id == id).ok_or_else(Problem::not_found)
}

async fn page(door: &Door, visitor: &Visitor, typed: Option<&Form>) -> Result<Page, Problem> {
    let rows = list(door, visitor).await?.iter().map(|password| row(door, visitor, password)).collect();
    let chosen = typed.map_or("", |form| form.service.as_str());
    let services = door.app.directory().service_accounts(door.ctx.now).into_iter();
    let services = services.map(|service| service.profile.username.to_string());
    Ok(Page {
        frame: Frame::new(door),
        notice: None,
        note: None,
        rows,
        needs_one: !door.app.may_bind_with_password(&visitor.user),
        name: Field::new(typed.map_or("", |form| form.name.as_str())),
        networks: Field::new(typed.map_or("", |form| form.networks.as_str())),
        services: services.map(|value| Choice { is_chosen: value == chosen, value }).collect(),
        service_error: None,
    })
}

fn row(door: &Door, visitor: &Visitor, password: &AppPassword) -> Row {
    let when = |at| When::new(door.ctx.now, at);
    let service = password.service.and_then(|id| door.app.directory().user(id));
    Row {
        name: password.name.as_str().to_owned(),
        made: when(password.created_at),
        used: password.last_used_at.map(|at| (when(at), password.last_used_address.map(|one| one.to_string()))),
        networks: password.networks.iter().map(Network::to_string).collect(),
        service: service.map(|service| service.profile.username.to_string()),
        is_ended: password.generation != visitor.user.generation,
        revoke: routes::app_password_revoke(password.id),
    }
}

fn shown(door: &Door, visitor: &Visitor, password: &AppPassword, secret: &Secret) -> Made {
    Made {
        frame: Frame::new(door),
        name: password.name.as_str().to_owned(),
        secret: secret.expose().to_owned(),
        username: visitor.user.profile.username.to_string(),
        dn: door.app.directory().person_dn(&visitor.user),
        server: door.app.settings().ldap_url.clone(),
    }
}

async fn refused(door: &Door, visitor: &Visitor, form: &Form, error: AppPasswordError) -> Result<Response, Problem> {
    let mut page = page(door, visitor, Some(form)).await?;
    let words = sentence(&error.to_string());
    let title = match &error {
        AppPasswordError::TooMany(_) => "No app password was made",
        _ => "One field needs another look",
    };
    page.notice = Some(Notice::bad(title).line(words.as_str()));
    match error {
        AppPasswordError::Name(_) => page.name.error = Some(words),
        AppPasswordError::Network(_) | AppPasswordError::TooManyNetworks(_) => page.networks.error = Some(words),
        AppPasswordError::NoSuchService(_) => page.service_error = Some(words),
        AppPasswordError::TooMany(_) => {}
        AppPasswordError::Denied | AppPasswordError::NoSuchAppPassword | AppPasswordError::Trouble(_) => {
            return Err(problem(error));
        }
    }
    Ok(frame::show(door, StatusCode::UNPROCESSABLE_ENTITY, &page))
}

fn problem(error: AppPasswordError) -> Problem {
    match error {
        AppPasswordError::Trouble(trouble) => trouble.into(),
        AppPasswordError::NoSuchAppPassword => Problem::not_found(),
        other => Problem::new(StatusCode::FORBIDDEN, "That was not done").text(sentence(&other.to_string())),
    }
}
