//! One connection to one of the two servers, message by message, and what it answered.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapMsg, LdapOp, LdapResult, LdapResultCode, LdapSearchResultEntry,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// The whole answer to a request.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) code: LdapResultCode,
    pub(super) matched: String,
    pub(super) message: String,
    pub(super) entries: Vec<LdapSearchResultEntry>,
    pub(super) controls: Vec<LdapControl>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        self.code == LdapResultCode::Success
    }
}

/// A bound connection.
pub(super) struct Peer {
    name: &'static str,
    stream: TcpStream,
    input: BytesMut,
    last_id: i32,
}

impl Peer {
    /// Connects and binds.
    pub(super) fn bound(name: &'static str, address: SocketAddr, dn: &str, password: &str) -> Result<Self> {
        let mut peer = Self::connected(name, address)?;
        let bound = peer.bind(dn, password)?;
        ensure!(bound.is_success(), "{name}: bind as {dn}: {bound:?}");
        Ok(peer)
    }

    fn connected(name: &'static str, address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{name} at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { name, stream, input: BytesMut::new(), last_id: 0 })
    }

    fn bind(&mut self, dn: &str, password: &str) -> Result<Answer> {
        let cred = LdapBindCred::Simple(password.to_owned());
        self.ask(LdapOp::BindRequest(LdapBindRequest { version: 3, dn: dn.to_owned(), cred }))
    }

    pub(super) fn ask(&mut self, op: LdapOp) -> Result<Answer> {
        self.ask_with(op, Vec::new())
    }

    /// Sends one request and gives all that is answered.
    pub(super) fn ask_with(&mut self, op: LdapOp, ctrl: Vec<LdapControl>) -> Result<Answer> {
        self.last_id += 1;
        let mut bytes = BytesMut::new();
        LdapCodec::default().encode(LdapMsg { msgid: self.last_id, op, ctrl }, &mut bytes)?;
        self.stream.write_all(&bytes)?;
        let mut entries = Vec::new();
        loop {
            let message = self.receive()?;
            ensure!(message.msgid == self.last_id, "{}: asked as {}, answered {message:?}", self.name, self.last_id);
            let LdapResult { code, matcheddn, message: text, .. } = match message.op {
                LdapOp::SearchResultEntry(entry) => {
                    entries.push(entry);
                    continue;
                }
                LdapOp::BindResponse(response) => response.res,
                LdapOp::ExtendedResponse(response) => response.res,
                LdapOp::SearchResultDone(result)
                | LdapOp::ModifyResponse(result)
                | LdapOp::AddResponse(result)
                | LdapOp::DelResponse(result)
                | LdapOp::ModifyDNResponse(result)
                | LdapOp::CompareResult(result) => result,
                other => bail!("{}: no answer: {other:?}", self.name),
            };
            return Ok(Answer { code, matched: matcheddn, message: text, entries, controls: message.ctrl });
        }
    }

    fn receive(&mut self) -> Result<LdapMsg> {
        let mut codec = LdapCodec::new(Some(16 * 1024 * 1024), None);
        let mut part = [0; 64 * 1024];
        loop {
            if let Some(message) = codec.decode(&mut self.input)? {
                return Ok(message);
            }
            let count = self.stream.read(&mut part).with_context(|| format!("{} says nothing", self.name))?;
            ensure!(count > 0, "{} has closed the connection", self.name);
            self.input.extend_from_slice(&part[..count]);
        }
    }
}

/// How a bind on a connection of its own ends.
pub(super) fn bind_code(name: &'static str, address: SocketAddr, dn: &str, password: &str) -> Result<LdapResultCode> {
    Ok(Peer::connected(name, address)?.bind(dn, password)?.code)
}
