//! Extended operations (RFC 4511 section 4.12): StartTLS, "Who am I?" (RFC 4532) and Password Modify
//! (RFC 3062).

use ldap3_proto::proto::{LdapExtendedResponse, LdapOp, LdapResult, LdapResultCode};
use ostiary_app::directory::Reader;
use ostiary_app::entries::NewPassword;
use ostiary_model::Secret;

use crate::ber::{Reader as Ber, SEQUENCE, Writer, context};
use crate::request::ExtendedRequest;
use crate::root::{PASSWORD_MODIFY, START_TLS, WHO_AM_I};
use crate::session::{Answer, Refusal, Session, result};
use crate::write::entry_refused;

impl Session {
    pub(crate) async fn extended(&mut self, reader: Option<Reader>, request: &ExtendedRequest<'_>) -> Answer {
        let (res, value) = match request.name {
            START_TLS => return self.start_tls(request),
            WHO_AM_I if request.value.is_none() => {
                // An authzId (RFC 4513 section 5.2.1.8); empty for nobody (RFC 4532 section 2.2).
                let dn = reader.and_then(|reader| self.app.directory().dn_of(reader.user));
                let authorization = dn.map_or_else(String::new, |dn| format!("dn:{dn}"));
                (result(LdapResultCode::Success, ""), Some(authorization.into_bytes()))
            }
            PASSWORD_MODIFY => match self.password_modify(request.value).await {
                Ok(value) => (result(LdapResultCode::Success, ""), value),
                Err(refusal) => (refusal, None),
            },
            // RFC 4511 section 4.12.
            _ => (result(LdapResultCode::ProtocolError, "this extended operation is not supported"), None),
        };
        Answer::Replies(vec![LdapOp::ExtendedResponse(LdapExtendedResponse { res, name: None, value })], Vec::new())
    }

    /// Sets a password. Gives the value of the answer: the new password, when it was made here.
    async fn password_modify(&mut self, value: Option<&[u8]>) -> Result<Option<Vec<u8>>, Refusal> {
        self.confidential()?;
        let new = match value {
            None => NewPassword::default(),
            Some(value) => read(value)
                .ok_or_else(|| result(LdapResultCode::ProtocolError, "the value is not that of a password modify"))?,
        };
        let ctx = self.ctx()?;
        let set = self.app.entry_password(&ctx, &new).await.map_err(|error| entry_refused(&error))?;
        self.renewed(set.own_generation);
        Ok(set.made.map(|made| {
            let made = Writer::default().put(context(0), made.expose().as_bytes());
            Writer::default().put_all(SEQUENCE, &made).into_bytes()
        }))
    }

    /// StartTLS (RFC 4511 section 4.14).
    fn start_tls(&self, request: &ExtendedRequest<'_>) -> Answer {
        let res = if self.channel.is_encrypted {
            result(LdapResultCode::OperationsError, "this connection is encrypted already")
        } else if !self.channel.offers_tls {
            result(LdapResultCode::ProtocolError, "this server has no certificate, so it offers no StartTLS")
        } else if request.value.is_some() {
            result(LdapResultCode::ProtocolError, "StartTLS has no value")
        } else {
            return Answer::StartTls;
        };
        Answer::Replies(vec![start_tls_response(res)], Vec::new())
    }
}

/// The answer to StartTLS, which always bears its name (RFC 4511 section 4.14.2).
pub(crate) fn start_tls_response(res: LdapResult) -> LdapOp {
    LdapOp::ExtendedResponse(LdapExtendedResponse { res, name: Some(START_TLS.to_owned()), value: None })
}

/// RFC 3062 section 2: who, the old password, the new one; each of them may be left out. A new
/// password of no characters is none.
fn read(value: &[u8]) -> Option<NewPassword> {
    let mut fields = Ber::of_sequence(value)?;
    let mut field = |number: u8| match fields.take_if(context(number)) {
        Some(bytes) => String::from_utf8(bytes.to_vec()).ok().map(Some),
        None => Some(None),
    };
    let (whose, old, new) = (field(0)?, field(1)?, field(2)?);
    let is_given = |text: &String| !text.is_empty();
    fields.is_empty().then(|| NewPassword {
        whose: whose.filter(is_given),
        old: old.map(Secret::new),
        new: new.filter(is_given).map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_may_be_left_out() {
        let fields = |new: &NewPassword| {
            let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
            (new.whose.clone(), text(&new.old), text(&new.new))
        };
        let text = |text: &str| Some(text.to_owned());
        for (value, expected) in [
            (&b"\x30\x00"[..], (None, None, None)),
            (b"\x30\x03\x80\x01a", (text("a"), None, None)),
            (b"\x30\x06\x81\x01b\x82\x01c", (None, text("b"), text("c"))),
            (b"\x30\x04\x80\x00\x82\x00", (None, None, None)),
        ] {
            assert_eq!(read(value).map(|new| fields(&new)), Some(expected), "{value:02x?}");
        }
        for value in [
            &b""[..],
            b"\x30\x03\x82\x01",
            b"\x30\x06\x82\x01c\x81\x01b",
            b"\x30\x03\x83\x01a",
            b"\x30\x03\x82\x01\xff",
        ] {
            assert!(read(value).is_none(), "{value:02x?}");
        }
    }
}
