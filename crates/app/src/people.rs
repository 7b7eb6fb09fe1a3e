//! Rules for what people choose themselves: passwords and profiles.

use ostiary_model::{Email, Folded, InvalidName, Profile, Secret, Username, is_invisible};
use thiserror::Error;

use crate::app_passwords::is_app_password;
use crate::settings::PasswordPolicy;
use crate::sign_in::MAX_PASSWORD_BYTES;

/// Longest stored form of a display, given or family name.
const MAX_NAME: usize = 128;

/// Why a password cannot be taken. The text says what to do and may be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("The password is too short. Use {0} characters or more; a few words in a row are easy to keep in mind")]
    TooShort(u32),
    /// Too long.
    #[error("The password is longer than 1,024 bytes. Use a shorter one")]
    TooLong,
    /// Name or address.
    #[error("The password is your name or e-mail address. Use another one")]
    OwnName,
    /// Of the form that app passwords have.
    #[error("The password looks like an app password, which programs alone use. Use another one")]
    AppPassword,
    /// One of those that everybody tries first.
    #[error("The password is one that everybody tries first. Use another one")]
    Common,
}

/// What password guessers try first, in folded form. Short ones are refused by length already.
const COMMON: &[&str] = &[
    "password",
    "passw0rd",
    "password1",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "1234567890",
    "12345678910",
    "123456789",
    "12345678",
    "0123456789",
    "0987654321",
    "9876543210",
    "1111111111",
    "0000000000",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "qwertyuiop",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "asdfghjkl",
    "asdfghjkl;",
    "zxcvbnm123",
    "abcdefghij",
    "abcd1234567",
    "abc1234567",
    "iloveyou12",
    "iloveyou123",
    "letmein123",
    "letmein1234",
    "welcome123",
    "welcome1234",
    "administrator",
    "adminadmin",
    "admin12345",
    "changeme123",
    "changemenow",
    "trustno1234",
    "superman123",
    "football123",
    "baseball123",
    "princess123",
    "sunshine123",
    "dragon12345",
    "monkey12345",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "directus123",
    "ostiary123",
];

/// Whether `password` may become the password of `profile`. Length counts characters; nothing is
/// asked of their kind (NIST SP 800-63B-4 section 3.1.1).
pub(crate) fn password_fits(password: &Secret, profile: &Profile, policy: PasswordPolicy) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    if text.chars().count() < policy.min_length as usize {
        return Err(WeakPassword::TooShort(policy.min_length));
    }
    if is_app_password(password) {
        return Err(WeakPassword::AppPassword);
    }
    let folded = Folded::new(text);
    if folded == profile.username.folded() || folded == profile.email.folded() {
        return Err(WeakPassword::OwnName);
    }
    let mut characters = folded.as_str().chars();
    let first = characters.next();
    if COMMON.contains(&folded.as_str()) || characters.all(|c| Some(c) == first) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

/// Names and address as they were typed.
pub(crate) struct TypedProfile<'a> {
    pub(crate) username: &'a str,
    pub(crate) email: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) given_name: &'a str,
    pub(crate) family_name: &'a str,
}

/// The checked profile. Whoever typed the address is believed that it is theirs.
pub(crate) fn profile(typed: &TypedProfile<'_>) -> Result<Profile, InvalidName> {
    let username = Username::parse(typed.username)?;
    if username.as_str().chars().all(|c| c == '.') {
        // It would be a step up in the path of a home folder.
        return Err(InvalidName::Form("The user name needs a letter or a digit"));
    }
    Ok(Profile {
        username,
        email: Email::parse(typed.email)?,
        email_verified: true,
        display_name: name("The full name", typed.display_name)?,
        given_name: name("The given name", typed.given_name)?,
        family_name: name("The family name", typed.family_name)?,
    })
}

/// Names may be empty and hold anything that can be seen.
fn name(what: &'static str, raw: &str) -> Result<String, InvalidName> {
    let text = raw.trim();
    if text.chars().count() > MAX_NAME {
        return Err(InvalidName::TooLong(what, MAX_NAME));
    }
    match text.chars().find(|c| is_invisible(*c)) {
        Some(found) => Err(InvalidName::Character { name: what, found, allowed: "use characters that can be seen" }),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn typed(username: &str) -> TypedProfile<'_> {
        TypedProfile { username, email: "ada.okafor@example.tld", display_name: "", given_name: "", family_name: "" }
    }

    #[test]
    fn a_name_of_dots_is_no_folder() {
        for bad in [".", ".."] {
            assert!(profile(&typed(bad)).is_err(), "{bad}");
        }
        assert!(profile(&typed("..a")).is_ok());
    }

    #[test]
    fn passwords_need_length_and_nothing_else() {
        let profile = profile(&typed("ada.okafor")).unwrap();
        let check =
            |text: &str| password_fits(&Secret::new(text.to_owned()), &profile, PasswordPolicy { min_length: 10 });
        assert_eq!(check("mauve oxen"), Ok(()));
        assert_eq!(check("пароль из слов"), Ok(()));
        assert_eq!(check("short"), Err(WeakPassword::TooShort(10)));
        assert_eq!(check("Ada.Okafor"), Err(WeakPassword::OwnName));
        assert_eq!(check("ADA.okafor@example.tld"), Err(WeakPassword::OwnName));
        assert_eq!(check("Password1234"), Err(WeakPassword::Common));
        assert_eq!(check("zzzzzzzzzzzz"), Err(WeakPassword::Common));
        assert_eq!(check(&format!("ost_ap_{}", "a2".repeat(16))), Err(WeakPassword::AppPassword));
        assert_eq!(check(&"ab".repeat(600)), Err(WeakPassword::TooLong));
    }
}
