//! The addresses of all pages, and builders of links to them.
//!
//! The one thing that OpenID Connect and the pages know of each other is here: a grant's id in
//! the address of a page.

use std::str::FromStr;

use ostiary_app::Site;
use ostiary_model::{AppPasswordId, GrantId, Group, User};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::problem::Problem;

/// Liveness, on both hosts.
pub const HEALTH: &str = "/api/health";
/// Stylesheets, scripts, the mark; on both hosts.
pub const ASSET: &str = "/assets/{hash}/{name}";
/// Choosing light or dark; on both hosts.
pub const THEME: &str = "/theme";
/// Signing out; on both hosts.
pub const SIGN_OUT: &str = "/sign-out";
/// Both ends of the sign-on of the directory host.
pub const HAND_OVER: &str = "/hand-over";

/// The picture of a person, by id; on both hosts.
pub const AVATAR: &str = "/avatar/{user}";

/// Accounts: name and password.
pub const SIGN_IN: &str = "/sign-in";
/// Accounts: the second step.
pub const CODE: &str = "/sign-in/code";
/// Accounts: setting up an authenticator app.
pub const AUTHENTICATOR: &str = "/sign-in/authenticator";
/// Accounts: whether an application may know.
pub const CONSENT: &str = "/consent";
/// Accounts: whatever comes next, and the way out to an application.
pub const CONTINUE: &str = "/continue";
/// Accounts: one's own account.
pub const ACCOUNT: &str = "/account";
/// Accounts: what one's own account page says of the password.
pub const ACCOUNT_PASSWORD: &str = "/account#password";
/// Accounts: one's own picture.
pub const ACCOUNT_PICTURE: &str = "/account/picture";
/// Accounts: the form that takes it away.
pub const ACCOUNT_PICTURE_REMOVE: &str = "/account/picture/remove";
/// Accounts: one's own app passwords.
pub const APP_PASSWORDS: &str = "/account/app-passwords";
/// Accounts: the question whether one of them is to end.
pub const APP_PASSWORD_REVOKE: &str = "/account/app-passwords/{id}/revoke";
/// Accounts: the first administrator.
pub const SET_UP: &str = "/set-up/{token}";
/// Accounts: where password managers look for the page that changes a password.
pub const CHANGE_PASSWORD: &str = "/.well-known/change-password";

/// Panel: everybody.
pub const PEOPLE: &str = "/people";
/// Panel: a new person.
pub const PERSON_NEW: &str = "/people/new";
/// Panel: something with the people who were picked in the list.
pub const PEOPLE_PICKED: &str = "/people/picked";
/// Panel: a person. More about them hangs below.
pub const PERSON: &str = "/people/{username}";
/// Panel: all groups.
pub const GROUPS: &str = "/groups";
/// Panel: a new group.
pub const GROUP_NEW: &str = "/groups/new";
/// Panel: a group. More about it hangs below.
pub const GROUP: &str = "/groups/{name}";

/// The root of the house, where certificates are its own. The wall answers it.
pub const ROOT: &str = "/root.crt";

/// Panel: how it stands with everything that Ostiary needs.
pub const SYSTEM: &str = "/system";

/// Panel: the attributes that people and groups have.
pub const ATTRIBUTES: &str = "/attributes";
/// Panel: a new attribute.
pub const ATTRIBUTE_NEW: &str = "/attributes/new";
/// Panel: an attribute, by number. More about it hangs below.
pub const ATTRIBUTE: &str = "/attributes/{number}";
/// Panel: a new object class.
pub const OBJECT_CLASS_NEW: &str = "/attributes/object-classes/new";
/// Panel: an object class that was added. More about it hangs below.
pub const OBJECT_CLASS: &str = "/attributes/object-classes/{name}";

/// What stays as it is in one segment of a path (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest address on our own hosts that anybody may be sent back to.
const MAX_LOCAL_PATH: usize = 2048;

/// `text` as one segment of a path, or one value of a query.
#[must_use]
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The page of a person: by name, or by id where the name would be taken for another address.
#[must_use]
pub fn person(user: &User) -> String {
    let name = user.profile.username.as_str();
    format!("{PEOPLE}/{}", if is_address(name) { segment(name) } else { user.id.to_string() })
}

/// The question whether one's own app password `id` is to end.
#[must_use]
pub fn app_password_revoke(id: AppPasswordId) -> String {
    format!("{APP_PASSWORDS}/{id}/revoke")
}

/// The page of a group: by name, or by id where the name would be taken for another address.
#[must_use]
pub fn group(group: &Group) -> String {
    let name = group.name.as_str();
    format!("{GROUPS}/{}", if is_address(name) { segment(name) } else { group.id.to_string() })
}

fn is_address(name: &str) -> bool {
    !matches!(name, "." | ".." | "new" | "picked")
}

/// The picture of a person, if there is one. The address changes with the picture.
#[must_use]
pub fn avatar(user: &User) -> Option<String> {
    user.has_avatar.then(|| format!("/avatar/{}?v={}", user.id, avatar_version(user)))
}

/// Which picture of a person it is. Also changes with the rest of the entry, which does no harm.
#[must_use]
pub fn avatar_version(user: &User) -> String {
    format!("{:x}", user.modified_at.as_micros())
}

/// An address on the accounts host.
#[must_use]
pub fn on_accounts(site: &Site, path: &str) -> String {
    format!("{}{path}", site.accounts_url.as_str().trim_end_matches('/'))
}

/// An address on the directory host.
#[must_use]
pub fn on_directory(site: &Site, path: &str) -> String {
    format!("{}{path}", site.directory_url.as_str().trim_end_matches('/'))
}

/// The link that makes the first administrator.
#[must_use]
pub fn set_up(site: &Site, token: &str) -> String {
    on_accounts(site, &SET_UP.replace("{token}", &segment(token)))
}

/// Accounts: where the directory host sends a browser that it does not know.
#[must_use]
pub fn hand_over(state: &str, path: &LocalPath) -> String {
    format!("{HAND_OVER}?state={}&path={}", segment(state), segment(path.as_str()))
}

/// Panel: where the accounts host sends the browser back with a ticket.
#[must_use]
pub fn hand_over_taken(site: &Site, ticket: &str, path: &LocalPath) -> String {
    on_directory(site, &format!("{HAND_OVER}?ticket={}&path={}", segment(ticket), segment(path.as_str())))
}

/// The address of a person's or group's page plus one more step, such as `/edit`.
#[must_use]
pub fn below(page: &str, step: &str) -> String {
    format!("{page}/{step}")
}

/// A path (with query) on the host that it is used on, and nothing else: it cannot lead away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPath(String);

/// Not an address of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotLocal;

impl LocalPath {
    /// The path as text; it always begins with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The start of the host.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for LocalPath {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        let is_safe = text.starts_with('/')
            && text.len() <= MAX_LOCAL_PATH
            && !text.contains("//")
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if is_safe { Ok(Self(text.to_owned())) } else { Err(NotLocal) }
    }
}

/// What a person signs in for. Carried in the query of every page on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Their own account.
    Account,
    /// An application that waits for them.
    Grant(GrantId),
    /// The panel.
    Panel {
        /// The fingerprint that the directory host sent, given back to it with the ticket.
        state: String,
        /// The page of the panel.
        path: LocalPath,
    },
}

/// An errand as it stands in a query: `grant=…`, or `panel=…&path=…`, or nothing.
#[derive(Debug, Default, Deserialize)]
pub struct ErrandQuery {
    grant: Option<String>,
    panel: Option<String>,
    path: Option<String>,
}

impl ErrandQuery {
    /// The errand.
    ///
    /// # Errors
    /// A [`Problem`] when a part of it is not as we write it.
    pub fn errand(self) -> Result<Errand, Problem> {
        match self {
            Self { grant: None, panel: None, .. } => Ok(Errand::Account),
            Self { grant: Some(grant), panel: None, .. } => grant.parse().map(Errand::Grant).map_err(|_| unreadable()),
            Self { grant: None, panel: Some(state), path } => Errand::panel(&state, path.as_deref().unwrap_or(PEOPLE)),
            Self { .. } => Err(unreadable()),
        }
    }
}

fn unreadable() -> Problem {
    Problem::unreadable("The address does not say whole what you want to sign in for")
}

fn is_state(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl Errand {
    /// The panel's errand, from its parts as they came in.
    ///
    /// # Errors
    /// A [`Problem`] when one is not as we write it.
    pub fn panel(state: &str, path: &str) -> Result<Self, Problem> {
        match path.parse() {
            Ok(path) if is_state(state) => Ok(Self::Panel { state: state.to_owned(), path }),
            _ => Err(unreadable()),
        }
    }

    /// The query that carries it, with its question mark; empty when there is nothing to carry.
    #[must_use]
    pub fn query(&self) -> String {
        match self {
            Self::Account => String::new(),
            Self::Grant(grant) => format!("?grant={grant}"),
            Self::Panel { state, path } => format!("?panel={}&path={}", segment(state), segment(path.as_str())),
        }
    }

    /// `page` on the way of this errand.
    #[must_use]
    pub fn at(&self, page: &str) -> String {
        format!("{page}{}", self.query())
    }
}

/// The sign-in page for an application's grant.
#[must_use]
pub fn sign_in_for(grant: GrantId) -> String {
    Errand::Grant(grant).at(SIGN_IN)
}

/// The page that leads on in an application's grant, whatever comes next.
#[must_use]
pub fn continue_with(grant: GrantId) -> String {
    Errand::Grant(grant).at(CONTINUE)
}

/// The consent page of an application's grant.
#[must_use]
pub fn consent_for(grant: GrantId) -> String {
    Errand::Grant(grant).at(CONSENT)
}

/// The page for the second step of an application's grant.
#[must_use]
pub fn code_for(grant: GrantId) -> String {
    Errand::Grant(grant).at(CODE)
}

/// The page that sets up an authenticator app in an application's grant.
#[must_use]
pub fn authenticator_for(grant: GrantId) -> String {
    Errand::Grant(grant).at(AUTHENTICATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_path_cannot_lead_away() {
        for good in ["/", "/people", "/people?q=ada&page=2", "/people/%C5%81ukasz", "/people/a@b"] {
            assert!(good.parse::<LocalPath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "people",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/people//x",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\tevil",
            "/\r\nSet-Cookie: a=b",
            "/people\u{0}",
            "/Łukasz",
            " /people",
            "/a b",
            "/\u{7f}",
        ] {
            assert_eq!(bad.parse::<LocalPath>(), Err(NotLocal), "{bad:?}");
        }
        assert!(format!("/{}", "a".repeat(MAX_LOCAL_PATH)).parse::<LocalPath>().is_err());
    }

    #[test]
    fn errands_survive_the_query() {
        let read = |query: &str| {
            let uri: http::Uri = format!("/sign-in{query}").parse().unwrap();
            let axum::extract::Query(query) = axum::extract::Query::<ErrandQuery>::try_from_uri(&uri).unwrap();
            query.errand()
        };
        let grant = GrantId::from_str("01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f").unwrap();
        let path = LocalPath::from_str("/people?q=a%26b&page=2").unwrap();
        for errand in [Errand::Account, Errand::Grant(grant), Errand::Panel { state: "a-_9".repeat(8), path }] {
            assert_eq!(read(&errand.query()).unwrap(), errand);
        }
        for bad in [
            "?grant=",
            "?grant=1",
            "?grant=01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f&panel=aaaaaaaaaaaaaaaa",
            "?panel=",
            "?panel=short",
            "?panel=aaaaaaaaaaaaaaaa%0d%0a",
            "?panel=aaaaaaaaaaaaaaaa&path=//evil.example",
            "?panel=aaaaaaaaaaaaaaaa&path=https://evil.example",
            "?panel=aaaaaaaaaaaaaaaa&path=",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_first_administrators_link_is_the_address_of_its_page() {
        let url = |host: &str| url::Url::parse(&format!("https://{host}.example.org")).unwrap();
        let site =
            Site { org_name: "Example".to_owned(), accounts_url: url("accounts"), directory_url: url("directory") };
        assert_eq!(set_up(&site, "a/b"), "https://accounts.example.org/set-up/a%2Fb");
    }

    #[test]
    fn segments_hold_any_name() {
        assert_eq!(segment("Łukasz_1"), "%C5%81ukasz_1");
        assert_eq!(segment("a/b?c#d&e f"), "a%2Fb%3Fc%23d%26e%20f");
    }
}
