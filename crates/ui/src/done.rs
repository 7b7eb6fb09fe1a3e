//! What the last form did, said once on the next page, with a way back where there is a simple one.
//!
//! Travels in a cookie that is sealed for this session: nobody else can put words on our pages.

use axum::response::Response;
use ostiary_httpkit::{Door, Jar, with_cookie};
use ostiary_model::Span;
use url::form_urlencoded;

use crate::words;

/// How long it waits for the next page.
const WAIT: Span = Span::from_secs(60);
const PURPOSE: &str = "done";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    PersonAdded,
    PersonSaved,
    PasswordSet,
    PictureSaved,
    PictureRemoved,
    OwnPictureSaved,
    OwnPictureRemoved,
    AppPasswordRevoked,
    Disabled,
    Enabled,
    FactorsReset,
    SignedOut,
    PersonDeleted,
    Joined,
    Left,
    GroupAdded,
    GroupSaved,
    GroupDeleted,
    Nested,
    Unnested,
    Manages,
    ManagesNot,
    AttributeAdded,
    AttributeSaved,
    AttributeDeleted,
    ClassAdded,
    ClassDeleted,
    ManyJoined,
    ManyDisabled,
}

const CODES: [(Done, &str); 29] = [
    (Done::PersonAdded, "person-added"),
    (Done::PersonSaved, "person-saved"),
    (Done::PasswordSet, "password-set"),
    (Done::PictureSaved, "picture-saved"),
    (Done::PictureRemoved, "picture-removed"),
    (Done::OwnPictureSaved, "own-picture-saved"),
    (Done::OwnPictureRemoved, "own-picture-removed"),
    (Done::AppPasswordRevoked, "app-password-revoked"),
    (Done::Disabled, "disabled"),
    (Done::Enabled, "enabled"),
    (Done::FactorsReset, "factors-reset"),
    (Done::SignedOut, "signed-out"),
    (Done::PersonDeleted, "person-deleted"),
    (Done::Joined, "joined"),
    (Done::Left, "left"),
    (Done::GroupAdded, "group-added"),
    (Done::GroupSaved, "group-saved"),
    (Done::GroupDeleted, "group-deleted"),
    (Done::Nested, "nested"),
    (Done::Unnested, "unnested"),
    (Done::Manages, "manages"),
    (Done::ManagesNot, "manages-not"),
    (Done::AttributeAdded, "attribute-added"),
    (Done::AttributeSaved, "attribute-saved"),
    (Done::AttributeDeleted, "attribute-deleted"),
    (Done::ClassAdded, "class-added"),
    (Done::ClassDeleted, "class-deleted"),
    (Done::ManyJoined, "many-joined"),
    (Done::ManyDisabled, "many-disabled"),
];

/// The form that takes it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// Where it goes.
    pub(crate) action: String,
    /// Its one field.
    pub(crate) field: String,
    /// What is in it.
    pub(crate) value: String,
}

/// What was done, to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    done: Done,
    /// The person or group, or how many.
    who: String,
    /// The group that they joined or left.
    group: String,
    undo: Option<Undo>,
}

/// A note in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The sentence.
    pub(crate) words: String,
    /// The way back.
    pub(crate) undo: Option<Undo>,
}

impl Note {
    /// `done` was done to `who`.
    pub(crate) fn new(done: Done, who: impl Into<String>) -> Self {
        Self { done, who: who.into(), group: String::new(), undo: None }
    }

    /// With the group that it was about.
    pub(crate) fn group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// With a way back.
    pub(crate) fn undo(mut self, action: String, field: &str, value: impl Into<String>) -> Self {
        self.undo = Some(Undo { action, field: field.to_owned(), value: value.into() });
        self
    }

    /// `response` that takes the note along.
    pub(crate) fn on(&self, door: &Door, response: Response) -> Response {
        let text = self.written();
        let value = format!("{}.{text}", door.seal(PURPOSE, &text));
        with_cookie(response, door.arrival.cookies.set(Jar::Done, &value, Some(WAIT)))
    }

    /// The note that the browser brought, if it is one of ours for this session.
    pub(crate) fn brought(door: &Door) -> Option<Self> {
        let (seal, text) = door.arrival.cookies.get(Jar::Done)?.split_once('.')?;
        if door.seal_holds(PURPOSE, text, seal) { Self::read(text) } else { None }
    }

    /// `response` after which the note is gone.
    pub(crate) fn forget(door: &Door, response: Response) -> Response {
        match door.arrival.cookies.get(Jar::Done) {
            Some(_) => with_cookie(response, door.arrival.cookies.remove(Jar::Done)),
            None => response,
        }
    }

    /// What the page says.
    pub(crate) fn said(self) -> Said {
        let Self { done, who, group, undo } = self;
        let words = match done {
            Done::PersonAdded | Done::GroupAdded => format!("{who} was added"),
            Done::PersonSaved => format!("{who} was saved"),
            Done::PasswordSet => format!("{who} has a new password and is signed out everywhere"),
            Done::PictureSaved => format!("The picture of {who} was saved"),
            Done::PictureRemoved => format!("The picture of {who} was removed"),
            Done::OwnPictureSaved => "Your picture was saved".to_owned(),
            Done::OwnPictureRemoved => "Your picture was removed".to_owned(),
            Done::AppPasswordRevoked => format!("The app password {who} was revoked"),
            Done::Disabled => format!("{who} is disabled and signed out everywhere"),
            Done::Enabled => format!("{who} can sign in again"),
            Done::FactorsReset => format!("Two-step sign-in of {who} was reset"),
            Done::SignedOut => format!("{who} is signed out everywhere"),
            Done::PersonDeleted | Done::GroupDeleted | Done::AttributeDeleted => format!("{who} was deleted"),
            Done::Joined | Done::Nested => format!("{who} was added to {group}"),
            Done::Left | Done::Unnested => format!("{who} was removed from {group}"),
            Done::GroupSaved => format!("The group {who} was saved"),
            Done::Manages => format!("{who} manages {group} now"),
            Done::ManagesNot => format!("{who} no longer manages {group}"),
            Done::AttributeAdded => format!("The attribute {who} was added"),
            Done::AttributeSaved => format!("The attribute {who} was saved"),
            Done::ClassAdded => format!("The object class {who} was added"),
            Done::ClassDeleted => format!("The object class {who} was removed"),
            Done::ManyJoined => format!("{} added to {group}", were(&who)),
            Done::ManyDisabled => format!("{} disabled and signed out everywhere", were(&who)),
        };
        Said { words, undo }
    }

    fn written(&self) -> String {
        let code = CODES.iter().find(|(done, _)| *done == self.done).map_or("", |(_, code)| code);
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("done", code).append_pair("who", &self.who).append_pair("group", &self.group);
        if let Some(undo) = &self.undo {
            text.append_pair("action", &undo.action)
                .append_pair("field", &undo.field)
                .append_pair("value", &undo.value);
        }
        text.finish()
    }

    fn read(text: &str) -> Option<Self> {
        let part = |wanted: &str| {
            form_urlencoded::parse(text.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.into_owned())
        };
        let code = part("done")?;
        let done = CODES.iter().find(|(_, known)| *known == code).map(|(done, _)| *done)?;
        let undo = part("action").zip(part("field")).zip(part("value"));
        let undo = undo.map(|((action, field), value)| Undo { action, field, value });
        Some(Self { done, who: part("who")?, group: part("group")?, undo })
    }
}

fn were(count: &str) -> String {
    let number = count.parse().unwrap_or(0);
    format!("{} {}", words::count(number, "person", "people"), if number == 1 { "was" } else { "were" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_survives_its_cookie() {
        let plain = Note::new(Done::GroupDeleted, "a;b=c&d, \"é\"\r\n");
        let undone = Note::new(Done::Joined, "Ada").group("Editors").undo("/people/ada/groups".into(), "remove", "1");
        for note in [plain, undone] {
            let text = note.written();
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b";,\"\\".contains(&byte)), "{text}");
            assert_eq!(Note::read(&text), Some(note));
        }
        assert_eq!(Note::read("done=anything&who=x&group=y"), None);
        assert_eq!(Note::read(""), None);
    }

    #[test]
    fn every_note_is_a_sentence() {
        for (done, _) in CODES {
            let said = Note::new(done, "2").group("Editors").said();
            assert!(said.words.len() > 8 && !said.words.ends_with('.'), "{}", said.words);
        }
        assert_eq!(Note::new(Done::ManyJoined, "2").group("Editors").said().words, "2 people were added to Editors");
        assert_eq!(Note::new(Done::ManyDisabled, "1").said().words, "1 person was disabled and signed out everywhere");
    }
}
