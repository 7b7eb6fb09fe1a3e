//! Values of defined attributes: checked by what the attribute is, and brought into the form in
//! which they are kept.

use std::collections::HashSet;

use ostiary_model::{
    AttributeDef, AttributeKind, AttributeValue, Folded, HOME_DIRECTORY, InvalidValue, LOGIN_SHELL, SSH_PUBLIC_KEY,
    Schema, StoredValues,
};

use super::AdminError;
use crate::picture::{MAX_PICTURES, PictureError};

/// So many values an attribute has at most on one entry.
pub(crate) const MAX_VALUES: usize = 500;

/// Larger pictures are refused, in bytes.
const MAX_PICTURE_BYTES: usize = 1024 * 1024;

/// How a line in OpenSSH's `authorized_keys` begins, without options before it.
const SSH_KEY_TYPES: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer {
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
}

/// The name of an attribute for messages.
pub(super) fn name(schema: &Schema, number: u32) -> String {
    schema.def(number).map_or_else(|| number.to_string(), |def| def.name.as_str().to_owned())
}

/// The values as they are kept.
///
/// # Errors
/// Says of the first one that cannot be taken why.
pub(super) fn checked(
    schema: &Schema,
    bearer: Bearer,
    given: &[(u32, Vec<Vec<u8>>)],
) -> Result<StoredValues, AdminError> {
    let mut all = StoredValues::with_capacity(given.len());
    for (number, list) in given {
        let list = list_checked(schema, bearer, *number, list)?;
        // Who names an attribute twice means the later one.
        all.retain(|(earlier, _)| earlier != number);
        all.push((*number, list));
    }
    Ok(all)
}

/// Whether `list` is something else than what is stored. Pictures are not at hand, so they are
/// always written.
pub(super) fn differ(schema: &Schema, stored: &StoredValues, number: u32, list: &[Vec<u8>]) -> bool {
    let old = stored.iter().find(|(of, _)| *of == number).map_or(&[][..], |(_, values)| values);
    let is_picture = schema.def(number).is_some_and(|def| def.kind == AttributeKind::Jpeg);
    old != list || (is_picture && !list.is_empty())
}

fn list_checked(schema: &Schema, bearer: Bearer, number: u32, list: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, AdminError> {
    let def = schema
        .def(number)
        .filter(|def| bearer.has(def))
        .ok_or_else(|| AdminError::NoSuchAttribute(name(schema, number)))?;
    let attribute = || def.name.as_str().to_owned();
    if !def.is_list && list.len() > 1 {
        return Err(AdminError::Single(attribute()));
    }
    if list.len() > MAX_VALUES {
        return Err(AdminError::TooMany(attribute()));
    }
    if def.kind == AttributeKind::Jpeg && list.len() > MAX_PICTURES {
        return Err(PictureError::TooMany.into());
    }
    let mut seen = HashSet::with_capacity(list.len());
    let mut kept = Vec::with_capacity(list.len());
    for bytes in list {
        let value = value_checked(def, bytes)?;
        if !seen.insert(compared(def, &value)) {
            let value = if def.kind == AttributeKind::Jpeg { String::new() } else { shown(&value) };
            return Err(AdminError::Duplicate { attribute: attribute(), value });
        }
        kept.push(value);
    }
    Ok(kept)
}

/// One value in the form in which it is kept.
fn value_checked(def: &AttributeDef, bytes: &[u8]) -> Result<Vec<u8>, AdminError> {
    let attribute = || def.name.as_str().to_owned();
    let invalid = |why: InvalidValue| AdminError::Value { attribute: attribute(), why };
    let value = AttributeValue::parse(def.kind, bytes).map_err(invalid)?;
    if value == AttributeValue::Jpeg {
        if bytes.len() > MAX_PICTURE_BYTES {
            return Err(AdminError::Form { attribute: attribute(), why: "the picture is larger than one MiB" });
        }
        return Ok(bytes.to_vec());
    }
    let text = value.to_text();
    let wrong = match def.number {
        SSH_PUBLIC_KEY if !is_ssh_key(&text) => {
            Some("a key is one line such as \"ssh-ed25519 AAAA… name\", as it stands in a file that ends in .pub")
        }
        LOGIN_SHELL | HOME_DIRECTORY if !is_absolute_path(&text) => {
            Some("a path begins with / and has no colon and no line end")
        }
        _ => None,
    };
    match wrong {
        Some(why) => Err(AdminError::Form { attribute: attribute(), why }),
        None => Ok(text.into_bytes()),
    }
}

/// What of a value counts when two are compared: texts are alike in every spelling, unless the
/// attribute is one of those that systems read.
fn compared(def: &AttributeDef, value: &[u8]) -> Vec<u8> {
    let is_exact = matches!(def.number, SSH_PUBLIC_KEY | LOGIN_SHELL | HOME_DIRECTORY);
    match (def.kind, str::from_utf8(value)) {
        (AttributeKind::String, Ok(text)) if !is_exact => Folded::new(text).into_string().into_bytes(),
        _ => value.to_vec(),
    }
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(80).collect()
}

/// Whether `text` is a public key as OpenSSH writes it: its kind, the key in base64, a comment.
fn is_ssh_key(text: &str) -> bool {
    let mut parts = text.split(' ');
    let is_known = parts.next().is_some_and(|kind| SSH_KEY_TYPES.contains(&kind));
    let is_base64 = |key: &str| {
        // Every key begins with the length of its kind, which is short: three zero bytes.
        key.starts_with("AAAA") && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    is_known && parts.next().is_some_and(is_base64) && !text.contains(char::is_control)
}

/// Whether `text` may stand in a line of `/etc/passwd` as a path.
pub(crate) fn is_absolute_path(text: &str) -> bool {
    text.starts_with('/') && !text.contains(|c: char| c == ':' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_lines_that_openssh_writes() {
        for good in [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ada@lamp",
            "ssh-rsa AAAAB3NzaC1yc2E=",
            "sk-ssh-ed25519@openssh.com AAAAGnNr a comment of words",
        ] {
            assert!(is_ssh_key(good), "{good}");
        }
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 ",
            "ssh-ed25519 Zm9v",
            "ssh-dss AAAAB3NzaC1kc3M=",
            "command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq\nssh-rsa AAAAB3NzaC1yc2E=",
            "ssh-ed25519 AAAA$(id)",
        ] {
            assert!(!is_ssh_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_absolute_and_fit_into_a_line() {
        for good in ["/bin/bash", "/", "/home/ada lovelace"] {
            assert!(is_absolute_path(good), "{good}");
        }
        for bad in ["", "bin/bash", "~/ada", "/home/a:b", "/home/a\nb"] {
            assert!(!is_absolute_path(bad), "{bad:?}");
        }
    }
}
