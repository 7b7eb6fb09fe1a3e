//! Whoever is let into the panel: the one guard of all its pages.
//!
//! What somebody sees is the answer of [`App::panel_access`], at each request. A [`Keeper`]
//! administers and sees everything; a [`Manager`] sees who is in the groups that they manage. A
//! handler takes the one that it is for, or both as [`Inside`]; nobody else reaches any. The verbs
//! ask the same again, in their own transactions.

use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use ostiary_app::{App, PanelAccess, PanelPart};
use ostiary_httpkit::routes;
use ostiary_httpkit::{Door, Jar, Problem, see_other, with_cookie};
use ostiary_model::{Folded, Group, GroupId, Span, User, UserId};

use super::START;
use crate::done::{Note, Said};
use crate::frame::{self, Frame};

/// How long the sign-on may take, with setting up an authenticator app on the way.
const HAND_OVER: Span = Span::from_mins(20);

/// Somebody in the panel, and the request.
pub(crate) struct Insider {
    /// The request.
    pub(crate) door: Door,
    name: String,
}

/// An administrator.
pub(crate) struct Keeper(Insider);

/// Somebody who manages groups.
pub(crate) struct Manager {
    insider: Insider,
    groups: Vec<Arc<Group>>,
}

/// Either of them, for pages that both have.
pub(crate) enum Inside {
    /// An administrator.
    Keeper(Keeper),
    /// Somebody who manages groups.
    Manager(Manager),
}

/// What stands beside every page of the panel.
#[derive(Debug, Clone)]
pub(crate) struct Rail {
    section: Section,
    is_start: bool,
    /// Whether the groups are all there is.
    pub(crate) is_of_groups: bool,
    /// Who is signed in.
    pub(crate) keeper: String,
    /// Their own account page.
    pub(crate) account: String,
    /// What the last form did.
    pub(crate) note: Option<Said>,
}

/// The part of the panel that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// People.
    People,
    /// Groups.
    Groups,
    /// Attributes and object classes.
    Attributes,
    /// What Ostiary itself needs.
    System,
}

impl Rail {
    /// A rail for `section`, seen from one of its inner pages.
    pub(crate) const fn new(section: Section, keeper: String, account: String) -> Self {
        Self { section, is_start: false, is_of_groups: false, keeper, account, note: None }
    }

    /// For somebody who manages groups.
    pub(crate) const fn of_groups(mut self) -> Self {
        self.is_of_groups = true;
        self
    }

    /// On the first page of the section.
    pub(crate) const fn at_start(mut self) -> Self {
        self.is_start = true;
        self
    }

    pub(crate) fn is_people(&self) -> bool {
        self.section == Section::People
    }

    pub(crate) fn is_groups(&self) -> bool {
        self.section == Section::Groups
    }

    pub(crate) fn is_attributes(&self) -> bool {
        self.section == Section::Attributes
    }

    pub(crate) fn is_system(&self) -> bool {
        self.section == Section::System
    }

    /// Where the panel begins.
    pub(crate) const fn start(&self) -> &'static str {
        if self.is_of_groups { routes::GROUPS } else { routes::PEOPLE }
    }

    pub(crate) const fn current(&self) -> &'static str {
        if self.is_start { "page" } else { "true" }
    }
}

impl Insider {
    /// The app.
    pub(crate) const fn app(&self) -> &Arc<App> {
        &self.door.app
    }

    /// The frame of a page.
    pub(crate) fn frame(&self) -> Frame {
        Frame::new(&self.door)
    }

    fn rail_of(&self, section: Section) -> Rail {
        let account = routes::on_accounts(&self.app().settings().site, routes::ACCOUNT);
        let mut rail = Rail::new(section, self.name.clone(), account);
        rail.note = Note::brought(&self.door).map(Note::said);
        rail
    }

    /// A page, which has shown the note that came along.
    pub(crate) fn ok(&self, page: &impl Template) -> Response {
        Note::forget(&self.door, frame::ok(&self.door, page))
    }

    /// A form's page again, because something in it was refused.
    pub(crate) fn again(&self, page: &impl Template) -> Response {
        frame::show(&self.door, StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// On to `path`, where the page says what was done.
    pub(crate) fn done(&self, path: &str, note: &Note) -> Response {
        note.on(&self.door, see_other(path))
    }
}

impl Deref for Keeper {
    type Target = Insider;

    fn deref(&self) -> &Insider {
        &self.0
    }
}

impl Keeper {
    /// What stands beside a page of `section`.
    pub(crate) fn rail(&self, section: Section) -> Rail {
        self.rail_of(section)
    }

    /// The person that an address names, by user name or id.
    ///
    /// # Errors
    /// A [`Problem`] when there is none.
    pub(crate) fn person(&self, name: &str) -> Result<Arc<User>, Problem> {
        let directory = self.app().directory();
        let by_id = || UserId::from_str(name).ok().and_then(|id| directory.user(id));
        directory.user_by_name(&Folded::new(name)).or_else(by_id).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "There is no such person")
                .text("The account may have been renamed or deleted.")
                .way("Go to People", routes::PEOPLE)
        })
    }

    /// The group that an address names, by name or id.
    ///
    /// # Errors
    /// A [`Problem`] when there is none.
    pub(crate) fn group(&self, name: &str) -> Result<Arc<Group>, Problem> {
        let directory = self.app().directory();
        let by_id = || GroupId::from_str(name).ok().and_then(|id| directory.group(id));
        directory.group_by_name(&Folded::new(name)).or_else(by_id).ok_or_else(no_such_group)
    }
}

impl Deref for Manager {
    type Target = Insider;

    fn deref(&self) -> &Insider {
        &self.insider
    }
}

impl Manager {
    /// What stands beside their pages.
    pub(crate) fn rail(&self) -> Rail {
        self.rail_of(Section::Groups).of_groups()
    }

    /// The groups whose members they may change, by name.
    pub(crate) fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// The one among them that an address names, by name or id. Of others nobody tells them
    /// whether they are there.
    ///
    /// # Errors
    /// A [`Problem`] when it is none of them.
    pub(crate) fn group(&self, name: &str) -> Result<Arc<Group>, Problem> {
        let (folded, id) = (Folded::new(name), GroupId::from_str(name).ok());
        let by_name = self.groups.iter().find(|group| group.name.folded() == folded);
        let by_id = || self.groups.iter().find(|group| Some(group.id) == id);
        by_name.or_else(by_id).cloned().ok_or_else(no_such_group)
    }
}

fn no_such_group() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no such group")
        .text("It may have been renamed or deleted.")
        .way("Go to Groups", routes::GROUPS)
}

impl FromRequestParts<Arc<App>> for Inside {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let door = Door::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let Some(visitor) = &door.visitor else { return Err(sign_on(&door, &parts.method)) };
        let part = match app.panel_access(visitor) {
            PanelAccess::Open(part) => part,
            PanelAccess::OwesSecondFactor(_) => return Err(sign_on(&door, &parts.method)),
            PanelAccess::Closed => return Err(not_for_you(&door).into_response()),
        };
        let name = visitor.user.profile.full_name();
        let insider = Insider { door, name };
        Ok(match part {
            PanelPart::Whole => Self::Keeper(Keeper(insider)),
            PanelPart::Groups(groups) => Self::Manager(Manager { insider, groups }),
        })
    }
}

impl FromRequestParts<Arc<App>> for Keeper {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        match Inside::from_request_parts(parts, app).await? {
            Inside::Keeper(keeper) => Ok(keeper),
            Inside::Manager(_) => Err(not_for_managers().into_response()),
        }
    }
}

/// Sends the browser to the accounts host, to come back with a ticket. A form is not sent on: its
/// page has to be opened again first.
fn sign_on(door: &Door, method: &Method) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Problem::new(StatusCode::FORBIDDEN, "You are signed out")
            .text("Your session ended before the form was sent. Nothing was changed.")
            .point("Sign in, then fill in the form once more.")
            .way("Sign in", START)
            .into_response();
    }
    let (state, fingerprint) = match door.arrival.cookies.get(Jar::HandOver).and_then(|kept| kept.split_once('.')) {
        // Another window is on its way already: both come back with the same state.
        Some((state, fingerprint)) => (state.to_owned(), fingerprint.to_owned()),
        None => {
            let (state, fingerprint) = door.app.hand_over_state(&door.ctx);
            (state.expose().to_owned(), fingerprint)
        }
    };
    let onward = routes::hand_over(&fingerprint, &door.arrival.here);
    let onward = routes::on_accounts(&door.app.settings().site, &onward);
    let kept = format!("{state}.{fingerprint}");
    with_cookie(see_other(&onward), door.arrival.cookies.set(Jar::HandOver, &kept, Some(HAND_OVER)))
}

fn not_for_managers() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "This part is for administrators")
        .text("You are signed in, and you can change who is in the groups that you manage. The rest of the directory is for administrators.")
        .way("Go to your groups", routes::GROUPS)
}

fn not_for_you(door: &Door) -> Problem {
    let site = &door.app.settings().site;
    Problem::new(StatusCode::FORBIDDEN, "This part is for administrators")
        .text("You are signed in, but your account does not administer this directory.")
        .point("If it should, ask an administrator to add you to the group lldap_admin, or to let you manage a group.")
        .point("If you have another account for that, sign out and sign in with it.")
        .way("Go to your account", routes::on_accounts(site, routes::ACCOUNT))
}
