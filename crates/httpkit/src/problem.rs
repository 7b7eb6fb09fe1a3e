//! What went wrong, in words: what happened, why if it helps, what to do now.
//!
//! A handler answers with a [`Problem`]; it travels in the response's extensions to whoever
//! renders it as a page. On its own it is plain text.

use std::ops::Deref;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use ostiary_app::Trouble;

/// Where a problem's page leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The words on the button.
    pub label: String,
    /// The address: a path of this host, or of our other one.
    pub href: String,
}

/// An answer that is not what was asked for. Its [`Words`] are behind one pointer, so that it costs
/// little where all goes well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Words>);

/// What a problem says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, as a heading.
    pub title: String,
    /// More about it: one paragraph each.
    pub text: Vec<String>,
    /// What to do now: one point each.
    pub points: Vec<String>,
    /// For an administrator: names and values, never secrets. Request and time are added.
    pub facts: Vec<(&'static str, String)>,
    /// The button at the end.
    pub way: Option<Way>,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem with a heading and nothing else yet.
    #[must_use]
    pub fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self(Box::new(Words {
            status,
            title: title.into(),
            text: Vec::new(),
            points: Vec::new(),
            facts: Vec::new(),
            way: None,
            retry_after: None,
        }))
    }

    /// With one more paragraph.
    #[must_use]
    pub fn text(mut self, paragraph: impl Into<String>) -> Self {
        self.0.text.push(paragraph.into());
        self
    }

    /// With one more thing to do.
    #[must_use]
    pub fn point(mut self, point: impl Into<String>) -> Self {
        self.0.points.push(point.into());
        self
    }

    /// With one more line among the details.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.facts.push((name, value.into()));
        self
    }

    /// With a button that leads to `href`.
    #[must_use]
    pub fn way(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.0.way = Some(Way { label: label.into(), href: href.into() });
        self
    }

    /// No such page.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page")
            .text("The address may be mistyped, or what it showed is gone.")
            .way("Go to the start", "/")
    }

    /// The page is there and takes no such request.
    #[must_use]
    pub fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "This address is for a form")
            .text("It cannot be opened on its own. Nothing was changed.")
            .way("Go to the start", "/")
    }

    /// The request cannot be read; `what` says which part.
    #[must_use]
    pub fn unreadable(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "That request cannot be read")
            .text(format!("{what}. Nothing was changed."))
            .point("If you followed a link, open the page anew from its start.")
            .way("Go to the start", "/")
    }

    /// A form without the token that its page gave it, or with one that is over.
    #[must_use]
    pub fn form_too_old() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This form was too old")
            .text(
                "The page was open for too long, or you signed in or out in the meantime. \
                 What you typed was not used, and nothing was changed.",
            )
            .point("Go back, load the page again and fill in the form once more.")
            .point("If it keeps happening, allow cookies for this site.")
            .way("Go to the start", "/")
    }

    /// A form that another site sent.
    #[must_use]
    pub fn form_from_elsewhere() -> Self {
        Self::new(StatusCode::FORBIDDEN, "This form came from another site")
            .text("Forms are taken only from pages of this site. Nothing was changed.")
            .point("Open this site at its own address and try again.")
            .point("If you came from a link in a message, do not use it again.")
            .way("Go to the start", "/")
    }

    /// A form that is larger than any of ours.
    #[must_use]
    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "That was too much")
            .text("A form here holds up to 64 KiB. Nothing was changed.")
            .point("Go back and shorten what you typed.")
    }

    /// A mistake of ours. The cause is in the log.
    #[must_use]
    pub fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here")
            .text("The mistake is ours, not yours. It was written down with the number below.")
            .point("Try again.")
            .point("If it keeps happening, send the details below to your administrator.")
            .way("Go to the start", "/")
    }

    /// More asked for than can be served at this moment, or a part that does not answer.
    #[must_use]
    fn not_now(title: &str, text: &str, seconds: u32) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, title)
            .text(text)
            .point("Wait a moment and try again.")
            .point("If it keeps happening, send the details below to your administrator.");
        problem.0.retry_after = Some(seconds);
        problem
    }

    fn plain_text(&self) -> String {
        let mut lines = vec![self.title.clone(), String::new()];
        lines.extend(self.text.iter().cloned());
        lines.extend(self.points.iter().map(|point| format!("- {point}")));
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Deref for Problem {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.0
    }
}

impl From<Trouble> for Problem {
    /// Writes the cause down, here and only here, and says what can be said.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Busy => {
                tracing::warn!("more sign-ins than can be checked at this moment");
                Self::not_now(
                    "Many people are signing in",
                    "Your turn has not come within a few seconds. Nothing was changed.",
                    2,
                )
            }
            Trouble::Store(error) => {
                tracing::error!(%error, "the store did not answer");
                Self::not_now("Ostiary cannot reach its records", "Nothing was changed.", 5)
            }
            other => {
                tracing::error!(error = %other, "a request failed");
                Self::broken()
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.plain_text()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
