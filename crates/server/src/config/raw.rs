//! A value as it stands in the file or in the environment, before anybody knows what it should be.

use std::fmt;

use toml::de::DeValue;

/// A value as found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    /// A text from the environment or from a secret's file: a number or a list may be meant.
    Untyped(String),
    /// A string in TOML.
    Text(String),
    /// A whole number in TOML, as written.
    Integer(String),
    /// `true` or `false` in TOML.
    Boolean(bool),
    /// A list in TOML.
    List(Vec<Self>),
    /// Something that no setting is: its name in TOML.
    Other(&'static str),
}

impl From<&DeValue<'_>> for Raw {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) if number.radix() == 10 => Self::Integer(number.as_str().to_owned()),
            DeValue::Boolean(yes) => Self::Boolean(*yes),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::from(item.get_ref())).collect()),
            other => Self::Other(other.type_str()),
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untyped(text) | Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => f.write_str(number),
            Self::Boolean(yes) => yes.fmt(f),
            Self::List(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Other(kind) => write!(f, "a {kind}"),
        }
    }
}
