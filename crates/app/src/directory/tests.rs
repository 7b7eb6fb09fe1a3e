//! The directory as its readers see it, and as the change log feeds it.

use std::time::Instant;

use ostiary_model::{
    ADMIN_GROUP, Attribute, AttributeDef, AttributeKind, AttributeName, Email, Filter, Generation, GroupEntry,
    GroupName, HOME_DIRECTORY, LOGIN_SHELL, Membership, ObjectClass, Profile, SSH_PUBLIC_KEY, STRICT_READONLY_GROUP,
    Subject, Timestamp, Truth, UserEntry, UserState, Username, Validity,
};
use ostiary_store::{CacheUrl, DatabaseUrl, Snapshot};
use uuid::Uuid;

use super::*;
use super::{PeopleSort, PeopleState, SortKey};

pub(super) const BASE: &str = "dc=example,dc=org";
pub(super) const NOW: Timestamp = Timestamp::from_secs(1_795_400_000);

pub(super) fn user_id(number: u128) -> UserId {
    Uuid::from_u128(number).into()
}

pub(super) fn group_id(number: u128) -> GroupId {
    Uuid::from_u128(1_000_000 + number).into()
}

pub(super) fn user(number: u128, username: &str, display_name: &str) -> User {
    let (given_name, family_name) = display_name.split_once(' ').unwrap_or((display_name, ""));
    User {
        id: user_id(number),
        subject: Subject::from(Uuid::from_u128(2_000_000 + number)),
        profile: Profile {
            username: Username::from_stored(username.into()),
            email: Email::from_stored(format!("{username}@Example.org")),
            email_verified: false,
            display_name: display_name.into(),
            given_name: given_name.into(),
            family_name: family_name.into(),
        },
        state: UserState::Active,
        validity: Validity::default(),
        is_service: false,
        uid_number: Some(200_000 + i64::try_from(number).unwrap()),
        gid_number: None,
        has_avatar: false,
        generation: Generation(1),
        has_totp: false,
        created_at: Timestamp::from_secs(1_795_369_500),
        modified_at: Timestamp::from_secs(1_795_369_501),
        password_changed_at: None,
        last_sign_in_at: None,
    }
}

pub(super) fn group(number: u128, name: &str) -> Group {
    let at = Timestamp::from_secs(1_795_369_000);
    Group {
        id: group_id(number),
        number: i64::try_from(number).unwrap(),
        name: GroupName::from_stored(name.into()),
        gid_number: Some(300_000 + i64::try_from(number).unwrap()),
        created_at: at,
        modified_at: at,
    }
}

fn directory(users: Vec<User>, groups: Vec<Group>, memberships: &[(u128, u128)]) -> Directory {
    let memberships =
        memberships.iter().map(|(user, group)| Membership { user: user_id(*user), group: group_id(*group) }).collect();
    let users = users.into_iter().map(|user| UserEntry { user, addresses: Vec::new(), values: Vec::new() }).collect();
    let groups =
        groups.into_iter().map(|group| GroupEntry { group, values: Vec::new(), managers: Vec::new() }).collect();
    of(Snapshot { seq: 0, schema: schema(), users, groups, memberships, nestings: Vec::new() })
}

pub(super) fn of(snapshot: Snapshot) -> Directory {
    let tree = Tree::new(&dn(BASE), posix());
    Directory { tree, state: RwLock::new(State::new(snapshot, &Seats::default())), following: Mutex::new(()) }
}

pub(super) fn posix() -> PosixDefaults {
    PosixDefaults { shell: "/bin/sh".into(), home: "/home/{username}".into() }
}

/// The attributes that are always there, and three of an administrator's.
pub(super) fn schema() -> Schema {
    let def = |number, name: &str, kind, is_list, is_visible| AttributeDef {
        number,
        name: AttributeName::parse(name).unwrap(),
        kind,
        is_list,
        on_users: true,
        on_groups: number == 1003,
        is_visible,
        is_editable: false,
    };
    let classes = ObjectClass { name: AttributeName::parse("gardener").unwrap(), on_users: true, on_groups: false };
    Schema::new(
        vec![
            def(SSH_PUBLIC_KEY, "sshPublicKey", AttributeKind::String, true, true),
            def(LOGIN_SHELL, "loginShell", AttributeKind::String, false, true),
            def(HOME_DIRECTORY, "homeDirectory", AttributeKind::String, false, true),
            def(1001, "badge", AttributeKind::Integer, false, true),
            def(1002, "salary", AttributeKind::Integer, false, false),
            def(1003, "tag", AttributeKind::String, true, true),
        ],
        vec![classes],
    )
}

pub(super) fn filter(text: &str) -> Filter {
    Filter::parse(text, &schema()).unwrap()
}

/// Ada administers, Bob and Carla are in staff, the service account reads.
fn house() -> Directory {
    let mut carla = user(3, "carla", "");
    carla.state = UserState::Disabled(Timestamp::from_secs(1));
    carla.profile.given_name = String::new();
    directory(
        vec![user(1, "Ada", "Ada Okafor"), user(2, "bob", "Bob O'Neil"), carla, user(4, "svc", "Service")],
        vec![group(1, ADMIN_GROUP), group(2, "Staff"), group(3, STRICT_READONLY_GROUP), group(4, "a,b \"c\"")],
        &[(1, 1), (2, 2), (3, 2), (4, 3), (1, 4)],
    )
}

pub(super) fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

pub(super) fn reader(directory: &Directory, number: u128) -> Reader {
    Reader { user: user_id(number), role: directory.role(user_id(number)), now: NOW }
}

pub(super) fn found(directory: &Directory, reader: Reader, base: &str, scope: Scope, text: &str) -> Vec<String> {
    let query = Query { base: dn(base), scope, filter: filter(text) };
    let mut cursor = directory.search(reader, query).unwrap();
    let mut names = Vec::new();
    while let Some(slice) = directory.next(reader, &mut cursor) {
        names.extend(slice.into_iter().map(|target| directory.view(reader, target, |view| view.dn()).unwrap()));
    }
    names
}

pub(super) fn short(names: Vec<String>) -> Vec<String> {
    names.into_iter().map(|name| name.replace(BASE, "B").replace("ou=people", "P").replace("ou=groups", "G")).collect()
}

pub(super) fn values(directory: &Directory, reader: Reader, name: &str, attribute: Attribute) -> Vec<String> {
    let target = directory.find(reader, &dn(name)).unwrap();
    let mut values = Vec::new();
    directory.view(reader, target, |view| view.values(attribute, &mut |value| values.push(value.to_owned()))).unwrap();
    values
}

#[test]
fn scopes_mean_what_rfc_4511_says() {
    let house = house();
    let svc = reader(&house, 4);
    let all = |base: &str, scope| short(found(&house, svc, base, scope, "(objectClass=*)"));
    assert_eq!(all(BASE, Scope::Base), ["B"]);
    assert_eq!(all(BASE, Scope::One), ["P,B", "G,B"]);
    let people = ["uid=Ada,P,B", "uid=bob,P,B", "uid=carla,P,B", "uid=svc,P,B"];
    let groups = ["cn=lldap_admin,G,B", "cn=Staff,G,B", "cn=lldap_strict_readonly,G,B", "cn=a\\,b \\\"c\\\",G,B"];
    assert_eq!(all(BASE, Scope::Subtree), [&["B", "P,B", "G,B"], &people[..], &groups[..]].concat());
    assert_eq!(all(BASE, Scope::Children), [&["P,B", "G,B"], &people[..], &groups[..]].concat());
    assert_eq!(all("OU=People,DC=EXAMPLE,dc=org", Scope::Base), ["P,B"]);
    assert_eq!(all("ou=people,dc=example,dc=org", Scope::One), people);
    assert_eq!(all("ou=people,dc=example,dc=org", Scope::Children), people);
    assert_eq!(all("ou=groups,dc=example,dc=org", Scope::Subtree), [&["G,B"], &groups[..]].concat());
    assert_eq!(all("uid=ADA,ou=people,dc=example,dc=org", Scope::Subtree), ["uid=Ada,P,B"]);
    assert_eq!(all("cn=ada,ou=people,dc=example,dc=org", Scope::Base), ["uid=Ada,P,B"]);
    assert_eq!(all("uid=Ada,ou=people,dc=example,dc=org", Scope::One), [""; 0]);
    assert_eq!(all("uid=Ada,ou=people,dc=example,dc=org", Scope::Children), [""; 0]);
    assert_eq!(all("cn=a\\2cb \\22c\\22,ou=groups,dc=example,dc=org", Scope::Base), ["cn=a\\,b \\\"c\\\",G,B"]);
}

#[test]
fn what_is_not_there_names_the_nearest_entry() {
    let house = house();
    let (svc, bob) = (reader(&house, 4), reader(&house, 2));
    for (reader, name, matched) in [
        (svc, "dc=org", ""),
        (svc, "", ""),
        (svc, "ou=people,dc=example,dc=com", ""),
        (svc, "ou=devices,dc=example,dc=org", BASE),
        (svc, "uid=nobody,ou=people,dc=example,dc=org", "ou=people,dc=example,dc=org"),
        (svc, "uid=Ada+cn=x,ou=people,dc=example,dc=org", "ou=people,dc=example,dc=org"),
        (svc, "cn=x,uid=Ada,ou=people,dc=example,dc=org", "uid=Ada,ou=people,dc=example,dc=org"),
        // To bob these are as if they did not exist.
        (bob, "uid=ada,ou=people,dc=example,dc=org", "ou=people,dc=example,dc=org"),
        (bob, "cn=x,uid=ada,ou=people,dc=example,dc=org", "ou=people,dc=example,dc=org"),
        (bob, "cn=lldap_admin,ou=groups,dc=example,dc=org", "ou=groups,dc=example,dc=org"),
    ] {
        assert_eq!(house.find(reader, &dn(name)), Err(NoSuchObject { matched: matched.into() }), "{name}");
    }
}

#[test]
fn regular_people_see_themselves_and_in_their_groups_only_themselves() {
    let house = house();
    let bob = reader(&house, 2);
    let all = short(found(&house, bob, BASE, Scope::Subtree, "(objectClass=*)"));
    assert_eq!(all, ["B", "P,B", "G,B", "uid=bob,P,B", "cn=Staff,G,B"]);
    let staff = "cn=staff,ou=groups,dc=example,dc=org";
    assert_eq!(short(values(&house, bob, staff, Attribute::Member)), ["uid=bob,P,B"]);
    // Asking for others as members tells nothing.
    let carla = format!("(member=uid=carla,ou=people,{BASE})");
    assert!(found(&house, bob, BASE, Scope::Subtree, &carla).is_empty());
    assert_eq!(found(&house, bob, BASE, Scope::Subtree, &format!("(&(cn=staff)(!{carla}))")).len(), 1);
    assert!(found(&house, bob, BASE, Scope::Subtree, "(uid=ada)").is_empty());
    let svc = reader(&house, 4);
    assert_eq!(short(values(&house, svc, staff, Attribute::UniqueMember)), ["uid=bob,P,B", "uid=carla,P,B"]);
    assert_eq!(found(&house, svc, BASE, Scope::Subtree, &carla).len(), 1);
}

#[test]
fn entries_have_the_attributes_of_their_kind() {
    let house = house();
    let svc = reader(&house, 4);
    let of = |name: &str, attribute| values(&house, svc, &format!("{name},{BASE}"), attribute).join("|");
    for (attribute, value) in [
        (Attribute::ObjectClass, "inetOrgPerson|organizationalPerson|person|posixAccount|mailAccount|top|gardener"),
        (Attribute::Uid, "Ada"),
        (Attribute::Cn, "Ada Okafor"),
        (Attribute::DisplayName, "Ada Okafor"),
        (Attribute::Mail, "Ada@Example.org"),
        (Attribute::GivenName, "Ada"),
        (Attribute::Sn, "Okafor"),
        (Attribute::EntryUuid, "00000000-0000-0000-0000-000000000001"),
        (Attribute::EntryDn, "uid=Ada,ou=people,dc=example,dc=org"),
        (Attribute::CreateTimestamp, "20261122174500Z"),
        (Attribute::ModifyTimestamp, "20261122174501Z"),
        (Attribute::PwdChangedTime, ""),
        (Attribute::UserAccountControl, "512"),
        (
            Attribute::MemberOf,
            "cn=lldap_admin,ou=groups,dc=example,dc=org|cn=a\\,b \\\"c\\\",ou=groups,dc=example,dc=org",
        ),
        (Attribute::SubschemaSubentry, "cn=Subschema"),
        (Attribute::UidNumber, "200001"),
        (Attribute::GidNumber, "200001"),
        (Attribute::PwdAccountLockedTime, ""),
        (Attribute::StructuralObjectClass, "inetOrgPerson"),
        (Attribute::HasSubordinates, "FALSE"),
        (Attribute::Member, ""),
        (Attribute::Ou, ""),
    ] {
        assert_eq!(of("uid=ada,ou=people", attribute), value, "{attribute:?}");
    }
    assert_eq!(of("uid=carla,ou=people", Attribute::UserAccountControl), "514");
    assert_eq!(of("uid=carla,ou=people", Attribute::Cn), "carla");
    assert_eq!(of("uid=carla,ou=people", Attribute::Sn), "");
    assert_eq!(of("cn=staff,ou=groups", Attribute::GroupNumber), "2");
    assert_eq!(of("cn=staff,ou=groups", Attribute::ObjectClass), "groupOfUniqueNames|groupOfNames|posixGroup|top");
    assert_eq!(of("cn=staff,ou=groups", Attribute::MemberUid), "bob|carla");
    assert_eq!(of("cn=staff,ou=groups", Attribute::GidNumber), "300002");
    assert_eq!(of("uid=carla,ou=people", Attribute::PwdAccountLockedTime), "000001010000Z");
    assert_eq!(of("ou=people", Attribute::Ou), "people");
    assert_eq!(of("ou=people", Attribute::NumSubordinates), "4");
    assert_eq!(of("ou=groups", Attribute::HasSubordinates), "TRUE");
    assert_eq!(values(&house, svc, BASE, Attribute::Dc), ["example"]);
    assert_eq!(values(&house, svc, BASE, Attribute::ObjectClass), ["domain", "top"]);
}

/// Whatever the indexes leave out must not match: a walk finds the same.
#[test]
fn indexes_and_walks_agree() {
    let house = house();
    let svc = reader(&house, 4);
    let uuid = user_id(2);
    let items = [
        "(uid=ada)".to_owned(),
        "(uid=staff)".into(),
        "(mail=bob@example.org)".into(),
        "(cn=Bob O'Neil)".into(),
        "(cn=carla)".into(),
        "(displayName=staff)".into(),
        format!("(entryUUID={uuid})"),
        format!("(member=uid=bob,ou=people,{BASE})"),
        "(uniqueMember=bob)".into(),
        format!("(memberOf=cn=staff,ou=groups,{BASE})"),
        "(memberOf=staff)".into(),
        format!("(memberOf=uid=bob,ou=people,{BASE})"),
        format!("(member=cn=staff,ou=groups,{BASE})"),
        format!("(entryDN=uid=ada,ou=people,{BASE})"),
        "(ou=people)".into(),
        "(dc=example)".into(),
        "(unknown=x)".into(),
        "(objectClass=person)".into(),
        "(cn=*a*)".into(),
        "(uid=nobody)".into(),
        "(userAccountControl:1.2.840.113556.1.4.803:=2)".into(),
        "(subschemaSubentry=cn=subschema)".into(),
        "(uidNumber=200002)".into(),
        "(uid=*taf*)".into(),
        "(cn=bob*)".into(),
        "(mail=*example.org)".into(),
        "(cn=* )".into(),
        "(sn=o*r)".into(),
        "(gidNumber=300002)".into(),
        "(memberUid=bob)".into(),
        "(memberUid=BOB)".into(),
        "(homeDirectory=/home/bob)".into(),
        format!("(member:1.2.840.113556.1.4.1941:=uid=bob,ou=people,{BASE})"),
        "(uid:dn:=bob)".into(),
        "(groupid=2)".into(),
    ];
    let mut matches = 0;
    for left in &items {
        for right in &items {
            for text in [
                left.clone(),
                format!("(!{left})"),
                format!("(&{left}{right})"),
                format!("(|{left}{right})"),
                format!("(&{left}(!{right}))"),
                format!("(|(&{left}{right}){right})"),
            ] {
                let parsed = filter(&text);
                let walked: Vec<_> = found(&house, svc, BASE, Scope::Subtree, "(objectClass=*)")
                    .into_iter()
                    .filter(|name| {
                        let target = house.find(svc, &dn(name)).unwrap();
                        house.view(svc, target, |view| parsed.evaluate(view)).unwrap() == Truth::True
                    })
                    .collect();
                matches += walked.len();
                assert_eq!(found(&house, svc, BASE, Scope::Subtree, &text), walked, "{text}");
            }
        }
    }
    assert!(matches > 1000, "the filters say something: {matches}");
}

#[test]
fn bind_names_lead_to_one_account() {
    let house = house();
    for name in ["uid=ada,ou=people,", "UID=ADA,OU=People,", "cn=Ada, ou=people, ", "uid=\\41da,ou=people,"] {
        assert_eq!(house.account(&dn(&format!("{name}{BASE}"))), Ok(user_id(1)), "{name}");
    }
    assert_eq!(house.account(&dn(&format!("uid=Nobody,ou=people,{BASE}"))), Err(Folded::new("nobody")));
    assert_eq!(house.account(&dn("cn=ada")), Err(Folded::new("cn=ada")));
    assert_eq!(
        house.account(&dn(&format!("cn=staff,ou=groups,{BASE}"))),
        Err(Folded::new(&format!("cn=staff,ou=groups,{BASE}")))
    );
    assert_eq!(house.dn_of(user_id(1)).as_deref(), Some("uid=Ada,ou=people,dc=example,dc=org"));
}

#[test]
fn a_walk_in_slices_finds_everything_once() {
    let users = (0..2500).map(|n| user(10 + n, &format!("u{n:04}"), "Same Name")).collect();
    let house = directory(users, vec![group(3, STRICT_READONLY_GROUP)], &[(10, 3)]);
    let svc = reader(&house, 10);
    let query = Query { base: dn(BASE), scope: Scope::Subtree, filter: filter("(uid=u*)") };
    let mut cursor = house.search(svc, query).unwrap();
    let (mut slices, mut targets) = (0, Vec::new());
    while let Some(slice) = house.next(svc, &mut cursor) {
        slices += 1;
        targets.extend(slice);
    }
    assert!(slices > 2);
    assert_eq!(targets.len(), 2500);
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 2500);
    assert_eq!(found(&house, svc, BASE, Scope::Subtree, "(cn=same name)").len(), 2500);
}

#[test]
fn rights_that_end_in_the_middle_of_a_search_end_it() {
    let house = house();
    let svc = reader(&house, 4);
    let query = Query { base: dn(BASE), scope: Scope::Subtree, filter: filter("(objectClass=person)") };
    let mut cursor = house.search(svc, query).unwrap();
    let mut first = Vec::new();
    house.step(svc, &mut cursor, &mut |view| {
        first.push(view.target());
        Taken::Enough
    });
    assert_eq!(first, [Target::Person(user_id(1))]);
    let regular = Reader { role: Role::Regular, ..svc };
    assert_eq!(house.next(regular, &mut cursor), Some(vec![Target::Person(user_id(4))]));
}

#[test]
fn what_is_not_taken_is_found_again() {
    let house = house();
    let svc = reader(&house, 4);
    for base in [BASE, "uid=ada,ou=people,dc=example,dc=org"] {
        let query = Query { base: dn(base), scope: Scope::Subtree, filter: filter("(uid=ada)") };
        let mut cursor = house.search(svc, query).unwrap();
        assert_eq!(house.step(svc, &mut cursor, &mut |_| Taken::No), Stepped::More);
        assert_eq!(house.next(svc, &mut cursor), Some(vec![Target::Person(user_id(1))]));
        assert_eq!(house.next(svc, &mut cursor), None);
    }
}

#[test]
fn lists_of_people() {
    let house = house();
    let names = |search: &str, which, sort| {
        let found = house.find_people(NOW, search, which, sort, Page::ALL).unwrap();
        found.rows.iter().map(|user| user.profile.username.to_string()).collect::<Vec<_>>()
    };
    let (by_name, any) = (PeopleSort::default(), PeopleState::Any);
    assert_eq!(names("", any, by_name), ["Ada", "bob", "carla", "svc"]);
    assert_eq!(names("", any, PeopleSort { key: SortKey::Name, descending: true }), ["svc", "carla", "bob", "Ada"]);
    assert_eq!(names("", any, PeopleSort { key: SortKey::State, descending: true }), ["carla", "Ada", "bob", "svc"]);
    assert_eq!(names("OKA ada", any, by_name), ["Ada"]);
    assert_eq!(names("staff", any, by_name), ["bob", "carla"]);
    assert_eq!(names("staff", PeopleState::Active, by_name), ["bob"]);
    assert_eq!(names("", PeopleState::Disabled, by_name), ["carla"]);
    assert_eq!(names("(&(memberOf=staff)(!(sn=*)))", any, by_name), ["carla"]);
    assert!(house.find_people(NOW, "(uid=", any, by_name, Page::ALL).is_err());
    let page = house.find_people(NOW, "", any, by_name, Page { number: 2, size: 3 }).unwrap();
    assert_eq!((page.rows.len(), page.total), (1, 4));
    assert!(house.find_people(NOW, "", any, by_name, Page { number: usize::MAX, size: 3 }).unwrap().rows.is_empty());
    let groups = house.find_groups(NOW, "(member=bob)", Page::ALL).unwrap();
    assert_eq!((groups.total, groups.rows[0].members), (1, 2));
    assert_eq!(house.find_groups(NOW, "LLDAP_", Page::ALL).unwrap().total, 2);
}

/// A bound that only a scan or worse would break; the real figures come from the bench.
#[test]
fn a_search_by_name_does_not_depend_on_the_size_of_the_directory() {
    let users = (0..1000).map(|n| user(10 + n, &format!("user{n:04}"), &format!("User {n}"))).collect();
    let house = directory(users, vec![group(3, STRICT_READONLY_GROUP)], &[(10, 3)]);
    let svc = reader(&house, 10);
    for (text, count) in [("(uid=*0500*)", 1), ("(cn=user 99*)", 11), ("(mail=*r0123@*org)", 1), ("(sn=*00)", 9)] {
        assert_eq!(found(&house, svc, BASE, Scope::Subtree, text).len(), count, "{text}");
    }
    let filter = "(&(|(uid=user0500)(mail=user0500@example.org))(objectClass=person))";
    #[expect(clippy::disallowed_methods, reason = "measures")]
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(found(&house, svc, BASE, Scope::Subtree, filter).len(), 1);
    }
    assert!(start.elapsed().as_millis() < 100, "{:?} for 100 searches", start.elapsed());
}

#[tokio::test]
async fn the_directory_follows_the_change_log() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::parse(&format!("sqlite:{}", folder.path().join("t.db").display())).unwrap();
    let cache = CacheUrl::parse("memory:").unwrap();
    let now = Timestamp::from_secs(1_795_369_500);
    let store = Store::open(&url, &cache, now).await.unwrap();
    let house = Directory::load(&store, &dn(BASE), posix()).await.unwrap();
    let (ada, bob) = (user(1, "ada", "Ada"), user(2, "bob", "Bob"));

    let mut tx = store.begin().await.unwrap();
    tx.user_insert(&ada).await.unwrap();
    tx.user_insert(&bob).await.unwrap();
    let staff =
        tx.group_insert(group_id(1), &GroupName::from_stored("staff".into()), Some(300_001), now).await.unwrap();
    let member = Membership { user: ada.id, group: staff.id };
    tx.membership_insert(member, now).await.unwrap();
    assert!(house.user(ada.id).is_none());
    tx.commit(now).await.unwrap();
    house.catch_up(&store).await.unwrap();
    assert_eq!(house.groups_of(ada.id), [Arc::new(staff.clone())]);
    assert_eq!(house.counts(), Counts { people: 2, groups: 1 });

    // Two accounts swap their names: neither is lost from the indexes.
    let mut tx = store.begin().await.unwrap();
    for (id, name) in [(ada.id, "tmp"), (bob.id, "ada"), (ada.id, "bob")] {
        let profile = Profile {
            username: Username::from_stored(name.into()),
            email: Email::from_stored(format!("{name}@x.org")),
            ..ada.profile.clone()
        };
        tx.user_update_profile(id, &profile, now).await.unwrap();
    }
    tx.commit(now).await.unwrap();
    house.catch_up(&store).await.unwrap();
    assert_eq!(house.user_by_name(&Folded::new("ada")).map(|user| user.id), Some(bob.id));
    assert_eq!(house.user_by_email(&Folded::new("bob@x.org")).map(|user| user.id), Some(ada.id));
    assert!(house.user_by_name(&Folded::new("tmp")).is_none());

    // What is deleted takes its memberships along.
    let mut tx = store.begin().await.unwrap();
    tx.user_delete(ada.id).await.unwrap();
    tx.commit(now).await.unwrap();
    house.catch_up(&store).await.unwrap();
    assert!(house.user(ada.id).is_none() && house.members_of(staff.id).is_empty());

    // Who slept while the log was pruned loads everything again.
    let mut tx = store.begin().await.unwrap();
    tx.group_delete(staff.id).await.unwrap();
    tx.commit(now).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.changes_prune(now + ostiary_model::Span::from_days(1)).await.unwrap();
    tx.commit(now).await.unwrap();
    house.catch_up(&store).await.unwrap();
    assert_eq!(house.counts(), Counts { people: 1, groups: 0 });
    let fresh = Directory::load(&store, &dn(BASE), posix()).await.unwrap();
    assert_eq!((fresh.counts(), fresh.read().seq), (house.counts(), house.read().seq));
}
