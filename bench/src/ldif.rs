//! The population as LDIF (RFC 2849), for a server that is filled that way. memberOf is written
//! beside member, since offline loading runs no overlay.

use std::fmt::Write as _;

use crate::population::{GROUPS, PASSWORD, Population, READER, WRITER, group_name};

/// Everything below and with the base, parents first. `password` makes a stored form of the
/// password.
pub(crate) fn ldif(population: &Population, password: &str) -> String {
    let base = &population.base;
    let (kind, name) = base.split(',').next().and_then(|rdn| rdn.split_once('=')).unwrap_or(("dc", "localhost"));
    let mut text =
        format!("dn: {base}\nobjectClass: dcObject\nobjectClass: organization\no: bench\n{kind}: {name}\n\n");
    for unit in ["people", "groups"] {
        let _ = write!(text, "dn: ou={unit},{base}\nobjectClass: organizationalUnit\nou: {unit}\n\n");
    }
    for name in [READER, WRITER] {
        let _ = write!(
            text,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: Load {name}\nsn: {name}\nuserPassword: {PASSWORD}\n\n",
            population.person_dn(name)
        );
    }
    for person in &population.people {
        let name = person.name();
        let _ = write!(
            text,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: {}\nmail: {}\ncn: {name}\ndisplayName: {name}\n\
             givenName: {}\nsn: {}\nuserPassword: {password}\n",
            population.person_dn(&person.uid),
            person.uid,
            person.mail,
            person.given,
            person.family,
        );
        for group in &person.groups {
            let _ = writeln!(text, "memberOf: {}", population.group_dn(*group));
        }
        text.push('\n');
    }
    for group in 0..GROUPS {
        let name = group_name(group);
        let _ = write!(text, "dn: {}\nobjectClass: groupOfNames\ncn: {name}\n", population.group_dn(group));
        let members = population.members.get(group as usize).into_iter().flatten();
        let people = members.filter_map(|number| population.people.get(*number as usize));
        for person in people {
            let _ = writeln!(text, "member: {}", population.person_dn(&person.uid));
        }
        text.push('\n');
    }
    text
}
