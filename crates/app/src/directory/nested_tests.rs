//! Groups in groups, attributes of administrators, accounts at their end, managers.

use std::sync::Arc;

use ostiary_model::{
    Attribute, Email, Group, GroupEntry, LOGIN_SHELL, Membership, Nesting, SSH_PUBLIC_KEY, STRICT_READONLY_GROUP, Span,
    UserEntry,
};
use ostiary_store::Snapshot;

use super::state::Row;
use super::tests::{BASE, NOW, found, group, group_id, of, reader, schema, short, user, user_id, values};
use super::{Directory, Reader, Scope};

/// Bob is in the team, the team in staff, staff in everybody; Ada manages the team, Carla is in staff
/// herself and in the team.
fn nested() -> Directory {
    let mut people: Vec<UserEntry> = [(1, "ada"), (2, "bob"), (3, "carla"), (4, "svc")]
        .into_iter()
        .map(|(number, name)| UserEntry { user: user(number, name, name), addresses: Vec::new(), values: Vec::new() })
        .collect();
    people[1].addresses = vec![Email::from_stored("Robert@example.org".into())];
    people[1].values = vec![
        (1001, vec![b"7".to_vec()]),
        (1002, vec![b"100".to_vec()]),
        (1003, vec![b"Red  Hair".to_vec(), b"tall".to_vec()]),
        (LOGIN_SHELL, vec![b"/bin/zsh".to_vec()]),
        (SSH_PUBLIC_KEY, vec![b"ssh-ed25519 AAAA bob".to_vec()]),
    ];
    people[2].user.validity.not_after = Some(NOW);
    let names = [(1, "team"), (2, "staff"), (3, "everybody"), (4, STRICT_READONLY_GROUP)];
    let mut groups: Vec<GroupEntry> = names
        .into_iter()
        .map(|(number, name)| GroupEntry { group: group(number, name), values: Vec::new(), managers: Vec::new() })
        .collect();
    groups[0].managers = vec![user_id(1)];
    groups[0].values = vec![(1003, vec![b"red hair".to_vec()])];
    let members = [(2, 1), (3, 1), (3, 2), (4, 4)];
    let nestings = [(1, 2), (2, 3)];
    of(Snapshot {
        seq: 0,
        schema: schema(),
        users: people,
        groups,
        memberships: members.map(|(who, to)| Membership { user: user_id(who), group: group_id(to) }).to_vec(),
        nestings: nestings.map(|(who, to)| Nesting { child: group_id(who), parent: group_id(to) }).to_vec(),
    })
}

#[test]
fn membership_reaches_through_groups() {
    let house = nested();
    let svc = reader(&house, 4);
    let names = |groups: Vec<Arc<Group>>| groups.iter().map(|group| group.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(house.groups_of(user_id(2))), ["everybody", "staff", "team"]);
    assert_eq!(names(house.direct_groups_of(user_id(2))), ["team"]);
    let of = |name: &str, attribute| short(values(&house, svc, &format!("{name},{BASE}"), attribute)).join("|");
    assert_eq!(of("uid=bob,ou=people", Attribute::MemberOf), "cn=team,G,B|cn=staff,G,B|cn=everybody,G,B");
    assert_eq!(of("cn=team,ou=groups", Attribute::MemberOf), "cn=staff,G,B|cn=everybody,G,B");
    assert_eq!(of("cn=staff,ou=groups", Attribute::Member), "uid=carla,P,B|cn=team,G,B");
    assert_eq!(of("cn=everybody,ou=groups", Attribute::MemberUid), "bob|carla");
    let all = |text: &str| short(found(&house, svc, BASE, Scope::Subtree, text)).join("|");
    assert_eq!(all("(memberOf=everybody)"), "uid=bob,P,B|uid=carla,P,B|cn=team,G,B|cn=staff,G,B");
    assert_eq!(all("(member=bob)"), "cn=team,G,B");
    assert_eq!(all("(member=cn=team,ou=groups,dc=example,dc=org)"), "cn=staff,G,B");
    assert_eq!(all("(member:1.2.840.113556.1.4.1941:=bob)"), "cn=team,G,B|cn=staff,G,B|cn=everybody,G,B");
    assert_eq!(
        all("(member:1.2.840.113556.1.4.1941:=cn=team,ou=groups,dc=example,dc=org)"),
        "cn=staff,G,B|cn=everybody,G,B"
    );
    assert_eq!(all("(memberUid=bob)"), "cn=team,G,B|cn=staff,G,B|cn=everybody,G,B");
}

#[test]
fn a_way_through_groups_ends_where_it_is_cut() {
    let house = nested();
    let cut = Nesting { child: group_id(1), parent: group_id(2) };
    house.write(|state| state.set(Row::Nesting(cut, false)));
    assert_eq!(house.groups_of(user_id(2)).len(), 1);
    house.write(|state| state.set(Row::Nesting(cut, true)));
    assert_eq!(house.groups_of(user_id(2)).len(), 3);
    house.write(|state| state.set(Row::Group(group_id(2), None)));
    assert_eq!(house.groups_of(user_id(2)).len(), 1);
    assert_eq!(house.groups_of(user_id(3)).len(), 1);
    // A circle, which no transaction lets come about, ends as well.
    for (child, parent) in [(1, 3), (3, 1)] {
        let nesting = Nesting { child: group_id(child), parent: group_id(parent) };
        house.write(|state| state.set(Row::Nesting(nesting, true)));
    }
    assert_eq!(house.groups_of(user_id(2)).len(), 2);
}

#[test]
fn attributes_of_administrators_are_shown_and_found() {
    let house = nested();
    let svc = reader(&house, 4);
    let bob = reader(&house, 2);
    let attribute = |name: &str| schema().attribute(name).unwrap();
    let own = |reader, name: &str| values(&house, reader, &format!("uid=bob,ou=people,{BASE}"), attribute(name));
    assert_eq!(own(svc, "tag"), ["Red  Hair", "tall"]);
    assert_eq!(own(svc, "loginShell"), ["/bin/zsh"]);
    assert_eq!(own(svc, "homeDirectory"), ["/home/bob"]);
    assert_eq!(own(svc, "mail"), ["bob@Example.org", "Robert@example.org"]);
    assert_eq!(own(svc, "salary"), ["100"]);
    assert_eq!(own(bob, "salary"), [""; 0]);
    assert!(own(svc, "objectClass").contains(&"ldapPublicKey".to_owned()));
    let all = |reader, text: &str| short(found(&house, reader, BASE, Scope::Subtree, text)).join("|");
    assert_eq!(all(svc, "(tag=RED hair)"), "uid=bob,P,B|cn=team,G,B");
    assert_eq!(all(svc, "(tag=*hair)"), "uid=bob,P,B|cn=team,G,B");
    assert_eq!(all(svc, "(badge=7)"), "uid=bob,P,B");
    assert_eq!(all(svc, "(badge>=8)"), "");
    assert_eq!(all(svc, "(salary=100)"), "uid=bob,P,B");
    assert_eq!(all(bob, "(salary=100)"), "");
    assert_eq!(all(bob, "(salary>=1)"), "");
    assert_eq!(all(svc, "(mail=ROBERT@example.org)"), "uid=bob,P,B");
    assert_eq!(all(svc, "(loginShell=/bin/sh)"), "uid=ada,P,B|uid=carla,P,B|uid=svc,P,B");
    assert_eq!(all(svc, "(loginShell=/BIN/zsh)"), "");
    assert_eq!(all(svc, "(objectClass=gardener)"), "uid=ada,P,B|uid=bob,P,B|uid=carla,P,B|uid=svc,P,B");
}

#[test]
fn an_account_at_its_end_is_shown_as_closed() {
    let house = nested();
    let svc = reader(&house, 4);
    let carla = format!("uid=carla,ou=people,{BASE}");
    assert_eq!(values(&house, svc, &carla, Attribute::UserAccountControl), ["514"]);
    assert_eq!(values(&house, svc, &carla, Attribute::PwdAccountLockedTime), ["000001010000Z"]);
    let before = Reader { now: NOW - Span::from_secs(1), ..svc };
    assert_eq!(values(&house, before, &carla, Attribute::UserAccountControl), ["512"]);
}

#[test]
fn managers_see_who_is_in_their_group() {
    let house = nested();
    let ada = reader(&house, 1);
    let all = short(found(&house, ada, BASE, Scope::Subtree, "(objectClass=posixGroup)"));
    assert_eq!(all, ["cn=team,G,B"]);
    let team = format!("cn=team,ou=groups,{BASE}");
    assert_eq!(short(values(&house, ada, &team, Attribute::Member)), ["uid=bob,P,B", "uid=carla,P,B"]);
    assert_eq!(house.managed_by(user_id(1)).len(), 1);
}

/// Ada manages the team and everybody; staff, which lies between them, she does not see.
#[test]
fn a_group_that_is_not_shown_is_not_found_by_asking() {
    let house = nested();
    let managed = GroupEntry { group: group(3, "everybody"), values: Vec::new(), managers: vec![user_id(1)] };
    house.write(|state| state.set(Row::Group(group_id(3), Some(managed))));
    let ada = reader(&house, 1);
    let all = |text: &str| short(found(&house, ada, BASE, Scope::Subtree, text)).join("|");
    let everybody = format!("cn=everybody,ou=groups,{BASE}");
    assert_eq!(values(&house, ada, &everybody, Attribute::Member), [""; 0]);
    assert_eq!(all("(memberOf=staff)"), "");
    assert_eq!(all("(memberOf=everybody)"), "cn=team,G,B");
    let staff = format!("cn=staff,ou=groups,{BASE}");
    assert_eq!(all(&format!("(member={staff})")), "");
    assert_eq!(all(&format!("(member:1.2.840.113556.1.4.1941:={staff})")), "");
    assert_eq!(all("(member=*)"), "cn=team,G,B");
    assert_eq!(all("(numSubordinates=2)"), "B|G,B");
    // Staff alone is above the team now: there is nothing above it that she sees.
    let cut = Nesting { child: group_id(2), parent: group_id(3) };
    house.write(|state| state.set(Row::Nesting(cut, false)));
    assert_eq!(all("(memberOf=*)"), "");
    // Bob sees the way from himself, and finds it.
    let bob = reader(&house, 2);
    assert_eq!(short(values(&house, bob, &staff, Attribute::Member)), ["cn=team,G,B"]);
    let own = found(&house, bob, BASE, Scope::Subtree, &format!("(member=cn=team,ou=groups,{BASE})"));
    assert_eq!(short(own), ["cn=staff,G,B"]);
}
