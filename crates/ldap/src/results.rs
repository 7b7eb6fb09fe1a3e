//! The results of a search, one step at a time: entries as they are found, then the end, with
//! limits on their number, pages (RFC 2696) and orders (RFC 2891).

use std::collections::VecDeque;
use std::vec;

use bytes::BytesMut;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapResult, LdapResultCode};
use ostiary_app::Directory;
use ostiary_app::directory::{Cursor, Query, Reader, Stepped, Taken, Target, View};
use ostiary_model::Attribute;

use crate::controls::{page_answer, sort_answer};
use crate::entry::{self, Shape, Wanted};
use crate::session::result;
use crate::sort::{Order, Unsorted};
use crate::wire::CHUNK;

/// How many searches a connection may have on page and unfinished. Beginning another one forgets
/// the oldest.
const MAX_OPEN: usize = 8;

/// Where a search stands.
#[derive(Debug)]
pub(crate) struct Progress {
    cursor: Cursor,
    order: Order,
    /// What was sorted, or gathered in vain, and not yet sent.
    held: vec::IntoIter<Target>,
}

impl Progress {
    pub(crate) fn new(cursor: Cursor, order: Order) -> Self {
        Self { cursor, order, held: Vec::new().into_iter() }
    }

    /// Whether it is the progress of this very search.
    pub(crate) fn is_of(&self, query: &Query, order: &Order) -> bool {
        self.cursor.query() == query && self.order.demand() == order.demand()
    }

    /// Gathers the entries of one slice. They are sorted when there are no more.
    fn gather(&mut self, directory: &Directory, reader: Reader) {
        let Order::Gathering(sorter, _) = &mut self.order else { return };
        let stepped = directory.step(reader, &mut self.cursor, &mut |view| {
            if sorter.is_full() {
                return Taken::No;
            }
            sorter.hold(view);
            Taken::GoOn
        });
        if stepped == Stepped::More && !sorter.is_full() {
            return;
        }
        self.order = match std::mem::replace(&mut self.order, Order::Any) {
            Order::Gathering(sorter, demand) if stepped == Stepped::More => {
                self.held = sorter.unsorted().into_iter();
                Order::Failed(Unsorted { code: LdapResultCode::AdminLimitExceeded, attribute: None }, demand)
            }
            Order::Gathering(sorter, demand) => {
                self.held = sorter.sorted().into_iter();
                Order::Sorted(demand)
            }
            other => other,
        };
    }

    /// Hands one slice of the entries to `take` in their order.
    fn step(&mut self, directory: &Directory, reader: Reader, take: &mut dyn FnMut(&View<'_>) -> Taken) -> Stepped {
        while let Some(target) = self.held.as_slice().first() {
            // What is gone since it was held is not sent.
            let taken = directory.view(reader, *target, &mut *take).unwrap_or(Taken::GoOn);
            if taken != Taken::No {
                self.held.next();
            }
            if taken != Taken::GoOn {
                return Stepped::More;
            }
        }
        match self.order {
            Order::Sorted(_) => Stepped::Over,
            _ => directory.step(reader, &mut self.cursor, take),
        }
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
        let Self { progress, wanted, types_only, left, .. } = self;
        if matches!(progress.order, Order::Gathering(..)) {
            progress.gather(directory, reader);
            return Step::Pause;
        }
        if progress.order.forbids() {
            return Step::End;
        }
        let shape = Shape { wanted, types_only: *types_only, pictures: &[] };
        let mut ended = None;
        let stepped = progress.step(directory, reader, &mut |view| {
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
        let mut controls: Vec<_> = self.sorted().into_iter().collect();
        if self.progress.order.forbids() {
            let message = "the results cannot be sorted so";
            return (result(LdapResultCode::UnavailableCriticalExtension, message), controls);
        }
        let code = match (self.paged, more) {
            (false, true) => LdapResultCode::SizeLimitExceeded,
            (_, _) => LdapResultCode::Success,
        };
        if self.paged {
            let cookie = if more { pages.keep(self.progress) } else { Vec::new() };
            controls.push(page_answer(&cookie));
        }
        (result(code, ""), controls)
    }

    /// What became of the order that was asked for.
    fn sorted(&self) -> Option<LdapControl> {
        Some(match &self.progress.order {
            Order::Any => return None,
            Order::Gathering(..) | Order::Sorted(_) => sort_answer(LdapResultCode::Success, None),
            Order::Failed(unsorted, _) => sort_answer(unsorted.code.clone(), unsorted.attribute.as_deref()),
        })
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
