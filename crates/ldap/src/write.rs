//! Add, delete, modify and modify DN (RFC 4511 sections 4.6 to 4.9): read here, done by one verb of
//! `app` each. What a verb refuses becomes a result code in one place.

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapAddRequest, LdapModify, LdapModifyDNRequest, LdapModifyRequest, LdapModifyType, LdapOp, LdapPartialAttribute,
    LdapResult, LdapResultCode,
};
use ostiary_app::Trouble;
use ostiary_app::directory::{Reader, Target};
use ostiary_app::entries::{EntryError, Kind, Modification, Rename};
use ostiary_model::{Dn, Generation};

use crate::controls::{Controls, post_read_answer, pre_read_answer};
use crate::entry::{self, Shape, Wanted};
use crate::session::{Refusal, Session, dn_of, not_bound, result};

impl Session {
    /// Does what writes, and gives the controls of the answer.
    pub(crate) async fn write(
        &mut self,
        reader: Option<Reader>,
        op: LdapOp,
        controls: Controls,
    ) -> Result<Vec<LdapControl>, Refusal> {
        let reader = reader.ok_or_else(not_bound)?;
        match op {
            LdapOp::AddRequest(request) => self.add(request, controls).await,
            LdapOp::ModifyRequest(request) => self.modify(reader, request, controls).await,
            LdapOp::DelRequest(dn) => self.delete(reader, &dn, controls).await,
            LdapOp::ModifyDNRequest(request) => self.rename(reader, &request, controls).await,
            _ => Err(result(LdapResultCode::UnwillingToPerform, "this is not a request")),
        }
    }

    async fn add(&mut self, request: LdapAddRequest, mut controls: Controls) -> Result<Vec<LdapControl>, Refusal> {
        let dn = dn_of(&request.dn)?;
        let attributes: Vec<_> = request.attributes.into_iter().map(|list| (list.atype, list.vals)).collect();
        if attributes.iter().any(|(name, _)| is_password(name)) {
            self.confidential()?;
        }
        let condition = self.condition(&mut controls)?;
        let ctx = self.ctx()?;
        let added = self.app.entry_add(&ctx, &dn, attributes, condition.as_ref()).await;
        let target = added.map_err(|error| entry_refused(&error))?;
        Ok(self.post_read(target, controls).await.into_iter().collect())
    }

    async fn modify(
        &mut self,
        reader: Reader,
        request: LdapModifyRequest,
        mut controls: Controls,
    ) -> Result<Vec<LdapControl>, Refusal> {
        let dn = dn_of(&request.dn)?;
        let modification = |change: LdapModify| {
            let LdapPartialAttribute { atype, vals } = change.modification;
            Modification { kind: kind_of(&change.operation), attribute: atype, values: vals }
        };
        let modifications: Vec<_> = request.changes.into_iter().map(modification).collect();
        if modifications.iter().any(|modification| is_password(&modification.attribute)) {
            self.confidential()?;
        }
        let condition = self.condition(&mut controls)?;
        let ctx = self.ctx()?;
        let before = self.pre_read(reader, &dn, &mut controls).await;
        let modified = self.app.entry_modify(&ctx, &dn, modifications, condition.as_ref()).await;
        let modified = modified.map_err(|error| entry_refused(&error))?;
        self.renewed(modified.own_generation);
        let after = self.post_read(modified.target, controls).await;
        Ok(before.into_iter().chain(after).collect())
    }

    async fn delete(&mut self, reader: Reader, dn: &str, mut controls: Controls) -> Result<Vec<LdapControl>, Refusal> {
        let dn = dn_of(dn)?;
        let condition = self.condition(&mut controls)?;
        let ctx = self.ctx()?;
        let before = self.pre_read(reader, &dn, &mut controls).await;
        self.app.entry_delete(&ctx, &dn, condition.as_ref()).await.map_err(|error| entry_refused(&error))?;
        Ok(before.into_iter().collect())
    }

    async fn rename(
        &mut self,
        reader: Reader,
        request: &LdapModifyDNRequest,
        mut controls: Controls,
    ) -> Result<Vec<LdapControl>, Refusal> {
        let dn = dn_of(&request.dn)?;
        let rename = Rename {
            name: dn_of(&request.newrdn)?,
            delete_old: request.deleteoldrdn,
            parent: request.new_superior.as_deref().map(dn_of).transpose()?,
        };
        let condition = self.condition(&mut controls)?;
        let ctx = self.ctx()?;
        let before = self.pre_read(reader, &dn, &mut controls).await;
        let renamed = self.app.entry_rename(&ctx, &dn, &rename, condition.as_ref()).await;
        let target = renamed.map_err(|error| entry_refused(&error))?;
        let after = self.post_read(target, controls).await;
        Ok(before.into_iter().chain(after).collect())
    }

    /// The account that is bound has changed its own password over this connection, which proved
    /// the old one: it goes on. All its other connections end.
    pub(crate) fn renewed(&mut self, generation: Option<Generation>) {
        if let (Some(binding), Some(generation)) = (&mut self.binding, generation) {
            binding.generation = generation;
        }
    }

    /// The entry as it is before it is changed (RFC 4527 section 3.1).
    async fn pre_read(&self, reader: Reader, dn: &Dn, controls: &mut Controls) -> Option<LdapControl> {
        let names = controls.pre_read.take()?;
        let target = self.app.directory().find(reader, dn).ok()?;
        self.read(reader, target, names).await.map(pre_read_answer)
    }

    /// The entry as it is now (RFC 4527 section 3.2).
    async fn post_read(&self, target: Target, controls: Controls) -> Option<LdapControl> {
        let names = controls.post_read?;
        let reader = self.reader().ok()??;
        self.read(reader, target, names).await.map(post_read_answer)
    }

    /// An entry as a search would send it.
    async fn read(&self, reader: Reader, target: Target, names: Vec<String>) -> Option<Vec<u8>> {
        let directory = self.app.directory();
        let wanted = Wanted::new(names.iter().map(String::as_str), &directory.schema());
        let pictures = directory.view(reader, target, |view| wanted.pictures(view))?;
        let pictures = self.pictures(target, pictures).await;
        let shape = Shape { wanted: &wanted, types_only: false, pictures: &pictures };
        directory.view(reader, target, |view| entry::operation(view, &shape))
    }
}

const fn kind_of(operation: &LdapModifyType) -> Kind {
    match operation {
        LdapModifyType::Add => Kind::Add,
        LdapModifyType::Delete => Kind::Delete,
        LdapModifyType::Replace => Kind::Replace,
        LdapModifyType::Increment => Kind::Increment,
    }
}

fn is_password(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case("userPassword") || attribute == "2.5.4.35"
}

/// The result for what a verb refuses.
pub(crate) fn entry_refused(error: &EntryError) -> LdapResult {
    let code = match error {
        EntryError::Denied(_) => LdapResultCode::InsufficentAccessRights,
        EntryError::NoSuchEntry { .. } => LdapResultCode::NoSuchObject,
        EntryError::Exists(_) => LdapResultCode::EntryAlreadyExists,
        EntryError::Malformed(_) => LdapResultCode::ProtocolError,
        EntryError::Naming(_) => LdapResultCode::NamingViolation,
        EntryError::NotLeaf => LdapResultCode::NotAllowedOnNonLeaf,
        EntryError::Named(_) => LdapResultCode::NotALlowedOnRDN,
        EntryError::Undefined(_) => LdapResultCode::UndefinedAttributeType,
        EntryError::NoSuchValue(_) => LdapResultCode::NoSuchAttribute,
        EntryError::ValueExists(_) => LdapResultCode::AttributeOrValueExists,
        EntryError::Syntax(_) => LdapResultCode::InvalidAttributeSyntax,
        EntryError::Constraint(_) => LdapResultCode::ConstraintViolation,
        EntryError::Class(_) => LdapResultCode::ObjectClassViolation,
        EntryError::Matching(_) => LdapResultCode::InappropriateMatching,
        EntryError::Unwilling(_) => LdapResultCode::UnwillingToPerform,
        EntryError::Asserted => LdapResultCode::AssertionFailed,
        EntryError::WrongPassword => LdapResultCode::InvalidCredentials,
        EntryError::Busy | EntryError::Trouble(Trouble::Busy) => LdapResultCode::Busy,
        EntryError::Trouble(trouble) => {
            tracing::error!(error = %trouble, "an entry could not be written");
            return result(LdapResultCode::Unavailable, "");
        }
    };
    let matcheddn = match error {
        EntryError::NoSuchEntry { matched } => matched.clone(),
        _ => String::new(),
    };
    LdapResult { matcheddn, ..result(code, &error.to_string()) }
}
