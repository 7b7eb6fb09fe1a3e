//! One connection's state, and who answers which request: who is bound, which pages are open.
//!
//! Whoever is bound is asked for again at every operation: what ended the account or its rights in
//! the meantime ends the connection. Knows no bytes and no sockets; `serve` does. The operations
//! are in files of their own.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapBindResponse, LdapExtendedResponse, LdapMsg, LdapOp, LdapResult, LdapResultCode};
use ostiary_app::directory::{NoSuchObject, Reader, Target};
use ostiary_app::{App, Binding, BoundWith};
use ostiary_model::{Actor, Attribute, Ctx, Dn, Filter, Truth};

use crate::channel::Channel;
use crate::controls::Controls;
use crate::entry::Pictures;
use crate::filter;
use crate::frame::{Frame, Operation};
use crate::request::ExtendedRequest;
use crate::results::{Pages, Results};

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
    /// Success in clear text, and from then on TLS (RFC 4511 section 4.14). Unless the wire is in the
    /// middle of something: then `serve` refuses.
    StartTls,
    /// The end of the connection, as asked.
    Unbind,
    /// The end of the connection: whoever is bound is not what they were.
    Outdated,
}

/// The fields of a request are not those of its operation.
const MALFORMED: &str = "the request is not well formed";

/// A request in hand.
enum Handled<'a> {
    /// Answered.
    Answer(Answer),
    /// To be answered by this.
    Later(Pin<Box<dyn Future<Output = Answer> + Send + 'a>>),
}

/// Whoever is bound is not what they were: disabled, deleted, or with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outdated;

/// The state of a connection.
pub(crate) struct Session {
    pub(crate) app: Arc<App>,
    pub(crate) peer: IpAddr,
    pub(crate) channel: Channel,
    /// Who is bound, and with what.
    pub(crate) binding: Option<Binding>,
    /// The service accounts that this connection was bound as: their program may bring the app
    /// passwords that are for it alone.
    pub(crate) services: Vec<Binding>,
    pub(crate) pages: Pages,
}

/// Why a request is answered with a result alone.
pub(crate) type Refusal = LdapResult;

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

    /// As [`Session::reader`], for the beginning of an operation. Only app passwords are asked for
    /// outside of memory; for those alone there is a box, see [`Session::handle`].
    async fn reader_now(&self) -> Result<Option<Reader>, Outdated> {
        match &self.binding {
            Some(binding) if matches!(binding.with, BoundWith::AppPassword(_)) => {
                Box::pin(self.app.bound_still(binding)).await.ok_or(Outdated)?;
            }
            _ => {}
        }
        self.reader()
    }

    /// Answers one request. What takes more than memory is in a box: a connection that waits would
    /// hold room for the longest of it all the time.
    pub(crate) async fn handle(&mut self, frame: Frame) -> Answer {
        match frame.operation {
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
        match self.at_once(frame, reader) {
            Handled::Answer(answer) => answer,
            Handled::Later(later) => later.await,
        }
    }

    /// Answers a request from memory, or says what is to be done for it.
    fn at_once(&mut self, mut frame: Frame, reader: Option<Reader>) -> Handled<'_> {
        let operation = frame.operation;
        let controls = match Controls::read(std::mem::take(&mut frame.controls), operation) {
            Ok(controls) => controls,
            Err(bad) => return Handled::Answer(reply(operation, result(bad.code(), &bad.to_string()))),
        };
        let malformed = || Handled::Answer(reply(operation, result(LdapResultCode::ProtocolError, MALFORMED)));
        if operation == Operation::Search {
            let Some(request) = frame.search() else { return malformed() };
            let found = self.search(reader, &request, controls);
            return Handled::Answer(found.unwrap_or_else(|refusal| reply(operation, refusal)));
        }
        if operation == Operation::Extended {
            return Handled::Later(Box::pin(async move {
                match frame.content().and_then(ExtendedRequest::read) {
                    Some(request) => self.extended(reader, &request).await,
                    None => reply(operation, result(LdapResultCode::ProtocolError, MALFORMED)),
                }
            }));
        }
        let Some(LdapMsg { op, .. }) = frame.decode() else { return malformed() };
        match op {
            LdapOp::CompareRequest(request) => {
                let compared = self.compare(reader, &request, controls).unwrap_or_else(|refusal| refusal);
                Handled::Answer(reply(operation, compared))
            }
            LdapOp::BindRequest(request) => {
                Handled::Later(Box::pin(async move { reply(operation, self.bind(request).await) }))
            }
            op => Handled::Later(Box::pin(async move {
                match self.write(reader, op, controls).await {
                    Ok(controls) => answered(operation, result(LdapResultCode::Success, ""), controls),
                    Err(refusal) => reply(operation, refusal),
                }
            })),
        }
    }

    /// The moment of a request by whoever is bound with a password that may write.
    pub(crate) fn ctx(&self) -> Result<Ctx, Refusal> {
        let actor = match &self.binding {
            None => return Err(not_bound()),
            Some(Binding { with: BoundWith::AppPassword(_), .. }) => {
                let message = "app passwords only read: change this on the pages, or bind as a service account";
                return Err(result(LdapResultCode::InsufficentAccessRights, message));
            }
            Some(Binding { user, generation, with: BoundWith::Password }) => {
                Actor::Bound { user: *user, generation: *generation }
            }
        };
        Ok(self.app.ctx(actor).with_address(Some(self.peer)))
    }

    /// The filter of an assertion control (RFC 4528), prepared.
    pub(crate) fn condition(&self, controls: &mut Controls) -> Result<Option<Filter>, Refusal> {
        let Some(assertion) = controls.assertion.take() else { return Ok(None) };
        self.filter(&assertion).map(Some)
    }

    /// A filter as it came, prepared.
    pub(crate) fn filter(&self, filter: &[u8]) -> Result<Filter, Refusal> {
        let filter = filter::read(&self.app.directory().schema(), filter);
        filter.map_err(|bad| result(bad.code(), &bad.to_string()))
    }

    /// Refuses unless the entry is as the assertion control says.
    pub(crate) fn asserted(&self, reader: Reader, target: Target, condition: Option<&Filter>) -> Result<(), Refusal> {
        let Some(filter) = condition else { return Ok(()) };
        match self.app.directory().view(reader, target, |view| filter.evaluate(view)) {
            None => Err(no_such_object(NoSuchObject { matched: String::new() })),
            Some(Truth::True) => Ok(()),
            Some(Truth::False | Truth::Undefined) => Err(assertion_failed()),
        }
    }

    /// The pictures of an entry. Those that cannot be fetched are left out: the rest of the entry is
    /// worth more than none of it.
    pub(crate) async fn pictures(&self, target: Target, attributes: Vec<Attribute>) -> Pictures {
        let mut pictures = Pictures::new();
        for attribute in attributes {
            match self.app.pictures(target, attribute).await {
                Ok(values) => pictures.push((attribute, values)),
                Err(error) => tracing::warn!(%error, "a picture could not be fetched"),
            }
        }
        pictures
    }

    /// Whether passwords may be sent on this connection. Every request that carries one asks.
    pub(crate) fn confidential(&self) -> Result<(), Refusal> {
        if self.channel.may_carry_passwords() {
            return Ok(());
        }
        let remedy = if self.channel.offers_tls { "use StartTLS or LDAPS first" } else { "use LDAPS" };
        Err(result(
            LdapResultCode::ConfidentialityRequired,
            &format!("no passwords in clear text from this network: {remedy}"),
        ))
    }
}

/// The message that answers `operation` with `result` alone.
pub(crate) fn reply(operation: Operation, result: LdapResult) -> Answer {
    answered(operation, result, Vec::new())
}

fn answered(operation: Operation, result: LdapResult, controls: Vec<LdapControl>) -> Answer {
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
    Answer::Replies(vec![op], controls)
}

pub(crate) fn not_bound() -> Refusal {
    result(LdapResultCode::InsufficentAccessRights, "bind first")
}

pub(crate) fn assertion_failed() -> Refusal {
    result(LdapResultCode::AssertionFailed, "the entry is not as the assertion says")
}

pub(crate) fn no_such_object(error: NoSuchObject) -> Refusal {
    LdapResult { matcheddn: error.matched, ..result(LdapResultCode::NoSuchObject, "") }
}

pub(crate) fn dn_of(text: &str) -> Result<Dn, Refusal> {
    Dn::parse(text).map_err(|error| result(LdapResultCode::InvalidDNSyntax, &error.to_string()))
}
