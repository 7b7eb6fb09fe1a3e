//! What searches cost, and what they find while entries come, go and are loaded again.

use std::time::Instant;

use ostiary_model::{GroupEntry, Membership, Nesting, STRICT_READONLY_GROUP, UserEntry};
use ostiary_store::Snapshot;

use super::plan::plan;
use super::state::Row;
use super::tests::{BASE, NOW, dn, filter, found, group, group_id, of, posix, reader, schema, user, user_id};
use super::*;

fn person(number: u128) -> UserEntry {
    let user = user(number, &format!("user{number:04}"), &format!("User {number}"));
    UserEntry { user, addresses: Vec::new(), values: Vec::new() }
}

fn unit(number: u128, name: &str) -> GroupEntry {
    GroupEntry { group: group(number, name), values: Vec::new(), managers: Vec::new() }
}

/// People with these numbers, all of them in staff; the first one may read everything.
fn staff(people: &[u128]) -> Snapshot {
    let memberships = people.iter().map(|who| Membership { user: user_id(*who), group: group_id(2) });
    let reader = people.first().map(|who| Membership { user: user_id(*who), group: group_id(1) });
    Snapshot {
        seq: 0,
        schema: schema(),
        users: people.iter().map(|number| person(*number)).collect(),
        groups: vec![unit(1, STRICT_READONLY_GROUP), unit(2, "staff")],
        memberships: memberships.chain(reader).collect(),
        nestings: Vec::new(),
    }
}

#[test]
fn the_order_of_terms_does_not_matter() {
    let house = of(staff(&(1..=400).collect::<Vec<_>>()));
    let looked_at = |text: &str| plan(&house.read(), &house.tree, &filter(text)).map(|places| places.len());
    for text in [
        "(&(memberOf=staff)(uid=user0007))",
        "(&(cn=*user*)(uid=user0007))",
        "(&(mail=*example*)(|(uid=user0007)(mail=user0007@example.org))(memberOf=staff))",
    ] {
        assert_eq!(looked_at(text), Some(1), "{text}");
    }
    // Who asks for most of all, or for very many parts, gets a walk: it lets others in between.
    assert_eq!(looked_at("(memberOf=staff)"), None);
    assert_eq!(looked_at(&format!("(|{})", "(cn=*nobody*)".repeat(1000))), None);
    assert_eq!(looked_at("(|(cn=*r 17*)(mail=*r0017@*)(uid=*r0023))"), Some(12));
    assert_eq!(found(&house, reader(&house, 1), BASE, Scope::Subtree, "(memberOf=staff)").len(), 400);
}

#[test]
fn a_search_goes_on_where_it_was_when_everything_is_loaded_again() {
    let house = of(staff(&[1, 2, 3, 4, 5, 6]));
    let svc = reader(&house, 1);
    // Two new ones stand where others stood.
    for (gone, new) in [(3, 7), (2, 8)] {
        house.write(|state| state.set(Row::User(user_id(gone), None)));
        house.write(|state| state.set(Row::User(user_id(new), Some(Box::new(person(new))))));
    }
    let again = [1, 4, 5, 6, 7, 8, 9];
    for text in ["(objectClass=person)", "(uid=user*)"] {
        let query = Query { base: dn(BASE), scope: Scope::Subtree, filter: filter(text) };
        let mut cursor = house.search(svc, query).unwrap();
        let mut names = Vec::new();
        for _ in 0..2 {
            house.step(svc, &mut cursor, &mut |view| {
                names.push(view.dn());
                Taken::Enough
            });
        }
        let seats = house.read().seats().clone();
        house.write(|state| *state = State::new(staff(&again), &seats));
        house.step(svc, &mut cursor, &mut |view| {
            names.push(view.dn());
            Taken::GoOn
        });
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{text}: nobody twice");
        for who in [1, 4, 5, 6, 7, 8] {
            assert!(names.contains(&house.dn_of(user_id(who)).unwrap()), "{text}: {who} was there all the time");
        }
    }
    assert_eq!(found(&house, svc, BASE, Scope::Subtree, "(objectClass=person)").len(), again.len());
    assert_eq!(house.counts(), Counts { people: again.len(), groups: 2 });
}

#[test]
fn a_place_that_somebody_else_has_by_now_is_outside_of_the_search() {
    let house = of(staff(&[1, 2]));
    let svc = reader(&house, 1);
    let base = dn(&format!("uid=user0002,ou=people,{BASE}"));
    let query = Query { base, scope: Scope::Subtree, filter: filter("(objectClass=person)") };
    let mut cursor = house.search(svc, query).unwrap();
    house.write(|state| state.set(Row::User(user_id(2), None)));
    house.write(|state| state.set(Row::User(user_id(3), Some(Box::new(person(3))))));
    assert_eq!(house.next(svc, &mut cursor), None);
}

#[test]
fn the_base_is_found_by_what_it_is_named_by() {
    let tree = Tree::new(&dn("cn=accounts,dc=example,dc=org"), posix());
    let state = RwLock::new(State::new(staff(&[1, 2]), &Seats::default()));
    let house = Directory { tree, state, following: Mutex::new(()) };
    for text in ["(cn=accounts)", "(cn=acc*)", "(&(objectClass=*)(cn=Accounts))"] {
        let base = "cn=accounts,dc=example,dc=org";
        assert_eq!(found(&house, reader(&house, 1), base, Scope::Subtree, text), [base], "{text}");
    }
}

/// What a change leaves as it was is not moved about in index and columns, and what it does change is.
#[test]
fn entries_are_found_by_what_they_have_after_every_change() {
    let house = of(staff(&[1, 2, 3]));
    let svc = reader(&house, 1);
    let all = |text: &str| found(&house, svc, BASE, Scope::Subtree, text).len();
    let set = |entry: &UserEntry| {
        house.write(|state| state.set(Row::User(entry.user.id, Some(Box::new(entry.clone())))));
    };
    let mut bob = person(2);
    bob.values = vec![(1003, vec![b"red hair".to_vec(), b"tall".to_vec()])];
    set(&bob);
    assert_eq!((all("(tag=tall)"), all("(tag=*hair)")), (1, 1));
    bob.user.last_sign_in_at = Some(NOW);
    bob.user.profile.given_name = "Robert".into();
    bob.values = vec![(1003, vec![b"red hair".to_vec()])];
    set(&bob);
    assert_eq!((all("(tag=tall)"), all("(tag=*tall*)"), all("(tag=red hair)"), all("(tag=*hair)")), (0, 0, 1, 1));
    assert_eq!((all("(givenName=robert)"), all("(givenName=*ber*)"), all("(givenName=user)")), (1, 1, 2));
    assert_eq!((all("(uid=user0002)"), all("(mail=*r0002@*)")), (1, 1));
    bob.user.gid_number = Some(100);
    bob.values.clear();
    set(&bob);
    assert_eq!(
        (all("(gidNumber=100)"), all("(gidNumber=200002)"), all("(uidNumber=200002)"), all("(tag=*)")),
        (1, 0, 1, 0)
    );
    house.write(|state| state.set(Row::User(user_id(2), None)));
    assert_eq!((all("(uid=user0002)"), all("(uid=*r0002*)"), all("(gidNumber=100)"), all("(uid=user*)")), (0, 0, 0, 2));
}

/// Far more than anybody has, and still no reason to stand still.
#[test]
fn a_long_chain_of_groups_is_loaded_quickly() {
    const LENGTH: u128 = 600;
    let mut snapshot = staff(&[1]);
    snapshot.groups.extend((3..=LENGTH).map(|number| unit(number, &format!("group {number}"))));
    snapshot.nestings =
        (2..LENGTH).map(|number| Nesting { child: group_id(number), parent: group_id(number + 1) }).collect();
    #[expect(clippy::disallowed_methods, reason = "measures")]
    let start = Instant::now();
    let house = of(snapshot);
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    assert_eq!(house.groups_of(user_id(1)).len(), usize::try_from(LENGTH).unwrap());
}

#[test]
fn pages_make_up_the_list() {
    let house = of(staff(&[5, 3, 8, 1, 9, 2, 7]));
    let names = |page| {
        let found = house.find_people(NOW, "", PeopleState::Any, PeopleSort::default(), page).unwrap();
        assert_eq!(found.total, 7);
        found.rows.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let all = names(Page::ALL);
    assert_eq!(all, [1, 2, 3, 5, 7, 8, 9].map(user_id));
    for size in 1..=8 {
        let pages: Vec<_> = (1..=8).flat_map(|number| names(Page { number, size })).collect();
        assert_eq!(pages, all, "pages of {size}");
    }
}
