//! The filter as it comes (RFC 4511 section 4.5.1): read one term at a time, from the message
//! straight into the filter that is evaluated.
//!
//! An attribute or a value that is no UTF-8 is nobody's here: its term is undefined, as one of an
//! unknown attribute is. What does not have the form of a filter refuses the request.

use ldap3_proto::proto::LdapResultCode;
use ostiary_model::{Attribute, Filter, MAX_DEPTH, MAX_TERMS, Schema};
use thiserror::Error;

use crate::ber::{OCTET_STRING, Reader, SEQUENCE, context};

const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUALITY: u8 = 0xa3;
const SUBSTRINGS: u8 = 0xa4;
const GREATER_OR_EQUAL: u8 = 0xa5;
const LESS_OR_EQUAL: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const APPROXIMATE: u8 = 0xa8;
const EXTENSIBLE: u8 = 0xa9;

/// What a dear term counts for beyond itself: nobody sends more than a few of them.
const DEAR: usize = 63;

/// Why a filter is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum BadFilter {
    /// It has not the form of a filter.
    #[error("the filter is not well formed")]
    Malformed,
    /// Deeper or of more terms than is evaluated.
    #[error("the filter is too deep or has too many terms")]
    TooComplex,
}

impl BadFilter {
    pub(crate) const fn code(self) -> LdapResultCode {
        match self {
            Self::Malformed => LdapResultCode::ProtocolError,
            Self::TooComplex => LdapResultCode::AdminLimitExceeded,
        }
    }
}

/// A filter, in which others are still as they came.
#[derive(Debug)]
pub(crate) enum Term<'a> {
    And(Reader<'a>),
    Or(Reader<'a>),
    Not(Reader<'a>),
    Present(&'a str),
    /// Also approximately equal: nothing here sounds alike (RFC 4511 section 4.5.1.7.6).
    Equal(&'a str, &'a str),
    AtLeast(&'a str, &'a str),
    AtMost(&'a str, &'a str),
    Parts(&'a str, Parts<'a>),
    Rule(MatchingRule<'a>),
    /// Asks for what is no text.
    Nobodys,
}

/// The parts that a value is to have, in their order.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    initial: Option<&'a str>,
    any: Vec<&'a str>,
    last: Option<&'a str>,
}

/// A MatchingRuleAssertion.
#[derive(Debug)]
pub(crate) struct MatchingRule<'a> {
    rule: Option<&'a str>,
    attribute: Option<&'a str>,
    value: &'a str,
    with_name: bool,
}

impl<'a> Term<'a> {
    /// Reads the next one of `filters`. `None` when that is no filter.
    pub(crate) fn read(filters: &mut Reader<'a>) -> Option<Self> {
        let (tag, content) = filters.any()?;
        let fields = Reader::new(content);
        match tag {
            AND => Some(Self::And(fields)),
            OR => Some(Self::Or(fields)),
            NOT => Some(Self::Not(fields)),
            PRESENT => Some(text(content).map_or(Self::Nobodys, Self::Present)),
            EQUALITY | APPROXIMATE => pair(fields, Self::Equal),
            GREATER_OR_EQUAL => pair(fields, Self::AtLeast),
            LESS_OR_EQUAL => pair(fields, Self::AtMost),
            SUBSTRINGS => parts(fields),
            EXTENSIBLE => matching_rule(fields),
            _ => None,
        }
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// An AttributeValueAssertion.
fn pair<'a>(mut fields: Reader<'a>, make: fn(&'a str, &'a str) -> Term<'a>) -> Option<Term<'a>> {
    let (attribute, value) = (fields.take(OCTET_STRING)?, fields.take(OCTET_STRING)?);
    fields.is_empty().then(|| match (text(attribute), text(value)) {
        (Some(attribute), Some(value)) => make(attribute, value),
        _ => Term::Nobodys,
    })
}

/// A SubstringFilter: one part at least, the initial one first and the final one last.
fn parts<'a>(mut fields: Reader<'a>) -> Option<Term<'a>> {
    let (attribute, list) = (text(fields.take(OCTET_STRING)?), fields.take(SEQUENCE)?);
    if !fields.is_empty() || list.is_empty() {
        return None;
    }
    let mut list = Reader::new(list);
    let mut are_texts = true;
    let mut part = |bytes: &'a [u8]| {
        let text = text(bytes);
        are_texts &= text.is_some();
        text.unwrap_or_default()
    };
    let initial = list.take_if(context(0)).map(&mut part);
    let mut any = Vec::new();
    while let Some(bytes) = list.take_if(context(1)) {
        any.push(part(bytes));
    }
    let last = list.take_if(context(2)).map(&mut part);
    if !list.is_empty() {
        return None;
    }
    let attribute = attribute.filter(|_| are_texts);
    Some(attribute.map_or(Term::Nobodys, |attribute| Term::Parts(attribute, Parts { initial, any, last })))
}

/// A MatchingRuleAssertion: a rule, an attribute, or both; a value; and whether the entry's name
/// counts.
fn matching_rule(mut fields: Reader<'_>) -> Option<Term<'_>> {
    let (rule, attribute) = (fields.take_if(context(1)), fields.take_if(context(2)));
    let value = fields.take(context(3))?;
    let with_name = match fields.take_if(context(4)) {
        None => false,
        Some([truth]) => *truth != 0,
        Some(_) => return None,
    };
    if !fields.is_empty() || (rule.is_none() && attribute.is_none()) {
        return None;
    }
    let read = || {
        let (rule, attribute) = (rule.map(str::from_utf8).transpose(), attribute.map(str::from_utf8).transpose());
        Some(MatchingRule { rule: rule.ok()?, attribute: attribute.ok()?, value: text(value)?, with_name })
    };
    Some(read().map_or(Term::Nobodys, Term::Rule))
}

/// Reads `filter`, which is one and nothing else. Terms that cannot be decided become
/// [`Filter::Undefined`].
pub(crate) fn read(schema: &Schema, filter: &[u8]) -> Result<Filter, BadFilter> {
    let mut one = Reader::new(filter);
    let filter = Reading { schema, left: MAX_TERMS }.next(&mut one, MAX_DEPTH)?;
    if one.is_empty() { Ok(filter) } else { Err(BadFilter::Malformed) }
}

/// A filter that is being read.
struct Reading<'a> {
    schema: &'a Schema,
    /// How many more terms it may have.
    left: usize,
}

impl Reading<'_> {
    fn next(&mut self, filters: &mut Reader<'_>, depth: usize) -> Result<Filter, BadFilter> {
        let depth = depth.checked_sub(1).ok_or(BadFilter::TooComplex)?;
        self.left = self.left.checked_sub(1).ok_or(BadFilter::TooComplex)?;
        let schema = self.schema;
        let filter = match Term::read(filters).ok_or(BadFilter::Malformed)? {
            Term::And(terms) => return Ok(Filter::And(self.all(terms, depth)?)),
            Term::Or(terms) => return Ok(Filter::Or(self.all(terms, depth)?)),
            Term::Not(mut term) => {
                let filter = self.next(&mut term, depth)?;
                if !term.is_empty() {
                    return Err(BadFilter::Malformed);
                }
                return Ok(Filter::Not(Box::new(filter)));
            }
            Term::Present(attribute) => Filter::present(schema, attribute),
            Term::Equal(attribute, value) => Filter::equal(schema, attribute, value),
            Term::AtLeast(attribute, value) => Filter::at_least(schema, attribute, value),
            Term::AtMost(attribute, value) => Filter::at_most(schema, attribute, value),
            Term::Parts(attribute, Parts { initial, any, last }) => {
                Filter::parts(schema, attribute, initial, &any, last)
            }
            Term::Rule(asserted) => {
                let filter = matched(schema, &asserted);
                // Without an attribute it is a term for each that has the rule.
                self.left = self.left.checked_sub(filter.size() - 1).ok_or(BadFilter::TooComplex)?;
                filter
            }
            Term::Nobodys => Filter::Undefined,
        };
        self.left = self.left.checked_sub(surcharge(&filter)).ok_or(BadFilter::TooComplex)?;
        Ok(filter)
    }

    fn all(&mut self, mut terms: Reader<'_>, depth: usize) -> Result<Vec<Filter>, BadFilter> {
        let mut list = Vec::new();
        while !terms.is_empty() {
            list.push(self.next(&mut terms, depth)?);
        }
        Ok(list)
    }
}

/// How many terms one that was read counts for beyond itself. What is worked out anew from everybody
/// in a group, for each entry that is looked at, is dear; a rule without an attribute asks of many.
fn surcharge(filter: &Filter) -> usize {
    match filter {
        Filter::Present(attribute)
        | Filter::Equal(attribute, _)
        | Filter::AtLeast(attribute, _)
        | Filter::AtMost(attribute, _)
        | Filter::Parts(attribute, _)
        | Filter::AllBits(attribute, _)
        | Filter::AnyBit(attribute, _)
        | Filter::InChain(attribute, _)
        | Filter::WithName(attribute, _) => match attribute {
            Attribute::MemberUid | Attribute::NumSubordinates | Attribute::HasSubordinates => DEAR,
            _ => 0,
        },
        Filter::And(terms) | Filter::Or(terms) => terms.iter().map(|term| 1 + surcharge(term)).sum(),
        Filter::Not(term) => 1 + surcharge(term),
        Filter::Undefined => 0,
    }
}

/// One of them is there: a rule, an attribute, or both.
fn matched(schema: &Schema, asserted: &MatchingRule<'_>) -> Filter {
    let MatchingRule { rule, attribute, value, with_name } = *asserted;
    let Some(attribute) = attribute else {
        return rule.map_or(Filter::Undefined, |rule| Filter::by_rule(schema, rule, value, with_name));
    };
    let make = if with_name { Filter::with_name } else { Filter::extensible };
    make(schema, attribute, rule, value)
}

/// A filter as it comes, from its text.
#[cfg(test)]
pub(crate) fn encoded(text: &str) -> Vec<u8> {
    use ldap3_proto::proto::{LdapDerefAliases, LdapMsg, LdapOp, LdapSearchRequest, LdapSearchScope};
    use tokio_util::codec::Encoder as _;

    let request = LdapSearchRequest {
        base: String::new(),
        scope: LdapSearchScope::Base,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: ldap3_proto::parse_ldap_filter_str(text).unwrap(),
        attrs: Vec::new(),
    };
    let mut bytes = bytes::BytesMut::new();
    ldap3_proto::LdapCodec::default().encode(LdapMsg::new(1, LdapOp::SearchRequest(request)), &mut bytes).unwrap();
    let frame = crate::frame::Frame::take(&mut bytes, 64 * 1024).unwrap().unwrap();
    frame.search().unwrap().filter.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::Writer;

    fn read(filter: &[u8]) -> Result<Filter, BadFilter> {
        super::read(&Schema::default(), filter)
    }

    fn nested(depth: usize) -> Vec<u8> {
        (1..depth).fold(vec![AND, 0], |inner, _| Writer::default().put(NOT, &inner).into_bytes())
    }

    #[test]
    fn a_filter_on_the_wire_and_its_text_mean_the_same() {
        let schema = Schema::default();
        for text in [
            "(&(|(uid=ada)(mail=ada))(objectClass=person))",
            "(&(member=ada)(objectClass=groupOfUniqueNames))",
            "(!(cn=a*b*c))",
            "(cn=*a)",
            "(cn=a*)",
            "(cn=*a*b*)",
            "(createTimestamp>=20260101000000Z)",
            "(createTimestamp<=20260101000000Z)",
            "(cn~=ada)",
            "(memberOf:1.2.840.113556.1.4.1941:=staff)",
            "(uid:dn:=ada)",
            "(:caseIgnoreMatch:=ada)",
            "(:dn:2.5.13.2:=ada)",
            "(:nobodysMatch:=ada)",
            "(unknown=*)",
            "(uid=*)",
        ] {
            assert_eq!(read(&encoded(text)), Ok(Filter::parse(text, &schema).unwrap()), "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(BadFilter::TooComplex));
        let many = |count| Writer::default().put(OR, &[AND, 0].repeat(count)).into_bytes();
        assert!(read(&many(MAX_TERMS - 1)).is_ok());
        assert_eq!(read(&many(MAX_TERMS)), Err(BadFilter::TooComplex));
        let dear = |count| Writer::default().put(OR, &b"\x87\x09memberUid".repeat(count)).into_bytes();
        assert!(read(&dear(60)).is_ok());
        assert_eq!(read(&dear(64)), Err(BadFilter::TooComplex));
        let any = |count| {
            let one = b"\xa9\x15\x81\x0fcaseIgnoreMatch\x83\x02ad";
            Writer::default().put(OR, &one.repeat(count)).into_bytes()
        };
        assert!(read(&any(8)).is_ok());
        assert_eq!(read(&any(1_000)), Err(BadFilter::TooComplex));
        // One without an attribute is many.
        let by_rule = encoded("(:caseIgnoreMatch:=ada)").repeat(MAX_TERMS / 4);
        assert_eq!(read(&Writer::default().put(OR, &by_rule).into_bytes()), Err(BadFilter::TooComplex));
    }

    #[test]
    fn what_is_no_text_makes_its_term_undefined() {
        for term in [
            &b"\xa3\x08\x04\x02cn\x04\x02\xff\xfe"[..],
            b"\xa3\x08\x04\x02\xff\xfe\x04\x02cn",
            b"\x87\x02\xff\xfe",
            b"\xa4\x0a\x04\x02cn\x30\x04\x80\x02a\xff",
            b"\xa4\x0d\x04\x02cn\x30\x07\x80\x01a\x82\x02a\xff",
            b"\xa9\x08\x82\x02cn\x83\x02a\xff",
        ] {
            assert_eq!(read(term), Ok(Filter::Undefined), "{term:02x?}");
            let with_other =
                [&[OR, u8::try_from(term.len() + 9).unwrap()], term, b"\x87\x07\x75\x69\x64\x4eumb"].concat();
            assert!(matches!(read(&with_other), Ok(Filter::Or(terms)) if terms.len() == 2), "{with_other:02x?}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_filter_is_refused() {
        for bad in [
            &b""[..],
            b"\x87\x02cn\x30\x00",
            b"\x87\x05cn",
            b"\x04\x02cn",
            b"\x30\x00",
            b"\xa2\x00",
            b"\xa2\x08\x87\x02cn\x87\x02cn",
            b"\xa0\x04\x04\x02cn",
            b"\xa3\x04\x04\x02cn",
            b"\xa3\x09\x04\x02cn\x04\x01a\x04\x00",
            b"\xa4\x06\x04\x02cn\x30\x00",
            b"\xa4\x0c\x04\x02cn\x30\x06\x82\x01a\x80\x01a",
            b"\xa4\x0c\x04\x02cn\x30\x06\x80\x01a\x80\x01a",
            b"\xa9\x03\x83\x01a",
            b"\xa9\x04\x82\x02cn",
            b"\xa9\x09\x82\x02cn\x83\x01a\x84\x00",
        ] {
            assert_eq!(read(bad), Err(BadFilter::Malformed), "{bad:02x?}");
        }
    }
}
