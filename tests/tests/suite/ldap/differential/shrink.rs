//! Cases with a little less in them, to find the simplest that goes wrong.

use ldap3_proto::proto::{LdapFilter, LdapSearchRequest};

/// Searches with one thing less.
pub(super) fn simpler(request: &LdapSearchRequest) -> Vec<LdapSearchRequest> {
    let mut found = Vec::new();
    for filter in less(&request.filter) {
        found.push(LdapSearchRequest { filter, ..request.clone() });
    }
    if request.attrs != ["1.1"] {
        found.push(LdapSearchRequest { attrs: vec!["1.1".to_owned()], ..request.clone() });
    }
    if request.attrs.len() > 1 {
        let one = |name: &String| LdapSearchRequest { attrs: vec![name.clone()], ..request.clone() };
        found.extend(request.attrs.iter().map(one));
    }
    if request.typesonly {
        found.push(LdapSearchRequest { typesonly: false, ..request.clone() });
    }
    if request.sizelimit > 0 {
        found.push(LdapSearchRequest { sizelimit: 0, ..request.clone() });
    }
    found
}

/// Filters with one thing less.
fn less(filter: &LdapFilter) -> Vec<LdapFilter> {
    match filter {
        LdapFilter::And(terms) | LdapFilter::Or(terms) => {
            let mut found = terms.clone();
            let is_and = matches!(filter, LdapFilter::And(_));
            let made = |terms: Vec<LdapFilter>| if is_and { LdapFilter::And(terms) } else { LdapFilter::Or(terms) };
            for at in 0..terms.len() {
                let mut fewer = terms.clone();
                fewer.remove(at);
                found.push(made(fewer));
                for simpler in less(&terms[at]) {
                    let mut changed = terms.clone();
                    changed[at] = simpler;
                    found.push(made(changed));
                }
            }
            found
        }
        LdapFilter::Not(term) => {
            let mut found = vec![(**term).clone()];
            found.extend(less(term).into_iter().map(|term| LdapFilter::Not(Box::new(term))));
            found
        }
        _ => Vec::new(),
    }
}
