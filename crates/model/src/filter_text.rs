//! The string form of search filters (RFC 4515): read with limits on length, depth and terms, and
//! written. The panel's search box takes this form; spaces between terms are forgiven there.

use std::fmt;

use thiserror::Error;

use crate::attribute::Attribute;
use crate::filter::{Assertion, Filter, MAX_DEPTH, MAX_TERMS, Reference};
use crate::schema::Schema;

const MAX_BYTES: usize = 16 * 1024;

/// A text that is no filter. The message may be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidFilter {
    /// Longer, deeper or of more terms than is read.
    #[error("The filter is too long or too deeply nested")]
    TooLarge,
    /// Something else was expected at this byte.
    #[error("The filter has a mistake at character {at}: expected {expected}")]
    Form {
        /// The first character that does not fit, counted from 1.
        at: usize,
        /// What could stand there.
        expected: &'static str,
    },
}

impl Filter {
    /// Reads the string form.
    ///
    /// # Errors
    /// [`InvalidFilter`]. An attribute or value that is not known here is no error: that term is
    /// [`Filter::Undefined`].
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, InvalidFilter> {
        if text.len() > MAX_BYTES {
            return Err(InvalidFilter::TooLarge);
        }
        let mut reader = Reader { text, rest: text.trim_start(), terms: 0, schema };
        let filter = reader.filter(MAX_DEPTH)?;
        if reader.rest.trim_start().is_empty() { Ok(filter) } else { Err(reader.expected("the end")) }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    terms: usize,
    schema: &'a Schema,
}

/// The pieces of a value between asterisks that are not escaped. A piece is `None` when its bytes
/// are no text.
type Pieces = Vec<Option<String>>;

impl<'a> Reader<'a> {
    fn expected(&self, expected: &'static str) -> InvalidFilter {
        let read = self.text.len() - self.rest.len();
        InvalidFilter::Form { at: self.text.get(..read).unwrap_or_default().chars().count() + 1, expected }
    }

    fn take(&mut self, wanted: &str) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, InvalidFilter> {
        let depth = depth.checked_sub(1).ok_or(InvalidFilter::TooLarge)?;
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(InvalidFilter::TooLarge);
        }
        if !self.take("(") {
            return Err(self.expected("an opening parenthesis"));
        }
        let filter = if self.take("&") {
            Filter::And(self.list(depth)?)
        } else if self.take("|") {
            Filter::Or(self.list(depth)?)
        } else if self.take("!") {
            self.rest = self.rest.trim_start();
            let term = self.filter(depth)?;
            self.rest = self.rest.trim_start();
            Filter::Not(Box::new(term))
        } else {
            self.item()?
        };
        if self.take(")") { Ok(filter) } else { Err(self.expected("a closing parenthesis")) }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, InvalidFilter> {
        let mut terms = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('(') {
                return Ok(terms);
            }
            terms.push(self.filter(depth)?);
        }
    }

    fn item(&mut self) -> Result<Filter, InvalidFilter> {
        let attribute = self.name();
        if self.rest.starts_with(':') {
            return self.extensible(attribute);
        }
        if attribute.is_empty() {
            return Err(self.expected("the name of an attribute"));
        }
        if self.take(">=") {
            Ok(self.value()?.map_or(Filter::Undefined, |value| Filter::at_least(self.schema, attribute, &value)))
        } else if self.take("<=") {
            Ok(self.value()?.map_or(Filter::Undefined, |value| Filter::at_most(self.schema, attribute, &value)))
        } else if self.take("~=") {
            Ok(self.value()?.map_or(Filter::Undefined, |value| Filter::equal(self.schema, attribute, &value)))
        } else if self.take("=") {
            {
                let pieces = self.pieces()?;
                Ok(by_pieces(self.schema, attribute, &pieces))
            }
        } else {
            Err(self.expected("one of = ~= >= <= :="))
        }
    }

    /// `[attribute][:dn][:rule]:=value`.
    fn extensible(&mut self, attribute: &str) -> Result<Filter, InvalidFilter> {
        let of_dn = self.take(":dn:");
        let rule = if of_dn || (self.take(":") && !self.rest.starts_with('=')) { self.name() } else { "" };
        if !rule.is_empty() && !self.take(":") {
            return Err(self.expected(":="));
        }
        if !self.take("=") {
            return Err(self.expected("="));
        }
        if attribute.is_empty() && rule.is_empty() {
            return Err(self.expected("an attribute or a matching rule"));
        }
        let Some(value) = self.value()? else { return Ok(Filter::Undefined) };
        if attribute.is_empty() {
            let filter = Filter::by_rule(self.schema, rule, &value, of_dn);
            self.terms += filter.size() - 1;
            return Ok(filter);
        }
        let rule = (!rule.is_empty()).then_some(rule);
        let make = if of_dn { Filter::with_name } else { Filter::extensible };
        Ok(make(self.schema, attribute, rule, &value))
    }

    fn name(&mut self) -> &'a str {
        let is_outside = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_'));
        let end = self.rest.find(is_outside).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        name
    }

    /// A value in which an asterisk has no meaning of its own.
    fn value(&mut self) -> Result<Option<String>, InvalidFilter> {
        let start = self.rest;
        match <[_; 1]>::try_from(self.pieces()?) {
            Ok([value]) => Ok(value),
            Err(_) => {
                self.rest = start;
                Err(self.expected("a value without asterisk, or \\2a for one"))
            }
        }
    }

    fn pieces(&mut self) -> Result<Pieces, InvalidFilter> {
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                None | Some(')') => {
                    pieces.push(String::from_utf8(bytes).ok());
                    return Ok(pieces);
                }
                Some('(') => return Err(self.expected("a closing parenthesis, or \\28 in a value")),
                Some('\0') => return Err(self.expected("\\00 for this character")),
                Some('*') => pieces.push(String::from_utf8(std::mem::take(&mut bytes)).ok()),
                Some('\\') => {
                    bytes.push(escaped(chars.as_str()).ok_or_else(|| self.expected("\\ and two hexadecimal digits"))?);
                    chars = chars.as_str().get(2..).unwrap_or_default().chars();
                }
                Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            self.rest = chars.as_str();
        }
    }
}

fn escaped(text: &str) -> Option<u8> {
    let digits = text.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn by_pieces(schema: &Schema, attribute: &str, pieces: &[Option<String>]) -> Filter {
    let Some(pieces) = pieces.iter().map(Option::as_deref).collect::<Option<Vec<_>>>() else {
        return Filter::Undefined;
    };
    match pieces.as_slice() {
        [] => Filter::Undefined,
        [value] => Filter::equal(schema, attribute, value),
        ["", ""] => Filter::present(schema, attribute),
        [initial, any @ .., last] => Filter::parts(schema, attribute, Some(initial), any, Some(last)),
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '(' | ')' | '*' | '\\' | '\0' => write!(f, "\\{:02x}", u32::from(c)),
            c => write!(f, "{c}"),
        })
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Reference(Reference::Name(text)) => Escaped(text.as_str()).fmt(f),
            Self::Reference(Reference::Dn(dn)) => Escaped(&dn.to_string()).fmt(f),
            Self::Uuid(uuid) => uuid.hyphenated().fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(true) => f.write_str("TRUE"),
            Self::Boolean(false) => f.write_str("FALSE"),
            Self::Time(time) => {
                let seconds = time.to_generalized_time();
                match time.as_micros().rem_euclid(1_000_000) {
                    0 => f.write_str(&seconds),
                    micros => write!(f, "{}.{micros:06}Z", seconds.trim_end_matches('Z')),
                }
            }
        }
    }
}

/// A name that leads to the attribute in any schema that has it.
struct Name(Attribute);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Attribute::Custom(custom) => write!(f, "{}", Schema::identifier(custom.number)),
            built_in => f.write_str(built_in.name()),
        }
    }
}

/// The string form, with values as they were understood.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = |f: &mut fmt::Formatter<'_>, attribute: &Attribute, sign: &str, value: &dyn fmt::Display| {
            write!(f, "({}{sign}{value})", Name(*attribute))
        };
        match self {
            Self::And(terms) | Self::Or(terms) => {
                f.write_str(if matches!(self, Self::And(_)) { "(&" } else { "(|" })?;
                terms.iter().try_for_each(|term| term.fmt(f))?;
                f.write_str(")")
            }
            Self::Not(term) => write!(f, "(!{term})"),
            Self::Present(attribute) => item(f, attribute, "=", &"*"),
            Self::Equal(attribute, value) => item(f, attribute, "=", value),
            Self::AtLeast(attribute, value) => item(f, attribute, ">=", value),
            Self::AtMost(attribute, value) => item(f, attribute, "<=", value),
            Self::AllBits(attribute, bits) => item(f, attribute, ":1.2.840.113556.1.4.803:=", bits),
            Self::AnyBit(attribute, bits) => item(f, attribute, ":1.2.840.113556.1.4.804:=", bits),
            Self::InChain(attribute, reference) => {
                item(f, attribute, ":1.2.840.113556.1.4.1941:=", &Assertion::Reference(reference.clone()))
            }
            Self::WithName(attribute, value) => item(f, attribute, ":dn:=", &Escaped(value.as_str())),
            Self::Parts(attribute, pattern) => {
                write!(f, "({}={}*", Name(*attribute), Escaped(pattern.initial.as_deref().unwrap_or_default()))?;
                pattern.any.iter().try_for_each(|part| write!(f, "{}*", Escaped(part)))?;
                write!(f, "{})", Escaped(pattern.last.as_deref().unwrap_or_default()))
            }
            // An attribute without a name can be written but is nobody's.
            Self::Undefined => f.write_str("(undefined=)"),
        }
    }
}
