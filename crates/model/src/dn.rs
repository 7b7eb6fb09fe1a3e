//! Distinguished names in their string form (RFC 4514): read with limits, compared as the
//! directory compares, written with everything escaped that must be.
//!
//! Knows nothing of the tree. Values are compared as folded text, since every attribute that
//! names an entry here is compared so. Quoted values and `;` of LDAPv2 are refused.

use std::fmt;
use std::hash::{Hash, Hasher};

use thiserror::Error;

use crate::attribute::Attribute;
use crate::folded::Folded;

const MAX_BYTES: usize = 4096;
const MAX_RDNS: usize = 64;
const MAX_PARTS: usize = 8;

/// A text that is no distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidDn {
    /// Longer than is read.
    #[error("the name is longer than {MAX_BYTES} bytes or has too many parts")]
    TooLong,
    /// Not of the form `attribute=value,…`.
    #[error("the name is not of the form attribute=value,attribute=value")]
    Form,
}

/// A distinguished name. Equal names are equal in any spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dn(Vec<Rdn>);

/// A relative distinguished name: one attribute and value, rarely several.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rdn(Vec<Part>);

#[derive(Debug, Clone)]
struct Part {
    kind: String,
    value: Text,
    folded: Folded,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    Plain(String),
    /// Hexadecimal digits of a BER encoding, as they came; names nothing here.
    Hex(String),
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.folded == other.folded
    }
}

impl Eq for Part {}

impl Hash for Part {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.kind, &self.folded).hash(state);
    }
}

impl Dn {
    /// Reads the string form. Spaces around separators are allowed, as LDAPv2 had them.
    ///
    /// # Errors
    /// [`InvalidDn`].
    pub fn parse(text: &str) -> Result<Self, InvalidDn> {
        if text.len() > MAX_BYTES {
            return Err(InvalidDn::TooLong);
        }
        let mut reader = Reader { rest: text };
        reader.spaces();
        if reader.rest.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut rdns = vec![reader.rdn()?];
        while reader.take(',') {
            if rdns.len() == MAX_RDNS {
                return Err(InvalidDn::TooLong);
            }
            rdns.push(reader.rdn()?);
        }
        if reader.rest.is_empty() { Ok(Self(rdns)) } else { Err(InvalidDn::Form) }
    }

    /// Reads the name of a directory's base, which is never the empty one.
    ///
    /// # Errors
    /// [`InvalidDn`].
    pub fn parse_base(text: &str) -> Result<Self, InvalidDn> {
        Self::parse(text).and_then(|base| if base.is_root() { Err(InvalidDn::Form) } else { Ok(base) })
    }

    /// Whether it is the empty name, that of the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its parts, the most specific one first.
    #[must_use]
    pub fn rdns(&self) -> &[Rdn] {
        &self.0
    }

    /// The name of the entry above; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// The parts that stand before `base`, if it ends in `base`.
    #[must_use]
    pub fn below(&self, base: &Self) -> Option<&[Rdn]> {
        self.0.strip_suffix(base.0.as_slice())
    }

    /// The form by which it is compared, for counters and logs.
    #[must_use]
    pub fn folded(&self) -> Folded {
        Folded::new(&self.to_string())
    }
}

impl Rdn {
    /// Attribute (in lower case) and value, when it has just one.
    #[must_use]
    pub fn single(&self) -> Option<(&str, &Folded)> {
        match self.0.as_slice() {
            [Part { kind, value: Text::Plain(_), folded }] => Some((kind, folded)),
            _ => None,
        }
    }

    /// The value as it was written, when it has just one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part { value: Text::Plain(value), .. }] => Some(value),
            _ => None,
        }
    }
}

/// Writes `value` so that it can stand in a distinguished name (RFC 4514 section 2.4).
#[derive(Debug, Clone, Copy)]
pub struct DnValue<'a>(pub &'a str);

impl fmt::Display for DnValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.len().saturating_sub(1);
        for (at, c) in self.0.char_indices() {
            match c {
                '\0' => f.write_str("\\00")?,
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
                '#' if at == 0 => f.write_str("\\#")?,
                ' ' if at == 0 || at == last => f.write_str("\\ ")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            let plus = if at == 0 { "" } else { "+" };
            match &part.value {
                Text::Plain(value) => write!(f, "{plus}{}={}", part.kind, DnValue(value))?,
                Text::Hex(digits) => write!(f, "{plus}{}=#{digits}", part.kind)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rdn) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{rdn}")?;
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn rdn(&mut self) -> Result<Rdn, InvalidDn> {
        let mut parts = vec![self.part()?];
        while self.take('+') {
            if parts.len() == MAX_PARTS {
                return Err(InvalidDn::TooLong);
            }
            parts.push(self.part()?);
        }
        // They are a set: in one order they can be compared.
        parts.sort_by(|left, right| (&left.kind, &left.folded).cmp(&(&right.kind, &right.folded)));
        Ok(Rdn(parts))
    }

    fn part(&mut self) -> Result<Part, InvalidDn> {
        self.spaces();
        let kind = kind_of(self.take_while(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'))?;
        self.spaces();
        if !self.take('=') {
            return Err(InvalidDn::Form);
        }
        self.spaces();
        let value = if self.take('#') { self.hex()? } else { self.plain()? };
        let folded = match &value {
            Text::Plain(value) => Folded::new(value),
            Text::Hex(digits) => Folded::new(&format!("#{digits}")),
        };
        Ok(Part { kind, value, folded })
    }

    /// `#` and what follows (RFC 4514 section 2.4): pairs of hexadecimal digits, one at least.
    fn hex(&mut self) -> Result<Text, InvalidDn> {
        let digits = self.take_while(|c| c.is_ascii_hexdigit()).to_ascii_lowercase();
        self.spaces();
        if digits.is_empty() || digits.len() % 2 == 1 { Err(InvalidDn::Form) } else { Ok(Text::Hex(digits)) }
    }

    /// A string with escapes, up to a separator. Spaces at its ends count only when escaped.
    fn plain(&mut self) -> Result<Text, InvalidDn> {
        let mut bytes = Vec::new();
        let mut kept = 0;
        loop {
            let mut chars = self.rest.chars();
            match chars.next() {
                None | Some(',' | '+') => break,
                Some('"' | ';' | '<' | '>' | '\0') => return Err(InvalidDn::Form),
                Some('\\') => {
                    self.rest = chars.as_str();
                    bytes.push(self.escaped()?);
                    kept = bytes.len();
                }
                Some(c) => {
                    self.rest = chars.as_str();
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    kept = if c == ' ' { kept } else { bytes.len() };
                }
            }
        }
        bytes.truncate(kept);
        String::from_utf8(bytes).map(Text::Plain).map_err(|_| InvalidDn::Form)
    }

    /// What follows a backslash: a special character, or one byte in hexadecimal.
    fn escaped(&mut self) -> Result<u8, InvalidDn> {
        let bytes = self.rest.as_bytes();
        let (byte, used) = match bytes {
            [special @ (b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\'), ..] => (*special, 1),
            [high, low, ..] => (hex_digit(*high)? << 4 | hex_digit(*low)?, 2),
            _ => return Err(InvalidDn::Form),
        };
        self.rest = self.rest.get(used..).ok_or(InvalidDn::Form)?;
        Ok(byte)
    }
}

fn hex_digit(byte: u8) -> Result<u8, InvalidDn> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(InvalidDn::Form)
}

/// An attribute type as it is compared: by its usual name when it is known, in lower case.
fn kind_of(text: &str) -> Result<String, InvalidDn> {
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains('.');
    let is_oid = text.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()))
        && text.contains('.');
    if !is_name && !is_oid {
        return Err(InvalidDn::Form);
    }
    let name = match Attribute::from_name(text) {
        Some(known) => known.name(),
        None => text,
    };
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_chance::Chance;

    fn dn(text: &str) -> Dn {
        Dn::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn spellings_of_one_name_are_equal() {
        for (left, right) in [
            ("uid=ada,ou=people,dc=example,dc=org", "UID=Ada, OU=People , DC = EXAMPLE,dc=org"),
            ("cn=ada okafor,dc=x", "cn=  Ada   Okafor ,dc=x"),
            ("cn=a+sn=b,dc=x", "sn=B + cn=A,dc=x"),
            ("2.5.4.3=ada,0.9.2342.19200300.100.1.25=x", "commonName=ada,dc=x"),
            ("cn=\\c3\\89lodie", "cn=élodie"),
            ("cn=a\\,b", "cn=a\\2Cb"),
            ("cn=#0403616263", "cn=#0403616263"),
            ("cn=A=b", "cn=a\\=b"),
        ] {
            assert_eq!(dn(left), dn(right), "{left} and {right}");
        }
        assert_ne!(dn("cn=a,dc=x"), dn("cn=b,dc=x"));
        assert_ne!(dn("cn=a,dc=x"), dn("uid=a,dc=x"));
        assert_ne!(dn("cn=a"), dn("cn=a+sn=b"));
        assert_ne!(dn("cn=#616263"), dn("cn=\\#616263x"));
    }

    #[test]
    fn spaces_count_only_when_escaped() {
        assert_eq!(dn("cn= a ").rdns().first().and_then(Rdn::value), Some("a"));
        assert_eq!(dn("cn=\\ a\\ ").rdns().first().and_then(Rdn::value), Some(" a "));
        assert_eq!(dn("cn=a\\20 ").rdns().first().and_then(Rdn::value), Some("a "));
        assert_eq!(dn("cn=").rdns().first().and_then(Rdn::value), Some(""));
        assert!(dn("").is_root() && dn("   ").is_root());
        assert_eq!(Dn::parse_base(" "), Err(InvalidDn::Form));
    }

    #[test]
    fn the_examples_of_rfc_4514() {
        for text in [
            "UID=jsmith,DC=example,DC=net",
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
            "CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net",
            "CN=Before\\0dAfter,DC=example,DC=net",
            "1.3.6.1.4.1.1466.0=#04024869",
            "CN=Lu\\C4\\8Di\\C4\\87",
        ] {
            assert_eq!(dn(&dn(text).to_string()), dn(text));
        }
        assert_eq!(dn("CN=Lu\\C4\\8Di\\C4\\87").to_string(), "cn=Lučić");
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "ada",
            "=",
            "uid",
            "uid=a,",
            ",uid=a",
            "uid=a,,dc=x",
            "uid=a;dc=x",
            "uid=\"a\"",
            "uid=a\\",
            "uid=a\\z",
            "uid=a\\4",
            "uid=\\ff",
            "uid=a\0",
            "uid=<a>",
            "uid=#",
            "uid=#4",
            "uid=#4x",
            "1=a",
            "1..2=a",
            "-a=b",
            "uid=a+",
            "uid=a,dc=x dc=y=\"",
        ] {
            assert_eq!(Dn::parse(text), Err(InvalidDn::Form), "{text:?}");
        }
    }

    #[test]
    fn limits_hold() {
        assert_eq!(Dn::parse(&format!("cn={}", "x".repeat(MAX_BYTES))), Err(InvalidDn::TooLong));
        assert!(Dn::parse(&vec!["a=b"; MAX_RDNS].join(",")).is_ok());
        assert_eq!(Dn::parse(&vec!["a=b"; MAX_RDNS + 1].join(",")), Err(InvalidDn::TooLong));
        assert_eq!(Dn::parse(&["a=b"; MAX_PARTS + 1].join("+")), Err(InvalidDn::TooLong));
    }

    #[test]
    fn below_a_base() {
        let base = dn("dc=example,dc=org");
        assert_eq!(dn("uid=a,DC=Example,dc=org").below(&base).map(<[Rdn]>::len), Some(1));
        assert_eq!(base.below(&base).map(<[Rdn]>::len), Some(0));
        assert!(dn("dc=org").below(&base).is_none());
        assert!(dn("uid=a,dc=notexample,dc=org").below(&base).is_none());
    }

    #[test]
    fn any_value_can_be_written_and_read_back() {
        let mut chance = Chance::new(7);
        for _ in 0..20_000 {
            let value = chance.text(" #\"+,;<>\\=a\0é日\n");
            let text = format!("cn={},dc=x", DnValue(&value));
            assert_eq!(dn(&text).rdns().first().and_then(Rdn::value), Some(value.as_str()), "{text:?}");
        }
    }

    #[test]
    fn random_input_is_read_or_refused_and_reading_is_stable() {
        let mut chance = Chance::new(11);
        for _ in 0..50_000 {
            let text = chance.mutated("UID=Ad\\61,OU=people+cn=\\C4\\8D ,2.5.4.3=#0403, dc=x");
            if let Ok(read) = Dn::parse(&text) {
                let written = read.to_string();
                assert_eq!(Dn::parse(&written).as_ref(), Ok(&read), "{text:?} {written:?}");
                assert_eq!(dn(&written).to_string(), written);
            }
        }
    }
}
