//! Fields as a page shows them again after something in them was refused.

use ostiary_app::{AdminError, App, Conflict};
use ostiary_httpkit::Problem;
use ostiary_model::InvalidName;

use crate::notice::Notice;

/// What was typed into a field, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// What was typed.
    pub(crate) value: String,
    /// What is wrong, in words.
    pub(crate) error: Option<String>,
}

impl Field {
    /// A field that holds `value`.
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), error: None }
    }
}

/// Which field a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Username,
    Email,
    DisplayName,
    GivenName,
    FamilyName,
    Password,
    GroupName,
    /// The form as a whole.
    Form,
}

/// What a form's page says of a refusal, and at which field. What is not about the form comes
/// back as a [`Problem`].
pub(crate) fn refusal(error: AdminError) -> Result<(About, String), Problem> {
    let about = match &error {
        AdminError::Name(invalid) => about_name(invalid),
        AdminError::Conflict(conflict) => about_conflict(*conflict),
        AdminError::Password(_) => About::Password,
        AdminError::Denied | AdminError::NoSuchPerson | AdminError::Trouble(_) => return Err(problem(error)),
        _ => About::Form,
    };
    Ok((about, sentence(&error.to_string())))
}

/// The page for what is not about a form.
pub(crate) fn problem(error: AdminError) -> Problem {
    match error {
        AdminError::Trouble(trouble) => trouble.into(),
        AdminError::NoSuchPerson | AdminError::NoSuchGroup(_) => Problem::not_found(),
        other => Problem::new(http::StatusCode::FORBIDDEN, "That was not done").text(sentence(&other.to_string())),
    }
}

/// The notice that sums a refusal up at the top of a page.
pub(crate) fn notice(about: About, words: &str) -> Notice {
    match about {
        About::Form => Notice::bad("That was not done").line(words),
        _ => Notice::bad("One field needs another look").line(words),
    }
}

/// Error texts end without a full stop; sentences on pages have one.
pub(crate) fn sentence(text: &str) -> String {
    if text.ends_with(['.', '?', '!']) { text.to_owned() } else { format!("{text}.") }
}

fn about_name(invalid: &InvalidName) -> About {
    let words = match invalid {
        InvalidName::Empty(name) | InvalidName::TooLong(name, _) | InvalidName::Form(name) => name,
        InvalidName::Character { name, .. } => name,
    };
    let kinds = [
        ("The user name", About::Username),
        ("The e-mail address", About::Email),
        ("The full name", About::DisplayName),
        ("The given name", About::GivenName),
        ("The family name", About::FamilyName),
        ("The group name", About::GroupName),
    ];
    kinds.iter().find(|(name, _)| words.starts_with(name)).map_or(About::Form, |(_, about)| *about)
}

const fn about_conflict(conflict: Conflict) -> About {
    match conflict {
        Conflict::Username => About::Username,
        Conflict::Email => About::Email,
        Conflict::GroupName => About::GroupName,
        Conflict::ClientId
        | Conflict::AttributeName
        | Conflict::ObjectClass
        | Conflict::PosixNumber
        | Conflict::Other => About::Form,
    }
}

/// What a new password must be, in words.
pub(crate) fn password_hint(app: &App) -> String {
    let length = app.settings().password_policy.min_length;
    format!("{length} characters or more. A few words in a row are easy to keep in mind.")
}
