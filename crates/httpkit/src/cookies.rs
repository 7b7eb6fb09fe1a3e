//! The cookies of both hosts: which there are, how they are read and written.
//!
//! Each host keeps its own; none has a `Domain`. Over HTTPS their names begin with `__Host-`, so
//! that no neighbouring host can plant one.

use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use ostiary_model::Span;

/// A kind of cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jar {
    /// The session. Whoever has it is signed in.
    Session,
    /// A browser that is not signed in, to tell its own forms from others'.
    Visit,
    /// The panel's half of a sign-on that is on its way through the accounts host.
    HandOver,
    /// What the last form did, shown once on the next page.
    Done,
    /// Light or dark.
    Theme,
}

impl Jar {
    const fn name(self, secure: bool) -> &'static str {
        match (self, secure) {
            (Self::Session, true) => "__Host-ostiary",
            (Self::Session, false) => "ostiary",
            (Self::Visit, true) => "__Host-ostiary-visit",
            (Self::Visit, false) => "ostiary-visit",
            (Self::HandOver, true) => "__Host-ostiary-hand-over",
            (Self::HandOver, false) => "ostiary-hand-over",
            (Self::Done, true) => "__Host-ostiary-done",
            (Self::Done, false) => "ostiary-done",
            (Self::Theme, true) => "__Host-ostiary-theme",
            (Self::Theme, false) => "ostiary-theme",
        }
    }
}

/// How a page is lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the device is set.
    #[default]
    Device,
    /// Light, whatever the device says.
    Light,
    /// Dark, whatever the device says.
    Dark,
}

impl Theme {
    /// Reads `light` or `dark`; everything else leaves it to the device.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Device,
        }
    }

    /// The word for it in cookies, forms and `data-theme`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The cookies that a browser sent.
#[derive(Clone)]
pub struct Cookies {
    secure: bool,
    sent: Vec<(String, String)>,
}

impl Cookies {
    /// Reads the `Cookie` headers of a request to a host with HTTPS (`secure`) or without. What
    /// is no cookie is left out.
    #[must_use]
    pub fn read(headers: &HeaderMap, secure: bool) -> Self {
        let sent = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Cookie::split_parse)
            .flatten()
            .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
            .collect();
        Self { secure, sent }
    }

    /// The value of a cookie, if it was sent.
    #[must_use]
    pub fn get(&self, jar: Jar) -> Option<&str> {
        let wanted = jar.name(self.secure);
        self.sent.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// The chosen theme.
    #[must_use]
    pub fn theme(&self) -> Theme {
        self.get(Jar::Theme).map_or(Theme::Device, Theme::parse)
    }

    /// A `Set-Cookie` value (RFC 6265 section 4.1). Without `max_age` the browser drops the
    /// cookie when it closes. `None` if the value cannot stand in a header.
    #[must_use]
    pub fn set(&self, jar: Jar, value: &str, max_age: Option<Span>) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((jar.name(self.secure), value.to_owned()))
            .http_only(true)
            .same_site(SameSite::Lax)
            .path("/")
            .secure(self.secure);
        if let Some(age) = max_age {
            cookie = cookie.max_age(cookie::time::Duration::seconds(age.as_secs()));
        }
        HeaderValue::from_str(&cookie.build().to_string()).ok()
    }

    /// A `Set-Cookie` value that removes a cookie.
    #[must_use]
    pub fn remove(&self, jar: Jar) -> Option<HeaderValue> {
        self.set(jar, "", Some(Span::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(sent: &str, secure: bool) -> Cookies {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(sent).unwrap());
        Cookies::read(&headers, secure)
    }

    #[test]
    fn attributes() {
        let over = |secure| {
            move |max_age| {
                let value = cookies("", secure).set(Jar::Session, "s_abc-_", max_age).unwrap();
                value.to_str().unwrap().to_owned()
            }
        };
        assert_eq!(over(false)(None), "ostiary=s_abc-_; HttpOnly; SameSite=Lax; Path=/");
        assert_eq!(over(true)(None), "__Host-ostiary=s_abc-_; HttpOnly; SameSite=Lax; Secure; Path=/");
        assert_eq!(
            over(true)(Some(Span::from_hours(1))),
            "__Host-ostiary=s_abc-_; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        let gone = cookies("", true).remove(Jar::Done).unwrap();
        assert_eq!(gone, "__Host-ostiary-done=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    }

    #[test]
    fn over_https_only_protected_names_count() {
        let sent = "ostiary=planted; __Host-ostiary=own; ostiary-theme=dark; x";
        assert_eq!(cookies(sent, true).get(Jar::Session), Some("own"));
        assert_eq!(cookies(sent, true).theme(), Theme::Device);
        assert_eq!(cookies(sent, false).get(Jar::Session), Some("planted"));
        assert_eq!(cookies(sent, false).theme(), Theme::Dark);
        assert_eq!(cookies(sent, false).get(Jar::Visit), None);
    }

    #[test]
    fn a_value_cannot_break_out_of_the_header() {
        assert!(cookies("", true).set(Jar::Done, "a\r\nSet-Cookie: b=c", None).is_none());
    }
}
