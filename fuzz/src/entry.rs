//! An entry with something in every attribute.

use ostiary_model::{Attribute, Entry, Folded, Reference, Rule, Timestamp, Value};
use uuid::Uuid;

pub(crate) struct Sample;

impl Entry for Sample {
    fn any(&self, attribute: Attribute, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match attribute.rule() {
            Rule::Text | Rule::Exact => {
                ["", "ada", "ada  okafor", "ﬁn", "김서연"].into_iter().any(|text| matches(Value::Text(text)))
            }
            Rule::ObjectClass => ["top", "person"].into_iter().any(|name| matches(Value::Class(name))),
            Rule::Dn => matches(Value::Reference),
            Rule::Uuid => matches(Value::Uuid(Uuid::from_u128(7))),
            Rule::Time => matches(Value::Time(Timestamp::from_secs(1_800_000_000))),
            Rule::Integer => [0, -1, i64::MAX, i64::MIN].into_iter().any(|number| matches(Value::Integer(number))),
            Rule::Boolean => matches(Value::Boolean(true)),
            Rule::Picture => matches(Value::Opaque),
        }
    }

    fn refers(&self, _: Attribute, reference: &Reference) -> bool {
        matches!(reference, Reference::Dn(dn) if !dn.is_root())
    }

    fn reaches(&self, attribute: Attribute, reference: &Reference) -> bool {
        self.refers(attribute, reference)
    }

    fn is_named(&self, _: Attribute, value: &Folded) -> bool {
        value.as_str() == "ada"
    }
}
