//! The results of a search, one step at a time: entries as they are found, then the end, with
//! limits on their number and pages (RFC 2696).

use std::collections::VecDeque;
use std::vec;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapResult, LdapResultCode, LdapSearchResultEntry};
use ostiary_app::Directory;
use ostiary_app::directory::{Cursor, Reader, Target};

use crate::controls::page_answer;
use crate::entry::{Wanted, entry};
use crate::session::result;

/// How many searches a connection may have on page and unfinished. Beginning another one forgets
/// the oldest.
const MAX_OPEN: usize = 8;

/// Where a search stands: what was found and not yet sent, and where to look on.
#[derive(Debug)]
pub(crate) struct Progress {
    cursor: Cursor,
    found: vec::IntoIter<Target>,
}

impl Progress {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self { cursor, found: Vec::new().into_iter() }
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }
}

/// A search that is being answered.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) progress: Progress,
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
    Entry(LdapSearchResultEntry),
    /// Nothing yet: others may have their turn.
    Pause,
    /// Everything was sent.
    End,
    /// There is more than may be sent.
    More,
}

impl Results {
    pub(crate) fn step(&mut self, directory: &Directory, reader: Reader) -> Step {
        loop {
            if self.progress.found.as_slice().is_empty() {
                return match directory.next(reader, &mut self.progress.cursor) {
                    Some(found) => {
                        self.progress.found = found.into_iter();
                        Step::Pause
                    }
                    None => Step::End,
                };
            }
            if self.left == Some(0) {
                return Step::More;
            }
            let Some(target) = self.progress.found.next() else { continue };
            // What is gone since it was found is not sent.
            if let Some(entry) = directory.view(reader, target, |view| entry(view, &self.wanted, self.types_only)) {
                self.left = self.left.map(|left| left - 1);
                return Step::Entry(entry);
            }
        }
    }

    /// The end of the answer. Where there is more, a page gives a cookie to go on by, anything
    /// else says that the limit was reached.
    pub(crate) fn end(self, more: bool, pages: &mut Pages) -> (LdapResult, Vec<LdapControl>) {
        match (self.paged, more) {
            (true, true) => {
                let cookie = pages.keep(self.progress);
                (result(LdapResultCode::Success, ""), vec![page_answer(cookie)])
            }
            (true, false) => (result(LdapResultCode::Success, ""), vec![page_answer(Vec::new())]),
            (false, true) => (result(LdapResultCode::SizeLimitExceeded, ""), Vec::new()),
            (false, false) => (result(LdapResultCode::Success, ""), Vec::new()),
        }
    }
}

/// Searches that wait for their next page. Cookies mean nothing on another connection.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    open: VecDeque<(u64, Progress)>,
    last: u64,
}

impl Pages {
    /// Forgets everything, as a bind does.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    fn keep(&mut self, progress: Progress) -> Vec<u8> {
        if self.open.len() == MAX_OPEN {
            self.open.pop_front();
        }
        self.last += 1;
        self.open.push_back((self.last, progress));
        self.last.to_be_bytes().to_vec()
    }

    /// The search that `cookie` stands for. It can be taken once.
    pub(crate) fn take(&mut self, cookie: &[u8]) -> Option<Progress> {
        let number = u64::from_be_bytes(cookie.try_into().ok()?);
        let at = self.open.iter().position(|(known, _)| *known == number)?;
        self.open.remove(at).map(|(_, progress)| progress)
    }
}
