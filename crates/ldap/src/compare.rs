//! Compare (RFC 4511 section 4.10).

use ldap3_proto::proto::{LdapCompareRequest, LdapResult, LdapResultCode};
use ostiary_app::directory::{NoSuchObject, Reader};
use ostiary_model::{Filter, Truth};

use crate::controls::Controls;
use crate::session::{Refusal, Session, dn_of, no_such_object, not_bound, result};

impl Session {
    pub(crate) fn compare(
        &self,
        reader: Option<Reader>,
        request: &LdapCompareRequest,
        mut controls: Controls,
    ) -> Result<LdapResult, Refusal> {
        let reader = reader.ok_or_else(not_bound)?;
        let dn = dn_of(&request.dn)?;
        let directory = self.app.directory();
        let target = directory.find(reader, &dn).map_err(no_such_object)?;
        let condition = self.condition(&mut controls)?;
        self.asserted(reader, target, condition.as_ref())?;
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
}
