//! Values of the attributes that the schema defines, as an entry in memory holds them: read once,
//! folded once. Pictures are only known to be there.

use ostiary_model::{Attribute, AttributeKind, AttributeValue, Folded, Rule, Schema, StoredValues, Timestamp, Value};

/// One value.
pub(super) enum Held {
    /// Text, and the form in which it is compared where that is another.
    Text(Box<str>, Option<Folded>),
    Integer(i64),
    Boolean(bool),
    Time(Timestamp),
    Picture,
}

/// The values of an entry, by the number of their attribute.
#[derive(Default)]
pub(super) struct Values(Box<[(u32, Box<[Held]>)]>);

impl Values {
    /// Reads what is stored. What the schema does not know (any more) is left out.
    pub(super) fn new(schema: &Schema, stored: StoredValues) -> Self {
        let held = |(number, values): (u32, Vec<Vec<u8>>)| {
            let def = schema.def(number)?;
            let exact = schema.attribute_by_number(number).is_some_and(|attribute| attribute.rule() == Rule::Exact);
            let values: Box<[Held]> = values.iter().filter_map(|bytes| Held::read(def.kind, exact, bytes)).collect();
            (!values.is_empty()).then_some((number, values))
        };
        Self(stored.into_iter().filter_map(held).collect())
    }

    /// The values of one attribute; none when it has none.
    pub(super) fn of(&self, number: u32) -> &[Held] {
        self.0.iter().find(|(own, _)| *own == number).map_or(&[], |(_, values)| values)
    }

    /// All values with the number of their attribute.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.0.iter().flat_map(|(number, values)| values.iter().map(|value| (*number, value)))
    }
}

impl Held {
    fn read(kind: AttributeKind, exact: bool, bytes: &[u8]) -> Option<Self> {
        if kind == AttributeKind::Jpeg {
            return Some(Self::Picture);
        }
        Some(match AttributeValue::parse(kind, bytes).ok()? {
            AttributeValue::Text(text) => {
                let folded = if exact { Folded::exact(&text) } else { Folded::new(&text) };
                let differs = folded.as_str() != text;
                Self::Text(text.into(), differs.then_some(folded))
            }
            AttributeValue::Integer(number) => Self::Integer(number),
            AttributeValue::Boolean(truth) => Self::Boolean(truth),
            AttributeValue::Time(at) => Self::Time(at),
            AttributeValue::Jpeg => Self::Picture,
        })
    }

    /// As filters compare it.
    pub(super) fn compared(&self) -> Value<'_> {
        match self {
            Self::Text(text, folded) => Value::Text(folded.as_ref().map_or(text, |folded| folded.as_str())),
            Self::Integer(number) => Value::Integer(*number),
            Self::Boolean(truth) => Value::Boolean(*truth),
            Self::Time(at) => Value::Time(*at),
            Self::Picture => Value::Opaque,
        }
    }

    /// Hands it over as LDAP writes it. A picture has to be fetched.
    pub(super) fn write(&self, take: &mut dyn FnMut(&str)) {
        match self {
            Self::Text(text, _) => take(text),
            Self::Integer(number) => take(&number.to_string()),
            Self::Boolean(true) => take("TRUE"),
            Self::Boolean(false) => take("FALSE"),
            Self::Time(at) => take(&at.to_generalized_time()),
            Self::Picture => {}
        }
    }
}

/// Whether values of `attribute` have to be fetched from the store.
pub(super) const fn is_picture(attribute: Attribute) -> bool {
    matches!(attribute.rule(), Rule::Picture)
}
