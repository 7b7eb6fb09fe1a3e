//! What comes next for a person on an errand. Every page of a sign-in asks here, so that none can
//! be skipped or come twice.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ostiary_app::{Application, ConsentView, GrantError, Next, PanelAccess};
use ostiary_httpkit::routes::{self, Errand};
use ostiary_httpkit::{Door, Problem, see_other};

use crate::frame::{Frame, ok};
use crate::words;

/// The next step.
pub(crate) enum Step {
    /// Name and password.
    SignIn {
        /// Who it probably is.
        hint: Option<String>,
    },
    /// A code of the authenticator app.
    Code,
    /// An authenticator app has to be set up.
    SetUp,
    /// The person decides whether the application may know.
    Consent(Box<ConsentView>),
    /// Everything is answered: out to the application.
    Leave(String),
    /// Everything is answered: over to the panel.
    Panel(String),
    /// Nothing is left to do but look at one's own account.
    Account,
}

/// The next step of `errand` for whoever is at the door.
///
/// # Errors
/// A [`Problem`] when the application's request is over, or the machinery fails.
pub(crate) async fn next(door: &Door, errand: &Errand) -> Result<Step, Problem> {
    let visitor = door.visitor.as_ref();
    match errand {
        Errand::Grant(grant) => match door.app.grant_next(&door.ctx, *grant, visitor).await {
            Ok(next) => Ok(step_of(next)),
            Err(GrantError::Gone) => Err(grant_gone()),
            Err(GrantError::Trouble(trouble)) => Err(trouble.into()),
        },
        Errand::Account => Ok(match visitor {
            None => Step::SignIn { hint: None },
            Some(visitor) if visitor.owes_second_factor() => Step::Code,
            Some(_) => Step::Account,
        }),
        Errand::Panel { state, path } => Ok(match visitor {
            None => Step::SignIn { hint: None },
            Some(visitor) if visitor.owes_second_factor() => Step::Code,
            Some(visitor) => match door.app.panel_access(visitor) {
                PanelAccess::OwesSecondFactor(_) => Step::SetUp,
                // Who has no business there hears it there, and needs no authenticator app for that.
                PanelAccess::Open(_) | PanelAccess::Closed => Step::Panel(routes::hand_over(state, path)),
            },
        }),
    }
}

fn step_of(next: Next) -> Step {
    match next {
        Next::SignIn { login_hint } => Step::SignIn { hint: login_hint },
        Next::Code => Step::Code,
        Next::SetUpAuthenticator => Step::SetUp,
        Next::Consent(view) => Step::Consent(Box::new(view)),
        Next::Redirect(url) => Step::Leave(url.into()),
    }
}

/// The application's request is over.
pub(crate) fn grant_gone() -> Problem {
    Problem::new(StatusCode::GONE, "This sign-in is over")
        .text("It took longer than it may, or it was finished in another window. Nothing was passed on.")
        .point("Open the application again and sign in from there.")
        .way("Go to your account", routes::ACCOUNT)
}

impl Step {
    /// The way to this step's page, or out.
    pub(crate) async fn go(self, door: &Door, errand: &Errand) -> Response {
        match self {
            Self::SignIn { .. } => see_other(&errand.at(routes::SIGN_IN)),
            Self::Code => see_other(&errand.at(routes::CODE)),
            Self::SetUp => see_other(&errand.at(routes::AUTHENTICATOR)),
            Self::Consent(_) => see_other(&errand.at(routes::CONSENT)),
            Self::Account => see_other(routes::ACCOUNT),
            Self::Leave(href) | Self::Panel(href) => leave(door, errand, href).await,
        }
    }
}

/// The page that sends the browser on.
#[derive(Template)]
#[template(path = "portal/continue.html")]
pub(crate) struct Continue {
    pub(crate) frame: Frame,
    pub(crate) name: String,
    pub(crate) href: String,
}

/// A page that sends the browser on. Not a redirect: Chromium holds redirects that follow a form
/// to the page's `form-action`, and this page ends that chain.
async fn leave(door: &Door, errand: &Errand, href: String) -> Response {
    let name = match application(door, errand).await {
        Ok(application) => application.map(|application| application.name),
        Err(problem) => return problem.into_response(),
    };
    let name = name.unwrap_or_else(|| format!("The directory of {}", door.app.settings().site.org_name));
    ok(door, &Continue { frame: Frame::new(door), name, href })
}

/// An application as sign-in pages name it.
pub(crate) struct Party {
    /// Its name.
    pub(crate) name: String,
    /// Where it lives.
    pub(crate) host: String,
    /// What stands for its picture.
    pub(crate) initials: String,
}

impl From<Application> for Party {
    fn from(application: Application) -> Self {
        let name = application.name.to_string();
        Self { initials: words::initials(&name), name, host: application.host }
    }
}

/// The application that waits, if the errand is one's.
///
/// # Errors
/// A [`Problem`] when the machinery fails.
pub(crate) async fn application(door: &Door, errand: &Errand) -> Result<Option<Party>, Problem> {
    match errand {
        Errand::Grant(grant) => Ok(door.app.grant_application(&door.ctx, *grant).await?.map(Party::from)),
        Errand::Account | Errand::Panel { .. } => Ok(None),
    }
}
