//! One connection's state, and the answer to each request: who is bound, which pages are open.
//!
//! Whoever is bound is asked for again at every operation: what ended the account or its rights in
//! the meantime ends the connection. Knows no bytes and no sockets; `serve` does.

use std::net::IpAddr;
use std::sync::Arc;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapCompareRequest, LdapExtendedRequest, LdapExtendedResponse,
    LdapOp, LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchScope,
};
use ostiary_app::directory::{NoSuchObject, Query, Reader, Scope};
use ostiary_app::{App, BindFrom, BindName, Binding, SignInError, Trouble};
use ostiary_model::{Actor, Dn, Filter, Secret, Truth, UserId};

use crate::channel::Channel;
use crate::controls::{PageRequest, is_unknown, page_answer, page_request};
use crate::entry::Wanted;
use crate::filter::translate;
use crate::frame::{Frame, Operation};
use crate::results::{Pages, Progress, Results};
use crate::root::{self, START_TLS, WHO_AM_I};
use crate::schema;

/// Seconds that any search may take: an administrative limit (RFC 4511 section 4.5.1.5).
const MAX_SECONDS: u64 = 120;

/// Password Modify (RFC 3062): known, but nothing is written here.
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
const READ_ONLY: &str = "entries are changed in the administration pages, not over LDAP";

/// A result without name or referral.
pub(crate) fn result(code: LdapResultCode, message: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: message.to_owned(), referral: Vec::new() }
}

/// What a request is answered with.
pub(crate) enum Answer {
    /// Nothing: an abandon has no answer, and when it is read what it names is done.
    Nothing,
    /// These messages, with controls on the last one.
    Replies(Vec<LdapOp>, Vec<LdapControl>),
    /// Entries as they are found.
    Search(Box<Results>),
    /// This message in clear text, and from then on TLS (RFC 4511 section 4.14). Unless the wire is
    /// in the middle of something: then `serve` refuses.
    StartTls(LdapOp),
    /// The end of the connection, as asked.
    Unbind,
    /// The end of the connection: whoever is bound is not what they were.
    Outdated,
}

/// Whoever is bound is not what they were: disabled, deleted, or with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outdated;

/// The state of a connection.
pub(crate) struct Session {
    app: Arc<App>,
    peer: IpAddr,
    channel: Channel,
    /// Who is bound, and with what.
    binding: Option<Binding>,
    /// The service accounts that this connection was bound as: their program may bring the app
    /// passwords that are for it alone.
    services: Vec<UserId>,
    pub(crate) pages: Pages,
}

/// Why a request is answered with a result alone.
type Refusal = LdapResult;

impl Session {
    pub(crate) fn new(app: Arc<App>, peer: IpAddr, channel: Channel) -> Self {
        Self { app, peer, channel, binding: None, services: Vec::new(), pages: Pages::default() }
    }

    /// The wire is encrypted from now on: what was said before it may have been anybody's word, so
    /// nobody is bound (RFC 4513 section 3.2).
    pub(crate) fn encrypted(&mut self) {
        self.channel = Channel::ENCRYPTED;
        self.binding = None;
        self.services.clear();
        self.pages.clear();
    }

    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    pub(crate) const fn is_bound(&self) -> bool {
        self.binding.is_some()
    }

    /// Who reads now; nobody without a bind. For the middle of an operation: asks memory alone.
    pub(crate) fn reader(&self) -> Result<Option<Reader>, Outdated> {
        let Some(binding) = &self.binding else { return Ok(None) };
        let (user, role) = self.app.bound_as(binding).ok_or(Outdated)?;
        Ok(Some(Reader { user: user.id, role, now: self.app.now() }))
    }

    /// As [`Session::reader`], for the beginning of an operation.
    async fn reader_now(&self) -> Result<Option<Reader>, Outdated> {
        let Some(binding) = &self.binding else { return Ok(None) };
        let (user, role) = self.app.bound_still(binding).await.ok_or(Outdated)?;
        Ok(Some(Reader { user: user.id, role, now: self.app.now() }))
    }

    /// Answers one request.
    pub(crate) async fn handle(&mut self, frame: Frame) -> Answer {
        let operation = frame.operation;
        match operation {
            Operation::Unbind => return Answer::Unbind,
            Operation::Abandon => return Answer::Nothing,
            Operation::Bind => {
                // Whatever comes of it, the earlier identity is over (RFC 4511 section 4.2.1).
                self.binding = None;
                self.pages.clear();
            }
            _ => {}
        }
        let Ok(reader) = self.reader_now().await else { return Answer::Outdated };
        if is_unknown(&frame.critical, operation) {
            return reply(
                operation,
                result(LdapResultCode::UnavailableCriticalExtension, "a critical control is unknown"),
            );
        }
        let Some(message) = frame.decode() else {
            return reply(operation, result(LdapResultCode::ProtocolError, "the request is not well formed"));
        };
        match message.op {
            LdapOp::BindRequest(request) => reply(operation, self.bind(request).await),
            LdapOp::SearchRequest(request) => self
                .search(reader, request, page_request(message.ctrl))
                .unwrap_or_else(|refusal| reply(operation, refusal)),
            LdapOp::CompareRequest(request) => {
                let result = self.compare(reader, &request).unwrap_or_else(|refusal| refusal);
                reply(operation, result)
            }
            LdapOp::ExtendedRequest(request) => self.extended(reader, &request),
            _ => reply(operation, result(LdapResultCode::UnwillingToPerform, READ_ONLY)),
        }
    }

    /// Simple bind (RFC 4511 section 4.2, RFC 4513 section 5.1).
    async fn bind(&mut self, request: LdapBindRequest) -> LdapResult {
        if request.version != 3 {
            return result(LdapResultCode::ProtocolError, "only version 3 is spoken");
        }
        let LdapBindCred::Simple(password) = request.cred else {
            return result(LdapResultCode::AuthMethodNotSupported, "only simple binds are supported");
        };
        let password = Secret::new(password);
        // Nobody is to try out passwords where others read them.
        if let Err(refusal) = self.confidential() {
            return refusal;
        }
        let Ok(dn) = Dn::parse(&request.dn) else {
            return result(LdapResultCode::InvalidDNSyntax, "");
        };
        match (dn.is_root(), password.expose().is_empty()) {
            (true, true) => {
                return result(LdapResultCode::InappropriateAuthentication, "anonymous binds are not allowed");
            }
            // RFC 4513 section 5.1.2: or programs would take an empty password for a proof.
            (false, true) => return result(LdapResultCode::UnwillingToPerform, "a bind needs a password"),
            (_, false) => {}
        }
        let name = self.app.directory().account(&dn).map_or_else(BindName::Unknown, BindName::User);
        let ctx = self.app.ctx(Actor::Anonymous).with_address(Some(self.peer));
        let from = BindFrom { services: &self.services };
        match self.app.bind(&ctx, &name, &password, &from).await {
            Ok(bound) => {
                if bound.user.is_service && !self.services.contains(&bound.user.id) {
                    self.services.push(bound.user.id);
                }
                self.binding = Some(bound.binding());
                result(LdapResultCode::Success, "")
            }
            Err(error) => refused(&error),
        }
    }

    fn search(
        &mut self,
        reader: Option<Reader>,
        request: LdapSearchRequest,
        page: Option<PageRequest>,
    ) -> Result<Answer, Refusal> {
        let (Ok(size_limit), Ok(time_limit)) = (usize::try_from(request.sizelimit), u64::try_from(request.timelimit))
        else {
            return Err(result(LdapResultCode::ProtocolError, "a limit is negative"));
        };
        let filter = translate(&self.app.directory().schema(), request.filter)
            .map_err(|error| result(LdapResultCode::AdminLimitExceeded, &error.to_string()))?;
        let base = dn_of(&request.base)?;
        let wanted = Wanted::new(request.attrs);
        if request.scope == LdapSearchScope::Base
            && let Some(fixed) = self.fixed(&base)
        {
            let entry = fixed.answer(&filter, &wanted, request.typesonly).map(LdapOp::SearchResultEntry);
            let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
            let controls = page.map(|_| page_answer(Vec::new())).into_iter().collect();
            return Ok(Answer::Replies(entry.into_iter().chain([done]).collect(), controls));
        }
        let reader = reader.ok_or_else(not_bound)?;
        let query = Query { base, scope: scope_of(&request.scope), filter };
        // A page that holds as many as may be sent at all needs no second one (RFC 2696 section 3).
        let page_size = page.as_ref().and_then(|page| usize::try_from(page.size).ok()).filter(|size| *size > 0);
        let limit = Some(size_limit).filter(|limit| *limit > 0);
        let is_page = page_size.is_some_and(|size| limit.is_none_or(|limit| size < limit));
        let progress = match self.resumed(page.as_ref(), &query)? {
            Resumed::Not => Progress::new(self.app.directory().search(reader, query).map_err(no_such_object)?),
            Resumed::At(progress) => *progress,
            Resumed::Ended => {
                let done = LdapOp::SearchResultDone(result(LdapResultCode::Success, ""));
                return Ok(Answer::Replies(vec![done], vec![page_answer(Vec::new())]));
            }
        };
        Ok(Answer::Search(Box::new(Results {
            progress,
            wanted,
            types_only: request.typesonly,
            left: if is_page { page_size } else { limit },
            paged: is_page,
            time_limit: if time_limit == 0 { MAX_SECONDS } else { time_limit.min(MAX_SECONDS) },
        })))
    }

    /// An entry outside the tree.
    fn fixed(&self, base: &Dn) -> Option<root::Fixed> {
        if base.is_root() {
            return Some(root::root(self.app.directory().base(), self.channel.offers_tls));
        }
        let is_schema = Dn::parse(schema::DN).is_ok_and(|schema| schema == *base);
        is_schema.then(root::subschema)
    }

    /// The search that a page goes on with.
    fn resumed(&mut self, page: Option<&PageRequest>, query: &Query) -> Result<Resumed, Refusal> {
        let Some(page) = page.filter(|page| !page.cookie.is_empty()) else { return Ok(Resumed::Not) };
        let known = self.pages.take(&page.cookie).filter(|progress| progress.cursor().query() == query);
        match known {
            None => Err(result(LdapResultCode::UnwillingToPerform, "the paging cookie belongs to no open search")),
            // Size 0 with a cookie gives the search up (RFC 2696 section 3).
            Some(_) if page.size == 0 => Ok(Resumed::Ended),
            Some(progress) => Ok(Resumed::At(Box::new(progress))),
        }
    }

    /// Compare (RFC 4511 section 4.10).
    fn compare(&self, reader: Option<Reader>, request: &LdapCompareRequest) -> Result<LdapResult, Refusal> {
        let reader = reader.ok_or_else(not_bound)?;
        let dn = dn_of(&request.dn)?;
        let directory = self.app.directory();
        let target = directory.find(reader, &dn).map_err(no_such_object)?;
        let schema = directory.schema();
        if schema.attribute(&request.atype).is_none() {
            return Err(result(LdapResultCode::UndefinedAttributeType, ""));
        }
        let asked = str::from_utf8(&request.val).map(|value| Filter::equal(&schema, &request.atype, value));
        let present = Filter::present(&schema, &request.atype);
        let truths = directory.view(reader, target, |view| {
            (present.evaluate(view), asked.map_or(Truth::Undefined, |filter| filter.evaluate(view)))
        });
        Err(match truths {
            None => no_such_object(NoSuchObject { matched: String::new() }),
            Some((Truth::False, _)) => result(LdapResultCode::NoSuchAttribute, ""),
            Some((_, Truth::True)) => return Ok(result(LdapResultCode::CompareTrue, "")),
            Some((_, Truth::False)) => return Ok(result(LdapResultCode::CompareFalse, "")),
            Some((_, Truth::Undefined)) => {
                result(LdapResultCode::InvalidAttributeSyntax, "the value is none of this attribute")
            }
        })
    }

    /// Whether passwords may be sent on this connection. Every request that carries one asks.
    fn confidential(&self) -> Result<(), Refusal> {
        if self.channel.may_carry_passwords() {
            return Ok(());
        }
        let remedy = if self.channel.offers_tls { "use StartTLS or LDAPS first" } else { "use LDAPS" };
        Err(result(
            LdapResultCode::ConfidentialityRequired,
            &format!("no passwords in clear text from this network: {remedy}"),
        ))
    }

    /// StartTLS (RFC 4511 section 4.14).
    fn start_tls(&self, request: &LdapExtendedRequest) -> Answer {
        let res = if self.channel.is_encrypted {
            result(LdapResultCode::OperationsError, "this connection is encrypted already")
        } else if !self.channel.offers_tls {
            result(LdapResultCode::ProtocolError, "this server has no certificate, so it offers no StartTLS")
        } else if request.value.is_some() {
            result(LdapResultCode::ProtocolError, "StartTLS has no value")
        } else {
            return Answer::StartTls(start_tls_response(result(LdapResultCode::Success, "")));
        };
        Answer::Replies(vec![start_tls_response(res)], Vec::new())
    }

    fn extended(&self, reader: Option<Reader>, request: &LdapExtendedRequest) -> Answer {
        let (res, value) = match request.name.as_str() {
            START_TLS => return self.start_tls(request),
            WHO_AM_I if request.value.is_none() => {
                // An authzId (RFC 4513 section 5.2.1.8); empty for nobody (RFC 4532 section 2.2).
                let dn = reader.and_then(|reader| self.app.directory().dn_of(reader.user));
                let authorization = dn.map_or_else(String::new, |dn| format!("dn:{dn}"));
                (result(LdapResultCode::Success, ""), Some(authorization.into_bytes()))
            }
            PASSWORD_MODIFY => {
                let refusal = || result(LdapResultCode::UnwillingToPerform, READ_ONLY);
                (self.confidential().err().unwrap_or_else(refusal), None)
            }
            // RFC 4511 section 4.12.
            _ => (result(LdapResultCode::ProtocolError, "this extended operation is not supported"), None),
        };
        Answer::Replies(vec![LdapOp::ExtendedResponse(LdapExtendedResponse { res, name: None, value })], Vec::new())
    }
}

enum Resumed {
    Not,
    At(Box<Progress>),
    Ended,
}

/// The message that answers `operation` with `result` alone.
fn reply(operation: Operation, result: LdapResult) -> Answer {
    let op = match operation {
        Operation::Bind => LdapOp::BindResponse(LdapBindResponse { res: result, saslcreds: None }),
        Operation::Search => LdapOp::SearchResultDone(result),
        Operation::Modify => LdapOp::ModifyResponse(result),
        Operation::Add => LdapOp::AddResponse(result),
        Operation::Delete => LdapOp::DelResponse(result),
        Operation::ModifyDn => LdapOp::ModifyDNResponse(result),
        Operation::Compare => LdapOp::CompareResult(result),
        Operation::Extended => LdapOp::ExtendedResponse(LdapExtendedResponse { res: result, name: None, value: None }),
        Operation::Abandon | Operation::Unbind => return Answer::Nothing,
    };
    Answer::Replies(vec![op], Vec::new())
}

/// The answer to StartTLS, which always bears its name (RFC 4511 section 4.14.2).
pub(crate) fn start_tls_response(res: LdapResult) -> LdapOp {
    LdapOp::ExtendedResponse(LdapExtendedResponse { res, name: Some(START_TLS.to_owned()), value: None })
}

/// Name unknown, password wrong, account closed, tries held back: one answer for all.
fn refused(error: &SignInError) -> LdapResult {
    match error {
        SignInError::Rejected { .. } | SignInError::Paused { .. } => result(LdapResultCode::InvalidCredentials, ""),
        SignInError::Trouble(Trouble::Busy) => result(LdapResultCode::Busy, "too many binds at this moment, try again"),
        SignInError::Trouble(error) => {
            tracing::error!(%error, "a bind could not be checked");
            result(LdapResultCode::Unavailable, "")
        }
    }
}

fn not_bound() -> Refusal {
    result(LdapResultCode::InsufficentAccessRights, "bind first")
}

fn no_such_object(error: NoSuchObject) -> Refusal {
    LdapResult { matcheddn: error.matched, ..result(LdapResultCode::NoSuchObject, "") }
}

fn dn_of(text: &str) -> Result<Dn, Refusal> {
    Dn::parse(text).map_err(|error| result(LdapResultCode::InvalidDNSyntax, &error.to_string()))
}

const fn scope_of(scope: &LdapSearchScope) -> Scope {
    match scope {
        LdapSearchScope::Base => Scope::Base,
        LdapSearchScope::OneLevel => Scope::One,
        LdapSearchScope::Subtree => Scope::Subtree,
        LdapSearchScope::Children => Scope::Children,
    }
}
