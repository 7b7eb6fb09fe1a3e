//! A request as slapd has to be asked it, where the two are meant to differ ([`super::rules`]).

use ldap3_proto::proto::{
    LdapCompareRequest, LdapFilter, LdapMatchingRuleAssertion, LdapSearchRequest, LdapSubstringFilter,
};

use super::dn;
use super::known::Known;
use super::schema::{Kind, Type};

const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
/// An attribute that nobody knows.
const UNKNOWN: &str = "x-unknown";

impl Known {
    pub(super) fn search(&mut self, request: &LdapSearchRequest) -> LdapSearchRequest {
        let mut attrs: Vec<String> = request.attrs.iter().map(|name| self.selected(name)).collect();
        if attrs.iter().any(|name| name == "+") {
            self.met.note("operational");
            attrs.extend(self.operational.iter().cloned());
        }
        LdapSearchRequest {
            base: self.dn(&request.base),
            filter: self.filter(&request.filter),
            attrs,
            sizelimit: 0,
            ..request.clone()
        }
    }

    fn selected(&mut self, name: &str) -> String {
        if name.eq_ignore_ascii_case("dn") {
            self.met.note("dn");
            return UNKNOWN.to_owned();
        }
        self.attribute(name)
    }

    pub(super) fn compare(&mut self, request: &LdapCompareRequest) -> LdapCompareRequest {
        let atype = self.attribute(&request.atype);
        let mut val = request.val.clone();
        if let (Some(one), Ok(text)) = (self.known(&request.atype), str::from_utf8(&request.val)) {
            val = match one.kind {
                Kind::Dn => self.reference(&one, text).into_bytes(),
                // It knows the class, and no entry has it.
                Kind::Class if self.is_unknown_class(one.name(), text) => b"subentry".to_vec(),
                Kind::Boolean => self.truth(text).into_bytes(),
                _ => val,
            };
        }
        LdapCompareRequest { dn: self.dn(&request.dn), atype, val }
    }

    /// Whether a value looks like a class that nobody has defined.
    fn is_unknown_class(&mut self, name: &str, value: &str) -> bool {
        let structural = [
            "inetOrgPerson",
            "groupOfUniqueNames",
            "organizationalUnit",
            "domain",
            "2.16.840.1.113730.3.2.2",
            "2.5.6.17",
            "2.5.6.5",
            "0.9.2342.19200300.100.4.13",
        ];
        if name == "structuralObjectClass"
            && self.schema.has_class(value)
            && !structural.iter().any(|class| class.eq_ignore_ascii_case(value))
        {
            self.met.note("superclass");
            return true;
        }
        let is_name =
            !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
        let is_unknown = is_name && !self.schema.has_class(value);
        if is_unknown {
            self.met.note("unknown class");
        }
        is_unknown
    }

    /// TRUE and FALSE as the grammar has them.
    fn truth(&mut self, value: &str) -> String {
        let upper = value.to_uppercase();
        if upper == value || !["TRUE", "FALSE"].contains(&upper.as_str()) {
            return value.to_owned();
        }
        self.met.note("truth");
        upper
    }

    fn known(&self, name: &str) -> Option<Type> {
        self.schema.get(name).cloned()
    }

    /// The standard's name of an attribute.
    pub(super) fn attribute(&mut self, name: &str) -> String {
        if name.contains(';') {
            self.met.note("option");
            return UNKNOWN.to_owned();
        }
        match self.known(name) {
            Some(one) if one.is_of_root => {
                self.met.note("of the root");
                UNKNOWN.to_owned()
            }
            Some(one) if !one.name().eq_ignore_ascii_case(name) && one.oid != name => {
                self.met.note("alias");
                one.name().to_owned()
            }
            _ => name.to_owned(),
        }
    }

    /// The name of an entry by its own RDN.
    pub(super) fn dn(&mut self, text: &str) -> String {
        let Some(mut parts) = dn::parts(text) else { return text.to_owned() };
        let (people, groups) = (self.world.people_base(), self.world.groups_base());
        let branch = dn::folded(&dn::written(&parts.iter().skip(1).cloned().collect()));
        let Some((kind, _)) = parts.first_mut().and_then(|rdn| rdn.first_mut()) else { return text.to_owned() };
        let right = match kind.as_str() {
            "cn" if branch == people.to_lowercase() => "uid",
            "uid" if branch == groups.to_lowercase() => "cn",
            _ => return text.to_owned(),
        };
        self.met.note("either RDN");
        right.clone_into(kind);
        dn::written(&parts)
    }

    /// The name that a value of a reference stands for.
    fn reference(&mut self, one: &Type, value: &str) -> String {
        if value.contains('=') || value.is_empty() {
            return self.dn(value);
        }
        self.met.note("plain name");
        let is_group = one.name().eq_ignore_ascii_case("memberOf");
        let escaped = dn::escaped(value.trim());
        if is_group {
            return format!("cn={escaped},{}", self.world.groups_base());
        }
        // Whom else it names, it names as a person.
        format!("uid={escaped},{}", self.world.people_base())
    }

    pub(super) fn filter(&mut self, filter: &LdapFilter) -> LdapFilter {
        match filter {
            LdapFilter::And(terms) => LdapFilter::And(terms.iter().map(|term| self.filter(term)).collect()),
            LdapFilter::Or(terms) => LdapFilter::Or(terms.iter().map(|term| self.filter(term)).collect()),
            LdapFilter::Not(term) => LdapFilter::Not(Box::new(self.filter(term))),
            LdapFilter::Present(name) => LdapFilter::Present(self.attribute(name)),
            LdapFilter::Equality(name, value) => self.equality(name, value),
            LdapFilter::Approx(name, value) => {
                self.met.note("approx");
                self.equality(name, value)
            }
            LdapFilter::Substring(name, parts) => self.parts(name, parts),
            LdapFilter::GreaterOrEqual(name, value) => LdapFilter::GreaterOrEqual(self.ordered(name), value.clone()),
            LdapFilter::LessOrEqual(name, value) => LdapFilter::LessOrEqual(self.ordered(name), value.clone()),
            LdapFilter::Extensible(assertion) => self.extensible(assertion),
        }
    }

    fn parts(&mut self, name: &str, parts: &LdapSubstringFilter) -> LdapFilter {
        let name = self.attribute(name);
        let texts: Vec<_> = parts.initial.iter().chain(&parts.any).chain(&parts.final_).collect();
        let is_text = self.known(&name).is_some_and(|one| matches!(one.kind, Kind::Text | Kind::Exact));
        if is_text && matches!(texts.as_slice(), [text] if text.trim().is_empty()) {
            self.met.note("edges");
            return LdapFilter::Present(name);
        }
        LdapFilter::Substring(name, parts.clone())
    }

    /// cn and uid have no order with slapd, so there are copies that have one.
    pub(super) fn ordered(&mut self, name: &str) -> String {
        let name = self.attribute(name);
        match self.known(&name) {
            Some(one) if ["cn", "uid"].contains(&one.name()) => {
                self.met.note("order");
                format!("ordered-{}", one.name())
            }
            _ => name,
        }
    }

    fn equality(&mut self, name: &str, value: &str) -> LdapFilter {
        let asked = self.attribute(name);
        let one = match self.known(&asked) {
            Some(one) if one.kind == Kind::Dn => one,
            Some(one) if one.kind == Kind::Class && self.is_unknown_class(one.name(), value) => {
                return LdapFilter::Or(Vec::new());
            }
            Some(one) if one.kind == Kind::Boolean => return LdapFilter::Equality(asked, self.truth(value)),
            _ => return LdapFilter::Equality(asked, value.to_owned()),
        };
        let value = self.reference(&one, value);
        let direct = LdapFilter::Equality(asked.clone(), value.clone());
        if one.name().eq_ignore_ascii_case("memberOf") {
            return self.or_through(asked, direct, self.world.groups_in(&value), "effective");
        }
        direct
    }
    #[expect(clippy::needless_pass_by_value, reason = "callers are done with it")]
    fn or_through(&mut self, name: String, direct: LdapFilter, through: Vec<String>, rule: &'static str) -> LdapFilter {
        if through.is_empty() {
            return direct;
        }
        self.met.note(rule);
        let more = through.into_iter().map(|group| LdapFilter::Equality(name.clone(), group));
        LdapFilter::Or([direct].into_iter().chain(more).collect())
    }

    fn extensible(&mut self, assertion: &LdapMatchingRuleAssertion) -> LdapFilter {
        let Some(asked) = &assertion.type_ else { return LdapFilter::Extensible(assertion.clone()) };
        let name = self.attribute(asked);
        let known = self.known(&name);
        let mut value = assertion.match_value.clone();
        if let Some(one) = known.as_ref().filter(|one| one.kind == Kind::Dn) {
            value = self.reference(one, &value);
        }
        let is_chain = assertion.matching_rule.as_deref() == Some(IN_CHAIN);
        let is_own = |one: &Type| match (one.kind, assertion.matching_rule.as_deref()) {
            (_, None) => true,
            (Kind::Uuid, Some(rule)) => ["UUIDMatch", "1.3.6.1.1.16.2"].contains(&rule),
            (Kind::Boolean, Some(rule)) => ["booleanMatch", "2.5.13.13"].contains(&rule),
            (Kind::Class, Some(rule)) => ["objectIdentifierMatch", "2.5.13.0"].contains(&rule),
            _ => false,
        };
        match &known {
            Some(one) if is_own(one) && matches!(one.kind, Kind::Uuid | Kind::Boolean | Kind::Class) => {
                self.met.note("by rule");
                self.equality(&name, &value)
            }
            Some(one) if one.kind == Kind::Dn && (is_chain || one.name() == "memberOf") => {
                if is_chain {
                    self.met.note("in chain");
                }
                let direct = LdapFilter::Extensible(LdapMatchingRuleAssertion {
                    matching_rule: assertion.matching_rule.clone().filter(|_| !is_chain),
                    type_: Some(name.clone()),
                    match_value: value.clone(),
                    dn_attributes: assertion.dn_attributes,
                });
                let through = match one.name() {
                    "memberOf" => self.world.groups_in(&value),
                    "member" | "uniqueMember" if is_chain => self.world.groups_of(&value).into_iter().collect(),
                    _ => Vec::new(),
                };
                self.or_through(name, direct, through, if is_chain { "in chain" } else { "effective" })
            }
            _ => LdapFilter::Extensible(LdapMatchingRuleAssertion {
                type_: Some(name),
                match_value: value,
                ..assertion.clone()
            }),
        }
    }
}
