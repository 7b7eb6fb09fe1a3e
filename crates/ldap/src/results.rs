//! The results of a search, one step at a time: entries as they are found, then the end, with
//! limits on their number and pages (RFC 2696).

use std::collections::VecDeque;

use bytes::BytesMut;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapResult, LdapResultCode};
use ostiary_app::Directory;
use ostiary_app::directory::{Cursor, Reader, Stepped, Taken, Target, View};
use ostiary_model::Attribute;

use crate::controls::page_answer;
use crate::entry::{self, Shape, Wanted};
use crate::session::result;
use crate::wire::CHUNK;

/// How many searches a connection may have on page and unfinished. Beginning another one forgets
/// the oldest.
const MAX_OPEN: usize = 8;

/// A search that is being answered.
#[derive(Debug)]
pub(crate) struct Results {
    /// Where it stands.
    pub(crate) cursor: Cursor,
    pub(crate) wanted: Wanted,
    pub(crate) types_only: bool,
    /// How many more entries may be sent, and what it means when there are more.
    pub(crate) left: Option<usize>,
    /// Whether the answer is a page.
    pub(crate) paged: bool,
    /// Seconds after which the search ends unfinished.
    pub(crate) time_limit: u64,
}

/// What comes next.
pub(crate) enum Step {
    /// There may be more: others may have their turn.
    Pause,
    /// The next entry has these pictures, which are to be fetched.
    Fetch(Target, Vec<Attribute>),
    /// Everything was sent.
    End,
    /// There is more than may be sent.
    More,
}

impl Results {
    /// Writes the entries of one slice to `out`, as messages `id`.
    pub(crate) fn step(&mut self, directory: &Directory, reader: Reader, id: i32, out: &mut BytesMut) -> Step {
        let Self { cursor, wanted, types_only, left, .. } = self;
        let shape = Shape { wanted, types_only: *types_only, pictures: &[] };
        let mut ended = None;
        let stepped = directory.step(reader, cursor, &mut |view| {
            if *left == Some(0) {
                ended = Some(Step::More);
                return Taken::No;
            }
            *left = left.map(|left| left - 1);
            if let Some(step) = fetch(&shape, view) {
                ended = Some(step);
                return Taken::Enough;
            }
            entry::write(out, id, view, &shape);
            if out.len() < CHUNK { Taken::GoOn } else { Taken::Enough }
        });
        ended.unwrap_or(match stepped {
            Stepped::More => Step::Pause,
            Stepped::Over => Step::End,
        })
    }

    /// The end of the answer. Where there is more, a page gives a cookie to go on by, anything
    /// else says that the limit was reached.
    pub(crate) fn end(self, more: bool, pages: &mut Pages) -> (LdapResult, Vec<LdapControl>) {
        match (self.paged, more) {
            (true, true) => {
                let cookie = pages.keep(self.cursor);
                (result(LdapResultCode::Success, ""), vec![page_answer(&cookie)])
            }
            (true, false) => (result(LdapResultCode::Success, ""), vec![page_answer(&[])]),
            (false, true) => (result(LdapResultCode::SizeLimitExceeded, ""), Vec::new()),
            (false, false) => (result(LdapResultCode::Success, ""), Vec::new()),
        }
    }
}

fn fetch(shape: &Shape<'_>, view: &View<'_>) -> Option<Step> {
    if shape.types_only {
        return None;
    }
    let pictures = shape.wanted.pictures(view);
    (!pictures.is_empty()).then(|| Step::Fetch(view.target(), pictures))
}

/// Searches that wait for their next page. Cookies mean nothing on another connection.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    open: VecDeque<(u64, Cursor)>,
    last: u64,
}

impl Pages {
    /// Forgets everything, as a bind does.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    fn keep(&mut self, cursor: Cursor) -> Vec<u8> {
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.last += 1;
        self.open.push_back((self.last, cursor));
        self.last.to_be_bytes().to_vec()
    }

    /// The search that `cookie` stands for. It can be taken once.
    pub(crate) fn take(&mut self, cookie: &[u8]) -> Option<Cursor> {
        let number = u64::from_be_bytes(cookie.try_into().ok()?);
        let at = self.open.iter().position(|(known, _)| *known == number)?;
        self.open.remove(at).map(|(_, cursor)| cursor)
    }
}
