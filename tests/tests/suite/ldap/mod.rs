//! LDAP, asked by the tools of OpenLDAP, by a client library, and byte by byte.

mod app_passwords;
mod clients;
mod controls;
mod crowd;
mod differential;
mod found;
mod lasting;
mod limits;
mod nested;
mod python;
mod rights;
mod schema;
mod speed;
mod tools;
mod transport;
mod values;
mod wire;
mod writes;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapFilter, LdapMsg, LdapOp, LdapResult, LdapResultCode,
    LdapSearchRequest, LdapSearchResultEntry, LdapSearchScope,
};
use ostiary_tests::{Ostiary, Person, Setup};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::codec::{Decoder as _, Encoder as _};

const PATIENCE: Duration = Duration::from_secs(15);
const BASE: &str = "dc=localhost";

/// A server with a few people: ada administers, bob and carla are in "Staff, all", svc reads.
struct House {
    ostiary: Ostiary,
    svc: Person,
    bob: Person,
}

impl House {
    async fn start(setup: Setup) -> Result<Self> {
        let ostiary = setup.start().await?;
        ostiary.cli(&["group", "add", "Staff, all"]).await?;
        ostiary.cli(&["user", "add", "carla", "--email", "carla@example.tld", "--group", "Staff, all"]).await?;
        ostiary
            .cli(&[
                "user",
                "add",
                "Ada",
                "--email",
                "Ada@example.tld",
                "--given-name",
                "Ada",
                "--family-name",
                "Okafor",
                "--display-name",
                "Ada Okafor",
                "--group",
                "lldap_admin",
            ])
            .await?;
        let bob = ostiary.add_person("bob", &["Staff, all"]).await?;
        let svc = ostiary.add_person("svc", &["lldap_strict_readonly"]).await?;
        Ok(Self { ostiary, svc, bob })
    }

    async fn wire(&self) -> Result<Wire> {
        Wire::connect(self.ostiary.ldap_address()?).await
    }

    /// A connection that is bound as `person`.
    async fn bound(&self, person: &Person) -> Result<Wire> {
        let mut wire = self.wire().await?;
        let code = wire.bind(&self.ostiary.person_dn(&person.username)?, &person.password).await?;
        anyhow::ensure!(code == LdapResultCode::Success, "{} was not bound: {code:?}", person.username);
        Ok(wire)
    }
}

/// A connection on which every byte is ours.
struct Wire<S = TcpStream> {
    stream: S,
    input: BytesMut,
    last_id: i32,
}

impl Wire {
    async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::on(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn on(stream: S) -> Self {
        Self { stream, input: BytesMut::new(), last_id: 0 }
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    async fn send(&mut self, op: LdapOp, controls: Vec<LdapControl>) -> Result<i32> {
        self.last_id += 1;
        let bytes = encoded(self.last_id, op, controls)?;
        self.bytes(&bytes).await?;
        Ok(self.last_id)
    }

    /// The next message; `None` when the server has closed.
    async fn receive(&mut self) -> Result<Option<LdapMsg>> {
        let mut codec = LdapCodec::new(Some(4 * 1024 * 1024), None);
        let next = async {
            loop {
                if let Some(message) = codec.decode(&mut self.input)? {
                    return Ok(Some(message));
                }
                match self.stream.read_buf(&mut self.input).await {
                    Ok(0) if self.input.is_empty() => return Ok(None),
                    Ok(0) => bail!("closed in the middle of a message"),
                    Ok(_) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.context("nothing came")?
    }

    /// The one answer to `op`.
    async fn ask(&mut self, op: LdapOp) -> Result<LdapMsg> {
        self.ask_with(op, Vec::new()).await
    }

    async fn ask_with(&mut self, op: LdapOp, controls: Vec<LdapControl>) -> Result<LdapMsg> {
        let id = self.send(op, controls).await?;
        let answer = self.receive().await?.context("closed")?;
        anyhow::ensure!(answer.msgid == id, "asked as {id}, answered {answer:?}");
        Ok(answer)
    }

    async fn bind(&mut self, dn: &str, password: &str) -> Result<LdapResultCode> {
        result_of(&self.ask(bind(dn, password)).await?.op).map(|result| result.code.clone())
    }

    /// Entries and end of a search.
    async fn search(&mut self, request: LdapSearchRequest, controls: Vec<LdapControl>) -> Result<Found> {
        let id = self.send(LdapOp::SearchRequest(request), controls).await?;
        let mut entries = Vec::new();
        loop {
            let message = self.receive().await?.context("closed in the middle of a search")?;
            anyhow::ensure!(message.msgid == id, "asked as {id}, answered {message:?}");
            match message.op {
                LdapOp::SearchResultEntry(entry) => entries.push(entry),
                LdapOp::SearchResultDone(result) => return Ok(Found { entries, result, controls: message.ctrl }),
                other => bail!("an answer to a search: {other:?}"),
            }
        }
    }

    /// What the server says when it ends the connection, and that it ends.
    async fn goodbye(&mut self) -> Result<LdapResultCode> {
        let notice = self.receive().await?.context("closed without a word")?;
        let LdapOp::ExtendedResponse(response) = &notice.op else { bail!("{notice:?}") };
        anyhow::ensure!(notice.msgid == 0 && response.name.as_deref() == Some("1.3.6.1.4.1.1466.20036"), "{notice:?}");
        let code = response.res.code.clone();
        anyhow::ensure!(self.receive().await?.is_none(), "still open after the notice");
        Ok(code)
    }
}

/// What a search gave.
struct Found {
    entries: Vec<LdapSearchResultEntry>,
    result: LdapResult,
    controls: Vec<LdapControl>,
}

impl Found {
    fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.dn.as_str()).collect()
    }
}

fn encoded(msgid: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> Result<BytesMut> {
    let mut bytes = BytesMut::new();
    LdapCodec::default().encode(LdapMsg { msgid, op, ctrl }, &mut bytes)?;
    Ok(bytes)
}

fn bind(dn: &str, password: &str) -> LdapOp {
    let cred = LdapBindCred::Simple(password.to_owned());
    LdapOp::BindRequest(LdapBindRequest { version: 3, dn: dn.to_owned(), cred })
}

fn query(base: &str, scope: LdapSearchScope, filter: LdapFilter, attributes: &[&str]) -> LdapSearchRequest {
    LdapSearchRequest {
        base: base.to_owned(),
        scope,
        aliases: LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter,
        attrs: attributes.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Everything below `base`.
fn everything(base: &str) -> LdapSearchRequest {
    query(base, LdapSearchScope::Subtree, LdapFilter::Present("objectClass".into()), &["1.1"])
}

fn equal(attribute: &str, value: &str) -> LdapFilter {
    LdapFilter::Equality(attribute.to_owned(), value.to_owned())
}

/// The search with which Authelia looks for a person.
fn person_query(name: &str) -> LdapSearchRequest {
    let filter = LdapFilter::And(vec![
        LdapFilter::Or(vec![equal("uid", name), equal("mail", name)]),
        equal("objectClass", "person"),
    ]);
    query(&format!("ou=people,{BASE}"), LdapSearchScope::Subtree, filter, &["uid", "mail", "cn", "memberOf"])
}

/// The search with which Authelia looks for a person's groups.
fn groups_query(dn: &str) -> LdapSearchRequest {
    let filter = LdapFilter::And(vec![equal("member", dn), equal("objectClass", "groupOfUniqueNames")]);
    query(&format!("ou=groups,{BASE}"), LdapSearchScope::Subtree, filter, &["cn"])
}

fn result_of(op: &LdapOp) -> Result<&LdapResult> {
    match op {
        LdapOp::BindResponse(response) => Ok(&response.res),
        LdapOp::ExtendedResponse(response) => Ok(&response.res),
        LdapOp::SearchResultDone(result)
        | LdapOp::ModifyResponse(result)
        | LdapOp::AddResponse(result)
        | LdapOp::DelResponse(result)
        | LdapOp::ModifyDNResponse(result)
        | LdapOp::CompareResult(result) => Ok(result),
        other => bail!("no result: {other:?}"),
    }
}
