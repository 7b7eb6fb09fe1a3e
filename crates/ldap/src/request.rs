//! Requests as they come, read where they lie. Searches, because most requests are searches and
//! nothing of one has to be copied before it is known what is asked for; others, because the decoder
//! takes a field that it cannot read for one that is not there.

use ldap3_proto::proto::LdapSearchScope;

use crate::ber::{BOOLEAN, ENUMERATED, OCTET_STRING, Reader, SEQUENCE, context, number};

/// A search request (RFC 4511 section 4.5.1). How aliases are followed is read and forgotten: there are none here.
#[derive(Debug)]
pub(crate) struct SearchRequest<'a> {
    /// The name of the entry below which is searched.
    pub(crate) base: &'a str,
    pub(crate) scope: LdapSearchScope,
    /// Entries at most; 0 is no limit.
    pub(crate) size_limit: usize,
    /// Seconds at most; 0 is no limit.
    pub(crate) time_limit: u64,
    pub(crate) types_only: bool,
    /// As it came: see `filter`.
    pub(crate) filter: &'a [u8],
    /// The names of the attributes that are wanted.
    pub(crate) attributes: Vec<&'a str>,
}

impl<'a> SearchRequest<'a> {
    /// Reads the content of the operation. `None` when it is no search request.
    pub(crate) fn read(content: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(content);
        let base = fields.text(OCTET_STRING)?;
        let scope = match fields.take(ENUMERATED)? {
            [0] => LdapSearchScope::Base,
            [1] => LdapSearchScope::OneLevel,
            [2] => LdapSearchScope::Subtree,
            [3] => LdapSearchScope::Children,
            _ => return None,
        };
        let ([0..=3], size_limit, time_limit) = (fields.take(ENUMERATED)?, fields.integer()?, fields.integer()?) else {
            return None;
        };
        let [types_only] = fields.take(BOOLEAN)? else { return None };
        let filter = fields.element()?;
        let mut list = Reader::new(fields.take(SEQUENCE)?);
        if !fields.is_empty() {
            return None;
        }
        let mut attributes = Vec::new();
        while !list.is_empty() {
            attributes.push(list.text(OCTET_STRING)?);
        }
        Some(Self {
            base,
            scope,
            size_limit: usize::try_from(size_limit).ok()?,
            time_limit: u64::try_from(time_limit).ok()?,
            types_only: *types_only != 0,
            filter,
            attributes,
        })
    }
}

/// An extended request (RFC 4511 section 4.12).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ExtendedRequest<'a> {
    /// The object identifier of the operation.
    pub(crate) name: &'a str,
    /// What it says, in an encoding of its own.
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> ExtendedRequest<'a> {
    /// Reads the content of the operation. `None` when it is no extended request.
    pub(crate) fn read(content: &'a [u8]) -> Option<Self> {
        let mut fields = Reader::new(content);
        let (name, value) = (fields.text(context(0))?, fields.take_if(context(1)));
        fields.is_empty().then_some(Self { name, value })
    }
}

/// The request that an abandon names (RFC 4511 section 4.11).
pub(crate) fn abandoned(content: &[u8]) -> Option<i32> {
    number(content).filter(|id| *id >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_cannot_be_read_is_not_taken_for_none() {
        let read = |rest: &[u8]| {
            ExtendedRequest::read(&[b"\x80\x03\x31\x2e\x32", rest].concat()).map(|request| {
                assert_eq!(request.name, "1.2");
                request.value.map(<[u8]>::to_vec)
            })
        };
        assert_eq!(read(b""), Some(None));
        assert_eq!(read(b"\x81\x02\x30\x00"), Some(Some(b"\x30\x00".to_vec())));
        for malformed in [&b"\xa1\x02\x30\x00"[..], b"\x82\x00", b"\x04\x00", b"\x81\x00\x81\x00"] {
            assert_eq!(read(malformed), None, "{malformed:02x?}");
        }
        assert_eq!(abandoned(b"\x01\x00"), Some(256));
        assert_eq!(abandoned(b"\x01\x00\x00\x00\x05"), None, "not 5");
    }
}
