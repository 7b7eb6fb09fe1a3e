//! Server-side sorting (RFC 2891): what results are sorted by, and the results while they are
//! gathered. Only so many are held; a directory that is larger is sent as it stands.

use std::cmp::Ordering;

use ldap3_proto::proto::LdapResultCode;
use ostiary_app::directory::{Target, View};
use ostiary_model::{Attribute, Entry as _, Rule, Schema, Timestamp, Value};

use crate::controls::SortRequest;

/// So many entries are sorted. More are sent unsorted, or not at all where that is not wanted.
const MAX_SORTED: usize = 20_000;

/// What results are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct By {
    attribute: Attribute,
    reverse: bool,
}

/// Why results are not sorted: the code for it, and the attribute that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsorted {
    pub(crate) code: LdapResultCode,
    pub(crate) attribute: Option<String>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Empty where it could not be read.
    by: Vec<By>,
    /// Whether no results are wanted in another order.
    is_critical: bool,
}

/// What is known of the order of results.
#[derive(Debug)]
pub(crate) enum Order {
    /// None was asked for.
    Any,
    /// They are being gathered.
    Gathering(Sorter, Demand),
    /// They are sorted, and nothing is left to look at.
    Sorted(Demand),
    /// They come as they stand, though an order was asked for.
    Failed(Unsorted, Demand),
}

impl Order {
    /// The order that is asked for, or why there is none.
    pub(crate) fn new(schema: &Schema, request: Option<&SortRequest>) -> Self {
        let Some(request) = request else { return Self::Any };
        let is_critical = request.is_critical;
        match keys(schema, request) {
            Ok(by) => Self::Gathering(Sorter::new(by.clone()), Demand { by, is_critical }),
            Err(unsorted) => Self::Failed(unsorted, Demand { by: Vec::new(), is_critical }),
        }
    }

    pub(crate) const fn demand(&self) -> Option<&Demand> {
        match self {
            Self::Any => None,
            Self::Gathering(_, demand) | Self::Sorted(demand) | Self::Failed(_, demand) => Some(demand),
        }
    }

    /// Whether nothing is to be sent, because it would not be in the order that was asked for.
    pub(crate) const fn forbids(&self) -> bool {
        matches!(self, Self::Failed(_, Demand { is_critical: true, .. }))
    }
}

/// A value as it is sorted. There is one kind for each attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Text(String),
    Number(i64),
    Time(Timestamp),
    Uuid(u128),
    Boolean(bool),
}

/// What the request means here.
fn keys(schema: &Schema, request: &SortRequest) -> Result<Vec<By>, Unsorted> {
    let mut keys = Vec::with_capacity(request.keys.len());
    for key in &request.keys {
        let unsorted = |code| Unsorted { code, attribute: Some(key.attribute.clone()) };
        let attribute = schema.attribute(&key.attribute).ok_or_else(|| unsorted(LdapResultCode::NoSuchAttribute))?;
        let rules = ordering_rules(attribute.rule());
        let is_right = |rule: &str| rule.is_empty() || rules.iter().any(|known| known.eq_ignore_ascii_case(rule));
        if rules.is_empty() || !key.rule.as_deref().is_none_or(is_right) {
            return Err(unsorted(LdapResultCode::InappropriateMatching));
        }
        // Named once more it decides nothing, and would be held once more.
        if !keys.iter().any(|by: &By| by.attribute == attribute) {
            keys.push(By { attribute, reverse: key.reverse });
        }
    }
    Ok(keys)
}

/// The rules by which values of a kind can be ordered, by identifier and name. Where there is none,
/// there is no order.
const fn ordering_rules(of: Rule) -> &'static [&'static str] {
    match of {
        Rule::Text => &["2.5.13.3", "caseIgnoreOrderingMatch"],
        Rule::Exact => &["2.5.13.6", "caseExactOrderingMatch"],
        Rule::Integer => &["2.5.13.15", "integerOrderingMatch"],
        Rule::Time => &["2.5.13.28", "generalizedTimeOrderingMatch"],
        Rule::Uuid => &["1.3.6.1.1.16.3", "UUIDOrderingMatch"],
        Rule::ObjectClass | Rule::Dn | Rule::Boolean | Rule::Picture => &[],
    }
}

/// Results that wait for the last one.
#[derive(Debug)]
pub(crate) struct Sorter {
    by: Vec<By>,
    held: Vec<(Vec<Option<Key>>, Target)>,
}

impl Sorter {
    const fn new(by: Vec<By>) -> Self {
        Self { by, held: Vec::new() }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= MAX_SORTED
    }

    /// Holds an entry.
    pub(crate) fn hold(&mut self, view: &View<'_>) {
        let keys = self.by.iter().map(|by| least(view, by.attribute)).collect();
        self.held.push((keys, view.target()));
    }

    /// Everything that is held, in its order; equal ones as they came.
    pub(crate) fn sorted(mut self) -> Vec<Target> {
        self.held.sort_by(|(left, _), (right, _)| order(&self.by, left, right));
        self.unsorted()
    }

    /// Everything that is held, as it came.
    pub(crate) fn unsorted(self) -> Vec<Target> {
        self.held.into_iter().map(|(_, target)| target).collect()
    }
}

/// The least value of an entry (RFC 2891 section 2.2).
fn least(view: &View<'_>, attribute: Attribute) -> Option<Key> {
    let mut least: Option<Key> = None;
    view.any(attribute, &mut |value| {
        let key = match value {
            Value::Text(text) => Key::Text(text.to_owned()),
            Value::Integer(number) => Key::Number(number),
            // Whole seconds, which is what entries show.
            Value::Time(at) => Key::Time(Timestamp::from_secs(at.as_secs())),
            Value::Uuid(uuid) => Key::Uuid(uuid.as_u128()),
            Value::Boolean(truth) => Key::Boolean(truth),
            Value::Class(_) | Value::Reference | Value::Opaque => return false,
        };
        if least.as_ref().is_none_or(|least| key < *least) {
            least = Some(key);
        }
        false
    });
    least
}

fn order(by: &[By], left: &[Option<Key>], right: &[Option<Key>]) -> Ordering {
    for ((by, left), right) in by.iter().zip(left).zip(right) {
        // What has no value is the greatest.
        let order = match (left, right) {
            (Some(left), Some(right)) => left.cmp(right),
            (left, right) => left.is_none().cmp(&right.is_none()),
        };
        let order = if by.reverse { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::SortKey;

    fn request(attribute: &str, rule: Option<&str>) -> SortRequest {
        let key = SortKey { attribute: attribute.to_owned(), rule: rule.map(str::to_owned), reverse: false };
        SortRequest { keys: vec![key], is_critical: false }
    }

    #[test]
    fn only_what_has_an_order_is_sorted_by() {
        let code = |attribute, rule| {
            keys(&Schema::default(), &request(attribute, rule)).map(drop).map_err(|unsorted| unsorted.code)
        };
        for (attribute, rule) in [
            ("cn", None),
            ("SURNAME", Some("2.5.13.3")),
            ("sn", Some("CASEIGNOREORDERINGMATCH")),
            ("uidNumber", Some("integerOrderingMatch")),
            ("createTimestamp", Some("")),
            ("entryUUID", None),
        ] {
            assert_eq!(code(attribute, rule), Ok(()), "{attribute} {rule:?}");
        }
        for (attribute, rule, expected) in [
            ("shoeSize", None, LdapResultCode::NoSuchAttribute),
            ("member", None, LdapResultCode::InappropriateMatching),
            ("jpegPhoto", None, LdapResultCode::InappropriateMatching),
            ("cn", Some("2.5.13.15"), LdapResultCode::InappropriateMatching),
            ("cn", Some("1.2.3"), LdapResultCode::InappropriateMatching),
        ] {
            assert_eq!(code(attribute, rule), Err(expected), "{attribute} {rule:?}");
        }
    }

    #[test]
    fn a_key_that_comes_again_is_held_once() {
        let key = |attribute: &str, reverse| SortKey { attribute: attribute.to_owned(), rule: None, reverse };
        let request =
            SortRequest { keys: vec![key("sn", false), key("cn", true), key("SURNAME", true)], is_critical: false };
        let by = |attribute, reverse| By { attribute, reverse };
        let expected = vec![by(Attribute::Sn, false), by(Attribute::Cn, true)];
        assert_eq!(keys(&Schema::default(), &request), Ok(expected));
    }

    #[test]
    fn the_first_key_counts_most_and_missing_values_are_the_greatest() {
        let by = |reverse| By { attribute: Attribute::Sn, reverse };
        let text = |text: &str| Some(Key::Text(text.to_owned()));
        let two = [by(false), by(true)];
        assert_eq!(order(&two, &[text("a"), text("a")], &[text("b"), text("b")]), Ordering::Less);
        assert_eq!(order(&two, &[text("a"), text("a")], &[text("a"), text("b")]), Ordering::Greater);
        assert_eq!(order(&two, &[None, None], &[text("z"), None]), Ordering::Greater);
        assert_eq!(order(&two, &[None, None], &[None, text("z")]), Ordering::Less);
        assert_eq!(order(&two, &[None, None], &[None, None]), Ordering::Equal);
    }
}
