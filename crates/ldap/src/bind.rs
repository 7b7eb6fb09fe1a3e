//! Simple bind (RFC 4511 section 4.2, RFC 4513 section 5.1).

use ldap3_proto::proto::{LdapBindCred, LdapBindRequest, LdapResult, LdapResultCode};
use ostiary_app::{BindFrom, BindName, SignInError, Trouble};
use ostiary_model::{Actor, Dn, Secret};

use crate::session::{Session, result};

impl Session {
    pub(crate) async fn bind(&mut self, request: LdapBindRequest) -> LdapResult {
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
                if bound.user.is_service {
                    self.services.retain(|earlier| earlier.user != bound.user.id);
                    self.services.push(bound.binding());
                }
                self.binding = Some(bound.binding());
                result(LdapResultCode::Success, "")
            }
            Err(error) => refused(&error),
        }
    }
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
