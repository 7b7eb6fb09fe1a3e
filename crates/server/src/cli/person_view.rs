//! People as the command line shows them: a list, one person with all that there is, and JSON.

use anyhow::Result;
use ostiary_app::App;
use ostiary_app::directory::{Page, PeopleSort, PeopleState};
use ostiary_model::{AttributeKind, Group, Timestamp, User};
use serde_json::{Map, Value, json};

use super::{Table, day, moment, print, print_json, rfc3339};

/// `ostiary user list`.
///
/// # Errors
/// None in practice.
pub(crate) fn list(app: &App, json: bool) -> Result<()> {
    let now = moment(app).now;
    let people = app.directory().find_people(now, "", PeopleState::Any, PeopleSort::default(), Page::ALL)?.rows;
    if json {
        return print_json(&Value::Array(people.iter().map(|user| as_json(app, user)).collect()));
    }
    let mut table = Table::new(&["NAME", "FULL NAME", "E-MAIL", "GROUPS", "STATE", "LAST SIGN-IN"]);
    for user in &people {
        table.row(vec![
            user.profile.username.to_string(),
            user.profile.full_name(),
            user.profile.email.to_string(),
            names(&app.directory().groups_of(user.id)).join(", "),
            state(user, now).to_owned(),
            user.last_sign_in_at.map(day).unwrap_or_default(),
        ]);
    }
    print(&table.text());
    Ok(())
}

/// `ostiary user show`.
///
/// # Errors
/// None in practice.
pub(crate) fn show(app: &App, user: &User, json: bool) -> Result<()> {
    if json {
        return print_json(&as_json(app, user));
    }
    let directory = app.directory();
    let mut lines: Vec<(&str, String)> = vec![
        ("name", user.profile.username.to_string()),
        ("full name", user.profile.full_name()),
        ("given name", user.profile.given_name.clone()),
        ("family name", user.profile.family_name.clone()),
        ("e-mail", user.profile.email.to_string()),
        ("further e-mail", addresses(app, user).join(", ")),
        ("groups", names(&directory.groups_of(user.id)).join(", ")),
        ("manages", names(&directory.managed_by(user.id)).join(", ")),
        ("state", state(user, moment(app).now).to_owned()),
        ("belongs to", if user.is_service { "a program" } else { "a person" }.to_owned()),
        ("not before", user.validity.not_before.map(rfc3339).unwrap_or_default()),
        ("not after", user.validity.not_after.map(rfc3339).unwrap_or_default()),
        ("uidNumber", user.uid_number.map(|number| number.to_string()).unwrap_or_default()),
        ("gidNumber", user.primary_group().map(|number| number.to_string()).unwrap_or_default()),
        ("picture", if user.has_avatar { "yes" } else { "" }.to_owned()),
    ];
    let schema = directory.schema();
    for def in schema.defs() {
        let values = directory.values_of_user(user.id, def.number);
        lines.extend(
            shown(values, directory.pictures_of_user(user.id, def.number)).map(|value| (def.name.as_str(), value)),
        );
    }
    let or_never = |time: Option<_>| time.map_or_else(|| "never".to_owned(), rfc3339);
    lines.extend([
        ("added", rfc3339(user.created_at)),
        ("changed", rfc3339(user.modified_at)),
        ("password set", or_never(user.password_changed_at)),
        ("last sign-in", or_never(user.last_sign_in_at)),
        ("id", user.id.to_string()),
        ("subject", user.subject.to_string()),
    ]);
    print(&aligned(&lines));
    Ok(())
}

/// Names and values under each other. What is empty is shown as a dash; further lines of a value
/// stand under the first.
pub(crate) fn aligned(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (name, value) in lines {
        let value = if value.is_empty() { "-".to_owned() } else { value.replace('\n', &format!("\n{:width$}  ", "")) };
        text.push_str(&format!("{name:<width$}  {value}\n"));
    }
    text
}

/// The values of an attribute for people: of pictures only that they are there.
pub(crate) fn shown(values: Vec<String>, pictures: usize) -> impl Iterator<Item = String> {
    values.into_iter().chain(std::iter::repeat_n("a picture".to_owned(), pictures))
}

/// The names of groups.
pub(crate) fn names(groups: &[std::sync::Arc<Group>]) -> Vec<String> {
    groups.iter().map(|group| group.name.to_string()).collect()
}

fn addresses(app: &App, user: &User) -> Vec<String> {
    app.directory().addresses_of(user.id).iter().map(ToString::to_string).collect()
}

fn state(user: &User, now: Timestamp) -> &'static str {
    if user.state.is_disabled() {
        "disabled"
    } else if user.validity.not_after.is_some_and(|end| end <= now) {
        "expired"
    } else if !user.is_open(now) {
        "not yet"
    } else if user.password_changed_at.is_none() {
        "no password"
    } else if user.is_service {
        "service"
    } else if user.has_totp {
        "two factors"
    } else {
        "one factor"
    }
}

fn as_json(app: &App, user: &User) -> Value {
    let directory = app.directory();
    json!({
        "username": user.profile.username.as_str(),
        "email": user.profile.email.as_str(),
        "email_verified": user.profile.email_verified,
        "addresses": addresses(app, user),
        "display_name": user.profile.display_name,
        "given_name": user.profile.given_name,
        "family_name": user.profile.family_name,
        "groups": names(&directory.groups_of(user.id)),
        "direct_groups": names(&directory.direct_groups_of(user.id)),
        "manages": names(&directory.managed_by(user.id)),
        "disabled": user.state.is_disabled(),
        "open": user.is_open(moment(app).now),
        "service": user.is_service,
        "not_before": user.validity.not_before.map(rfc3339),
        "not_after": user.validity.not_after.map(rfc3339),
        "uid_number": user.uid_number,
        "gid_number": user.primary_group(),
        "attributes": values_json(app, |number| directory.values_of_user(user.id, number)),
        "has_picture": user.has_avatar,
        "has_password": user.password_changed_at.is_some(),
        "has_totp": user.has_totp,
        "created_at": rfc3339(user.created_at),
        "modified_at": rfc3339(user.modified_at),
        "password_changed_at": user.password_changed_at.map(rfc3339),
        "last_sign_in_at": user.last_sign_in_at.map(rfc3339),
        "id": user.id.to_string(),
        "subject": user.subject.to_string(),
    })
}

/// The values of an entry by the names of their attributes. Pictures are left out.
pub(crate) fn values_json(app: &App, values: impl Fn(u32) -> Vec<String>) -> Value {
    let schema = app.directory().schema();
    let mut all = Map::new();
    for def in schema.defs().filter(|def| def.kind != AttributeKind::Jpeg) {
        let values = values(def.number);
        if !values.is_empty() {
            all.insert(def.name.as_str().to_owned(), values.into());
        }
    }
    Value::Object(all)
}
