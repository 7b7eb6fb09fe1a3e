//! Search (RFC 4511 section 4.5): begun here; the results are given in `results`.

use ldap3_proto::proto::{LdapOp, LdapResultCode, LdapSearchScope};
use ostiary_app::directory::{Query, Reader, Scope};
use ostiary_model::Dn;

use crate::controls::{Controls, PageRequest, page_answer, sort_answer};
use crate::entry::Wanted;
use crate::request::SearchRequest;
use crate::results::{Progress, Results};
use crate::root::{self, Fixed};
use crate::schema;
use crate::session::{Answer, Refusal, Session, assertion_failed, dn_of, no_such_object, not_bound, result};
use crate::sort::Order;

/// Seconds that any search may take: an administrative limit (RFC 4511 section 4.5.1.5).
const MAX_SECONDS: u64 = 120;

enum Resumed {
    Not,
    At(Box<Progress>),
    Ended,
}

impl Session {
    pub(crate) fn search(
        &mut self,
        reader: Option<Reader>,
        request: &SearchRequest<'_>,
        mut controls: Controls,
    ) -> Result<Answer, Refusal> {
        let base = dn_of(request.base)?;
        if request.scope == LdapSearchScope::Base
            && let Some(fixed) = self.fixed(&base)
        {
            return self.search_fixed(&fixed, request, controls);
        }
        // Nobody has anything prepared for them: filters and names of attributes take their time.
        let reader = reader.ok_or_else(not_bound)?;
        let filter = self.filter(request.filter)?;
        let schema = self.app.directory().schema();
        let wanted = Wanted::new(request.attributes.iter().copied(), &schema);
        if let Some(condition) = self.condition(&mut controls)? {
            let target = self.app.directory().find(reader, &base).map_err(no_such_object)?;
            self.asserted(reader, target, Some(&condition))?;
        }
        let query = Query { base, scope: scope_of(&request.scope), filter };
        let page = controls.page;
        // A page that holds as many as may be sent at all needs no second one (RFC 2696 section 3).
        let page_size = page.as_ref().and_then(|page| usize::try_from(page.size).ok()).filter(|size| *size > 0);
        let limit = Some(request.size_limit).filter(|limit| *limit > 0);
        let is_page = page_size.is_some_and(|size| limit.is_none_or(|limit| size < limit));
        let order = Order::new(&schema, controls.sort.as_ref());
        let progress = match self.resumed(page.as_ref(), &query, &order)? {
            Resumed::Not => Progress::new(self.app.directory().search(reader, query).map_err(no_such_object)?, order),
            Resumed::At(progress) => *progress,
            Resumed::Ended => {
                let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
                return Ok(Answer::Replies(vec![done], vec![page_answer(&[])]));
            }
        };
        Ok(Answer::Search(Box::new(Results {
            progress,
            wanted,
            types_only: request.types_only,
            left: if is_page { page_size } else { limit },
            paged: is_page,
            time_limit: if request.time_limit == 0 { MAX_SECONDS } else { request.time_limit.min(MAX_SECONDS) },
        })))
    }

    /// An entry outside the tree.
    fn fixed(&self, base: &Dn) -> Option<Fixed> {
        if base.is_root() {
            return Some(root::root(self.app.directory().base(), self.channel.offers_tls));
        }
        let is_schema = Dn::parse(schema::DN).is_ok_and(|schema| schema == *base);
        is_schema.then(|| root::subschema(&self.app.directory().schema()))
    }

    fn search_fixed(
        &self,
        fixed: &Fixed,
        request: &SearchRequest<'_>,
        mut controls: Controls,
    ) -> Result<Answer, Refusal> {
        self.filter(request.filter)?;
        if let Some(assertion) = controls.assertion.take() {
            self.filter(&assertion)?;
            if !fixed.matches(&assertion) {
                return Err(assertion_failed());
            }
        }
        let wanted = Wanted::new(request.attributes.iter().copied(), &self.app.directory().schema());
        let entry = fixed.matches(request.filter).then(|| fixed.entry(&wanted, request.types_only));
        let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
        let pages = controls.page.map(|_| page_answer(&[])).into_iter();
        let orders = controls.sort.map(|_| sort_answer(LdapResultCode::Success, None));
        let replies = entry.map(LdapOp::SearchResultEntry).into_iter().chain([done]).collect();
        Ok(Answer::Replies(replies, pages.chain(orders).collect()))
    }

    /// The search that a page goes on with.
    fn resumed(&mut self, page: Option<&PageRequest>, query: &Query, order: &Order) -> Result<Resumed, Refusal> {
        let Some(page) = page.filter(|page| !page.cookie.is_empty()) else { return Ok(Resumed::Not) };
        let known = self.pages.take(&page.cookie).filter(|progress| progress.is_of(query, order));
        match known {
            None => Err(result(LdapResultCode::UnwillingToPerform, "the paging cookie belongs to no open search")),
            // Size 0 with a cookie gives the search up (RFC 2696 section 3).
            Some(_) if page.size == 0 => Ok(Resumed::Ended),
            Some(progress) => Ok(Resumed::At(Box::new(progress))),
        }
    }
}

const fn scope_of(scope: &LdapSearchScope) -> Scope {
    match scope {
        LdapSearchScope::Base => Scope::Base,
        LdapSearchScope::OneLevel => Scope::One,
        LdapSearchScope::Subtree => Scope::Subtree,
        LdapSearchScope::Children => Scope::Children,
    }
}
