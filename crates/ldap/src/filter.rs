//! From the filter on the wire to the one that is evaluated.

use ldap3_proto::proto::{LdapFilter, LdapMatchingRuleAssertion};
use ostiary_model::{Filter, MAX_DEPTH, MAX_TERMS, Schema};
use thiserror::Error;

/// Deeper or of more terms than is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the filter is too deep or has too many terms")]
pub(crate) struct TooComplex;

/// Translates `filter`. Terms that cannot be decided become [`Filter::Undefined`].
pub(crate) fn translate(schema: &Schema, filter: LdapFilter) -> Result<Filter, TooComplex> {
    let mut left = MAX_TERMS;
    term(schema, filter, MAX_DEPTH, &mut left)
}

fn term(schema: &Schema, filter: LdapFilter, depth: usize, left: &mut usize) -> Result<Filter, TooComplex> {
    let depth = depth.checked_sub(1).ok_or(TooComplex)?;
    *left = left.checked_sub(1).ok_or(TooComplex)?;
    let mut terms = |list: Vec<LdapFilter>| {
        list.into_iter().map(|inner| term(schema, inner, depth, left)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match filter {
        LdapFilter::And(list) => Filter::And(terms(list)?),
        LdapFilter::Or(list) => Filter::Or(terms(list)?),
        LdapFilter::Not(inner) => Filter::Not(Box::new(term(schema, *inner, depth, left)?)),
        LdapFilter::Present(attribute) => Filter::present(schema, &attribute),
        LdapFilter::Equality(attribute, value) | LdapFilter::Approx(attribute, value) => {
            Filter::equal(schema, &attribute, &value)
        }
        LdapFilter::GreaterOrEqual(attribute, value) => Filter::at_least(schema, &attribute, &value),
        LdapFilter::LessOrEqual(attribute, value) => Filter::at_most(schema, &attribute, &value),
        LdapFilter::Substring(attribute, parts) => {
            let any: Vec<_> = parts.any.iter().map(String::as_str).collect();
            Filter::parts(schema, &attribute, parts.initial.as_deref(), &any, parts.final_.as_deref())
        }
        LdapFilter::Extensible(rule) => extensible(schema, &rule),
    })
}

/// A rule without an attribute is asked of no attribute here.
fn extensible(schema: &Schema, assertion: &LdapMatchingRuleAssertion) -> Filter {
    let Some(attribute) = &assertion.type_ else { return Filter::Undefined };
    let make = if assertion.dn_attributes { Filter::with_name } else { Filter::extensible };
    make(schema, attribute, assertion.matching_rule.as_deref(), &assertion.match_value)
}

#[cfg(test)]
mod tests {
    use ldap3_proto::parse_ldap_filter_str;

    use super::*;

    #[test]
    fn a_filter_on_the_wire_and_its_text_mean_the_same() {
        let schema = Schema::default();
        for text in [
            "(&(|(uid=ada)(mail=ada))(objectClass=person))",
            "(&(member=ada)(objectClass=groupOfUniqueNames))",
            "(!(cn=a*b*c))",
            "(cn=*a)",
            "(cn=a*)",
            "(createTimestamp>=20260101000000Z)",
            "(createTimestamp<=20260101000000Z)",
            "(cn~=ada)",
            "(memberOf:1.2.840.113556.1.4.1941:=staff)",
            "(uid:dn:=ada)",
            "(unknown=*)",
            "(uid=*)",
        ] {
            let wire = parse_ldap_filter_str(text).unwrap();
            assert_eq!(translate(&schema, wire), Ok(Filter::parse(text, &schema).unwrap()), "{text}");
        }
    }

    #[test]
    fn limits_hold() {
        let nested = |depth| (1..depth).fold(LdapFilter::And(Vec::new()), |inner, _| LdapFilter::Not(Box::new(inner)));
        assert!(translate(&Schema::default(), nested(MAX_DEPTH)).is_ok());
        assert_eq!(translate(&Schema::default(), nested(MAX_DEPTH + 1)), Err(TooComplex));
        assert_eq!(
            translate(&Schema::default(), LdapFilter::Or(vec![LdapFilter::And(Vec::new()); MAX_TERMS])),
            Err(TooComplex)
        );
    }
}
