//! What people and groups are made of, as options of a command.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use ostiary_app::{App, MAX_PICTURE_BYTES, PersonChange};
use ostiary_model::{Attribute, AttributeDef, AttributeKind, Timestamp};

use super::time;

/// What stands for "none" where an option takes something away.
const NONE: &str = "none";

/// What a person is made of, beside sign-in name and address.
#[derive(Args, Debug)]
pub(crate) struct PersonFields {
    /// Full name; '' for none
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Given name; '' for none
    #[arg(long, value_name = "NAME")]
    given_name: Option<String>,
    /// Family name; '' for none
    #[arg(long, value_name = "NAME")]
    family_name: Option<String>,
    /// A further address; repeat for several. Replaces those that are there; '' for none
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// From when on the account may be used: 2026-12-31 (UTC), 2026-12-31T09:00:00+01:00 or none
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    not_before: Option<Moment>,
    /// From when on it may not be used any more, likewise
    #[arg(long, value_name = "TIME", value_parser = moment_or_none)]
    not_after: Option<Moment>,
    /// It belongs to a program: it binds over LDAP and never signs in on a page
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    service: Option<bool>,
    /// uidNumber, instead of the one that is given
    #[arg(long, value_name = "NUMBER")]
    uid_number: Option<i64>,
    /// gidNumber of the primary group, or own for a group that nobody else is in
    #[arg(long, value_name = "NUMBER", value_parser = number_or_own)]
    gid_number: Option<Primary>,
    #[command(flatten)]
    values: Values,
}

/// A moment, or none.
#[derive(Debug, Clone, Copy)]
struct Moment(Option<Timestamp>);

/// A primary group, or one's own.
#[derive(Debug, Clone, Copy)]
struct Primary(Option<i64>);

fn moment_or_none(text: &str) -> Result<Moment, String> {
    match text {
        NONE => Ok(Moment(None)),
        _ => time::parse(text)
            .map(|at| Moment(Some(at)))
            .ok_or_else(|| "allowed is a day such as 2026-12-31, a time such as 2026-12-31T09:00:00Z, or none".into()),
    }
}

fn number_or_own(text: &str) -> Result<Primary, String> {
    match text {
        "own" => Ok(Primary(None)),
        _ => text.parse().map(|number| Primary(Some(number))).map_err(|_| "allowed is a number, or own".into()),
    }
}

impl PersonFields {
    /// What is asked for.
    ///
    /// # Errors
    /// When an attribute is unknown or a file cannot be read.
    pub(crate) fn change(&self, app: &App) -> Result<PersonChange> {
        let addresses = (!self.addresses.is_empty())
            .then(|| self.addresses.iter().filter(|address| !address.is_empty()).cloned().collect());
        Ok(PersonChange {
            username: None,
            email: None,
            display_name: self.display_name.clone(),
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            addresses,
            not_before: self.not_before.map(|moment| moment.0),
            not_after: self.not_after.map(|moment| moment.0),
            is_service: self.service,
            uid_number: self.uid_number,
            gid_number: self.gid_number.map(|primary| primary.0),
            values: self.values.read(app, Bearer::Person)?,
        })
    }
}

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer {
    Person,
    Group,
}

impl Bearer {
    const fn has(self, def: &AttributeDef) -> bool {
        match self {
            Self::Person => def.on_users,
            Self::Group => def.on_groups,
        }
    }

    const fn who(self) -> &'static str {
        match self {
            Self::Person => "people",
            Self::Group => "groups",
        }
    }
}

/// Values of attributes that `ostiary attribute list` shows.
#[derive(Args, Debug)]
pub(crate) struct Values {
    /// A value of an attribute; repeat for several. Replaces those that are there
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// A value that stands in a file, such as a picture
    #[arg(long = "set-file", value_name = "NAME=FILE")]
    set_file: Vec<String>,
    /// An attribute that is to have no value; may be repeated
    #[arg(long = "unset", value_name = "NAME")]
    unset: Vec<String>,
}

impl Values {
    /// All values of the attributes that are named, by number.
    ///
    /// # Errors
    /// When an attribute is unknown or a file cannot be read.
    pub(crate) fn read(&self, app: &App, bearer: Bearer) -> Result<Vec<(u32, Vec<Vec<u8>>)>> {
        let schema = app.directory().schema();
        let defined = |name: &str| match schema.def_by_name(name).filter(|def| bearer.has(def)) {
            Some(def) => Ok(def),
            None => Err(unknown(app, bearer, name)),
        };
        let mut values: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for name in &self.unset {
            values.insert(defined(name)?.number, Vec::new());
        }
        for text in &self.set {
            let (name, value) = halves(text, "NAME=VALUE")?;
            let def = defined(name)?;
            values.entry(def.number).or_default().push(value_bytes(def, value));
        }
        for text in &self.set_file {
            let (name, path) = halves(text, "NAME=FILE")?;
            let def = defined(name)?;
            values.entry(def.number).or_default().push(file_bytes(Path::new(path))?);
        }
        Ok(values.into_iter().collect())
    }
}

fn halves<'a>(text: &'a str, form: &str) -> Result<(&'a str, &'a str)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.trim(), value)),
        _ => bail!("{text:?} needs the form {form}"),
    }
}

/// What stands in a file, or as much of it as is more than anything may be: whoever takes it says
/// then what the limit is.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn file_bytes(path: &Path) -> Result<Vec<u8>> {
    let most = u64::try_from(MAX_PICTURE_BYTES)?.saturating_add(1);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(bytes)
}

/// Times may be written as everywhere on the command line; LDAP has its own form.
fn value_bytes(def: &AttributeDef, text: &str) -> Vec<u8> {
    match time::parse(text) {
        Some(at) if def.kind == AttributeKind::DateTime => at.to_generalized_time().into_bytes(),
        _ => text.as_bytes().to_vec(),
    }
}

/// What to do about a name that is not among the attributes.
fn unknown(app: &App, bearer: Bearer, name: &str) -> anyhow::Error {
    let option = match (Attribute::from_name(name), bearer) {
        (Some(Attribute::Uid), Bearer::Person) | (Some(Attribute::Cn), Bearer::Group) => Some("--name"),
        (Some(Attribute::Mail), Bearer::Person) => Some("--email and --address"),
        (Some(Attribute::Cn | Attribute::DisplayName), Bearer::Person) => Some("--display-name"),
        (Some(Attribute::GivenName), Bearer::Person) => Some("--given-name"),
        (Some(Attribute::Sn), Bearer::Person) => Some("--family-name"),
        (Some(Attribute::UidNumber), Bearer::Person) => Some("--uid-number"),
        (Some(Attribute::GidNumber), _) => Some("--gid-number"),
        (Some(Attribute::JpegPhoto), Bearer::Person) => Some("`ostiary user change --picture`"),
        _ => None,
    };
    if let Some(option) = option {
        return anyhow::anyhow!("{name} is set with {option}");
    }
    if Attribute::from_name(name).is_some() {
        return anyhow::anyhow!("{name} cannot be set: Ostiary fills it");
    }
    let schema = app.directory().schema();
    let known: Vec<&str> = schema.defs().filter(|def| bearer.has(def)).map(|def| def.name.as_str()).collect();
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    anyhow::anyhow!(
        "{} have no attribute {name:?}; they have: {known}. `ostiary attribute add` defines another",
        bearer.who()
    )
}
