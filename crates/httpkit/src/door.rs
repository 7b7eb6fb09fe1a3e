//! Who is at the door: one request, the moment it came in, and the person behind its cookie.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use ostiary_app::{App, SignedIn, Visitor};
use ostiary_model::{Actor, Ctx};

use crate::cookies::{Cookies, Jar, Theme};
use crate::mac;
use crate::problem::Problem;
use crate::reply::with_cookie;
use crate::routes::LocalPath;

/// Characters of base64url in a visit cookie: 256 bits.
const VISIT_LENGTH: usize = 43;

/// Which of our two hosts was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Sign-in, account, OpenID Connect.
    Accounts,
    /// The panel.
    Directory,
}

/// What is known of a request before anybody looks at its cookies. The front puts it into the
/// request's extensions.
#[derive(Clone)]
pub struct Arrival {
    /// Which host was asked.
    pub side: Side,
    /// The moment, with address and program; nobody acts yet.
    pub ctx: Ctx,
    /// The cookies.
    pub cookies: Cookies,
    /// The address of this page on this host, to come back to; `/` for anything but a page.
    pub here: LocalPath,
    /// Scheme, host and port of this host, as a browser writes them into `Origin`.
    pub origin: Arc<str>,
}

/// A request that no browser session comes with: the moment alone. For programs' endpoints.
#[derive(Clone)]
pub struct Caller(pub Ctx);

/// A request of a browser.
#[derive(Clone)]
pub struct Door {
    /// The verbs.
    pub app: Arc<App>,
    /// The moment; the visitor acts, if there is one.
    pub ctx: Ctx,
    /// Who is signed in, and whether it still holds.
    pub visitor: Option<Visitor>,
    /// Host, cookies and page.
    pub arrival: Arrival,
    visit: Visit,
}

/// A browser's own secret before it is signed in.
#[derive(Clone)]
struct Visit {
    value: Arc<str>,
    is_new: bool,
}

impl Door {
    /// The chosen theme.
    #[must_use]
    pub fn theme(&self) -> Theme {
        self.arrival.cookies.theme()
    }

    /// The token that this page's forms carry in the hidden field `csrf`: bound to the session,
    /// or to the browser before there is one.
    #[must_use]
    pub fn csrf(&self) -> String {
        mac::seal(self.key(), "csrf", "")
    }

    /// Whether `token` was given to a page of this browser.
    pub(crate) fn csrf_holds(&self, token: &str) -> bool {
        let session = self.arrival.cookies.get(Jar::Session);
        // A session that has just ended still proves whose page it was: its holder is told to
        // sign in again, rather than that the form is too old.
        let visit = self.visitor.is_none().then_some(self.visit.value.as_ref());
        session.into_iter().chain(visit).any(|key| mac::same(&mac::seal(key, "csrf", ""), token))
    }

    /// Seals a short text for this browser, so that it comes back in a cookie as it went.
    #[must_use]
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        mac::seal(self.key(), purpose, text)
    }

    /// Whether `sealed` is [`Door::seal`] of the same text for the same browser.
    #[must_use]
    pub fn seal_holds(&self, purpose: &str, text: &str, sealed: &str) -> bool {
        mac::same(&self.seal(purpose, text), sealed)
    }

    fn key(&self) -> &str {
        match (&self.visitor, self.arrival.cookies.get(Jar::Session)) {
            (Some(_), Some(token)) => token,
            _ => &self.visit.value,
        }
    }

    /// A page for this browser.
    #[must_use]
    pub fn page(&self, status: StatusCode, html: String) -> Response {
        let response = (status, Html(html)).into_response();
        if self.visitor.is_none() && self.visit.is_new {
            return with_cookie(response, self.arrival.cookies.set(Jar::Visit, &self.visit.value, None));
        }
        response
    }

    /// `response` with the cookie that opens the new session. It outlives the browser only when
    /// the person asked for that.
    #[must_use]
    pub fn signed_in(&self, response: Response, signed_in: &SignedIn) -> Response {
        let session = &signed_in.session;
        let max_age = session.remembered.then(|| session.expires_at.since(self.ctx.now));
        with_cookie(response, self.arrival.cookies.set(Jar::Session, signed_in.token.expose(), max_age))
    }

    /// `response` that takes the session cookie away.
    #[must_use]
    pub fn signed_out(&self, response: Response) -> Response {
        with_cookie(response, self.arrival.cookies.remove(Jar::Session))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Arrival {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a request came in past the front");
            Problem::broken()
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Arrival::from_request_parts(parts, state).await?.ctx))
    }
}

impl<S> FromRequestParts<S> for Door
where
    Arc<App>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(door) = parts.extensions.get::<Self>() {
            return Ok(door.clone());
        }
        let app = Arc::<App>::from_ref(state);
        let arrival = Arrival::from_request_parts(parts, state).await?;
        let mut ctx = arrival.ctx.clone();
        let visitor = match arrival.cookies.get(Jar::Session) {
            Some(token) => app.session(&ctx, token).await?,
            None => None,
        };
        if let Some(visitor) = &visitor {
            ctx = ctx.with_actor(Actor::Person(visitor.session.clone()));
        }
        let visit = visit(&arrival);
        let door = Self { app, ctx, visitor, arrival, visit };
        parts.extensions.insert(door.clone());
        Ok(door)
    }
}

fn visit(arrival: &Arrival) -> Visit {
    match arrival.cookies.get(Jar::Visit) {
        Some(value) if value.len() == VISIT_LENGTH => Visit { value: value.into(), is_new: false },
        _ => Visit { value: mac::random_text(arrival.ctx.bytes::<32>()).into(), is_new: true },
    }
}
