//! Modifications as they are asked for (RFC 4511 section 4.6), and sorted by what they touch: the
//! attributes of the entry itself, who is in a group, and the password.

use ostiary_model::{Assertion, Attribute, Rule, Schema, Secret, Usage};

use super::EntryError;
use super::draft::read;
use crate::picture::{MAX_PICTURES, PictureError};

/// What is done with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// These come to those that are there.
    Add,
    /// These go; all of them when none are named.
    Delete,
    /// These are all.
    Replace,
    /// Each number grows by this one (RFC 4525).
    Increment,
}

/// One modification of an entry.
#[derive(Debug, Clone)]
pub struct Modification {
    /// What is done.
    pub kind: Kind,
    /// To which attribute, by any of its names.
    pub attribute: String,
    /// With which values.
    pub values: Vec<Vec<u8>>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer {
    Person,
    Group,
}

impl Bearer {
    const fn plural(self) -> &'static str {
        match self {
            Self::Person => "people",
            Self::Group => "groups",
        }
    }

    /// The classes that entries have or may be said to have, beside those that administrators added.
    const fn classes(self) -> &'static [&'static str] {
        match self {
            Self::Person => &[
                "top",
                "person",
                "organizationalperson",
                "inetorgperson",
                "posixaccount",
                "mailaccount",
                "ldappublickey",
            ],
            Self::Group => &["top", "groupofnames", "groupofuniquenames", "posixgroup"],
        }
    }
}

/// A modification of the entry's own attributes.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kind: Kind,
    /// The attribute that holds the values: names for the same thing are one.
    pub(super) attribute: Attribute,
    /// The attribute that was named.
    pub(super) named: Attribute,
    /// As it was asked for, for messages.
    pub(super) name: String,
    pub(super) values: Vec<Vec<u8>>,
}

/// A modification of who is in a group.
#[derive(Debug)]
pub(super) struct MemberStep {
    pub(super) kind: Kind,
    pub(super) attribute: Attribute,
    pub(super) name: String,
    pub(super) values: Vec<Vec<u8>>,
}

/// What is to become of a password.
#[derive(Debug, Default)]
pub(super) struct PasswordStep {
    /// Whether whoever asks says that there is one already.
    pub(super) replaces: bool,
    /// What it is now.
    pub(super) old: Option<Secret>,
    pub(super) new: Option<Secret>,
}

/// All modifications of one request.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) own: Vec<Step>,
    pub(super) members: Vec<MemberStep>,
    pub(super) password: Option<PasswordStep>,
    /// How many pictures there are among the values.
    pictures: usize,
}

impl Steps {
    /// Sorts modifications of an entry of the kind `bearer`, and checks each for itself.
    pub(super) fn read(schema: &Schema, bearer: Bearer, modifications: Vec<Modification>) -> Result<Self, EntryError> {
        let mut steps = Self::default();
        for modification in modifications {
            steps.take(schema, bearer, modification)?;
        }
        match &steps.password {
            Some(PasswordStep { new: None, .. }) => {
                Err(EntryError::Unwilling("a password is replaced by another one, and never taken away".to_owned()))
            }
            _ => Ok(steps),
        }
    }

    fn take(&mut self, schema: &Schema, bearer: Bearer, modification: Modification) -> Result<(), EntryError> {
        let Modification { kind, attribute: name, values } = modification;
        let is_bare = match kind {
            Kind::Add => values.is_empty(),
            Kind::Increment => values.len() != 1,
            Kind::Delete | Kind::Replace => false,
        };
        if is_bare {
            return Err(EntryError::Malformed("to add or to increment, name a value"));
        }
        if bearer == Bearer::Person && (name.eq_ignore_ascii_case("userPassword") || name == "2.5.4.35") {
            return self.password.get_or_insert_default().take(kind, values);
        }
        let named = schema.attribute(&name).ok_or_else(|| EntryError::Undefined(name.clone()))?;
        if named.usage() == Usage::Operational {
            return Err(EntryError::Constraint(format!("{name} is kept by the server, nobody writes it")));
        }
        if bearer == Bearer::Group
            && matches!(named, Attribute::Member | Attribute::UniqueMember | Attribute::MemberUid)
        {
            self.members.push(MemberStep { kind, attribute: named, name, values });
            return Ok(());
        }
        let attribute = place(schema, bearer, named)
            .ok_or_else(|| EntryError::Class(format!("{} have no {name}", bearer.plural())))?;
        for value in &values {
            check(attribute, &name, value)?;
            if attribute == Attribute::ObjectClass && kind != Kind::Delete {
                check_class(schema, bearer, value)?;
            }
        }
        let step = Step { kind, attribute, named, name, values };
        if attribute.rule() == Rule::Picture {
            self.count_pictures(&step)?;
        }
        self.own.push(step);
        Ok(())
    }

    /// Whether the pictures of one step more may come. Each new one is decoded before anything else
    /// is asked of it, so where one is kept, one comes.
    fn count_pictures(&mut self, next: &Step) -> Result<(), EntryError> {
        self.pictures += next.values.len();
        if self.pictures > MAX_PICTURES {
            return Err(PictureError::TooMany.into());
        }
        // RFC 2798 section 2.6 lets people have several; here they have one.
        let is_single = next.attribute == Attribute::JpegPhoto || next.attribute.is_single();
        let all = self.own.iter().chain([next]);
        let new = all.filter(|step| step.attribute == next.attribute && step.kind != Kind::Delete);
        if is_single && new.map(|step| step.values.len()).sum::<usize>() > 1 {
            return Err(EntryError::Constraint(format!("{} has one value here", next.name)));
        }
        Ok(())
    }
}

/// The attribute that holds what `named` shows on entries of this kind; `None` when they have
/// nothing of it.
fn place(schema: &Schema, bearer: Bearer, named: Attribute) -> Option<Attribute> {
    match (bearer, named) {
        (_, Attribute::ObjectClass | Attribute::GidNumber | Attribute::Cn) => Some(named),
        (_, Attribute::DisplayName) | (Bearer::Group, Attribute::Uid) => Some(Attribute::Cn),
        (
            Bearer::Person,
            Attribute::Uid
            | Attribute::Mail
            | Attribute::GivenName
            | Attribute::Sn
            | Attribute::UidNumber
            | Attribute::JpegPhoto,
        ) => Some(named),
        (_, Attribute::Custom(custom)) => {
            let def = schema.def(custom.number)?;
            let has = match bearer {
                Bearer::Person => def.on_users,
                Bearer::Group => def.on_groups,
            };
            has.then_some(named)
        }
        _ => None,
    }
}

/// Whether a value is one by the attribute's syntax.
fn check(attribute: Attribute, name: &str, value: &[u8]) -> Result<(), EntryError> {
    let is_value = match (attribute.rule(), read(attribute, value)) {
        (Rule::Picture, _) => !value.is_empty(),
        // A text has a character at least (RFC 4517 section 3.3.6).
        (_, Some(Assertion::Text(text))) => !text.as_str().is_empty(),
        (_, read) => read.is_some(),
    };
    if is_value { Ok(()) } else { Err(EntryError::Syntax(format!("a value of {name} is none of its kind"))) }
}

fn check_class(schema: &Schema, bearer: Bearer, value: &[u8]) -> Result<(), EntryError> {
    let Some(Assertion::Text(class)) = read(Attribute::ObjectClass, value) else { return Ok(()) };
    let is_added = schema.classes().iter().any(|added| {
        let has = match bearer {
            Bearer::Person => added.on_users,
            Bearer::Group => added.on_groups,
        };
        has && added.name.folded() == class.as_str()
    });
    if is_added || bearer.classes().contains(&class.as_str()) {
        return Ok(());
    }
    Err(EntryError::Class(format!("{} have no object class {class}: an administrator can add it", bearer.plural())))
}

impl PasswordStep {
    fn take(&mut self, kind: Kind, values: Vec<Vec<u8>>) -> Result<(), EntryError> {
        let single = || EntryError::Constraint("userPassword has one value".to_owned());
        let value = match <[Vec<u8>; 1]>::try_from(values) {
            Ok([value]) => Some(password(value)?),
            Err(values) if values.is_empty() => None,
            Err(_) => return Err(single()),
        };
        match (kind, value) {
            (Kind::Increment, _) => return Err(EntryError::Matching("userPassword".to_owned())),
            (Kind::Delete, None) => self.replaces = true,
            (Kind::Delete, old) => {
                self.replaces = true;
                self.old = old;
            }
            (Kind::Replace, None) => (self.replaces, self.new) = (true, None),
            (Kind::Replace, new) => (self.replaces, self.new) = (true, new),
            (Kind::Add, _) if self.new.is_some() => return Err(single()),
            (Kind::Add, new) => self.new = new,
        }
        Ok(())
    }
}

/// A password in clear. Some programs send a hash in its place, which would become the password.
fn password(value: Vec<u8>) -> Result<Secret, EntryError> {
    let text = String::from_utf8(value)
        .map_err(|_| EntryError::Constraint("userPassword is not UTF-8 (RFC 4513 section 5.1.3)".to_owned()))?;
    let scheme = text.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(scheme, _)| scheme);
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
    };
    if scheme.is_some_and(is_word) {
        let message = "userPassword looks like a hash: send the password itself, the server hashes it";
        return Err(EntryError::Constraint(message.to_owned()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use ostiary_model::{AttributeDef, AttributeKind, AttributeName};

    use super::*;

    fn modification(kind: Kind, attribute: &str, values: &[&str]) -> Modification {
        let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        Modification { kind, attribute: attribute.to_owned(), values }
    }

    fn read_one(bearer: Bearer, kind: Kind, attribute: &str, values: &[&str]) -> Result<Steps, EntryError> {
        Steps::read(&Schema::default(), bearer, vec![modification(kind, attribute, values)])
    }

    #[test]
    fn attributes_go_where_they_are_kept() {
        for (bearer, name, attribute) in [
            (Bearer::Person, "displayName", Attribute::Cn),
            (Bearer::Person, "COMMONNAME", Attribute::Cn),
            (Bearer::Person, "2.5.4.4", Attribute::Sn),
            (Bearer::Group, "uid", Attribute::Cn),
            (Bearer::Person, "uid", Attribute::Uid),
        ] {
            let steps = read_one(bearer, Kind::Replace, name, &["x"]).unwrap();
            assert_eq!(steps.own.first().map(|step| step.attribute), Some(attribute), "{name}");
        }
        assert_eq!(read_one(Bearer::Group, Kind::Add, "memberUid", &["ada"]).unwrap().members.len(), 1);
    }

    #[test]
    fn what_entries_do_not_have_is_refused_by_its_kind() {
        for (bearer, name, values) in [(Bearer::Person, "member", ["uid=a"]), (Bearer::Group, "sn", ["x"])] {
            assert!(matches!(read_one(bearer, Kind::Add, name, &values), Err(EntryError::Class(_))), "{name}");
        }
        for (bearer, name) in
            [(Bearer::Person, "shoeSize"), (Bearer::Group, "userPassword"), (Bearer::Person, "cn;lang-en")]
        {
            assert!(matches!(read_one(bearer, Kind::Add, name, &["x"]), Err(EntryError::Undefined(_))), "{name}");
        }
        for name in ["memberOf", "entryUUID", "createTimestamp"] {
            let refused = read_one(Bearer::Person, Kind::Replace, name, &["x"]);
            assert!(matches!(refused, Err(EntryError::Constraint(_))), "{name}");
        }
        for (name, value) in [("uidNumber", "many"), ("sn", " "), ("cn", "")] {
            let refused = read_one(Bearer::Person, Kind::Replace, name, &[value]);
            assert!(matches!(refused, Err(EntryError::Syntax(_))), "{name}");
        }
        assert!(matches!(read_one(Bearer::Person, Kind::Add, "sn", &[]), Err(EntryError::Malformed(_))));
    }

    #[test]
    fn classes_are_those_of_the_kind() {
        for class in ["inetOrgPerson", "2.5.6.6", "LDAPPUBLICKEY"] {
            assert!(read_one(Bearer::Person, Kind::Add, "objectClass", &[class]).is_ok(), "{class}");
        }
        for class in ["groupOfNames", "device", "2.5.6.9"] {
            let refused = read_one(Bearer::Person, Kind::Add, "objectClass", &[class]);
            assert!(matches!(refused, Err(EntryError::Class(_))), "{class}");
        }
        assert!(read_one(Bearer::Person, Kind::Delete, "objectClass", &["device"]).is_ok());
    }

    /// Each picture is decoded before anything else is asked of it: a message has room for thousands.
    #[test]
    fn only_so_many_pictures_come_in_one_request() {
        let add = |count| modification(Kind::Add, "album", &vec!["\u{7f}"; count]);
        let read = |list| Steps::read(&with_pictures(), Bearer::Person, list);
        assert!(read(vec![add(MAX_PICTURES)]).is_ok());
        for list in [vec![add(MAX_PICTURES + 1)], vec![add(MAX_PICTURES), add(1)]] {
            assert!(matches!(read(list), Err(EntryError::Constraint(_))));
        }
    }

    /// An attribute of several pictures, and one of a single one.
    fn with_pictures() -> Schema {
        let def = |number, name: &str, is_list| AttributeDef {
            number,
            name: AttributeName::parse(name).unwrap(),
            kind: AttributeKind::Jpeg,
            is_list,
            on_users: true,
            on_groups: false,
            is_visible: true,
            is_editable: true,
        };
        Schema::new(vec![def(1001, "album", true), def(1002, "badge", false)], Vec::new())
    }

    /// Where one is kept, one is decoded: anybody may send sixteen that are long in decoding.
    #[test]
    fn only_one_picture_comes_where_one_is_kept() {
        let read = |list| Steps::read(&with_pictures(), Bearer::Person, list);
        for name in ["jpegPhoto", "avatar", "badge"] {
            let step = |kind, values: &[&str]| modification(kind, name, values);
            let changed = vec![step(Kind::Delete, &[]), step(Kind::Add, &["a"])];
            for list in [vec![step(Kind::Replace, &["a"])], vec![step(Kind::Replace, &[])], changed] {
                assert!(read(list).is_ok(), "{name}");
            }
            for list in [
                vec![step(Kind::Replace, &["a", "b"])],
                vec![step(Kind::Add, &["a", "b"])],
                vec![step(Kind::Replace, &["a"]), step(Kind::Replace, &["b"])],
                vec![step(Kind::Add, &["a"]), step(Kind::Delete, &[]), step(Kind::Add, &["b"])],
            ] {
                assert!(matches!(read(list), Err(EntryError::Constraint(_))), "{name}");
            }
        }
    }

    #[test]
    fn a_password_comes_in_one_of_three_ways() {
        let read = |list: Vec<Modification>| {
            let steps = Steps::read(&Schema::default(), Bearer::Person, list)?;
            let text = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
            Ok::<_, EntryError>(steps.password.map(|step| (step.replaces, text(step.old), text(step.new))))
        };
        let text = |text: &str| Some(text.to_owned());
        let one = |kind, values| modification(kind, "userPassword", values);
        assert_eq!(read(vec![one(Kind::Replace, &["new"])]).unwrap(), Some((true, None, text("new"))));
        assert_eq!(read(vec![one(Kind::Add, &["new"])]).unwrap(), Some((false, None, text("new"))));
        let both = vec![one(Kind::Delete, &["old"]), one(Kind::Add, &["new"])];
        assert_eq!(read(both).unwrap(), Some((true, text("old"), text("new"))));
        assert!(matches!(read(vec![one(Kind::Delete, &[])]), Err(EntryError::Unwilling(_))));
        assert!(matches!(read(vec![one(Kind::Replace, &[])]), Err(EntryError::Unwilling(_))));
        assert!(matches!(read(vec![one(Kind::Replace, &["a", "b"])]), Err(EntryError::Constraint(_))));
        assert!(matches!(read(vec![one(Kind::Replace, &["{SSHA}x"])]), Err(EntryError::Constraint(_))));
        assert!(read(vec![one(Kind::Replace, &["{not a scheme} x"])]).is_ok());
    }
}
