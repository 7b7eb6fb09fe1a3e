//! Values of the attributes that are defined: as fields of a form, and as a page shows them.
//!
//! A field that holds what it held before is left alone, and a list that a form cannot show, such as
//! one of values with line ends in them, has no field: so nothing is lost.

use ostiary_app::directory::PosixDefaults;
use ostiary_app::{AdminError, Directory};
use ostiary_model::{
    AttributeDef, AttributeKind, FIRST_CUSTOM, GroupId, HOME_DIRECTORY, InvalidValue, LOGIN_SHELL, SSH_PUBLIC_KEY,
    StoredValues, Timestamp, UserId,
};

use super::moment;
use super::typed::{Typed, lines};
use crate::form::{self, Field};
use crate::words::{self, When};

/// An attribute and what an entry has of it.
pub(crate) struct Kept {
    def: AttributeDef,
    values: Vec<String>,
    pictures: usize,
}

/// How a field looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Line,
    Number,
    Text,
    Lines,
    YesNo,
    Moment,
    /// Said to be there, and changed elsewhere.
    Fixed,
}

/// A field of a form.
pub(crate) struct ValueField {
    number: u32,
    name: String,
    /// The attribute's name, or words for a built-in one.
    pub(crate) label: String,
    /// Its name in the form.
    pub(crate) id: String,
    pub(crate) hint: String,
    pub(crate) field: Field,
    shape: Shape,
}

impl ValueField {
    /// Whether it is one of those that are always there.
    pub(crate) fn is_built_in(&self) -> bool {
        self.number < FIRST_CUSTOM
    }

    /// Says what systems get of `username` when the field is empty.
    pub(crate) fn say_default(&mut self, defaults: &PosixDefaults, username: &str) {
        match self.number {
            LOGIN_SHELL => self.hint = format!("Empty: {}", defaults.shell),
            HOME_DIRECTORY => self.hint = format!("Empty: {}", defaults.home.replace("{username}", username)),
            _ => {}
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        self.shape == Shape::Number
    }

    pub(crate) fn is_lines(&self) -> bool {
        matches!(self.shape, Shape::Text | Shape::Lines)
    }

    pub(crate) fn is_yes_no(&self) -> bool {
        self.shape == Shape::YesNo
    }

    pub(crate) fn is_moment(&self) -> bool {
        self.shape == Shape::Moment
    }

    pub(crate) fn is_fixed(&self) -> bool {
        self.shape == Shape::Fixed
    }

    #[cfg(test)]
    pub(crate) fn samples(name: &str, failed: bool) -> Vec<Self> {
        let shapes = [Shape::Line, Shape::Number, Shape::Text, Shape::Lines, Shape::YesNo, Shape::Moment, Shape::Fixed];
        let one = |(index, shape)| Self {
            number: FIRST_CUSTOM,
            name: name.to_owned(),
            label: name.to_owned(),
            id: format!("attr-{index}"),
            hint: if index == 0 { String::new() } else { name.to_owned() },
            field: Field { value: name.to_owned(), error: failed.then(|| name.to_owned()) },
            shape,
        };
        shapes.into_iter().enumerate().map(one).collect()
    }
}

/// Values as a page shows them.
pub(crate) struct Shown {
    pub(crate) label: String,
    /// One a line; none when there are none.
    pub(crate) values: Vec<String>,
    pub(crate) is_code: bool,
    /// Whether it is what systems get because the entry has nothing of its own.
    pub(crate) is_default: bool,
}

/// What an account has of every attribute that people have; nothing of it when it is to be added.
pub(crate) fn of_user(directory: &Directory, user: Option<UserId>) -> Vec<Kept> {
    let kept = |def: &AttributeDef| Kept {
        values: user.map(|user| directory.values_of_user(user, def.number)).unwrap_or_default(),
        pictures: user.map_or(0, |user| directory.pictures_of_user(user, def.number)),
        def: def.clone(),
    };
    directory.schema().defs().filter(|def| def.on_users).map(kept).collect()
}

/// What a group has of every attribute that groups have.
pub(crate) fn of_group(directory: &Directory, group: Option<GroupId>) -> Vec<Kept> {
    let kept = |def: &AttributeDef| Kept {
        values: group.map(|group| directory.values_of_group(group, def.number)).unwrap_or_default(),
        pictures: group.map_or(0, |group| directory.pictures_of_group(group, def.number)),
        def: def.clone(),
    };
    directory.schema().defs().filter(|def| def.on_groups).map(kept).collect()
}

impl Kept {
    /// Whether it is one of those that are always there.
    pub(crate) const fn is_built_in(&self) -> bool {
        self.def.is_built_in()
    }

    fn id(&self) -> String {
        format!("attr-{}", self.def.number)
    }

    fn label(&self) -> String {
        match self.def.number {
            SSH_PUBLIC_KEY => "SSH public keys".to_owned(),
            LOGIN_SHELL => "Login shell".to_owned(),
            HOME_DIRECTORY => "Home directory".to_owned(),
            _ => self.def.name.as_str().to_owned(),
        }
    }

    fn shape(&self) -> Shape {
        match (self.def.kind, self.def.is_list) {
            (AttributeKind::Jpeg, _) => Shape::Fixed,
            (_, true) if self.has_line_ends() => Shape::Fixed,
            (_, true) => Shape::Lines,
            (AttributeKind::String, false) if self.has_line_ends() => Shape::Text,
            (AttributeKind::String, false) => Shape::Line,
            (AttributeKind::Integer, false) => Shape::Number,
            (AttributeKind::Boolean, false) => Shape::YesNo,
            (AttributeKind::DateTime, false) => Shape::Moment,
        }
    }

    /// Whether a value is longer than a line.
    fn has_line_ends(&self) -> bool {
        self.values.iter().any(|value| value.contains('\n'))
    }

    fn hint(&self) -> String {
        if self.def.is_list && self.has_line_ends() {
            let count = words::count(self.values.len(), "value", "values");
            return format!(
                "{count}, not all of them one line long. They are changed over LDAP or from the command line."
            );
        }
        let kind = match (self.def.number, self.def.kind) {
            (SSH_PUBLIC_KEY, _) => return "One key a line, as it stands in a file that ends in .pub.".to_owned(),
            (_, AttributeKind::Jpeg) => {
                return match self.pictures {
                    0 => "No picture. One is set over LDAP or from the command line.".to_owned(),
                    many => format!(
                        "{}, changed over LDAP or from the command line.",
                        words::count(many, "picture", "pictures")
                    ),
                };
            }
            (_, AttributeKind::DateTime) if self.def.is_list => "A date and time in UTC, such as 2026-11-22 17:45.",
            (_, AttributeKind::DateTime) => "In UTC.",
            (_, AttributeKind::Boolean) if self.def.is_list => "Yes or no.",
            (_, AttributeKind::Integer) if self.def.is_list => "Whole numbers.",
            _ => "",
        };
        match (self.def.is_list, kind) {
            (true, "") => "One value a line.".to_owned(),
            (true, kind) => format!("One value a line. {kind}"),
            (false, kind) => kind.to_owned(),
        }
    }

    /// What the field holds before anybody types.
    fn text(&self) -> String {
        let first = || self.values.first().cloned().unwrap_or_default();
        match self.shape() {
            Shape::Lines => {
                self.values.iter().map(|value| line_of(self.def.kind, value)).collect::<Vec<_>>().join("\n")
            }
            Shape::Moment => Timestamp::from_generalized_time(&first()).map(moment::field).unwrap_or_default(),
            Shape::Fixed => String::new(),
            Shape::Line | Shape::Number | Shape::Text | Shape::YesNo => first(),
        }
    }

    /// What was typed, as it is kept.
    fn read(&self, text: &str) -> Vec<Vec<u8>> {
        let parts = match self.shape() {
            Shape::Lines => lines(text),
            _ if text.trim().is_empty() => Vec::new(),
            _ => vec![text.to_owned()],
        };
        parts.into_iter().map(|part| ldap_of(self.def.kind, part).into_bytes()).collect()
    }

    fn shown(&self, now: Timestamp) -> Shown {
        let value = |text: &String| match self.def.kind {
            AttributeKind::Boolean => words::first(&line_of(self.def.kind, text)),
            AttributeKind::DateTime => {
                Timestamp::from_generalized_time(text).map_or_else(|| text.clone(), |at| When::new(now, at).exact)
            }
            _ => text.clone(),
        };
        let mut values: Vec<String> = self.values.iter().map(value).collect();
        if self.pictures > 0 {
            values.push(words::count(self.pictures, "picture", "pictures"));
        }
        Shown { label: self.label(), values, is_code: self.is_built_in(), is_default: false }
    }
}

/// One value in a line of a field.
fn line_of(kind: AttributeKind, value: &str) -> String {
    match (kind, value) {
        (AttributeKind::Boolean, "TRUE") => "yes".to_owned(),
        (AttributeKind::Boolean, "FALSE") => "no".to_owned(),
        (AttributeKind::DateTime, _) => {
            Timestamp::from_generalized_time(value).map_or_else(|| value.to_owned(), moment::line)
        }
        _ => value.to_owned(),
    }
}

/// What somebody typed, in LDAP's form where it is understood; the verbs refuse the rest.
fn ldap_of(kind: AttributeKind, typed: String) -> String {
    let is = |word: &str| typed.trim().eq_ignore_ascii_case(word);
    match kind {
        AttributeKind::Boolean if is("yes") => "TRUE".to_owned(),
        AttributeKind::Boolean if is("no") => "FALSE".to_owned(),
        AttributeKind::DateTime => moment::read(&typed).map_or(typed, Timestamp::to_generalized_time),
        _ => typed,
    }
}

/// The fields, with what was typed into them or with what there is.
pub(crate) fn fields(kept: &[Kept], typed: Option<&Typed>) -> Vec<ValueField> {
    let field = |kept: &Kept| {
        let id = kept.id();
        let text = typed.and_then(|typed| typed.get(&id)).map_or_else(|| kept.text(), str::to_owned);
        ValueField {
            number: kept.def.number,
            name: kept.def.name.as_str().to_owned(),
            label: kept.label(),
            hint: kept.hint(),
            field: Field::new(text),
            shape: kept.shape(),
            id,
        }
    };
    kept.iter().map(field).collect()
}

/// What is different in the form.
pub(crate) fn changes(kept: &[Kept], typed: &Typed) -> StoredValues {
    let changed = |kept: &Kept| {
        let text = typed.get(&kept.id())?;
        let is_other = kept.shape() != Shape::Fixed && text.trim_end() != kept.text().trim_end();
        is_other.then(|| (kept.def.number, kept.read(text)))
    };
    kept.iter().filter_map(changed).collect()
}

/// Whether there is a value at all.
pub(crate) fn any(kept: &[Kept]) -> bool {
    kept.iter().any(|kept| kept.pictures > 0 || !kept.values.is_empty())
}

/// The values that there are, as a page shows them.
pub(crate) fn shown(kept: &[Kept], now: Timestamp) -> Vec<Shown> {
    kept.iter().map(|kept| kept.shown(now)).collect()
}

/// Which attribute a refusal is about, and what its field says of it.
pub(crate) fn refusal(error: &AdminError) -> Option<(&str, String)> {
    let sentence = |why: &str| form::sentence(&words::first(why));
    Some(match error {
        AdminError::Value { attribute, why } => (attribute, of_kind(*why)),
        AdminError::Form { attribute, why } => (attribute, sentence(why)),
        AdminError::Single(attribute) => (attribute, "There is room for one value.".to_owned()),
        AdminError::Duplicate { attribute, value } => {
            (attribute, format!("“{value}” stands here twice. Leave one of them out."))
        }
        AdminError::TooMany(attribute) | AdminError::NotEditable(attribute) => {
            (attribute, sentence(&error.to_string()))
        }
        _ => return None,
    })
}

fn of_kind(why: InvalidValue) -> String {
    match why {
        InvalidValue::Time => "This is no date and time. Write it such as 2026-11-22 17:45.".to_owned(),
        InvalidValue::Boolean => "Write yes or no.".to_owned(),
        InvalidValue::Integer => "This is no whole number, or it has too many digits.".to_owned(),
        _ => form::sentence(&words::first(&why.to_string())),
    }
}

/// Says at the field of `attribute` what is wrong with it. The field's label, when there is one.
pub(crate) fn place<'a>(fields: &'a mut [ValueField], attribute: &str, words: &str) -> Option<&'a str> {
    let field = fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(attribute))?;
    field.field.error = Some(words.to_owned());
    Some(&field.label)
}

/// Says where systems get a default because the entry has nothing.
pub(crate) fn fill_in(shown: &mut [Shown], kept: &[Kept], defaults: &PosixDefaults, username: &str) {
    for (shown, kept) in shown.iter_mut().zip(kept).filter(|(shown, _)| shown.values.is_empty()) {
        let default = match kept.def.number {
            LOGIN_SHELL => defaults.shell.clone(),
            HOME_DIRECTORY => defaults.home.replace("{username}", username),
            _ => continue,
        };
        shown.values.push(default);
        shown.is_default = true;
    }
}
