//! The search request as it comes (RFC 4511 section 4.5.1), read where it lies: most requests are
//! searches, and nothing of one has to be copied before it is known what is asked for.

use ldap3_proto::proto::LdapSearchScope;

use crate::ber::{BOOLEAN, ENUMERATED, OCTET_STRING, Reader, SEQUENCE};

/// A search request. How aliases are followed is read and forgotten: there are none here.
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
