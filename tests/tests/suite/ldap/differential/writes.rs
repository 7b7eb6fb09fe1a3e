//! Writes: entries added, changed, renamed and deleted, most of them as they should be, some with
//! one thing wrong.

use ldap3_proto::proto::{
    LdapAddRequest, LdapModify, LdapModifyDNRequest, LdapModifyRequest, LdapModifyType, LdapPartialAttribute,
};

use super::dn;
use super::values::{Maker, ODD};
use super::world::Item;

/// A request that writes.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Add(LdapAddRequest),
    Modify(LdapModifyRequest),
    Delete(String),
    Rename(LdapModifyDNRequest),
}

impl Write {
    /// The entry that it is about.
    pub(super) fn dn(&self) -> &str {
        match self {
            Self::Add(request) => &request.dn,
            Self::Modify(request) => &request.dn,
            Self::Delete(dn) => dn,
            Self::Rename(request) => &request.dn,
        }
    }
}

/// As many people and groups as a run holds at about any time.
const PEOPLE: usize = 30;
const GROUPS: usize = 14;
/// Entries that nobody changes: the first administrates, rights hang from the groups, and the others
/// cannot be made again over LDAP.
pub(super) const KEPT: &[&str] = &["uid=admin,", "cn=lldap_", "uid=closed,", "uid=past,", "uid=future,"];

pub(super) fn attribute(name: &str, values: &[&str]) -> LdapPartialAttribute {
    let vals = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    LdapPartialAttribute { atype: name.to_owned(), vals }
}

fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|kept| dn::folded(name).starts_with(kept))
}

impl Maker<'_> {
    pub(super) fn write(&mut self) -> Write {
        let (people, groups) = (self.world.people().len(), self.world.groups().len());
        let share = |count: usize, wanted: usize| if count < wanted { (8, 2) } else { (3, 5) };
        let ((add_person, delete_person), (add_group, delete_group)) = (share(people, PEOPLE), share(groups, GROUPS));
        match self.dice.weighted(&[
            (add_person, 0),
            (add_group, 1),
            (delete_person, 2),
            (delete_group, 3),
            (14, 4),
            (14, 5),
            (4, 6),
        ]) {
            0 => Write::Add(self.new_person()),
            1 => Write::Add(self.new_group()),
            2 => Write::Delete(self.doomed(true)),
            3 => Write::Delete(self.doomed(false)),
            4 => Write::Modify(self.changed_person()),
            5 => Write::Modify(self.changed_group()),
            _ => Write::Rename(self.renamed()),
        }
    }

    /// Somebody or some group that may be changed.
    fn one(&mut self, person: bool) -> Option<Item> {
        let all = if person { self.world.people() } else { self.world.groups() };
        let all: Vec<_> = all.into_iter().filter(|item| !is_kept(&item.dn)).collect();
        (!all.is_empty()).then(|| (*self.dice.pick(&all)).clone())
    }

    fn doomed(&mut self, person: bool) -> String {
        let name = match self.dice.below(12) {
            0 => format!("uid=nobody,{}", self.world.people_base()),
            1 => (*self.dice.pick(&["ou=people,dc=localhost", "dc=localhost", "dc=elsewhere", "nonsense", "cn=x,"]))
                .to_owned(),
            _ => self.one(person).map_or_else(|| format!("cn=nothing,{}", self.world.groups_base()), |item| item.dn),
        };
        self.spelled(&name)
    }

    fn username(&mut self) -> String {
        let number = self.dice.below(90);
        let stem = self.dice.pick(&["p", "Ada.", "łukasz_", "서연", "Élodie-", "o-", "straße"]);
        format!("{stem}{number}")
    }

    fn group_name(&mut self) -> String {
        let number = self.dice.below(9);
        format!("{}{number}", self.dice.pick(ODD))
    }

    /// A text that some attribute may hold.
    fn some_text(&mut self) -> String {
        let number = self.dice.below(40);
        match self.dice.below(3) {
            0 => self.dice.pick(ODD).trim().to_owned(),
            1 => format!("Name {number}"),
            _ => format!("{}{number}", self.dice.pick(&["Müller ", "O'Neil ", "van der  Berg ", "김 "])),
        }
    }

    fn address(&mut self) -> String {
        format!("{}{}@Example.tld", self.dice.pick(&["a", "B.", "c+d"]), self.dice.below(2000))
    }

    fn new_person(&mut self) -> LdapAddRequest {
        let name = self.username();
        let mut dn = format!("uid={name},{}", self.world.people_base());
        let mut attributes = vec![attribute("objectClass", &["inetOrgPerson"])];
        let address = self.address();
        attributes.push(attribute("mail", &[&address]));
        for optional in
            ["uid", "displayName", "sn", "givenName", "loginShell", "homeDirectory", "sshPublicKey", "title"]
        {
            if !self.dice.percent(35) {
                continue;
            }
            let value = match optional {
                "uid" => name.clone(),
                "loginShell" => "/bin/zsh".to_owned(),
                "homeDirectory" => format!("/srv/{name}"),
                "sshPublicKey" => format!("ssh-ed25519 AAAA{} {name}", self.dice.below(1000)),
                _ => self.some_text(),
            };
            if self.schema.get(optional).is_some() {
                attributes.push(attribute(optional, &[&value]));
            }
        }
        if self.dice.percent(12) {
            let name = attributes.iter().find(|one| one.atype == "displayName").cloned();
            attributes.extend(name.map(|name| LdapPartialAttribute { atype: "cn".to_owned(), ..name }));
        }
        if self.dice.percent(20) {
            let password = self.password();
            attributes.push(attribute("userPassword", &[&password]));
        }
        if self.dice.percent(10) {
            attributes[0] =
                attribute("objectClass", &["top", "person", "organizationalPerson", "inetOrgPerson", "posixAccount"]);
        }
        match self.dice.below(56) {
            0 => attributes.push(attribute("nonsense", &["x"])),
            1 => attributes.push(attribute("member", &["dc=localhost"])),
            2 => attributes.push(attribute("uidNumber", &["many"])),
            3 => attributes.push(attribute("memberOf", &["dc=localhost"])),
            4 => attributes.retain(|one| one.atype != "mail"),
            5 => attributes[1] = attribute("mail", &[&address, &address.to_uppercase()]),
            6 => dn = format!("uid={name},ou=nowhere,{}", self.world.base),
            7 => dn = format!("uid={name},uid=admin,{}", self.world.people_base()),
            8 => dn = format!("uid={name},{}", self.world.base),
            9 => dn = self.one(true).map_or(dn, |item| item.dn),
            10 => attributes[0] = attribute("objectClass", &["inetOrgPerson", "nonsense"]),
            11 => attributes[0] = attribute("objectClass", &["inetOrgPerson", "groupOfNames"]),
            12 => attributes[1] = attribute("mail", &[&address, "second.of@Example.tld"]),
            13 => dn = format!("uid={name}+cn=x,{}", self.world.people_base()),
            14 => dn = format!("mail={name},{}", self.world.people_base()),
            15 => dn = format!("uid=a\\,b {name},{}", self.world.people_base()),
            16 => attributes.push(attribute("sn", &["One", "Two"])),
            _ => {}
        }
        LdapAddRequest { dn, attributes }
    }

    fn new_group(&mut self) -> LdapAddRequest {
        let name = self.group_name();
        let mut dn = format!("cn={},{}", dn::escaped(&name), self.world.groups_base());
        let mut attributes = vec![attribute("objectClass", &["groupOfNames"])];
        if self.dice.percent(50) {
            attributes.push(attribute("cn", &[&name]));
        }
        if self.dice.percent(60) {
            let members = self.some_members(3);
            let members: Vec<_> = members.iter().map(String::as_str).collect();
            let name = *self.dice.pick(&["member", "uniqueMember"]);
            attributes.push(attribute(name, &members));
            if self.dice.percent(15) {
                let other = if name == "member" { "uniqueMember" } else { "member" };
                attributes.push(attribute(other, &members));
            }
        }
        match self.dice.below(28) {
            0 => attributes.push(attribute("member", &["uid=nobody,ou=people,dc=localhost"])),
            1 => attributes.push(attribute("sn", &["x"])),
            2 => dn = format!("cn={},cn=x,{}", dn::escaped(&name), self.world.groups_base()),
            3 => dn = self.one(false).map_or(dn, |item| item.dn),
            4 => attributes.push(attribute("gidNumber", &["-x"])),
            _ => {}
        }
        LdapAddRequest { dn, attributes }
    }

    /// Names of people, and now and then of a group.
    fn some_members(&mut self, most: usize) -> Vec<String> {
        let mut members: Vec<String> = Vec::new();
        for _ in 0..=self.dice.below(most) {
            let person = !self.dice.percent(15);
            if let Some(item) = self.one(person)
                && !members.iter().any(|other| dn::folded(other) == dn::folded(&item.dn))
            {
                members.push(item.dn);
            }
        }
        if members.is_empty() {
            members.push(format!("uid=admin,{}", self.world.people_base()));
        }
        members.into_iter().map(|name| self.spelled(&name)).collect()
    }

    fn password(&mut self) -> String {
        format!("correct horse {} staple, größer", self.dice.below(1000))
    }

    fn changed_person(&mut self) -> LdapModifyRequest {
        let Some(item) = self.one(true) else { return self.nothing() };
        if self.dice.percent(6) {
            let password = self.password();
            let changes = vec![change(LdapModifyType::Replace, "userPassword", &[&password])];
            return LdapModifyRequest { dn: item.dn, changes };
        }
        let count = self.dice.weighted(&[(6, 1), (2, 2), (1, 3)]);
        let mut changes: Vec<_> = (0..count).map(|_| self.change_of_person(&item)).collect();
        // They are one thing with us: what the first change makes of the other is not known to slapd.
        let is_full_name = |change: &LdapModify| ["cn", "displayName"].contains(&change.modification.atype.as_str());
        let first = changes.iter().find(|change| is_full_name(change)).map(|change| change.modification.atype.clone());
        changes.retain(|change| !is_full_name(change) || first.as_ref() == Some(&change.modification.atype));
        // With us only the end must be whole (RFC 4511 section 4.6), with slapd each step.
        let is_list = |name: &str| ["mail", "sshPublicKey", "x-list"].contains(&name);
        let is_many = |change: &&LdapModify| change.modification.vals.len() > 1 && !is_list(&change.modification.atype);
        let changes = changes.iter().find(is_many).map_or(changes.clone(), |change| vec![change.clone()]);
        LdapModifyRequest { dn: self.spelled(&item.dn), changes }
    }

    fn nothing(&mut self) -> LdapModifyRequest {
        let changes = vec![change(LdapModifyType::Replace, "sn", &["x"])];
        LdapModifyRequest { dn: format!("uid=nobody,{}", self.world.people_base()), changes }
    }

    fn change_of_person(&mut self, item: &Item) -> LdapModify {
        let names = [
            "displayName",
            "cn",
            "sn",
            "givenName",
            "mail",
            "loginShell",
            "homeDirectory",
            "sshPublicKey",
            "uidNumber",
            "gidNumber",
            "title",
            "x-badge",
            "x-flag",
            "x-when",
            "x-list",
        ];
        let names: Vec<_> = names.into_iter().filter(|name| self.schema.get(name).is_some()).collect();
        let name = match self.dice.below(24) {
            0 => *self.dice.pick(&[
                "nonsense",
                "member",
                "memberOf",
                "entryUUID",
                "userAccountControl",
                "uid",
                "objectClass",
            ]),
            _ => *self.dice.pick(&names),
        };
        let own = item.get(&name.to_lowercase());
        let new = self.value_for(name);
        // Most are asked for what can be done.
        let is_list = ["mail", "sshPublicKey", "x-list"].contains(&name);
        let is_needed = ["cn", "mail", "uidNumber", "gidNumber", "uid", "objectClass"].contains(&name);
        let is_number = ["uidNumber", "gidNumber", "x-badge"].contains(&name) && !own.is_empty();
        let any_way = self.dice.percent(25);
        match self.dice.below(20) {
            0..5 if is_list || own.is_empty() || any_way => change(LdapModifyType::Add, name, &[&new]),
            5..8 if !own.is_empty() && (!is_needed || own.len() > 1 || any_way) => {
                let old = self.dice.pick(own).clone();
                let old = if self.dice.percent(40) { old.to_uppercase() } else { old };
                change(LdapModifyType::Delete, name, &[&old])
            }
            8 => change(LdapModifyType::Delete, name, &[&new]),
            9 | 10 if !is_needed && !own.is_empty() || any_way => change(LdapModifyType::Delete, name, &[]),
            11 if !is_needed || any_way => change(LdapModifyType::Replace, name, &[]),
            12 if !own.is_empty() => change(LdapModifyType::Add, name, &[self.dice.pick(own).as_str()]),
            13 if is_list || any_way => {
                let other = self.value_for(name);
                change(LdapModifyType::Replace, name, &[&new, &other])
            }
            14 if is_number || any_way => {
                change(LdapModifyType::Increment, name, &[*self.dice.pick(&["1", "-3", "x"])])
            }
            _ => change(LdapModifyType::Replace, name, &[&new]),
        }
    }

    /// A value of an attribute, now and then none of its kind.
    fn value_for(&mut self, name: &str) -> String {
        let is_wrong = self.dice.percent(5);
        match name {
            "uidNumber" | "gidNumber" | "x-badge" if is_wrong => (*self.dice.pick(&["", "x", "1.5"])).to_owned(),
            "uidNumber" | "gidNumber" => (300_000 + self.dice.below(100_000)).to_string(),
            "x-badge" => (*self.dice.pick(&["0", "-1", "42", "9223372036854775807"])).to_owned(),
            "x-flag" if is_wrong => "perhaps".to_owned(),
            "x-flag" => (*self.dice.pick(&["TRUE", "FALSE"])).to_owned(),
            "x-when" if is_wrong => "tomorrow".to_owned(),
            "x-when" => format!("20{:02}0101000000Z", self.dice.below(90) + 10),
            "mail" => self.address(),
            "member" | "memberOf" => "dc=localhost".to_owned(),
            "objectClass" => (*self.dice.pick(&["person", "posixAccount", "nonsense", "groupOfNames"])).to_owned(),
            "sshPublicKey" => format!("ssh-ed25519 AAAA{} Key", self.dice.below(1000)),
            "loginShell" | "homeDirectory" => format!("/Path/{}", self.dice.below(50)),
            "entryUUID" => "00000000-0000-4000-8000-000000000000".to_owned(),
            "userAccountControl" => "514".to_owned(),
            _ if is_wrong => (*self.dice.pick(&["", " "])).to_owned(),
            _ => self.some_text(),
        }
    }

    fn changed_group(&mut self) -> LdapModifyRequest {
        let Some(item) = self.one(false) else { return self.nothing() };
        let count = self.dice.weighted(&[(6, 1), (2, 2), (1, 3)]);
        let changes: Vec<_> = (0..count).map(|_| self.change_of_group(&item)).collect();
        // What is left of the people after the first change is not known here.
        let by_user = |change: &LdapModify| change.modification.atype == "memberUid";
        let changes = match changes.iter().position(by_user) {
            Some(at) => vec![changes[at].clone()],
            None => changes,
        };
        LdapModifyRequest { dn: self.spelled(&item.dn), changes }
    }

    fn change_of_group(&mut self, item: &Item) -> LdapModify {
        if self.dice.percent(10) {
            let name = *self.dice.pick(&["gidNumber", "gidNumber", "sn", "nonsense", "memberOf", "cn"]);
            let value = self.value_for(name);
            let kind = if self.dice.percent(50) { LdapModifyType::Replace } else { LdapModifyType::Add };
            return change(kind, name, &[&value]);
        }
        let name = *self.dice.pick(&["member", "member", "member", "uniqueMember", "memberUid"]);
        let own = item.get("member").to_vec();
        let mut members = match self.dice.below(12) {
            0 => vec![format!("uid=nobody,{}", self.world.people_base())],
            1 => vec![(*self.dice.pick(&["nonsense", "=x", "cn=\\zz"])).to_owned()],
            _ => self.some_members(2),
        };
        let kind = match self.dice.below(10) {
            0..4 => {
                if self.dice.percent(85) {
                    let is_in = |name: &String| own.iter().any(|member| dn::folded(member) == dn::folded(name));
                    let new: Vec<_> = members.iter().filter(|name| !is_in(name)).cloned().collect();
                    members = if new.is_empty() { members } else { new };
                }
                LdapModifyType::Add
            }
            4..7 => {
                if !own.is_empty() && self.dice.percent(75) {
                    let one = self.dice.pick(&own).clone();
                    members = vec![self.spelled(&one)];
                } else if self.dice.percent(20) {
                    members.clear();
                }
                LdapModifyType::Delete
            }
            7 => {
                members.clear();
                LdapModifyType::Replace
            }
            _ => LdapModifyType::Replace,
        };
        if name == "memberUid" {
            let user = |member: &String| {
                let (kind, value) = dn::parts(member)?.first()?.first()?.clone();
                (kind == "uid" && member.to_lowercase().contains("people")).then_some(value)
            };
            members = members.iter().filter_map(user).collect();
            if members.is_empty() && kind != LdapModifyType::Delete {
                members.push("admin".to_owned());
            }
        }
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        change(kind, name, &members)
    }

    fn renamed(&mut self) -> LdapModifyDNRequest {
        let person = self.dice.percent(60);
        let Some(item) = self.one(person) else {
            return LdapModifyDNRequest {
                dn: format!("uid=nobody,{}", self.world.people_base()),
                newrdn: "uid=x".to_owned(),
                deleteoldrdn: true,
                new_superior: None,
            };
        };
        let (kind, own) = if person { ("uid", self.world.people_base()) } else { ("cn", self.world.groups_base()) };
        let name = if person { self.username() } else { dn::escaped(&self.group_name()) };
        let mut request = LdapModifyDNRequest {
            dn: self.spelled(&item.dn),
            newrdn: format!("{kind}={name}"),
            deleteoldrdn: true,
            new_superior: self.dice.percent(25).then_some(own),
        };
        match self.dice.below(26) {
            0 => request.deleteoldrdn = false,
            1 => request.new_superior = Some(self.world.base.clone()),
            2 => request.new_superior = Some(format!("ou=nowhere,{}", self.world.base)),
            3 => request.newrdn = format!("sn={name}"),
            4 => (*self.dice.pick(&["nonsense", "=x", "uid=a,b"])).clone_into(&mut request.newrdn),
            5 => request.dn = format!("uid=nobody,{}", self.world.people_base()),
            6 => request.dn = self.world.people_base(),
            7 => {
                if let Some(other) = self.one(person) {
                    request.newrdn = other.dn.split(",ou=").next().unwrap_or_default().to_owned();
                }
            }
            _ => {}
        }
        request
    }
}

fn change(operation: LdapModifyType, name: &str, values: &[&str]) -> LdapModify {
    LdapModify { operation, modification: attribute(name, values) }
}
