//! Controls (RFC 4511 section 4.1.11): read once for each request, so that whoever answers it finds
//! what they say and never how they said it. What is critical and unknown, or means nothing for
//! the operation, refuses the request.

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::LdapResultCode;
use thiserror::Error;

use crate::ber::{ENUMERATED, INTEGER, OCTET_STRING, Reader, SEQUENCE, Writer, context};
use crate::frame::{Operation, RawControl};

/// Simple paged results (RFC 2696).
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Server-side sorting (RFC 2891), what is asked for.
const SORT: &str = "1.2.840.113556.1.4.473";
/// Server-side sorting, what became of it.
const SORT_RESULT: &str = "1.2.840.113556.1.4.474";
/// Assertion (RFC 4528): only if the entry is so.
const ASSERTION: &str = "1.3.6.1.1.12";
/// The entry as it was before (RFC 4527).
const PRE_READ: &str = "1.3.6.1.1.13.1";
/// The entry as it is after (RFC 4527).
const POST_READ: &str = "1.3.6.1.1.13.2";
/// Treat referrals as entries (RFC 3296). There are none here, so it asks for what is done anyway.
const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";

/// What the root says is supported.
pub(crate) const SUPPORTED: &[&str] =
    &[PAGED_RESULTS, SORT, SORT_RESULT, ASSERTION, PRE_READ, POST_READ, MANAGE_DSA_IT];

/// More sort keys are not looked at.
const MAX_SORT_KEYS: usize = 8;
/// More attributes are not named in a control.
const MAX_NAMES: usize = 256;

/// Why a request is not even looked at.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum BadControl {
    /// It must not be done without something that is not known here, or not for this operation.
    #[error("the critical control {0} is unknown, or not for this operation")]
    Unknown(String),
    /// A control that is known says something that is none of it, or comes twice.
    #[error("the control {0} is not well formed")]
    Malformed(String),
}

impl BadControl {
    pub(crate) const fn code(&self) -> LdapResultCode {
        match self {
            Self::Unknown(_) => LdapResultCode::UnavailableCriticalExtension,
            Self::Malformed(_) => LdapResultCode::ProtocolError,
        }
    }
}

/// What the controls of a request say.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Controls {
    /// Answer with a page of the results.
    pub(crate) page: Option<PageRequest>,
    /// Answer in this order.
    pub(crate) sort: Option<SortRequest>,
    /// Only if this filter, as it came, is true of the entry.
    pub(crate) assertion: Option<Vec<u8>>,
    /// Give these attributes as they were.
    pub(crate) pre_read: Option<Vec<String>>,
    /// Give these attributes as they are then.
    pub(crate) post_read: Option<Vec<String>>,
}

/// What the paged results control of a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Entries on the page.
    pub(crate) size: i32,
    /// Where to go on; empty to begin.
    pub(crate) cookie: Vec<u8>,
}

/// In which order results are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortRequest {
    /// The first one counts most.
    pub(crate) keys: Vec<SortKey>,
    /// Whether no results are wanted in another order.
    pub(crate) is_critical: bool,
}

/// One thing to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    /// Its description.
    pub(crate) attribute: String,
    /// The ordering rule; without one the attribute's own.
    pub(crate) rule: Option<String>,
    /// From the end.
    pub(crate) reverse: bool,
}

impl Controls {
    /// Reads the controls of a request.
    pub(crate) fn read(raw: Vec<RawControl>, operation: Operation) -> Result<Self, BadControl> {
        let mut controls = Self::default();
        for control in raw {
            if !is_for(&control.oid, operation) {
                if control.is_critical {
                    return Err(BadControl::Unknown(control.oid));
                }
                continue;
            }
            controls.take(&control).ok_or(BadControl::Malformed(control.oid))?;
        }
        Ok(controls)
    }

    fn take(&mut self, control: &RawControl) -> Option<()> {
        let value = control.value.as_deref();
        match control.oid.as_str() {
            PAGED_RESULTS => once(&mut self.page, page(value?)?),
            SORT => once(&mut self.sort, SortRequest { keys: sort_keys(value?)?, is_critical: control.is_critical }),
            ASSERTION => once(&mut self.assertion, value?.to_vec()),
            PRE_READ => once(&mut self.pre_read, names(value?)?),
            POST_READ => once(&mut self.post_read, names(value?)?),
            // It says nothing more.
            _ => Some(()),
        }
    }
}

/// Whether a control means something for an operation.
fn is_for(oid: &str, operation: Operation) -> bool {
    use Operation::{Add, Compare, Delete, Modify, ModifyDn, Search};
    match oid {
        PAGED_RESULTS | SORT => operation == Search,
        ASSERTION | MANAGE_DSA_IT => matches!(operation, Search | Compare | Add | Delete | Modify | ModifyDn),
        PRE_READ => matches!(operation, Delete | Modify | ModifyDn),
        POST_READ => matches!(operation, Add | Modify | ModifyDn),
        _ => false,
    }
}

/// No control may come twice.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

/// RFC 2696 section 2.
fn page(value: &[u8]) -> Option<PageRequest> {
    let mut fields = Reader::of_sequence(value)?;
    let size = fields.integer().filter(|size| *size >= 0)?;
    let cookie = fields.take(OCTET_STRING)?.to_vec();
    fields.is_empty().then_some(PageRequest { size, cookie })
}

/// RFC 2891 section 1.1.
fn sort_keys(value: &[u8]) -> Option<Vec<SortKey>> {
    let mut list = Reader::of_sequence(value)?;
    let mut keys = Vec::new();
    while !list.is_empty() {
        let mut fields = Reader::new(list.take(SEQUENCE)?);
        let attribute = fields.text(OCTET_STRING)?.to_owned();
        let rule = match fields.take_if(context(0)) {
            Some(rule) => Some(std::str::from_utf8(rule).ok()?.to_owned()),
            None => None,
        };
        let reverse = match fields.take_if(context(1)) {
            None => false,
            Some([truth]) => *truth != 0,
            Some(_) => return None,
        };
        if !fields.is_empty() || keys.len() == MAX_SORT_KEYS {
            return None;
        }
        keys.push(SortKey { attribute, rule, reverse });
    }
    (!keys.is_empty()).then_some(keys)
}

/// A list of attribute descriptions (RFC 4527 section 3.1).
fn names(value: &[u8]) -> Option<Vec<String>> {
    let mut list = Reader::of_sequence(value)?;
    let mut names = Vec::new();
    while !list.is_empty() && names.len() < MAX_NAMES {
        names.push(list.text(OCTET_STRING)?.to_owned());
    }
    list.is_empty().then_some(names)
}

fn answer(oid: &str, value: Vec<u8>) -> LdapControl {
    LdapControl::Unknown { oid: oid.to_owned(), criticality: false, value: Some(value) }
}

/// The control of a page. How many entries there are in all is not counted, so it says 0 (RFC 2696
/// section 3 allows that).
pub(crate) fn page_answer(cookie: &[u8]) -> LdapControl {
    let fields = Writer::default().put(INTEGER, &[0]).put(OCTET_STRING, cookie);
    answer(PAGED_RESULTS, Writer::default().put_all(SEQUENCE, &fields).into_bytes())
}

/// What became of the sorting: the result code, and the key that it is about.
pub(crate) fn sort_answer(code: LdapResultCode, attribute: Option<&str>) -> LdapControl {
    let mut fields = Writer::default().put(ENUMERATED, &[code as u8]);
    if let Some(attribute) = attribute {
        fields = fields.put(context(0), attribute.as_bytes());
    }
    answer(SORT_RESULT, Writer::default().put_all(SEQUENCE, &fields).into_bytes())
}

/// The entry as it was, a SearchResultEntry (RFC 4527 section 3.1).
pub(crate) fn pre_read_answer(entry: Vec<u8>) -> LdapControl {
    answer(PRE_READ, entry)
}

/// The entry as it is, a SearchResultEntry (RFC 4527 section 3.2).
pub(crate) fn post_read_answer(entry: Vec<u8>) -> LdapControl {
    answer(POST_READ, entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(oid: &str, is_critical: bool, value: Option<&[u8]>) -> RawControl {
        RawControl { oid: oid.to_owned(), is_critical, value: value.map(<[u8]>::to_vec) }
    }

    #[test]
    fn what_is_critical_must_be_known_and_meant_for_the_operation() {
        for (oid, operation, is_taken) in [
            ("1.2.3", Operation::Search, false),
            (MANAGE_DSA_IT, Operation::Compare, true),
            (MANAGE_DSA_IT, Operation::Bind, false),
            (PAGED_RESULTS, Operation::Compare, false),
            (PRE_READ, Operation::Add, false),
            (POST_READ, Operation::Delete, false),
            (SORT_RESULT, Operation::Search, false),
        ] {
            let read = Controls::read(vec![raw(oid, true, None)], operation);
            let expected = if is_taken { Ok(Controls::default()) } else { Err(BadControl::Unknown(oid.to_owned())) };
            assert_eq!(read, expected, "{oid} {operation:?}");
            if !is_taken {
                assert_eq!(Controls::read(vec![raw(oid, false, None)], operation), Ok(Controls::default()));
            }
        }
    }

    #[test]
    fn pages_and_orders_are_read() {
        let page = raw(PAGED_RESULTS, false, Some(b"\x30\x07\x02\x01\x05\x04\x02ab"));
        let sort = raw(SORT, true, Some(b"\x30\x11\x30\x04\x04\x02cn\x30\x09\x04\x02sn\x80\x00\x81\x01\xff"));
        let controls = Controls::read(vec![page.clone(), sort], Operation::Search).unwrap();
        assert_eq!(controls.page, Some(PageRequest { size: 5, cookie: b"ab".to_vec() }));
        let key = |attribute: &str, rule: Option<&str>, reverse| SortKey {
            attribute: attribute.to_owned(),
            rule: rule.map(str::to_owned),
            reverse,
        };
        let keys = vec![key("cn", None, false), key("sn", Some(""), true)];
        assert_eq!(controls.sort, Some(SortRequest { keys, is_critical: true }));
        let twice = Controls::read(vec![page.clone(), page], Operation::Search);
        assert_eq!(twice, Err(BadControl::Malformed(PAGED_RESULTS.to_owned())));
    }

    #[test]
    fn what_a_known_control_cannot_say_is_refused() {
        for (oid, value) in [
            (PAGED_RESULTS, None),
            (PAGED_RESULTS, Some(&b""[..])),
            (PAGED_RESULTS, Some(b"\x30\x05\x02\x01\xff\x04\x00")),
            (PAGED_RESULTS, Some(b"\x30\x05\x02\x01\x05\x04\x00x")),
            (PAGED_RESULTS, Some(b"\x30\x03\x02\x01\x05")),
            (SORT, Some(b"\x30\x00")),
            (SORT, Some(b"\x30\x02\x30\x00")),
            (SORT, Some(b"\x30\x08\x30\x06\x04\x02cn\x81\x00")),
            (SORT, Some(b"\x30\x0a\x30\x08\x04\x02cn\x81\x02\x00\xff")),
            (ASSERTION, None),
        ] {
            let read = Controls::read(vec![raw(oid, false, value)], Operation::Search);
            assert_eq!(read, Err(BadControl::Malformed(oid.to_owned())), "{oid} {value:02x?}");
        }
    }
}
