//! One's own account: what is known, and how one signs in.

use askama::Template;
use axum::response::Response;
use ostiary_app::{PanelAccess, PanelPart};
use ostiary_httpkit::routes::{self, Errand};
use ostiary_httpkit::{Door, Problem};

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
    /// The panel, for those who see something of it.
    pub(crate) panel: Option<Panel>,
    /// Whether that is all of it.
    pub(crate) is_administrator: bool,
}

/// The way to the panel.
pub(crate) struct Panel {
    pub(crate) href: String,
    /// The groups that are managed there, by those who do nothing else.
    pub(crate) groups: Option<String>,
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
    let part = match door.app.panel_access(visitor) {
        PanelAccess::Closed => None,
        PanelAccess::OwesSecondFactor(part) | PanelAccess::Open(part) => Some(part),
    };
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
        is_administrator: matches!(part, Some(PanelPart::Whole)),
        panel: part.map(|part| panel(&door, &part)),
    };
    Ok(frame::ok(&door, &page))
}

fn panel(door: &Door, part: &PanelPart) -> Panel {
    let on = |path| routes::on_directory(&door.app.settings().site, path);
    match part {
        PanelPart::Whole => Panel { href: on(routes::PEOPLE), groups: None },
        PanelPart::Groups(groups) => Panel {
            href: on(routes::GROUPS),
            groups: Some(match groups.as_slice() {
                [group] => group.name.to_string(),
                _ => words::count(groups.len(), "group", "groups"),
            }),
        },
    }
}
