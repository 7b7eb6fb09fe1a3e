//! The page that asks before something is done that ends access or cannot be undone: it names the
//! thing and says what will happen, and its button says the verb.

use askama::Template;

use super::keeper::Rail;
use crate::frame::Frame;
use crate::notice::Notice;

/// The page.
#[derive(Template)]
#[template(path = "panel/ask.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) rail: Rail,
    pub(crate) notice: Option<Notice>,
    pub(crate) ask: Ask,
}

/// The question.
#[derive(Default)]
pub(crate) struct Ask {
    /// The question itself.
    pub(crate) title: String,
    /// What begins the list of what will happen.
    pub(crate) lead: String,
    /// What will happen.
    pub(crate) points: Vec<String>,
    /// The LDAP entry that goes.
    pub(crate) entry: Option<String>,
    /// What will not, or what else could be done.
    pub(crate) after: String,
    /// A milder way.
    pub(crate) instead: Option<Link>,
    /// Where the form goes; empty for the page's own address.
    pub(crate) action: String,
    /// Fields that the form carries along.
    pub(crate) carried: Vec<(&'static str, String)>,
    /// What has to be typed to be sure.
    pub(crate) typed: Option<Typed>,
    /// The words on the button.
    pub(crate) verb: &'static str,
    /// Whether access ends.
    pub(crate) is_bad: bool,
    /// The way back.
    pub(crate) back: String,
}

/// A link in a sentence.
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) label: String,
}

/// A name that has to be typed.
pub(crate) struct Typed {
    pub(crate) label: &'static str,
    pub(crate) wanted: String,
    pub(crate) error: Option<String>,
}
