//! Requests that are encoded once and sent many times, and what each must be answered with.

use anyhow::Context as _;
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapAddRequest, LdapAttribute, LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapFilter, LdapMsg, LdapOp,
    LdapSearchRequest, LdapSearchScope,
};
use tokio_util::codec::Encoder as _;

use crate::scan;

/// Ids go from here to the largest that takes two bytes, so that one can be written over another.
pub(crate) const FIRST_ID: u16 = 0x0100;
/// See [`FIRST_ID`].
pub(crate) const LAST_ID: u16 = 0x7fff;

/// An entry of the population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Person(u32),
    Group(u32),
}

/// Which entries a search must find.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// These, in order.
    Keys(Vec<Key>),
    /// So many.
    Count(usize),
    /// The one with this name, in small letters.
    Name(String),
}

impl Expected {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Count(count) => *count,
            Self::Name(_) => 1,
        }
    }
}

/// One request.
pub(crate) struct Request {
    bytes: Vec<u8>,
    id_at: usize,
    pub(crate) expected: Expected,
    /// The tag of the message that ends the answer.
    pub(crate) last: u8,
    /// Entries on a page, when it is asked for in pages.
    pub(crate) page: Option<i64>,
    /// What was asked, for reading the answer whole and for asking for the next page.
    pub(crate) search: Option<LdapSearchRequest>,
}

/// A search in short.
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) scope: LdapSearchScope,
    pub(crate) filter: LdapFilter,
    pub(crate) attributes: &'a [&'a str],
    /// Entries at most; 0 for all.
    pub(crate) most: i32,
}

impl Request {
    fn new(op: LdapOp, controls: Vec<LdapControl>, expected: Expected, last: u8) -> anyhow::Result<Self> {
        let bytes = encode(op, controls)?;
        let id_at = bytes.windows(4).position(|part| part == [2, 2, 1, 0]).context("no id of two bytes")? + 2;
        Ok(Self { bytes, id_at, expected, last, page: None, search: None })
    }

    pub(crate) fn search(search: &Search<'_>, expected: Expected) -> anyhow::Result<Self> {
        Self::paged(search, expected, None)
    }

    /// A search in pages of `page` entries, where there is a size.
    pub(crate) fn paged(search: &Search<'_>, expected: Expected, page: Option<i64>) -> anyhow::Result<Self> {
        let search = LdapSearchRequest {
            base: search.base.to_owned(),
            scope: search.scope.clone(),
            aliases: LdapDerefAliases::Never,
            sizelimit: search.most,
            timelimit: 0,
            typesonly: false,
            filter: search.filter.clone(),
            attrs: search.attributes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let controls = page.map(|size| LdapControl::SimplePagedResults { size, cookie: Vec::new() });
        let op = LdapOp::SearchRequest(search.clone());
        let request = Self::new(op, controls.into_iter().collect(), expected, scan::SEARCH_DONE)?;
        Ok(Self { page, search: Some(search), ..request })
    }

    pub(crate) fn bind(dn: &str, password: &str) -> anyhow::Result<Self> {
        let cred = LdapBindCred::Simple(password.to_owned());
        let op = LdapOp::BindRequest(LdapBindRequest { version: 3, dn: dn.to_owned(), cred });
        Self::new(op, Vec::new(), Expected::Count(0), scan::BIND_DONE)
    }

    pub(crate) fn add(dn: &str, attributes: &[(&str, &[&str])]) -> anyhow::Result<Self> {
        let attribute = |(name, values): &(&str, &[&str])| LdapAttribute {
            atype: (*name).to_owned(),
            vals: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
        };
        let attributes = attributes.iter().map(attribute).collect();
        let op = LdapOp::AddRequest(LdapAddRequest { dn: dn.to_owned(), attributes });
        Self::new(op, Vec::new(), Expected::Count(0), scan::ADD_DONE)
    }

    /// The request for the page after `cookie`.
    pub(crate) fn next_page(&self, cookie: Vec<u8>) -> anyhow::Result<Self> {
        let (search, size) = (self.search.clone().context("a search")?, self.page.context("pages")?);
        let control = LdapControl::SimplePagedResults { size, cookie };
        Self::new(LdapOp::SearchRequest(search), vec![control], Expected::Count(0), scan::SEARCH_DONE)
    }

    /// Writes it into `output` under `id`.
    pub(crate) fn write(&self, id: u16, output: &mut Vec<u8>) {
        output.clear();
        output.extend_from_slice(&self.bytes);
        if let Some(place) = output.get_mut(self.id_at..self.id_at + 2) {
            place.copy_from_slice(&id.to_be_bytes());
        }
    }
}

fn encode(op: LdapOp, ctrl: Vec<LdapControl>) -> anyhow::Result<Vec<u8>> {
    let mut bytes = BytesMut::new();
    LdapCodec::default().encode(LdapMsg { msgid: i32::from(FIRST_ID), op, ctrl }, &mut bytes)?;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_takes_the_same_room() {
        let request = Request::bind("uid=user00000,ou=people,dc=localhost", "secret").unwrap();
        let mut bytes = Vec::new();
        for id in [FIRST_ID, 0x1234, LAST_ID] {
            request.write(id, &mut bytes);
            let message = scan::Message::read(&bytes).unwrap().unwrap();
            assert_eq!((message.id, message.length), (id, bytes.len()));
        }
    }
}
