//! The fields of a person's form: what stands in them, what they say is to be different, and which
//! of them a refusal is about.

use ostiary_app::PersonChange;
use ostiary_httpkit::Problem;
use ostiary_model::{Email, Timestamp, User};

use super::keeper::Keeper;
use super::moment;
use super::typed::{Typed, lines};
use super::values::{self, Kept, ValueField};
use crate::form::{About, Field};
use crate::notice::Notice;

/// The form as it stands on the page.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) username: Field,
    pub(crate) username_hint: &'static str,
    pub(crate) email: Field,
    pub(crate) given_name: Field,
    pub(crate) family_name: Field,
    pub(crate) display_name: Field,
    pub(crate) with_password: bool,
    pub(crate) password: Option<String>,
    pub(crate) password_hint: String,
    pub(crate) addresses: Field,
    pub(crate) is_service: bool,
    pub(crate) not_before: Field,
    pub(crate) not_after: Field,
    pub(crate) uid_number: Field,
    pub(crate) gid_number: Field,
    /// The attributes that are always there.
    pub(crate) built_in: Vec<ValueField>,
    /// Those of administrators.
    pub(crate) custom: Vec<ValueField>,
    /// Whether something in the part that is folded in needs another look.
    pub(crate) is_open: bool,
}

impl Fields {
    /// Of somebody new.
    pub(crate) fn empty(keeper: &Keeper, kept: &[Kept]) -> Self {
        Self::default().with_values(keeper, kept, None)
    }

    /// Of somebody who is there.
    pub(crate) fn of_user(keeper: &Keeper, user: &User, kept: &[Kept]) -> Self {
        let profile = &user.profile;
        let number = |number: Option<i64>| Field::new(number.map(|number| number.to_string()).unwrap_or_default());
        let further = keeper.app().directory().addresses_of(user.id);
        let fields = Self {
            username: Field::new(profile.username.as_str()),
            email: Field::new(profile.email.as_str()),
            given_name: Field::new(&profile.given_name),
            family_name: Field::new(&profile.family_name),
            display_name: Field::new(&profile.display_name),
            addresses: Field::new(further.iter().map(Email::as_str).collect::<Vec<_>>().join("\n")),
            is_service: user.is_service,
            not_before: Field::new(moment_field(user.validity.not_before)),
            not_after: Field::new(moment_field(user.validity.not_after)),
            uid_number: number(user.uid_number),
            gid_number: number(user.gid_number),
            ..Self::default()
        };
        fields.with_values(keeper, kept, None)
    }

    /// As they were typed.
    ///
    /// # Errors
    /// A [`Problem`] when one is missing that every form has.
    pub(crate) fn typed(keeper: &Keeper, typed: &Typed, kept: &[Kept]) -> Result<Self, Problem> {
        let field = |name| Field::new(typed.text(name));
        let fields = Self {
            username: Field::new(typed.needed("username")?),
            email: Field::new(typed.needed("email")?),
            given_name: field("given_name"),
            family_name: field("family_name"),
            display_name: field("display_name"),
            addresses: field("addresses"),
            is_service: typed.get("account") == Some("service"),
            not_before: field("not_before"),
            not_after: field("not_after"),
            uid_number: field("uid_number"),
            gid_number: field("gid_number"),
            ..Self::default()
        };
        Ok(fields.with_values(keeper, kept, Some(typed)))
    }

    fn with_values(mut self, keeper: &Keeper, kept: &[Kept], typed: Option<&Typed>) -> Self {
        let (built_in, custom): (Vec<_>, Vec<_>) =
            values::fields(kept, typed).into_iter().partition(ValueField::is_built_in);
        self.built_in = built_in;
        self.custom = custom;
        let defaults = keeper.app().directory().posix_defaults();
        let username = Some(self.username.value.as_str()).filter(|name| !name.is_empty()).unwrap_or("…");
        for field in &mut self.built_in {
            field.say_default(defaults, username);
        }
        self
    }

    /// Says at the field of an attribute what is wrong. The field's label, when there is one.
    pub(crate) fn place(&mut self, attribute: &str, words: &str) -> Option<&str> {
        self.is_open = true;
        let own = match attribute {
            "mail" => Some((&mut self.addresses, "Further e-mail addresses")),
            "uidNumber" => Some((&mut self.uid_number, "User number")),
            "gidNumber" => Some((&mut self.gid_number, "Group number")),
            _ => None,
        };
        if let Some((field, label)) = own {
            field.error = Some(words.to_owned());
            return Some(label);
        }
        values::place(&mut self.built_in, attribute, words)
            .or_else(|| values::place(&mut self.custom, attribute, words))
    }

    /// Says that a number is taken, at the one that was changed.
    pub(crate) fn number_taken(&mut self, user: Option<&User>, words: &str) -> Notice {
        let old = user.and_then(|user| user.uid_number).map(|number| number.to_string());
        let is_uid = !self.uid_number.value.is_empty() && old.as_deref() != Some(self.uid_number.value.trim());
        let field = if is_uid { &mut self.uid_number } else { &mut self.gid_number };
        field.error = Some(words.to_owned());
        self.is_open = true;
        Notice::bad("One field needs another look").line(words)
    }

    /// Whether the end stands before the beginning.
    pub(crate) fn ends_first(&self) -> bool {
        let at = |field: &Field| moment::read(&field.value);
        at(&self.not_before).zip(at(&self.not_after)).is_some_and(|(from, to)| to <= from)
    }

    /// Whether a refusal of an address must be about a further one: the primary one is well formed
    /// and nobody else has it.
    pub(crate) fn is_of_further(&self, keeper: &Keeper, user: Option<&User>) -> bool {
        let Ok(primary) = Email::parse(&self.email.value) else { return false };
        let holder = keeper.app().directory().user_by_email(&primary.folded());
        holder.is_none_or(|holder| Some(holder.id) == user.map(|user| user.id))
    }

    /// Says at the field that a refusal is about what is wrong.
    pub(crate) fn refuse(&mut self, about: About, words: &str, is_of_further: bool) {
        let field = match about {
            About::Username => &mut self.username,
            About::Email if is_of_further => {
                self.is_open = true;
                &mut self.addresses
            }
            About::Email => &mut self.email,
            About::DisplayName => &mut self.display_name,
            About::GivenName => &mut self.given_name,
            About::FamilyName => &mut self.family_name,
            About::Password => {
                self.password = Some(words.to_owned());
                return;
            }
            About::GroupName | About::Form => {
                // It may be about the time or the kind of the account.
                self.is_open = true;
                return;
            }
        };
        field.error = Some(words.to_owned());
    }
}

/// What is to be different. Names and address are always named; all else when it is another than
/// before.
///
/// # Errors
/// What the page says when something is not of its kind, with words at the field.
pub(crate) fn read(
    typed: &Typed,
    kept: &[Kept],
    user: Option<&User>,
    fields: &mut Fields,
) -> Result<PersonChange, Notice> {
    let name = |name| Some(typed.text(name).to_owned());
    let validity = user.map(|user| user.validity).unwrap_or_default();
    let not_before = moment_typed(typed.get("not_before"), validity.not_before, &mut fields.not_before);
    let not_after = moment_typed(typed.get("not_after"), validity.not_after, &mut fields.not_after);
    let uid_number = number_typed(typed.get("uid_number"), &mut fields.uid_number);
    let gid_number = number_typed(typed.get("gid_number"), &mut fields.gid_number);
    if [&fields.not_before, &fields.not_after, &fields.uid_number, &fields.gid_number]
        .iter()
        .any(|field| field.error.is_some())
    {
        fields.is_open = true;
        return Err(Notice::bad("One field needs another look").line("It is marked below. Nothing was saved."));
    }
    Ok(PersonChange {
        username: name("username"),
        email: name("email"),
        display_name: name("display_name"),
        given_name: name("given_name"),
        family_name: name("family_name"),
        addresses: typed.get("addresses").map(lines),
        not_before,
        not_after,
        is_service: match typed.get("account") {
            Some("service") => Some(true),
            Some("person") => Some(false),
            _ => None,
        },
        uid_number: uid_number.flatten(),
        gid_number,
        values: values::changes(kept, typed),
    })
}

fn moment_field(at: Option<Timestamp>) -> String {
    at.map(moment::field).unwrap_or_default()
}

/// The change that a field for a point in time asks for, if any.
fn moment_typed(text: Option<&str>, old: Option<Timestamp>, field: &mut Field) -> Option<Option<Timestamp>> {
    let text = text?.trim();
    if text == moment_field(old) {
        return None;
    }
    if text.is_empty() {
        return Some(None);
    }
    let at = moment::read(text);
    if at.is_none() {
        field.error = Some("This is no date and time. Write it such as 2026-11-22T17:45.".to_owned());
    }
    at.map(Some)
}

/// The number in a field: `None` without a field, `Some(None)` when it is empty.
pub(super) fn number_typed(text: Option<&str>, field: &mut Field) -> Option<Option<i64>> {
    let text = text?.trim();
    if text.is_empty() {
        return Some(None);
    }
    let number = text.parse().ok();
    if number.is_none() {
        field.error = Some("This is no whole number. Write figures alone, such as 200017.".to_owned());
    }
    Some(number)
}
