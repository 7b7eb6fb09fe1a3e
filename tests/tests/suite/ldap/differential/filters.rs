//! Filters of every kind, nested, many of them near to what entries hold.

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion, LdapSubstringFilter};

use super::schema::Kind;
use super::values::Maker;

const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

impl Maker<'_> {
    /// A filter with at most so many levels.
    pub(super) fn filter(&mut self, levels: usize) -> LdapFilter {
        if levels > 1 && self.dice.percent(45) {
            let terms = |maker: &mut Self| {
                let count = maker.dice.weighted(&[(1, 0), (4, 1), (10, 2), (6, 3), (2, 5)]);
                (0..count).map(|_| maker.filter(levels - 1)).collect()
            };
            return match self.dice.below(8) {
                0..3 => LdapFilter::And(terms(self)),
                3..7 => LdapFilter::Or(terms(self)),
                _ => LdapFilter::Not(Box::new(self.filter(levels - 1))),
            };
        }
        self.item()
    }

    /// A condition of a write. On an entry that is not there yet it is about what is given, since the
    /// two servers make what is not given at different times.
    pub(super) fn condition(&mut self, is_add: bool) -> LdapFilter {
        if !is_add {
            return self.filter(2);
        }
        let name = (*self.dice.pick(&["sn", "givenName", "mail"])).to_owned();
        let filter = match self.dice.below(3) {
            0 => LdapFilter::Present(name),
            _ => LdapFilter::GreaterOrEqual(name.clone(), self.assertion(&name)),
        };
        if self.dice.percent(40) { LdapFilter::Not(Box::new(filter)) } else { filter }
    }

    fn item(&mut self) -> LdapFilter {
        let name = self.attribute();
        match self.dice.below(100) {
            0..40 => LdapFilter::Equality(name.clone(), self.assertion(&name)),
            40..55 => LdapFilter::Present(name),
            55..75 => self.parts(name),
            75..82 => LdapFilter::GreaterOrEqual(name.clone(), self.assertion(&name)),
            82..89 => LdapFilter::LessOrEqual(name.clone(), self.assertion(&name)),
            89..92 => LdapFilter::Approx(name.clone(), self.assertion(&name)),
            _ => self.extensible(name),
        }
    }

    fn parts(&mut self, name: String) -> LdapFilter {
        let known = self.schema.get(&name).map(|one| one.name().to_lowercase());
        let value = known.and_then(|known| self.there(&known)).unwrap_or_else(|| "nobody".to_owned());
        let value: Vec<char> = if self.dice.percent(30) { value.to_uppercase() } else { value }.chars().collect();
        let mut cut = |from: usize| {
            let start = from + self.dice.below(value.len().saturating_sub(from) + 1);
            let end = start + self.dice.below(value.len().saturating_sub(start) + 1);
            (end, value[start..end].iter().collect::<String>())
        };
        let (one, first) = cut(0);
        let (two, second) = cut(one);
        let (_, third) = cut(two);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let from_start = |end: usize| some(value[..end].iter().collect());
        let to_end = |start: usize| some(value[start..].iter().collect());
        let mut filter = LdapSubstringFilter { initial: None, any: Vec::new(), final_: None };
        match self.dice.below(6) {
            0 => filter.initial = from_start(one),
            1 => filter.final_ = to_end(one),
            2 => (filter.initial, filter.final_) = (from_start(one), to_end(two)),
            3 => filter.any = [first, third].into_iter().filter(|text| !text.is_empty()).collect(),
            4 => (filter.any, filter.final_) = (some(second).into_iter().collect(), to_end(two)),
            _ => filter.any = some(first).into_iter().collect(),
        }
        if filter.initial.is_none() && filter.any.is_empty() && filter.final_.is_none() {
            filter.initial = Some("a".to_owned());
        }
        LdapFilter::Substring(name, filter)
    }

    fn extensible(&mut self, name: String) -> LdapFilter {
        let kind = self.schema.get(&name).map(|one| one.kind);
        let own = match kind {
            Some(Kind::Text) => ["caseIgnoreMatch", "2.5.13.2"],
            Some(Kind::Exact) => ["caseExactMatch", "2.5.13.5"],
            Some(Kind::Integer) => ["integerMatch", "1.2.840.113556.1.4.803"],
            Some(Kind::Dn) => ["distinguishedNameMatch", IN_CHAIN],
            Some(Kind::Time) => ["generalizedTimeMatch", "2.5.13.27"],
            Some(Kind::Uuid) => ["UUIDMatch", "1.3.6.1.1.16.2"],
            Some(Kind::Class) => ["objectIdentifierMatch", "2.5.13.0"],
            Some(Kind::Boolean) => ["booleanMatch", "2.5.13.13"],
            Some(Kind::Bytes) | None => ["caseIgnoreMatch", "nonsenseMatch"],
        };
        let rule = match self.dice.below(6) {
            0 => None,
            1 => Some("1.2.3.4.5"),
            2 if kind == Some(Kind::Integer) => Some("1.2.840.113556.1.4.804"),
            _ => Some(*self.dice.pick(&own)),
        };
        let match_value = self.assertion(&name);
        LdapFilter::Extensible(LdapMatchingRuleAssertion {
            matching_rule: rule.map(str::to_owned),
            type_: Some(name),
            match_value,
            dn_attributes: self.dice.percent(15),
        })
    }
}
