//! One person: profile, groups, attributes, sign-in methods, app passwords, sessions.

use askama::Template;
use axum::response::Response;
use ostiary_app::AppPasswordError;
use ostiary_httpkit::routes::{self, below};
use ostiary_httpkit::{Path, Problem};
use ostiary_model::{AppPassword, Email, Group, User};

use super::app_password::REVOKE;
use super::badges::{self, Badge};
use super::keeper::{Keeper, Rail, Section};
use super::values::{self, Kept, Shown};
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
    pub(crate) further: Vec<String>,
    pub(crate) is_disabled: bool,
    pub(crate) is_service: bool,
    pub(crate) badges: Vec<Badge>,
    pub(crate) from: Option<When>,
    pub(crate) until: Option<When>,
    pub(crate) dn: String,
    pub(crate) subject: String,
    pub(crate) added: When,
    pub(crate) seen: Option<When>,
    pub(crate) groups: Vec<InGroup>,
    /// Of administrators' attributes.
    pub(crate) attributes: Vec<Shown>,
    /// Whether one of them has a value.
    pub(crate) has_values: bool,
    pub(crate) systems: Systems,
    pub(crate) password_changed: Option<When>,
    pub(crate) has_totp: bool,
    pub(crate) app_passwords: Vec<OfProgram>,
    pub(crate) sessions: String,
    pub(crate) is_signed_in: bool,
}

/// A group that the person is in.
pub(crate) struct InGroup {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) id: String,
    /// The groups that they are in it through, where they are not in it themselves.
    pub(crate) through: String,
}

/// What systems are told that people log in to.
pub(crate) struct Systems {
    pub(crate) uid: Option<i64>,
    pub(crate) gid: Option<i64>,
    pub(crate) is_own_group: bool,
    pub(crate) shown: Vec<Shown>,
}

/// An app password.
pub(crate) struct OfProgram {
    pub(crate) name: String,
    pub(crate) made: When,
    pub(crate) used: Option<When>,
    pub(crate) is_ended: bool,
    pub(crate) revoke: String,
}

/// The page.
pub(crate) async fn show(keeper: Keeper, Path(name): Path) -> Result<Response, Problem> {
    let user = keeper.person(&name)?;

    let sessions = keeper.app().person_session_count(&keeper.door.ctx, &user).await?;
    let app_passwords = keeper.app().app_passwords(&keeper.door.ctx, user.id).await.map_err(problem)?;

    Ok(keeper.ok(&page(&keeper, &user, sessions, &app_passwords)))
}

/// Why app passwords are not shown or revoked.
pub(super) fn problem(error: AppPasswordError) -> Problem {
    match error {
        AppPasswordError::Trouble(trouble) => trouble.into(),
        AppPasswordError::NoSuchAppPassword => Problem::not_found(),
        other => Problem::new(http::StatusCode::FORBIDDEN, "That was not done")
            .text(crate::form::sentence(&other.to_string())),
    }
}

fn page(keeper: &Keeper, user: &User, sessions: usize, app_passwords: &[AppPassword]) -> Page {
    let directory = keeper.app().directory();
    let now = keeper.door.ctx.now;
    let when = |at| When::new(now, at);
    let href = routes::person(user);
    let (built_in, custom): (Vec<Kept>, Vec<Kept>) =
        values::of_user(directory, Some(user.id)).into_iter().partition(Kept::is_built_in);
    Page {
        frame: keeper.frame(),
        rail: keeper.rail(Section::People),
        face: Face::of(user),
        name: user.profile.full_name(),
        username: user.profile.username.to_string(),
        email: user.profile.email.to_string(),
        is_confirmed: user.profile.email_verified,
        further: directory.addresses_of(user.id).iter().map(Email::to_string).collect(),
        is_disabled: user.state.is_disabled(),
        is_service: user.is_service,
        badges: badges::of(user, now),
        from: user.validity.not_before.map(when),
        until: user.validity.not_after.map(when),
        dn: directory.person_dn(user),
        subject: user.subject.to_string(),
        added: when(user.created_at),
        seen: user.last_sign_in_at.map(when),
        groups: groups(keeper, user),
        has_values: values::any(&custom),
        attributes: values::shown(&custom, now),
        systems: systems(keeper, user, &built_in),
        password_changed: user.password_changed_at.map(when),
        has_totp: user.has_totp,
        app_passwords: app_passwords.iter().map(|one| of_program(keeper, user, &href, one)).collect(),
        sessions: match sessions {
            0 => "Signed in nowhere in a browser.".to_owned(),
            _ => format!("Signed in on {}.", words::count(sessions, "device", "devices")),
        },
        is_signed_in: sessions > 0,
        href,
    }
}

fn groups(keeper: &Keeper, user: &User) -> Vec<InGroup> {
    let directory = keeper.app().directory();
    let (all, direct) = (directory.groups_of(user.id), directory.direct_groups_of(user.id));
    let is_in = |group: &Group, of: &[std::sync::Arc<Group>]| of.iter().any(|own| own.id == group.id);
    let through = |group: &Group| {
        let inner = directory.subgroups_of(group.id);
        let names: Vec<String> =
            inner.iter().filter(|inner| is_in(inner, &all)).map(|inner| inner.name.to_string()).collect();
        words::listed(&names)
    };
    let in_group = |group: &std::sync::Arc<Group>| InGroup {
        href: routes::group(group),
        name: group.name.to_string(),
        id: group.id.to_string(),
        through: if is_in(group, &direct) { String::new() } else { through(group) },
    };
    all.iter().map(in_group).collect()
}

fn systems(keeper: &Keeper, user: &User, built_in: &[Kept]) -> Systems {
    let defaults = keeper.app().directory().posix_defaults();
    let mut shown = values::shown(built_in, keeper.door.ctx.now);
    values::fill_in(&mut shown, built_in, defaults, user.profile.username.as_str());
    Systems { uid: user.uid_number, gid: user.primary_group(), is_own_group: user.gid_number.is_none(), shown }
}

fn of_program(keeper: &Keeper, user: &User, href: &str, password: &AppPassword) -> OfProgram {
    let when = |at| When::new(keeper.door.ctx.now, at);
    OfProgram {
        name: password.name.as_str().to_owned(),
        made: when(password.created_at),
        used: password.last_used_at.map(when),
        is_ended: password.generation != user.generation,
        revoke: format!("{}?id={}", below(href, REVOKE), password.id),
    }
}
