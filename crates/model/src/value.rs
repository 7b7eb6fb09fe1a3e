//! Values of the attributes that administrators have defined, checked once when they come in. Their
//! bytes are in LDAP's form (RFC 4517), in the database too.

use thiserror::Error;

use crate::names::is_invisible;
use crate::schema::AttributeKind;
use crate::time::Timestamp;

/// Longer texts are refused, in bytes.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Why a value cannot be taken. The text may be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidValue {
    /// Nothing, or white space alone.
    #[error("the value is empty")]
    Empty,
    /// Longer than is stored.
    #[error("the value is longer than {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// Bytes that are no UTF-8, or characters that cannot be seen.
    #[error("the value is not a text that can be read")]
    Text,
    /// No number of 64 bits.
    #[error("the value is not a whole number between -9223372036854775808 and 9223372036854775807")]
    Integer,
    /// Neither word.
    #[error("the value is neither TRUE nor FALSE")]
    Boolean,
    /// No point in time.
    #[error("the value is not a time such as 20261122174500Z")]
    Time,
    /// Not a JPEG picture.
    #[error("the value is not a JPEG picture")]
    Jpeg,
}

/// One value. Pictures are left out: their bytes are fetched when somebody asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A point in time, to the second.
    Time(Timestamp),
    /// A picture.
    Jpeg,
}

impl AttributeValue {
    /// Reads `bytes` as a value of `kind`.
    ///
    /// # Errors
    /// [`InvalidValue`].
    pub fn parse(kind: AttributeKind, bytes: &[u8]) -> Result<Self, InvalidValue> {
        if kind == AttributeKind::Jpeg {
            // How a picture is checked is for those who decode it; this keeps out what is none.
            return if bytes.starts_with(&[0xff, 0xd8, 0xff]) { Ok(Self::Jpeg) } else { Err(InvalidValue::Jpeg) };
        }
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(InvalidValue::TooLong);
        }
        let text = str::from_utf8(bytes).map_err(|_| InvalidValue::Text)?.trim();
        if text.is_empty() {
            return Err(InvalidValue::Empty);
        }
        match kind {
            AttributeKind::String if text.chars().any(|c| is_invisible(c) && !matches!(c, '\n' | '\t')) => {
                Err(InvalidValue::Text)
            }
            AttributeKind::String => Ok(Self::Text(text.to_owned())),
            AttributeKind::Integer => text.parse().map(Self::Integer).map_err(|_| InvalidValue::Integer),
            AttributeKind::Boolean if text.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            AttributeKind::Boolean if text.eq_ignore_ascii_case("false") => Ok(Self::Boolean(false)),
            AttributeKind::Boolean => Err(InvalidValue::Boolean),
            AttributeKind::DateTime => Timestamp::from_generalized_time(text)
                .map(|at| Self::Time(Timestamp::from_secs(at.as_secs())))
                .ok_or(InvalidValue::Time),
            AttributeKind::Jpeg => Err(InvalidValue::Jpeg),
        }
    }

    /// The value as LDAP and the database have it; nothing for a picture.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(true) => "TRUE".to_owned(),
            Self::Boolean(false) => "FALSE".to_owned(),
            Self::Time(at) => at.to_generalized_time(),
            Self::Jpeg => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_their_kind_and_written_alike() {
        for (kind, text, written) in [
            (AttributeKind::String, " Ada  Lovelace ", "Ada  Lovelace"),
            (AttributeKind::Integer, "-007", "-7"),
            (AttributeKind::Boolean, "true", "TRUE"),
            (AttributeKind::DateTime, "20261122174500.5+0100", "20261122164500Z"),
        ] {
            let value = AttributeValue::parse(kind, text.as_bytes()).unwrap();
            assert_eq!(value.to_text(), written);
            assert_eq!(AttributeValue::parse(kind, written.as_bytes()), Ok(value));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (kind, bytes, why) in [
            (AttributeKind::String, &b" "[..], InvalidValue::Empty),
            (AttributeKind::String, b"a\0b", InvalidValue::Text),
            (AttributeKind::String, b"\xff", InvalidValue::Text),
            (AttributeKind::Integer, b"9223372036854775808", InvalidValue::Integer),
            (AttributeKind::Boolean, b"yes", InvalidValue::Boolean),
            (AttributeKind::DateTime, b"yesterday", InvalidValue::Time),
            (AttributeKind::Jpeg, b"<svg/>", InvalidValue::Jpeg),
        ] {
            assert_eq!(AttributeValue::parse(kind, bytes), Err(why), "{bytes:?}");
        }
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        assert_eq!(AttributeValue::parse(AttributeKind::String, long.as_bytes()), Err(InvalidValue::TooLong));
    }
}
