//! A bare LDAP client on one connection: what it measures is the server.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapFilter, LdapMsg, LdapOp, LdapResultCode, LdapSearchRequest,
    LdapSearchScope,
};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

pub(crate) struct Client {
    framed: Framed<TcpStream, LdapCodec>,
    last: i32,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { framed: Framed::new(stream, LdapCodec::default()), last: 0 })
    }

    pub(crate) async fn bind(&mut self, dn: &str, password: &str) -> anyhow::Result<()> {
        let request =
            LdapBindRequest { version: 3, dn: dn.to_owned(), cred: LdapBindCred::Simple(password.to_owned()) };
        self.send(LdapOp::BindRequest(request)).await?;
        match self.receive().await? {
            LdapOp::BindResponse(response) if response.res.code == LdapResultCode::Success => Ok(()),
            other => bail!("the bind as {dn} was answered with {other:?}"),
        }
    }

    /// How many entries a search finds below `base`.
    pub(crate) async fn search(&mut self, base: &str, filter: LdapFilter, attrs: &[&str]) -> anyhow::Result<usize> {
        self.send(LdapOp::SearchRequest(LdapSearchRequest {
            base: base.to_owned(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter,
            attrs: attrs.iter().map(|attr| (*attr).to_owned()).collect(),
        }))
        .await?;
        let mut found = 0;
        loop {
            match self.receive().await? {
                LdapOp::SearchResultEntry(_) => found += 1,
                LdapOp::SearchResultDone(result) if result.code == LdapResultCode::Success => return Ok(found),
                other => bail!("a search was answered with {other:?}"),
            }
        }
    }

    async fn send(&mut self, op: LdapOp) -> anyhow::Result<()> {
        self.last += 1;
        Ok(self.framed.send(LdapMsg { msgid: self.last, op, ctrl: Vec::new() }).await?)
    }

    async fn receive(&mut self) -> anyhow::Result<LdapOp> {
        Ok(self.framed.next().await.context("the server hung up")??.op)
    }
}
