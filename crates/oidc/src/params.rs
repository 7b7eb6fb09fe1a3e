//! Parameters of a request as OAuth has them: `application/x-www-form-urlencoded`, in a query or
//! in a body, each at most once (RFC 6749 section 3.1).

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use percent_encoding::percent_decode;

/// Bytes of all parameters together.
pub(crate) const MAX_LENGTH: usize = 16 * 1024;
const MAX_COUNT: usize = 64;

/// The parameters of one request.
#[derive(Debug, Default, Clone)]
pub(crate) struct Params(Vec<(String, String)>);

/// Not parameters: too long, too many, or not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A parameter that stands there more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Twice;

impl Params {
    /// Reads a query or a body.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        if text.len() > MAX_LENGTH {
            return Err(Unreadable);
        }
        let mut pairs = Vec::new();
        for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
            if pairs.len() == MAX_COUNT {
                return Err(Unreadable);
            }
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            let mut half = || form_decode(halves.next().unwrap_or_default()).ok_or(Unreadable);
            pairs.push((half()?, half()?));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`; none when it is empty, as if it were not there (RFC 6749 section 3.1).
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Twice> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            (_, Some(_)) => Err(Twice),
        }
    }

    /// Whether any of `names` is there, be it empty.
    pub(crate) fn any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(found, _)| names.contains(&found.as_str()))
    }
}

/// Decodes one name or value: `+` is a blank, `%41` a byte. `None` when that is no UTF-8.
pub(crate) fn form_decode(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

/// Whether the body says that it is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Params {
        Params::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_come_out_as_they_were_meant() {
        let params = parse("a=1&&b=x+y%2B%26%3D&c=&d&%65=%C3%A9&f=a=b");
        for (name, value) in [("a", "1"), ("b", "x y+&="), ("e", "é"), ("f", "a=b")] {
            assert_eq!(params.one(name), Ok(Some(value)), "{name}");
        }
        for name in ["c", "d", "g", "A"] {
            assert_eq!(params.one(name), Ok(None), "{name}");
        }
        assert!(params.any(&["g", "d"]) && !params.any(&["g"]));
        assert_eq!(parse("").one("a"), Ok(None));
    }

    #[test]
    fn a_name_stands_once() {
        for text in ["a=1&a=1", "a=1&%61=2", "a=&a=1", "a&a"] {
            assert_eq!(parse(text).one("a"), Err(Twice), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in [&b"a=%ff"[..], b"%c3=1", b"a=\xff"] {
            assert_eq!(Params::parse(bad).unwrap_err(), Unreadable);
        }
        assert!(Params::parse("a=1&".repeat(64).as_bytes()).is_ok());
        assert!(Params::parse("a=1&".repeat(65).as_bytes()).is_err());
        assert!(Params::parse(&vec![b'a'; MAX_LENGTH]).is_ok());
        assert!(Params::parse(&vec![b'a'; MAX_LENGTH + 1]).is_err());
    }

    #[test]
    fn a_form_says_so() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(value));
            is_form(&headers)
        };
        assert!(with("application/x-www-form-urlencoded"));
        assert!(with("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!with("application/json"));
        assert!(!with("text/plain, application/x-www-form-urlencoded"));
        assert!(!is_form(&HeaderMap::new()));
    }
}
