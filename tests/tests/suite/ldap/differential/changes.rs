//! Writes to both, and what is different about the answers and the trees afterwards; and binds with
//! the passwords that were written.

use anyhow::Result;
use ldap3_proto::proto::{LdapOp, LdapResultCode, LdapSearchRequest, LdapSearchScope};

use super::both::{Assertion, Both};
use super::compare::difference;
use super::dn;
use super::mirror;
use super::peer::bind_code;
use super::verdict::{Asked, codes, computed, settle};
use super::world::{Item, World, everything};
use super::writes::Write;

impl Both {
    /// Writes to both, and tells what is different. Whatever it was, both trees are the same then.
    pub(super) fn write(&mut self, write: &Write, assertion: Option<&Assertion>) -> Result<Option<String>> {
        let (own, other) = self.controls(assertion)?;
        let ours = self.ours.ask_with(request_of(write), own)?;
        let made = match write {
            Write::Add(request) if ours.is_success() => self.made(&request.dn)?,
            _ => None,
        };
        let theirs = self.known.write(write, made.as_ref());
        let slapd = self.slapd.ask_with(request_of(&theirs), other)?;
        self.shares.write(write, &ours, &slapd);
        let is_conditional = assertion.is_some();
        let asked = Asked { write, schema: &self.known.schema, world: &self.known.world, is_conditional };
        let mut wrong = codes(&asked, &ours, &slapd, &mut self.known.met);
        // The overlay asks the groups for the condition too when an entry is deleted or renamed under one.
        let is_forgetful = is_conditional && matches!(write, Write::Delete(_) | Write::Rename(_));
        let agree = ours.is_success() == slapd.is_success() && !is_forgetful;
        if ours.is_success() {
            self.remember(write);
        }
        // What both refused for the same has changed nothing; that is looked at now and then.
        self.writes += 1;
        if (ours.is_success() || ours.code != slapd.code || self.writes.is_multiple_of(4))
            && let Some(trees) = self.trees(agree)?
        {
            wrong.get_or_insert_default().push_str(&trees);
        }
        Ok(wrong.map(|wrong| format!("{wrong}slapd was asked {theirs:?}\n")))
    }

    /// An entry as an add has made it.
    fn made(&mut self, name: &str) -> Result<Option<Item>> {
        let request = LdapSearchRequest { scope: LdapSearchScope::Base, ..everything(name) };
        Ok(self.ours.ask(LdapOp::SearchRequest(request))?.entries.first().map(Item::of))
    }

    /// What is different about the trees, if they are to `agree`; then they are made the same.
    fn trees(&mut self, agree: bool) -> Result<Option<String>> {
        let everything = everything(&self.known.world.base);
        let ours = self.ours.ask(LdapOp::SearchRequest(everything.clone()))?;
        let mut slapd = self.slapd.ask(LdapOp::SearchRequest(everything.clone()))?;
        let mut wrong = None;
        self.known.world = World::of(&slapd, &everything.base);
        if agree {
            let (mut plain, mut other) = (self.known.ours(&ours), self.known.slapd(&slapd, Some(&everything)));
            computed(&mut other, &self.known.world);
            settle(&mut plain.entries, &mut other.entries, &mut self.known.met);
            wrong = difference(&plain, &other);
        }
        loop {
            let trees = (&ours, &slapd);
            let is_aligned = mirror::align(&mut self.slapd, &self.known.schema, &self.passwords, trees)?;
            if is_aligned {
                slapd = self.slapd.ask(LdapOp::SearchRequest(everything.clone()))?;
                self.known.world = World::of(&slapd, &everything.base);
            }
            if !mirror::repair(&mut self.slapd, &self.known.world)? {
                return Ok(wrong);
            }
            self.known.met.note("overlay");
            slapd = self.slapd.ask(LdapOp::SearchRequest(everything.clone()))?;
            self.known.world = World::of(&slapd, &everything.base);
        }
    }

    /// Keeps the password that a write has set, and forgets those of entries that are gone.
    fn remember(&mut self, write: &Write) {
        let (name, parts) = match write {
            Write::Add(request) => (&request.dn, request.attributes.iter().collect::<Vec<_>>()),
            Write::Modify(request) => {
                (&request.dn, request.changes.iter().map(|change| &change.modification).collect())
            }
            Write::Delete(name) => (name, Vec::new()),
            Write::Rename(request) => (&request.dn, Vec::new()),
        };
        let key = dn::folded(&self.known.dn(name));
        if matches!(write, Write::Delete(_) | Write::Rename(_)) {
            self.passwords.remove(&key);
        }
        let last = parts.iter().rev().find(|one| one.atype == "userPassword").and_then(|one| one.vals.first());
        if let Some(password) = last {
            self.passwords.insert(key, String::from_utf8_lossy(password).into_owned());
        }
    }

    /// What is different about a bind, each on a connection of its own.
    pub(super) fn bind(&mut self, name: &str, password: &str) -> Result<Option<String>> {
        let ours = bind_code("ostiary", self.address, name, password)?;
        let theirs = self.known.dn(name);
        let slapd = bind_code("slapd", self.server.address(), &theirs, password)?;
        self.shares.bind(&slapd);
        let rule = match (&ours, &slapd) {
            (ours, slapd) if ours == slapd => return Ok(None),
            (LdapResultCode::InappropriateAuthentication, LdapResultCode::Success) if name.is_empty() => "anonymous",
            // It says that there is no password; that is none of a stranger's business.
            (LdapResultCode::InvalidCredentials, LdapResultCode::InappropriateAuthentication) => "no password",
            _ => return Ok(Some(format!("result code: ours {ours:?}, slapd {slapd:?}\n"))),
        };
        self.known.met.note(rule);
        Ok(None)
    }
}

fn request_of(write: &Write) -> LdapOp {
    match write.clone() {
        Write::Add(request) => LdapOp::AddRequest(request),
        Write::Modify(request) => LdapOp::ModifyRequest(request),
        Write::Delete(dn) => LdapOp::DelRequest(dn),
        Write::Rename(request) => LdapOp::ModifyDNRequest(request),
    }
}
