//! The kinds of values that settings have: how each is read, written and described.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ostiary_app::MailRoute;
use ostiary_edge::SystemUser;
use ostiary_model::{Network, Secret, Span};
use ostiary_store::{CacheUrl, DatabaseUrl, Engine};
use url::Url;

use super::raw::Raw;

/// What would have been right, for the message.
pub(crate) type Allowed = String;

/// A kind of value.
pub(crate) trait Setting: Sized {
    /// Reads what was found.
    ///
    /// # Errors
    /// Says what is allowed instead.
    fn read(raw: &Raw) -> Result<Self, Allowed>;

    /// The value as TOML.
    fn write(&self) -> String;
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// The text of a value that must be one.
fn text<'a>(raw: &'a Raw, allowed: &str) -> Result<&'a str, Allowed> {
    match raw {
        Raw::Text(text) | Raw::Untyped(text) => Ok(text),
        _ => Err(allowed.to_owned()),
    }
}

impl Setting for String {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        text(raw, "a text").map(|text| text.trim().to_owned())
    }

    fn write(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match text(raw, "a path")? {
            "" => Err("a path".to_owned()),
            path => Ok(Self::from(path)),
        }
    }

    fn write(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for Option<SystemUser> {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let allowed = "the name of a user of this system who is not root";
        match text(raw, allowed)? {
            "" => Ok(None),
            name => SystemUser::named(name).map(Some).map_err(|error| format!("{allowed}: {error}")),
        }
    }

    fn write(&self) -> String {
        quoted(self.as_ref().map_or("", SystemUser::name))
    }
}

impl Setting for u32 {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let allowed = || "a whole number, 1 or more".to_owned();
        match raw {
            Raw::Integer(text) | Raw::Untyped(text) => match text.trim().parse() {
                Ok(number @ 1..) => Ok(number),
                _ => Err(allowed()),
            },
            _ => Err(allowed()),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for i64 {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        u32::read(raw).map(Self::from)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        u32::read(raw).map(|number| Self::try_from(number).unwrap_or(Self::MAX))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Setting for bool {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match raw {
            Raw::Boolean(yes) => Ok(*yes),
            Raw::Untyped(text) if text == "true" => Ok(true),
            Raw::Untyped(text) if text == "false" => Ok(false),
            _ => Err("true or false".to_owned()),
        }
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

const SPAN: &str = r#"a length of time such as "30s", "15m", "12h" or "30d""#;

impl Setting for Span {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        parse_span(text(raw, SPAN)?).ok_or_else(|| SPAN.to_owned())
    }

    fn write(&self) -> String {
        quoted(&format_span(*self))
    }
}

impl Setting for Duration {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        Span::read(raw).map(Span::to_std)
    }

    fn write(&self) -> String {
        Span::from_secs(u32::try_from(self.as_secs()).unwrap_or(u32::MAX)).write()
    }
}

/// Reads `30s`, `15m`, `12h`, `30d`; never zero.
pub(crate) fn parse_span(text: &str) -> Option<Span> {
    let (number, unit) = text.trim().split_at_checked(text.trim().len().checked_sub(1)?)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok().filter(|number| *number > 0)?;
    match unit {
        "s" => Some(Span::from_secs(number)),
        "m" => Some(Span::from_mins(number)),
        "h" => Some(Span::from_hours(number)),
        "d" => Some(Span::from_days(number)),
        _ => None,
    }
}

/// The shortest form that [`parse_span`] reads back.
pub(crate) fn format_span(span: Span) -> String {
    let seconds = span.as_secs();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds >= size && seconds % size == 0 {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

/// An empty text stands for "not set".
impl<T: Setting> Setting for Option<T> {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        match raw {
            Raw::Text(text) | Raw::Untyped(text) if text.is_empty() => Ok(None),
            _ => T::read(raw).map(Some),
        }
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::write)
    }
}

/// One value or a list of them; in the environment with commas between.
fn list<T>(raw: &Raw, one: impl Fn(&str) -> Option<T>, allowed: &str) -> Result<Vec<T>, Allowed> {
    let texts: Vec<&str> = match raw {
        Raw::Text(text) => vec![text],
        Raw::Untyped(text) => text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
        Raw::List(items) => items
            .iter()
            .map(|item| match item {
                Raw::Text(text) => Ok(text.as_str()),
                _ => Err(allowed.to_owned()),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(allowed.to_owned()),
    };
    texts.into_iter().map(|text| one(text).ok_or_else(|| allowed.to_owned())).collect()
}

fn write_list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.map(|item| quoted(&item)).collect::<Vec<_>>().join(", "))
}

impl Setting for Vec<SocketAddr> {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        const ALLOWED: &str = r#"an address and a port such as "127.0.0.1:8080" or "[::]:8080", or a list of them: ["0.0.0.0:80", "[::]:80"]"#;
        let addresses = list(raw, |text| text.parse().ok(), ALLOWED)?;
        if addresses.is_empty() { Err(ALLOWED.to_owned()) } else { Ok(addresses) }
    }

    fn write(&self) -> String {
        match self.as_slice() {
            [one] => quoted(&one.to_string()),
            many => write_list(many.iter().map(SocketAddr::to_string)),
        }
    }
}

impl Setting for Vec<Network> {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        list(raw, |text| text.parse().ok(), r#"a list of addresses or ranges such as ["192.0.2.7", "10.0.0.0/8"]"#)
    }

    fn write(&self) -> String {
        write_list(self.iter().map(Network::to_string))
    }
}

impl Setting for Vec<String> {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        list(raw, |text| Some(text.to_owned()), "a list of texts")
    }

    fn write(&self) -> String {
        write_list(self.iter().cloned())
    }
}

impl Setting for Url {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        const ALLOWED: &str = r#"an address without path such as "https://accounts.example.org""#;
        let url = Self::parse(text(raw, ALLOWED)?).map_err(|_| ALLOWED.to_owned())?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.domain().is_some();
        if bare { Ok(url) } else { Err(ALLOWED.to_owned()) }
    }

    fn write(&self) -> String {
        quoted(self.as_str().trim_end_matches('/'))
    }
}

impl Setting for DatabaseUrl {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let address = text(raw, "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME")?;
        Self::parse(address.trim()).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(match self.engine() {
            Engine::Sqlite => "sqlite:…",
            Engine::Postgres => "postgres://…",
        })
    }
}

impl Setting for CacheUrl {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        let address = text(raw, "memory: or redis://HOST:PORT/DATABASE")?;
        Self::parse(address.trim()).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        quoted(match self {
            Self::Memory => "memory:",
            Self::Redis(_) => "redis://…",
        })
    }
}

impl Setting for MailRoute {
    fn read(raw: &Raw) -> Result<Self, Allowed> {
        const ALLOWED: &str = "folder:PATH, or a mail server: smtps://USER:PASSWORD@HOST, or smtp://USER:PASSWORD@HOST:587?tls=required for STARTTLS";
        let address = text(raw, ALLOWED)?.trim();
        match address.split_once(':') {
            Some(("folder", path)) if !path.is_empty() => Ok(Self::Folder(PathBuf::from(path))),
            Some(("smtp" | "smtps", _)) if Url::parse(address).is_ok_and(|url| url.has_host()) => {
                Ok(Self::Smtp(Secret::new(address.to_owned())))
            }
            _ => Err(ALLOWED.to_owned()),
        }
    }

    fn write(&self) -> String {
        quoted(match self {
            Self::Folder(_) => "folder:…",
            Self::Smtp(_) => "smtp://…",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untyped<T: Setting>(text: &str) -> Result<T, Allowed> {
        T::read(&Raw::Untyped(text.to_owned()))
    }

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["1s", "90s", "15m", "12h", "30d", "36h"] {
            assert_eq!(format_span(untyped(text).unwrap()), text);
        }
        assert_eq!(untyped::<Span>("3600s"), Ok(Span::from_hours(1)));
        for bad in ["", "s", "10", "0s", "-1s", "+1s", "1.5h", "10 minutes", "1w", "99999999999s", "1µ"] {
            assert!(untyped::<Span>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_environment_writes_numbers_and_lists_as_text() {
        assert_eq!(untyped("12"), Ok(12_u32));
        assert!(u32::read(&Raw::Text("12".into())).is_err(), "in TOML a text is no number");
        assert!(untyped::<u32>("0").is_err() && untyped::<u32>("-1").is_err());
        let listen: Vec<SocketAddr> = untyped("0.0.0.0:80, [::]:80").unwrap();
        assert_eq!(listen.len(), 2);
        assert!(untyped::<Vec<SocketAddr>>("").is_err() && untyped::<Vec<SocketAddr>>("localhost:80").is_err());
        assert!(untyped::<Vec<Network>>("").unwrap().is_empty());
    }

    #[test]
    fn addresses_of_pages_have_no_path_and_no_user() {
        for good in ["https://accounts.example.org", "http://accounts.localhost:8080/"] {
            assert!(untyped::<Url>(good).is_ok(), "{good}");
        }
        for bad in [
            "accounts.example.org",
            "ftp://a.b",
            "https://a.b/c",
            "https://a.b?c",
            "https://a.b#c",
            "https://u@a.b",
            "https://192.0.2.1",
        ] {
            assert!(untyped::<Url>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mail_server_needs_a_host() {
        for good in ["folder:/tmp/x", "smtp://mail.example.org:587?tls=required", "smtps://u:p@mail.example.org"] {
            assert!(untyped::<MailRoute>(good).is_ok(), "{good}");
        }
        for bad in ["", "folder:", "smtp:", "smtp://", "mail.example.org", "https://mail.example.org"] {
            assert!(untyped::<MailRoute>(bad).is_err(), "{bad}");
        }
    }
}
