//! One's own account: what is known, and how one signs in.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::routes::{self, Errand};
use ostiary_httpkit::{Door, Problem};
use ostiary_model::{Action, may};

use super::app_passwords;
use crate::face::Face;
use crate::frame::{self, Frame};
use crate::onward::{self, Step};
use crate::words::{self, When};

/// The page.
#[derive(Template)]
#[template(path = "portal/account.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) face: Face,
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password_changed: Option<When>,
    pub(crate) has_totp: bool,
    /// How many app passwords there are, if any.
    pub(crate) app_passwords: Option<String>,
    pub(crate) sessions: String,
    pub(crate) signed_in: When,
    /// The panel, for those who may use it.
    pub(crate) directory: Option<String>,
}

/// The page, for whoever is signed in as far as their account asks.
pub(crate) async fn show(door: Door) -> Result<Response, Problem> {
    let visitor = match (onward::next(&door, &Errand::Account).await?, &door.visitor) {
        (Step::Account, Some(visitor)) => visitor,
        (step, _) => return Ok(step.go(&door, &Errand::Account).await),
    };

    let sessions = door.app.person_session_count(&door.ctx, &visitor.user).await?;
    let app_passwords = app_passwords::count(&door, visitor).await?;

    let profile = &visitor.user.profile;
    let name = profile.full_name();
    let keeps = may(visitor.user.id, visitor.role, Action::Administer).is_ok();
    let page = Page {
        frame: Frame::new(&door),
        face: Face::of(&visitor.user),
        name,
        username: profile.username.to_string(),
        email: profile.email.to_string(),
        password_changed: visitor.user.password_changed_at.map(|at| When::new(door.ctx.now, at)),
        has_totp: visitor.user.has_totp,
        app_passwords: (app_passwords > 0).then(|| words::count(app_passwords, "app password", "app passwords")),
        sessions: words::count(sessions, "device", "devices"),
        signed_in: When::new(door.ctx.now, visitor.session.authenticated_at),
        directory: keeps.then(|| routes::on_directory(&door.app.settings().site, routes::PEOPLE)),
    };
    Ok(frame::ok(&door, &page))
}
