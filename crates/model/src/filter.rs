//! Search filters and what they say about an entry: true, false, or undefined (RFC 4511 section
//! 4.5.1.7). One evaluator for LDAP searches and the panel's search box.
//!
//! A filter is prepared when it is made: attributes are looked up, values read and folded once,
//! by the rule of their attribute. Whatever cannot be decided (an unknown attribute, a value that
//! is none, a matching rule that is not here) becomes [`Filter::Undefined`] and matches nothing,
//! not even under a negation. The text form is in `filter_text`.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::attribute::{Attribute, OBJECT_CLASSES, Rule};
use crate::dn::Dn;
use crate::folded::Folded;
use crate::schema::Schema;
use crate::time::Timestamp;

/// How deep a filter may be nested.
pub const MAX_DEPTH: usize = 32;
/// How many terms a filter may have, with and, or and not counted.
pub const MAX_TERMS: usize = 4096;

/// What a filter says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It matches.
    True,
    /// It does not.
    False,
    /// Nobody can tell; it is not a match.
    Undefined,
}

impl Truth {
    const fn of(matches: bool) -> Self {
        if matches { Self::True } else { Self::False }
    }

    const fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undefined => Self::Undefined,
        }
    }
}

/// A value of an entry, as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text in its folded form.
    Text(&'a str),
    /// The name of an object class, in its usual spelling.
    Class(&'a str),
    /// A UUID.
    Uuid(Uuid),
    /// A point in time; seconds count, since that is what entries show.
    Time(Timestamp),
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// Another entry; [`Entry::refers`] tells which.
    Reference,
    /// Something that is there and has no value to compare.
    Opaque,
}

/// What a filter is asked about.
pub trait Entry {
    /// Hands the values of `attribute` to `matches` until one does, and says whether one did.
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool;

    /// Whether a value of `attribute`, whose rule is [`Rule::Dn`], names what `reference` names.
    fn refers(&self, attribute: Attribute, reference: &Reference) -> bool;

    /// Whether a chain of values of `attribute` leads to what `reference` names, over as many
    /// entries as it takes.
    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool;

    /// Whether `value` of `attribute` is part of the entry's distinguished name.
    fn is_named(&self, attribute: Attribute, value: &Folded) -> bool;

    /// Whether a value of `attribute` equals `asked`, where that can be told without going through
    /// the values; `None` where it cannot.
    fn has_equal(&self, _attribute: Attribute, _asked: &Assertion) -> Option<bool> {
        None
    }
}

/// How another entry is named in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// By its distinguished name.
    Dn(Dn),
    /// By the value of its first part alone, as LLDAP allows: `(memberOf=staff)`.
    Name(Folded),
}

/// A value that is asked for, read by the rule of its attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assertion {
    /// Text.
    Text(Folded),
    /// Another entry.
    Reference(Reference),
    /// A UUID.
    Uuid(Uuid),
    /// A point in time.
    Time(Timestamp),
    /// A number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

/// Parts of a text, in order (RFC 4511 section 4.5.1.7.2), folded so that spaces at the edges of
/// a part count (RFC 4518 section 2.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(crate) initial: Option<String>,
    pub(crate) any: Vec<String>,
    pub(crate) last: Option<String>,
    /// Whether values are compared with a space at either end, since a part has one at its edge.
    padded: bool,
}

/// A search filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of these; true when there are none (RFC 4526).
    And(Vec<Self>),
    /// One of these; false when there are none (RFC 4526).
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// The attribute has a value.
    Present(Attribute),
    /// It has this value.
    Equal(Attribute, Assertion),
    /// It has this value or a later one.
    AtLeast(Attribute, Assertion),
    /// It has this value or an earlier one.
    AtMost(Attribute, Assertion),
    /// It has a value with these parts.
    Parts(Attribute, Pattern),
    /// It has a number in which all of these bits are set (Active Directory's rule
    /// 1.2.840.113556.1.4.803).
    AllBits(Attribute, i64),
    /// It has a number in which one of these bits is set (rule 1.2.840.113556.1.4.804).
    AnyBit(Attribute, i64),
    /// A chain of its values leads to this entry (Active Directory's rule 1.2.840.113556.1.4.1941).
    InChain(Attribute, Reference),
    /// It has this value, or the value is part of the entry's name (`:dn:`, RFC 4511 section
    /// 4.5.1.7.7).
    WithName(Attribute, Folded),
    /// Nobody can tell.
    Undefined,
}

/// The matching rules by which each kind of value can be asked to be equal, by identifier and name.
fn is_equality_rule(rule: &str, of: Rule) -> bool {
    let known: &[&str] = match of {
        Rule::Text => &["2.5.13.2", "caseIgnoreMatch", "1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match"],
        Rule::Exact => &["2.5.13.5", "caseExactMatch", "1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match"],
        Rule::ObjectClass => &["2.5.13.0", "objectIdentifierMatch"],
        Rule::Dn => &["2.5.13.1", "distinguishedNameMatch"],
        Rule::Uuid => &["1.3.6.1.1.16.2", "UUIDMatch"],
        Rule::Time => &["2.5.13.27", "generalizedTimeMatch"],
        Rule::Integer => &["2.5.13.14", "integerMatch"],
        Rule::Boolean => &["2.5.13.13", "booleanMatch"],
        Rule::Picture => &[],
    };
    known.iter().any(|known| known.eq_ignore_ascii_case(rule))
}

impl Filter {
    /// `(attribute=*)`.
    #[must_use]
    pub fn present(schema: &Schema, attribute: &str) -> Self {
        schema.attribute(attribute).map_or(Self::Undefined, Self::Present)
    }

    /// `(attribute=value)`; also `~=`, since nothing here sounds alike (RFC 4511 section
    /// 4.5.1.7.6).
    #[must_use]
    pub fn equal(schema: &Schema, attribute: &str, value: &str) -> Self {
        Self::compare(schema.attribute(attribute), value, Self::Equal)
    }

    /// `(attribute>=value)`. Object classes, truth values and names of entries have no order.
    #[must_use]
    pub fn at_least(schema: &Schema, attribute: &str, value: &str) -> Self {
        Self::compare(schema.attribute(attribute).filter(in_order), value, Self::AtLeast)
    }

    /// `(attribute<=value)`.
    #[must_use]
    pub fn at_most(schema: &Schema, attribute: &str, value: &str) -> Self {
        Self::compare(schema.attribute(attribute).filter(in_order), value, Self::AtMost)
    }

    /// `(attribute=initial*any*last)`. Only texts have parts.
    #[must_use]
    pub fn parts(schema: &Schema, attribute: &str, initial: Option<&str>, any: &[&str], last: Option<&str>) -> Self {
        let Some(attribute) = schema.attribute(attribute).filter(|attribute| attribute.rule().is_text()) else {
            return Self::Undefined;
        };
        let pattern = Pattern::new(attribute.rule(), initial, any, last);
        pattern.map_or(Self::Undefined, |pattern| Self::Parts(attribute, pattern))
    }

    /// `(attribute:rule:=value)` (RFC 4511 section 4.5.1.7.7): without a rule the attribute's own;
    /// with it, the rule of equality that the attribute has, the in-chain rule, and the two bit
    /// rules.
    #[must_use]
    pub fn extensible(schema: &Schema, attribute: &str, rule: Option<&str>, value: &str) -> Self {
        schema.attribute(attribute).map_or(Self::Undefined, |attribute| Self::matched(attribute, rule, value))
    }

    /// `(:rule:=value)`, or `(:dn:rule:=value)` when `with_name`: asked of every attribute that the rule
    /// can be asked of (RFC 4511 section 4.5.1.7.7).
    #[must_use]
    pub fn by_rule(schema: &Schema, rule: &str, value: &str, with_name: bool) -> Self {
        let all = Attribute::ALL.iter().copied().chain(schema.attributes().map(|(_, attribute)| attribute));
        let terms = all.map(|attribute| Self::matched(attribute, Some(rule), value));
        let terms = terms.filter(|term| *term != Self::Undefined);
        let terms: Vec<_> = if with_name { terms.map(Self::or_named).collect() } else { terms.collect() };
        if terms.is_empty() { Self::Undefined } else { Self::Or(terms) }
    }

    fn matched(attribute: Attribute, rule: Option<&str>, value: &str) -> Self {
        let bits = value.trim().parse().ok().filter(|_| attribute.rule() == Rule::Integer);
        match rule {
            None => Self::compare(Some(attribute), value, Self::Equal),
            Some("1.2.840.113556.1.4.1941") => match Assertion::read(attribute, value) {
                Some(Assertion::Reference(reference)) => Self::InChain(attribute, reference),
                _ => Self::Undefined,
            },
            Some("1.2.840.113556.1.4.803") => bits.map_or(Self::Undefined, |bits| Self::AllBits(attribute, bits)),
            Some("1.2.840.113556.1.4.804") => bits.map_or(Self::Undefined, |bits| Self::AnyBit(attribute, bits)),
            Some(rule) if is_equality_rule(rule, attribute.rule()) => {
                Self::compare(Some(attribute), value, Self::Equal)
            }
            Some(_) => Self::Undefined,
        }
    }

    /// `(attribute:dn:rule:=value)`: as [`Filter::extensible`], and the parts of the entry's name are
    /// asked as well.
    #[must_use]
    pub fn with_name(schema: &Schema, attribute: &str, rule: Option<&str>, value: &str) -> Self {
        Self::extensible(schema, attribute, rule, value).or_named()
    }

    fn or_named(self) -> Self {
        match self {
            Self::Equal(attribute, Assertion::Text(text)) if attribute.rule().is_text() => {
                Self::WithName(attribute, text)
            }
            other => other,
        }
    }

    fn compare(attribute: Option<Attribute>, value: &str, make: fn(Attribute, Assertion) -> Self) -> Self {
        let assertion = attribute.and_then(|attribute| Some((attribute, Assertion::read(attribute, value)?)));
        assertion.map_or(Self::Undefined, |(attribute, assertion)| make(attribute, assertion))
    }

    /// How many terms it has, with and, or and not counted.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::And(terms) | Self::Or(terms) => 1 + terms.iter().map(Self::size).sum::<usize>(),
            Self::Not(term) => 1 + term.size(),
            _ => 1,
        }
    }

    /// What it says about `entry`. Nested deeper than [`MAX_DEPTH`] it says nothing.
    #[must_use]
    pub fn evaluate(&self, entry: &dyn Entry) -> Truth {
        self.evaluate_at(entry, MAX_DEPTH)
    }

    fn evaluate_at(&self, entry: &dyn Entry, depth: usize) -> Truth {
        let Some(depth) = depth.checked_sub(1) else { return Truth::Undefined };
        match self {
            Self::And(terms) => all(terms.iter().map(|term| term.evaluate_at(entry, depth))),
            Self::Or(terms) => all(terms.iter().map(|term| term.evaluate_at(entry, depth).not())).not(),
            Self::Not(term) => term.evaluate_at(entry, depth).not(),
            Self::Undefined => Truth::Undefined,
            item => Truth::of(item.matches(entry)),
        }
    }

    fn matches(&self, entry: &dyn Entry) -> bool {
        match self {
            Self::Present(attribute) => entry.any(*attribute, &mut |_| true),
            Self::Equal(attribute, Assertion::Reference(reference)) => entry.refers(*attribute, reference),
            Self::Equal(attribute, asked) => entry
                .has_equal(*attribute, asked)
                .unwrap_or_else(|| entry.any(*attribute, &mut |value| asked.compare(value) == Some(Ordering::Equal))),
            Self::AtLeast(attribute, asked) => {
                entry.any(*attribute, &mut |value| asked.compare(value).is_some_and(Ordering::is_ge))
            }
            Self::AtMost(attribute, asked) => {
                entry.any(*attribute, &mut |value| asked.compare(value).is_some_and(Ordering::is_le))
            }
            Self::Parts(attribute, pattern) => {
                entry.any(*attribute, &mut |value| matches!(value, Value::Text(text) if pattern.matches(text)))
            }
            Self::AllBits(attribute, bits) => {
                entry.any(*attribute, &mut |value| matches!(value, Value::Integer(number) if number & bits == *bits))
            }
            Self::AnyBit(attribute, bits) => {
                entry.any(*attribute, &mut |value| matches!(value, Value::Integer(number) if number & bits != 0))
            }
            Self::InChain(attribute, reference) => entry.reaches(*attribute, reference),
            Self::WithName(attribute, asked) => {
                entry.is_named(*attribute, asked)
                    || entry.any(*attribute, &mut |value| matches!(value, Value::Text(text) if text == asked.as_str()))
            }
            Self::And(_) | Self::Or(_) | Self::Not(_) | Self::Undefined => false,
        }
    }
}

impl Assertion {
    /// Reads `value` by the rule of `attribute`. `None` when it is no value of that kind; a text has
    /// one character at least (RFC 4517 section 3.3.6).
    #[must_use]
    pub fn read(attribute: Attribute, value: &str) -> Option<Self> {
        Some(match attribute.rule() {
            Rule::Text | Rule::Exact | Rule::ObjectClass if value.trim().is_empty() => return None,
            Rule::Text => Self::Text(Folded::new(value)),
            Rule::Exact => Self::Text(Folded::exact(value)),
            Rule::ObjectClass => Self::Text(class_named(value)),
            Rule::Dn if value.contains('=') => Self::Reference(Reference::Dn(Dn::parse(value).ok()?)),
            Rule::Dn => {
                let name = Folded::new(value);
                Self::Reference(Reference::Name(Some(name).filter(|name| !name.as_str().contains('='))?))
            }
            Rule::Uuid => Self::Uuid(Uuid::parse_str(value.trim()).ok()?),
            Rule::Time => Self::Time(Timestamp::from_generalized_time(value.trim())?),
            Rule::Integer => Self::Integer(value.trim().parse().ok()?),
            Rule::Boolean if value.eq_ignore_ascii_case("true") => Self::Boolean(true),
            Rule::Boolean if value.eq_ignore_ascii_case("false") => Self::Boolean(false),
            Rule::Boolean | Rule::Picture => return None,
        })
    }

    /// Where `value` stands to this one. `None` when they are of different kinds, or have no order
    /// and are not equal.
    fn compare(&self, value: Value<'_>) -> Option<Ordering> {
        match (value, self) {
            (Value::Text(value), Self::Text(asked)) => Some(value.cmp(asked.as_str())),
            (Value::Class(value), Self::Text(asked)) => {
                value.eq_ignore_ascii_case(asked.as_str()).then_some(Ordering::Equal)
            }
            (Value::Uuid(value), Self::Uuid(asked)) => Some(value.cmp(asked)),
            (Value::Time(value), Self::Time(asked)) => Some(Timestamp::from_secs(value.as_secs()).cmp(asked)),
            (Value::Integer(value), Self::Integer(asked)) => Some(value.cmp(asked)),
            (Value::Boolean(value), Self::Boolean(asked)) => (value == *asked).then_some(Ordering::Equal),
            _ => None,
        }
    }
}

/// Whether values of an attribute have an order.
fn in_order(attribute: &Attribute) -> bool {
    !matches!(attribute.rule(), Rule::Dn | Rule::ObjectClass | Rule::Boolean | Rule::Picture)
}

/// And, three-valued: one false term decides, whatever the others are.
fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut all = Truth::True;
    for truth in truths {
        match truth {
            Truth::False => return Truth::False,
            Truth::Undefined => all = Truth::Undefined,
            Truth::True => {}
        }
    }
    all
}

/// The folded name of an object class that is given by name or identifier.
fn class_named(value: &str) -> Folded {
    let known = OBJECT_CLASSES.iter().find(|(oid, _)| *oid == value.trim());
    Folded::new(known.map_or(value, |(_, name)| name))
}

impl Pattern {
    /// `None` when no part says anything.
    fn new(rule: Rule, initial: Option<&str>, any: &[&str], last: Option<&str>) -> Option<Self> {
        let part = |text: &&str| (!text.is_empty()).then(|| folded_part(rule, text));
        let (mut initial, mut last) = (initial.as_ref().and_then(part), last.as_ref().and_then(part));
        let any: Vec<_> = any.iter().filter_map(part).collect();
        if initial.is_none() && any.is_empty() && last.is_none() {
            return None;
        }
        let padded = initial.iter().chain(&any).chain(&last).any(|part| part.starts_with(' ') || part.ends_with(' '));
        if padded {
            initial = initial.map(|part| format!(" {}", part.trim_start()));
            last = last.map(|part| format!("{} ", part.trim_end()));
        }
        Some(Self { initial, any, last, padded })
    }

    /// The longest of its parts, without spaces at the edges: whatever matches has it somewhere. Not
    /// there when all parts are spaces.
    #[must_use]
    pub fn longest_part(&self) -> Option<&str> {
        let parts = self.initial.iter().chain(&self.any).chain(&self.last);
        parts.map(|part| part.trim()).max_by_key(|part| part.len()).filter(|part| !part.is_empty())
    }

    fn matches(&self, text: &str) -> bool {
        if self.padded { self.matches_in(&format!(" {text} ")) } else { self.matches_in(text) }
    }

    fn matches_in(&self, text: &str) -> bool {
        let mut rest = text;
        if let Some(initial) = &self.initial {
            let Some(after) = rest.strip_prefix(initial.as_str()) else { return false };
            rest = after;
        }
        for part in &self.any {
            // The first place is the best one: it leaves most for what follows.
            let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
            rest = after;
        }
        self.last.as_ref().is_none_or(|last| rest.ends_with(last.as_str()))
    }
}

/// A part of a text in its folded form, with a space kept where it had one at an edge.
fn folded_part(rule: Rule, text: &str) -> String {
    let inner = if rule == Rule::Exact { Folded::exact(text) } else { Folded::new(text) };
    let space = |is_there: bool| if is_there { " " } else { "" };
    if inner.as_str().is_empty() {
        return " ".to_owned();
    }
    let (front, back) = (text.starts_with(char::is_whitespace), text.ends_with(char::is_whitespace));
    format!("{}{inner}{}", space(front), space(back))
}
