//! One person: profile, groups, sign-in methods, sessions.

use askama::Template;
use axum::response::Response;
use ostiary_httpkit::{Path, Problem, routes};
use ostiary_model::User;

use super::keeper::{Keeper, Rail, Section};
use crate::face::Face;
use crate::frame::Frame;
use crate::words::{self, When};

/// The page.
#[derive(Template)]
#[template(path = "panel/person.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) href: String,
    pub(crate) face: Face,
    pub(crate) name: String,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) is_confirmed: bool,
    pub(crate) is_disabled: bool,
    pub(crate) dn: String,
    pub(crate) subject: String,
    pub(crate) added: When,
    pub(crate) seen: Option<When>,
    pub(crate) groups: Vec<InGroup>,
    pub(crate) password_changed: Option<When>,
    pub(crate) has_totp: bool,
    pub(crate) sessions: String,
    pub(crate) is_signed_in: bool,
}

/// A group that the person is in.
pub(crate) struct InGroup {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) id: String,
}

/// The page.
pub(crate) async fn show(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;

    let sessions = keeper.app().person_session_count(&keeper.door.ctx, &user).await?;

    Ok(keeper.ok(&page(&keeper, &user, sessions)))
}

fn page(keeper: &Keeper, user: &User, sessions: usize) -> Page {
    let directory = keeper.app().directory();
    let when = |at| When::new(keeper.door.ctx.now, at);
    let name = user.profile.full_name();
    let in_group = |group: &ostiary_model::Group| InGroup {
        href: routes::group(group),
        name: group.name.to_string(),
        id: group.id.to_string(),
    };
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        href: routes::person(user),
        face: Face::of(user),
        name,
        username: user.profile.username.to_string(),
        email: user.profile.email.to_string(),
        is_confirmed: user.profile.email_verified,
        is_disabled: user.state.is_disabled(),
        dn: directory.person_dn(user),
        subject: user.subject.to_string(),
        added: when(user.created_at),
        seen: user.last_sign_in_at.map(when),
        groups: directory.groups_of(user.id).iter().map(|group| in_group(group)).collect(),
        password_changed: user.password_changed_at.map(when),
        has_totp: user.has_totp,
        sessions: match sessions {
            0 => "Signed in nowhere in a browser.".to_owned(),
            _ => format!("Signed in on {}.", words::count(sessions, "device", "devices")),
        },
        is_signed_in: sessions > 0,
    }
}
