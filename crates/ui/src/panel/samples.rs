//! The panel's pages with sample data, for the tests of all pages.

use askama::Template;

use super::ask::{Ask, Link, Typed};
use super::attribute_form::What;
use super::badges::Badge;
use super::keeper::{Rail, Section};
use super::people::{Choice, Head, Nobody};
use super::person_form::Up;
use super::{
    add_to_group, ask, attribute_form, attributes, group, group_form, groups, members, own_groups, paging, password,
    people, person, person_fields, person_form, picture, system, values,
};
use crate::form::Field;
use crate::samples::{NAMES, face, field, frame, note, notice, picture_form, when};

/// Every page, some of them in more than one state.
pub(crate) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("people", people(true).render().unwrap()),
        ("people-empty", people(false).render().unwrap()),
        ("person", person(true).render().unwrap()),
        ("person-new-account", person(false).render().unwrap()),
        ("person-form", person_form(false).render().unwrap()),
        ("person-form-error", person_form(true).render().unwrap()),
        ("password", password(false).render().unwrap()),
        ("password-error", password(true).render().unwrap()),
        ("picture", picture(false).render().unwrap()),
        ("picture-error", picture(true).render().unwrap()),
        ("ask", ask(false).render().unwrap()),
        ("ask-error", ask(true).render().unwrap()),
        ("add-to-group", add_to_group(true).render().unwrap()),
        ("add-to-group-empty", add_to_group(false).render().unwrap()),
        ("groups", groups(true).render().unwrap()),
        ("groups-first", groups(false).render().unwrap()),
        ("group", group(true).render().unwrap()),
        ("group-empty", group(false).render().unwrap()),
        ("own-groups", own_groups().render().unwrap()),
        ("own-group", own_group(false).render().unwrap()),
        ("own-group-error", own_group(true).render().unwrap()),
        ("group-form", group_form(false).render().unwrap()),
        ("group-form-error", group_form(true).render().unwrap()),
        ("attributes", attributes(true).render().unwrap()),
        ("attributes-first", attributes(false).render().unwrap()),
        ("attribute-new", attribute_form(What::New, false).render().unwrap()),
        ("attribute-error", attribute_form(What::New, true).render().unwrap()),
        ("attribute", attribute_form(What::Known, true).render().unwrap()),
        ("attribute-built-in", attribute_form(What::BuiltIn, false).render().unwrap()),
        ("object-class-new", attribute_form(What::Class, true).render().unwrap()),
        ("system", system(true).render().unwrap()),
        ("system-without-https", system(false).render().unwrap()),
        ("members", members(true).render().unwrap()),
        ("members-empty", members(false).render().unwrap()),
    ]
}

fn rail(section: Section) -> Rail {
    let mut rail = Rail::new(section, NAMES[4].into(), "http://accounts.localhost:8080/account".into()).at_start();
    rail.note = Some(note().said());
    rail
}

fn up() -> Up {
    Up { href: "/people".into(), label: NAMES[4].into() }
}

fn paging() -> Option<paging::Paging> {
    paging::Paging::new(1, 132, |page| format!("/people?q=%3Cb%3E&page={page}"))
}

fn people(has_rows: bool) -> people::Page {
    let row = |(index, name): (usize, &&str)| people::Row {
        id: format!("01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3{index}"),
        href: "/people/ada.okafor".into(),
        face: face(index == 3),
        name: (*name).into(),
        email: "ada.okafor@example.tld".into(),
        groups: NAMES.map(String::from).into_iter().take(index).collect(),
        has_totp: index % 2 == 0,
        seen: (index != 1).then(when),
        badges: if index == 4 { vec![badge("bad"), badge("")] } else { vec![badge("good")] },
    };
    let heads = vec![
        Head { label: "Person", href: Some("/people?sort=-name".into()), order: "ascending" },
        Head { label: "Groups", href: None, order: "" },
        Head { label: "Second step", href: None, order: "" },
        Head { label: "Last sign-in", href: Some("/people?sort=-seen".into()), order: "" },
        Head { label: "State", href: Some("/people?sort=state".into()), order: "" },
    ];
    people::Page {
        frame: frame(),
        rail: rail(Section::People),
        pressing: has_rows.then(|| system::Pressing { title: NAMES[4].into(), words: Some(NAMES[4].into()) }),
        q: NAMES[4].into(),
        filter_error: (!has_rows).then(|| NAMES[4].into()),
        states: vec![Choice { value: "", label: "All", is_chosen: true }],
        sort_kept: Some("-name".into()),
        caption: "132 people, by name".into(),
        heads,
        rows: if has_rows { NAMES.iter().enumerate().map(row).collect() } else { Vec::new() },
        paging: paging(),
        nobody: Nobody { title: "Nobody matches".into(), text: NAMES[4].into() },
    }
}

fn badge(role: &'static str) -> Badge {
    Badge { role, words: NAMES[4].into() }
}

fn person(is_old: bool) -> person::Page {
    let in_group = |name: &str| person::InGroup {
        href: "/groups/Editors".into(),
        name: name.into(),
        id: NAMES[4].into(),
        through: if name == NAMES[1] { NAMES[4].into() } else { String::new() },
    };
    let app_password = |name: &str, is_used: bool| person::OfProgram {
        name: name.into(),
        made: when(),
        used: is_used.then(when),
        is_ended: is_used,
        revoke: "/people/ada.okafor/app-passwords/revoke?id=01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f".into(),
    };
    person::Page {
        frame: frame(),
        rail: rail(Section::People),
        href: "/people/ada.okafor".into(),
        face: face(is_old),
        name: NAMES[4].into(),
        username: "ada.okafor".into(),
        email: "ada.okafor@example.tld".into(),
        is_confirmed: is_old,
        further: if is_old { NAMES.map(String::from).into() } else { Vec::new() },
        is_disabled: is_old,
        is_service: is_old,
        badges: vec![badge("bad"), badge("")],
        from: is_old.then(when),
        until: is_old.then(when),
        dn: "uid=ada.okafor,ou=people,dc=example,dc=tld".into(),
        subject: "5f0c2a4e-9d1b-4c37-8e52-7b6a1f3d9c80".into(),
        added: when(),
        seen: is_old.then(when),
        groups: if is_old { NAMES.iter().map(|name| in_group(name)).collect() } else { Vec::new() },
        has_values: is_old,
        attributes: if is_old { shown() } else { Vec::new() },
        systems: person::Systems {
            uid: is_old.then_some(200_017),
            gid: is_old.then_some(200_017),
            is_own_group: is_old,
            shown: shown(),
        },
        password_changed: is_old.then(when),
        has_totp: is_old,
        app_passwords: if is_old {
            vec![app_password(NAMES[4], true), app_password(NAMES[1], false)]
        } else {
            Vec::new()
        },
        sessions: "Signed in on 3 devices.".into(),
        is_signed_in: is_old,
    }
}

fn shown() -> Vec<values::Shown> {
    let one = |values: &[&str], is_default| values::Shown {
        label: NAMES[4].into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        is_code: is_default,
        is_default,
    };
    vec![one(&NAMES, false), one(&[], false), one(&NAMES[4..], true)]
}

fn person_form(failed: bool) -> person_form::Page {
    let form = person_fields::Fields {
        username: field(),
        username_hint: "What the person signs in with.",
        email: field(),
        given_name: field(),
        family_name: Field::new(NAMES[2]),
        display_name: field(),
        with_password: true,
        password: Some(NAMES[4].into()),
        password_hint: "10 characters or more.".into(),
        addresses: field(),
        is_service: failed,
        not_before: field(),
        not_after: field(),
        uid_number: field(),
        gid_number: field(),
        built_in: Vec::new(),
        custom: values::ValueField::samples(NAMES[4], failed),
        is_open: failed,
    };
    person_form::Page {
        frame: frame(),
        rail: rail(Section::People),
        notice: failed.then(notice),
        up: up(),
        heading: "Add a person".into(),
        verb: "Add",
        is_new: failed,
        form: if failed { form } else { person_fields::Fields::default() },
    }
}

fn password(failed: bool) -> password::Page {
    password::Page {
        frame: frame(),
        rail: rail(Section::People),
        notice: failed.then(notice),
        href: "/people/ada.okafor".into(),
        name: NAMES[4].into(),
        username: NAMES[4].into(),
        password_hint: "10 characters or more.".into(),
        error: failed.then(|| NAMES[4].into()),
    }
}

fn picture(failed: bool) -> picture::Page {
    picture::Page {
        frame: frame(),
        rail: rail(Section::People),
        notice: failed.then(notice),
        href: "/people/ada.okafor".into(),
        name: NAMES[4].into(),
        form: picture_form(failed),
    }
}

fn ask(failed: bool) -> ask::Page {
    let typed = Typed { label: "User name", wanted: NAMES[4].into(), error: failed.then(|| NAMES[4].into()) };
    ask::Page {
        frame: frame(),
        rail: rail(Section::People),
        notice: failed.then(notice),
        ask: Ask {
            title: format!("Delete {}?", NAMES[4]),
            lead: "At once and for good:".into(),
            points: NAMES.map(String::from).into(),
            entry: Some(NAMES[4].into()),
            after: "Applications keep what they stored themselves. To shut somebody out and keep the entry,".into(),
            instead: Some(Link {
                href: "/people/ada.okafor/disable".into(),
                label: "disable the account instead.".into(),
            }),
            action: "/people/picked".into(),
            carried: vec![("user", NAMES[4].into()), ("sure", "1".into())],
            typed: Some(typed),
            verb: "Delete",
            is_bad: true,
            back: "/people/ada.okafor".into(),
        },
    }
}

fn add_to_group(has_groups: bool) -> add_to_group::Page {
    add_to_group::Page {
        frame: frame(),
        rail: rail(Section::People),
        notice: has_groups.then(notice),
        up: up(),
        heading: "Add 2 people to a group".into(),
        action: "/people/picked".into(),
        carried: vec![("user", NAMES[4].into())],
        who: NAMES.map(String::from).into(),
        groups: if has_groups { NAMES.map(String::from).into() } else { Vec::new() },
        chosen: NAMES[4].into(),
        error: has_groups.then(|| NAMES[4].into()),
        nothing_left: NAMES[4].into(),
    }
}

fn groups(has_own: bool) -> groups::Page {
    let row = |name: &&str| groups::Row {
        href: "/groups/Editors".into(),
        name: (*name).into(),
        members: "3 people".into(),
        about: "Administers everything, with two steps",
    };
    groups::Page {
        frame: frame(),
        rail: rail(Section::Groups),
        q: NAMES[4].into(),
        filter_error: has_own.then(|| NAMES[4].into()),
        caption: "5 groups".into(),
        rows: NAMES.iter().map(row).collect(),
        paging: paging(),
        is_first: !has_own,
    }
}

fn someone(name: &str) -> group::Member {
    group::Member {
        href: (name != NAMES[3]).then(|| "/people/ada.okafor".into()),
        id: NAMES[4].into(),
        name: name.into(),
        username: "ada.okafor".into(),
        badges: if name == NAMES[1] { vec![badge("bad")] } else { Vec::new() },
        through: if name == NAMES[1] { NAMES[4].into() } else { String::new() },
    }
}

fn linked(name: &str) -> group::Linked {
    group::Linked {
        href: "/groups/Staff".into(),
        id: NAMES[4].into(),
        name: name.into(),
        people: "1,204 people".into(),
    }
}

fn in_group(has_members: bool) -> group::People {
    group::People {
        count: "5 people".into(),
        members: if has_members { NAMES.iter().map(|name| someone(name)).collect() } else { Vec::new() },
        paging: paging(),
        others: if has_members { NAMES.iter().map(|name| someone(name)).collect() } else { Vec::new() },
        others_count: "5 people through other groups".into(),
    }
}

fn own_groups() -> own_groups::Page {
    let row = |name: &&str| groups::Row {
        href: "/groups/Editors".into(),
        name: (*name).into(),
        members: "3 people".into(),
        about: "",
    };
    own_groups::Page {
        frame: frame(),
        rail: rail(Section::Groups).of_groups(),
        caption: "5 groups that you manage".into(),
        rows: NAMES.iter().map(row).collect(),
    }
}

fn own_group(failed: bool) -> own_groups::One {
    own_groups::One {
        frame: frame(),
        rail: rail(Section::Groups).of_groups(),
        notice: failed.then(notice),
        href: "/groups/Editors".into(),
        name: NAMES[4].into(),
        who: if failed { field() } else { Field::default() },
        people: in_group(!failed),
    }
}

fn group(has_members: bool) -> group::Page {
    group::Page {
        frame: frame(),
        rail: rail(Section::Groups),
        href: "/groups/Editors".into(),
        name: NAMES[4].into(),
        about: String::new(),
        is_built_in: !has_members,
        people: in_group(has_members),
        children: if has_members { NAMES.iter().map(|name| linked(name)).collect() } else { Vec::new() },
        parents: if has_members { vec![linked(NAMES[4])] } else { Vec::new() },
        managers: if has_members { vec![someone(NAMES[4]), someone(NAMES[1])] } else { Vec::new() },
        has_rights: has_members,
        has_values: has_members,
        attributes: if has_members { shown() } else { Vec::new() },
        gid: has_members.then_some(200_018),
        dn: "cn=Editors,ou=groups,dc=example,dc=tld".into(),
        added: when(),
    }
}

fn group_form(failed: bool) -> group_form::Page {
    group_form::Page {
        frame: frame(),
        rail: rail(Section::Groups),
        notice: failed.then(notice),
        up: up(),
        heading: "Add a group".into(),
        hint: "Applications see this name, such as Editors.",
        is_fixed: false,
        form: group_form::Fields {
            name: if failed { field() } else { Field::default() },
            gid_number: field(),
            values: values::ValueField::samples(NAMES[4], failed),
        },
        verb: "Add",
    }
}

fn attributes(has_own: bool) -> attributes::Page {
    let row = |name: &str| attributes::Row {
        href: "/attributes/1001".into(),
        name: name.into(),
        kind: "Whole number, several".into(),
        on: "People and groups",
        seen_by: "Everybody",
        changed_by: "People, on their own entry",
    };
    let class = |name: &str| attributes::ClassRow {
        delete: "/attributes/object-classes/inetMailUser/delete".into(),
        name: name.into(),
        on: "People",
    };
    attributes::Page {
        frame: frame(),
        rail: rail(Section::Attributes),
        custom: if has_own { NAMES.iter().map(|name| row(name)).collect() } else { Vec::new() },
        built_in: vec![row("sshPublicKey"), row("loginShell"), row("homeDirectory")],
        classes: if has_own { NAMES.iter().map(|name| class(name)).collect() } else { Vec::new() },
    }
}

fn attribute_form(what: What, failed: bool) -> attribute_form::Page {
    attribute_form::Page {
        frame: frame(),
        rail: rail(Section::Attributes),
        notice: failed.then(notice),
        up: Up { href: "/attributes".into(), label: "Attributes".into() },
        heading: format!("Attribute {}", NAMES[4]),
        lead: "Text.".into(),
        verb: "Save",
        delete: failed.then(|| "/attributes/1001/delete".into()),
        what,
        form: attribute_form::Fields {
            name: if failed { field() } else { Field::default() },
            kinds: attribute_form::kinds("integer"),
            is_list: true,
            on_users: true,
            on_groups: false,
            bearers_error: failed.then(|| NAMES[4].into()),
            is_visible: true,
            is_editable: false,
        },
    }
}

fn system(has_certificates: bool) -> system::Page {
    let attention = system::Attention { words: NAMES[4].into(), href: "#cache".into(), link: "Look at the cache" };
    let certificate = |(index, name): (usize, &&str)| system::Certificate {
        id: format!("certificate-{index}"),
        title: "Certificate",
        fingerprint: (index > 3).then(|| NAMES[4].into()),
        names: (*name).into(),
        badge: badge("warn"),
        state: NAMES[4].into(),
        renews: (index > 0).then(|| system::Renewal { words: NAMES[4].into(), when: when() }),
        from: (index > 1).then(|| NAMES[4].into()),
        problem: (index > 2).then(|| NAMES[4].into()),
        next_attempt: (index > 3).then(when),
        advice: "Look.",
        left: (index > 0).then(|| system::Left { value: 1, max: 90, words: "1 of 90 days".into() }),
    };
    let part = |id| system::Underlying {
        id,
        title: "Cache",
        badge: badge("bad"),
        words: NAMES[4].into(),
        more: "Without it sign-in goes on, slower",
    };
    system::Page {
        frame: frame(),
        rail: rail(Section::System),
        attention: if has_certificates { vec![attention] } else { Vec::new() },
        certificates: if has_certificates { NAMES.iter().enumerate().map(certificate).collect() } else { Vec::new() },
        without: "HTTPS is done by another program",
        parts: vec![part("database"), part("cache")],
        version: "1.0.0",
        checked: when(),
    }
}

fn members(has_rows: bool) -> members::Page {
    let row = |name: &&str| members::Candidate { person: someone(name), is_in: *name == NAMES[0] };
    members::Page {
        frame: frame(),
        rail: rail(Section::Groups),
        href: "/groups/Editors".into(),
        name: NAMES[4].into(),
        heading: "Add members to",
        action: "/groups/Editors/members".into(),
        is_already: "Member",
        q: NAMES[4].into(),
        filter_error: (!has_rows).then(|| NAMES[4].into()),
        caption: "The first 20 of 132 people".into(),
        rows: if has_rows { NAMES.iter().map(row).collect() } else { Vec::new() },
        nobody: Nobody { title: "Nobody matches".into(), text: NAMES[4].into() },
    }
}
