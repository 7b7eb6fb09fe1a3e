//! The box at the top of a page that says what went wrong with its form.

use http::StatusCode;
use ostiary_app::{App, CodeError, SignInError};
use ostiary_model::Span;

use crate::words;

/// What happened, why if it helps, what to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// `bad` or `warn`.
    pub(crate) role: &'static str,
    /// What happened.
    pub(crate) title: String,
    /// More about it.
    pub(crate) lines: Vec<String>,
}

impl Notice {
    /// Something was refused.
    pub(crate) fn bad(title: impl Into<String>) -> Self {
        Self { role: "bad", title: title.into(), lines: Vec::new() }
    }

    /// With one more line.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    fn tries(self, app: &App, left: u32, what: &str) -> Self {
        let pause = words::span(app.settings().lockout.window);
        match left {
            0 => self.line(format!("{what} is paused now, for {pause}.")),
            1 => self.line(format!("After 1 more try, {what} pauses for {pause}.")),
            _ => self.line(format!("After {left} more tries, {what} pauses for {pause}.")),
        }
    }

    fn paused(what: &str, left: Span) -> Self {
        Self { role: "warn", title: format!("{} is paused", words::first(what)), lines: Vec::new() }
            .line(format!("There were too many tries. Wait {}, then try again.", words::span(left)))
    }
}

/// A notice and the status that goes with it.
pub(crate) struct Refused {
    /// What the page says.
    pub(crate) notice: Notice,
    /// The status.
    pub(crate) status: StatusCode,
    /// When to try again, in seconds.
    pub(crate) wait: Option<i64>,
}

impl Refused {
    /// What was typed cannot be taken.
    pub(crate) const fn form(notice: Notice) -> Self {
        Self { notice, status: StatusCode::UNPROCESSABLE_ENTITY, wait: None }
    }

    fn pause(notice: Notice, left: Span) -> Self {
        Self { notice, status: StatusCode::TOO_MANY_REQUESTS, wait: Some(left.as_secs().max(1)) }
    }

    /// What the sign-in page says; the machinery's troubles come back as they are.
    pub(crate) fn sign_in(app: &App, error: SignInError) -> Result<Self, ostiary_app::Trouble> {
        match error {
            SignInError::Rejected { left } => Ok(Self::form(
                Notice::bad("That name and password do not match")
                    .line("Check both and try again.")
                    .tries(app, left, "sign-in"),
            )),
            SignInError::Paused { left } => Ok(Self::pause(Notice::paused("sign-in", left), left)),
            SignInError::Trouble(trouble) => Err(trouble),
        }
    }

    /// What a page with a code field says. `None` when it is not about the code.
    pub(crate) fn code(app: &App, error: &CodeError) -> Option<Self> {
        match error {
            CodeError::Rejected { left } => Some(Self::form(
                Notice::bad("That code is not right")
                    .line("Each code works once and for about 30 seconds. Type the one that your app shows now.")
                    .line("If it keeps happening, check that the clock of your device is right.")
                    .tries(app, *left, "sign-in"),
            )),
            CodeError::Paused { left } => Some(Self::pause(Notice::paused("sign-in", *left), *left)),
            _ => None,
        }
    }
}
