//! Writes as slapd has to be asked them: names for the same thing are one with us and several
//! attributes with slapd, and what we make by ourselves has to be said there.

use ldap3_proto::proto::{
    LdapAddRequest, LdapModify, LdapModifyDNRequest, LdapModifyRequest, LdapModifyType, LdapPartialAttribute,
};

use super::dn;
use super::known::Known;
use super::schema::Kind;
use super::world::Item;
use super::writes::{Write, attribute};

/// The class of those who have an SSH key, which comes and goes with it.
const KEY_CLASS: &str = "ldapPublicKey";

impl Known {
    /// `made` is what an add has made of it, when it was done.
    pub(super) fn write(&mut self, write: &Write, made: Option<&Item>) -> Write {
        match write {
            Write::Add(request) => Write::Add(self.add(request, made)),
            Write::Modify(request) => {
                let dn = self.dn(&request.dn);
                let person = self.is_person(&dn);
                let own = self.world.find(&dn).cloned();
                let mut changes: Vec<_> =
                    request.changes.iter().flat_map(|change| self.change(person, own.as_ref(), change)).collect();
                let is_key = |change: &LdapModify| change.modification.atype.eq_ignore_ascii_case("sshPublicKey");
                let has_key = own.as_ref().is_some_and(|item| !item.get("sshpublickey").is_empty());
                if person && !has_key && changes.iter().any(is_key) {
                    let modification = attribute("objectClass", &[KEY_CLASS]);
                    changes.insert(0, LdapModify { operation: LdapModifyType::Add, modification });
                }
                if let Some(own) = own.filter(|_| person) {
                    changes.extend(self.home_again(&own, &changes));
                }
                Write::Modify(LdapModifyRequest { dn, changes })
            }
            Write::Delete(dn) => Write::Delete(self.dn(dn)),
            Write::Rename(request) => {
                Write::Rename(LdapModifyDNRequest { dn: self.dn(&request.dn), ..request.clone() })
            }
        }
    }

    /// Gives back the home directory that everybody has who has no other, when the last one is taken.
    fn home_again(&mut self, own: &Item, changes: &[LdapModify]) -> Option<LdapModify> {
        let mut left: Vec<Vec<u8>> = own.get("homedirectory").iter().map(|home| home.as_bytes().to_vec()).collect();
        let mut is_touched = false;
        for LdapModify { operation, modification } in changes {
            if !modification.atype.eq_ignore_ascii_case("homeDirectory") {
                continue;
            }
            is_touched = true;
            match operation {
                LdapModifyType::Delete if modification.vals.is_empty() => left.clear(),
                LdapModifyType::Delete => left.retain(|value| !modification.vals.contains(value)),
                LdapModifyType::Replace => left.clone_from(&modification.vals),
                LdapModifyType::Add => left.extend(modification.vals.iter().cloned()),
                LdapModifyType::Increment => {}
            }
        }
        if !is_touched || !left.is_empty() {
            return None;
        }
        self.met.note("default");
        let home = format!("/home/{}", dn::parts(&own.dn)?.first()?.first()?.1);
        Some(LdapModify { operation: LdapModifyType::Add, modification: attribute("homeDirectory", &[&home]) })
    }

    fn is_person(&self, name: &str) -> bool {
        dn::folded(name).ends_with(&self.world.people_base())
    }

    fn add(&mut self, request: &LdapAddRequest, made: Option<&Item>) -> LdapAddRequest {
        let is_class = |one: &&LdapPartialAttribute| one.atype.eq_ignore_ascii_case("objectClass");
        let mut classes = request.attributes.iter().filter(is_class).flat_map(|one| &one.vals);
        let person = classes.any(|class| class.eq_ignore_ascii_case(b"inetOrgPerson"));
        let mut attributes: Vec<LdapPartialAttribute> = Vec::new();
        for one in &request.attributes {
            for name in self.places(person, &one.atype, false) {
                let vals = self.member_values(&one.atype, &one.vals);
                match attributes.iter_mut().find(|other| other.atype.eq_ignore_ascii_case(&name)) {
                    // Two names for one thing: what both say is said once.
                    Some(other) => {
                        let plain = |value: &Vec<u8>| dn::folded(&String::from_utf8_lossy(value));
                        let more: Vec<_> = vals
                            .into_iter()
                            .filter(|value| other.vals.iter().all(|known| plain(known) != plain(value)))
                            .collect();
                        other.vals.extend(more);
                    }
                    None => attributes.push(LdapPartialAttribute { atype: name, vals }),
                }
            }
        }
        self.complete(person, &mut attributes, made, &request.dn);
        LdapAddRequest { dn: request.dn.clone(), attributes }
    }

    /// Adds what nobody has to say to us.
    fn complete(&mut self, person: bool, attributes: &mut Vec<LdapPartialAttribute>, made: Option<&Item>, name: &str) {
        let own = dn::parts(name).and_then(|parts| Some(parts.first()?.first()?.1.clone())).unwrap_or_default();
        let classes: &[&str] = if person {
            &["top", "person", "organizationalPerson", "inetOrgPerson", "posixAccount", "mailAccount"]
        } else {
            &["top", "groupOfNames", "groupOfUniqueNames", "posixGroup"]
        };
        let has_key = attributes.iter().any(|one| one.atype.eq_ignore_ascii_case("sshPublicKey"));
        let mut put = |name: &str, values: Vec<String>| match attributes
            .iter_mut()
            .find(|one| one.atype.eq_ignore_ascii_case(name))
        {
            Some(one) if name == "objectclass" => {
                let has = |one: &LdapPartialAttribute, value: &str| {
                    one.vals.iter().any(|other| other.eq_ignore_ascii_case(value.as_bytes()))
                };
                let more: Vec<_> = values.iter().filter(|value| !has(one, value)).collect();
                one.vals.extend(more.into_iter().map(|value| value.as_bytes().to_vec()));
            }
            Some(_) => {}
            None => {
                let values: Vec<_> = values.iter().map(String::as_str).collect();
                attributes.push(attribute(name, &values));
            }
        };
        let mut classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        classes.extend(has_key.then(|| KEY_CLASS.to_owned()));
        put("objectclass", classes);
        let made_of = |name: &str, otherwise: &str| {
            made.map(|item| item.get(name).to_vec())
                .filter(|values| !values.is_empty())
                .unwrap_or_else(|| vec![otherwise.to_owned()])
        };
        put("cn", made_of("cn", &own));
        put("gidnumber", made_of("gidnumber", "7"));
        if person {
            put("displayname", made_of("displayname", &own));
            put("uidnumber", made_of("uidnumber", "7"));
            put("homedirectory", made_of("homedirectory", "/"));
            put("loginshell", made_of("loginshell", "/"));
        }
        self.met.note("made here");
    }

    /// The attributes that hold with slapd what `name` holds with us.
    fn places(&mut self, person: bool, name: &str, empties: bool) -> Vec<String> {
        let known = self.schema.get(name).map(|one| one.name().to_lowercase());
        let places: &[&str] = match (person, known.as_deref().unwrap_or_default()) {
            // Without a name of their own people have one that is made.
            (true, "displayname") if empties => &["displayName"],
            (true, "cn" | "displayname") => &["cn", "displayName"],
            (false, "cn" | "displayname" | "uid") => &["cn", "displayName", "uid"],
            (false, "member" | "uniquemember" | "memberuid") => &["member"],
            _ => return vec![self.attribute(name)],
        };
        self.met.note("one thing");
        places.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Members by name, where they are named by their user name.
    fn member_values(&mut self, name: &str, values: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if self.schema.get(name).is_some_and(|one| one.kind == Kind::Dn) {
            let named = |value: &Vec<u8>| self.dn(&String::from_utf8_lossy(value)).into_bytes();
            return values.iter().map(named).collect();
        }
        if !name.eq_ignore_ascii_case("memberUid") {
            return values.to_vec();
        }
        let named = |value: &Vec<u8>| {
            let user = dn::escaped(&String::from_utf8_lossy(value));
            format!("uid={user},{}", self.world.people_base()).into_bytes()
        };
        values.iter().map(named).collect()
    }

    fn change(&mut self, person: bool, own: Option<&Item>, change: &LdapModify) -> Vec<LdapModify> {
        let empties = match change.operation {
            LdapModifyType::Delete => true,
            LdapModifyType::Replace => change.modification.vals.is_empty(),
            _ => false,
        };
        let name = &change.modification.atype;
        let mut vals = self.member_values(name, &change.modification.vals);
        if name.eq_ignore_ascii_case("memberUid")
            && let Some(own) = own
        {
            // It is about people alone.
            let (people, groups): (Vec<_>, Vec<_>) =
                own.get("member").iter().cloned().partition(|member| self.is_person(member));
            match change.operation {
                LdapModifyType::Replace => vals.extend(groups.into_iter().map(String::into_bytes)),
                LdapModifyType::Delete if vals.is_empty() && people.is_empty() => {
                    vals.push(format!("uid=nobody,{}", self.world.people_base()).into_bytes());
                }
                LdapModifyType::Delete if vals.is_empty() => vals.extend(people.into_iter().map(String::into_bytes)),
                _ => {}
            }
        }
        let one = |atype: String| LdapModify {
            operation: change.operation.clone(),
            modification: LdapPartialAttribute { atype, vals: vals.clone() },
        };
        self.places(person, name, empties).into_iter().map(one).collect()
    }
}
