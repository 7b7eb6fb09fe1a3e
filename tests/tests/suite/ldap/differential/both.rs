//! Both servers, with the same content, and each kind of question to them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapCompareRequest, LdapOp, LdapResultCode, LdapSearchRequest};
use ostiary_tests::Ostiary;

use super::compare::{difference, limited};
pub(super) use super::controls::Assertion;
use super::known::Known;
use super::mirror;
use super::peer::{Answer, Peer};
use super::rules::Met;
use super::schema::Schema;
use super::shares::Shares;
use super::slapd::Slapd;
use super::world::World;

/// Attributes of every kind, beside those that are there.
const ATTRIBUTES: &[&[&str]] = &[
    &["x-badge", "--users", "--groups", "--kind", "integer"],
    &["x-flag", "--users", "--kind", "boolean"],
    &["x-when", "--users", "--groups", "--kind", "date_time"],
    &["x-list", "--users", "--groups", "--list"],
    &["title", "--users"],
];

/// Defines the attributes, and makes those whom LDAP cannot make: an account that is closed, one that
/// is at its end, and one that has not begun.
pub(super) async fn define(ostiary: &Ostiary) -> Result<()> {
    for arguments in ATTRIBUTES {
        ostiary.cli(&[&["attribute", "add"], *arguments].concat()).await?;
    }
    for (name, more) in
        [("closed", &[][..]), ("past", &["--not-after", "2020-01-01"]), ("future", &["--not-before", "2090-01-01"])]
    {
        let email = format!("{name}@example.tld");
        ostiary.cli(&[&["user", "add", name, "--email", &email], more].concat()).await?;
    }
    ostiary.cli(&["user", "disable", "closed"]).await?;
    Ok(())
}

/// Both servers.
pub(super) struct Both {
    pub(super) ours: Peer,
    pub(super) slapd: Peer,
    pub(super) address: SocketAddr,
    pub(super) server: Slapd,
    pub(super) known: Known,
    /// The passwords that were set, by the name of the entry as it is written least.
    pub(super) passwords: HashMap<String, String>,
    /// How many writes were asked for.
    pub(super) writes: usize,
    pub(super) shares: Shares,
}

impl Both {
    /// Starts a slapd with the schema and the content of the Ostiary at `address`.
    pub(super) fn prepare(address: SocketAddr, base: &str, dn: &str, password: &str) -> Result<Self> {
        let mut ours = Peer::bound("ostiary", address, dn, password)?;
        let schema = Schema::of(&mut ours)?;
        // Without a schema it knows no dc.
        let bare = Slapd::start("cn=bare", "")?;
        let built_in = Schema::of(&mut bare.peer()?)?;
        drop(bare);
        let server = Slapd::start(base, &(mirror::ordered_types() + &schema.for_slapd(&built_in)))?;
        let mut slapd = server.peer()?;
        mirror::copy(&mut ours, &mut slapd, &schema, base)?;
        let known = Known {
            world: World::read(&mut slapd, base)?,
            operational: schema.operational_here(&built_in),
            met: Met::default(),
            schema,
        };
        Ok(Self {
            ours,
            slapd,
            address,
            server,
            known,
            passwords: HashMap::new(),
            writes: 0,
            shares: Shares::default(),
        })
    }

    /// What is different about the answers to a search.
    pub(super) fn search(
        &mut self,
        request: &LdapSearchRequest,
        assertion: Option<&Assertion>,
    ) -> Result<Option<String>> {
        let theirs = LdapOp::SearchRequest(self.known.search(request));
        let (own, other) = self.controls(assertion)?;
        let ours = self.ours.ask_with(LdapOp::SearchRequest(request.clone()), own)?;
        let slapd = self.slapd.ask_with(theirs.clone(), other)?;
        self.shares.search("search", &slapd);
        let (plain, other) = (self.known.ours(&ours), self.known.slapd(&slapd, Some(request)));
        let limit = usize::try_from(request.sizelimit).ok().filter(|limit| *limit > 0);
        let wrong = match limit {
            Some(limit) => {
                self.known.met.note("any of them");
                limited(&plain, &other, limit)
            }
            None => difference(&plain, &other),
        };
        Ok(wrong.map(|wrong| told(wrong, &ours, &slapd, &format!("{theirs:?}"))))
    }

    /// What is different about the answers to a compare.
    pub(super) fn compare(&mut self, request: &LdapCompareRequest) -> Result<Option<String>> {
        let theirs = LdapOp::CompareRequest(self.known.compare(request));
        let (ours, slapd) = (self.ours.ask(LdapOp::CompareRequest(request.clone()))?, self.slapd.ask(theirs.clone())?);
        self.shares.compare(&slapd);
        let (plain, other) = (self.known.ours(&ours), self.known.slapd(&slapd, None));
        let absent = [LdapResultCode::NoSuchAttribute, LdapResultCode::NoSuchObject];
        let wrong = [LdapResultCode::InvalidAttributeSyntax, LdapResultCode::UndefinedAttributeType];
        if absent.contains(&plain.code) && wrong.contains(&other.code) {
            self.known.met.note("several faults");
            return Ok(None);
        }
        Ok(difference(&plain, &other).map(|wrong| told(wrong, &ours, &slapd, &format!("{theirs:?}"))))
    }

    /// The control that asks for a condition, to either of them.
    pub(super) fn controls(&mut self, assertion: Option<&Assertion>) -> Result<(Vec<LdapControl>, Vec<LdapControl>)> {
        let Some(assertion) = assertion else { return Ok((Vec::new(), Vec::new())) };
        let theirs = self.known.filter(&assertion.0);
        Ok((vec![assertion.control()?], vec![Assertion(theirs).control()?]))
    }
}

/// The two messages, and what slapd was asked.
pub(super) fn told(mut wrong: String, ours: &Answer, slapd: &Answer, theirs: &str) -> String {
    for (who, answer) in [("we", ours), ("slapd", slapd)] {
        if !answer.message.is_empty() {
            // Writing to a String does not fail.
            let _ = writeln!(wrong, "{who} said: {}", answer.message);
        }
    }
    let _ = writeln!(wrong, "slapd was asked {theirs}");
    wrong
}
