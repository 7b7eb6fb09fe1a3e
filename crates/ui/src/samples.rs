//! Every page with names that try to break it, held to what every page must hold to.

use std::collections::BTreeSet;

use askama::Template;
use http::StatusCode;
use ostiary_httpkit::{Problem, Theme};
use ostiary_model::{Span, Timestamp};

use crate::done::{Done, Note};
use crate::face::Face;
use crate::form::Field;
use crate::frame::Frame;
use crate::notice::Notice;
use crate::onward::{Continue, Party};
use crate::panel::samples as panel;
use crate::picture::PictureForm;
use crate::portal::samples as portal;
use crate::problem;
use crate::qr;
use crate::words::When;

/// Names as they come: from many places, long, from right to left, and from somebody who tries.
pub(crate) const NAMES: [&str; 5] = [
    "Ada Okafor",
    "Hans-Joachim Freiherr von Oberammergau-Garmisch",
    "ليلى حداد",
    "김서연",
    "<b>Bold</b> & \"quoted\" 'name' <script>alert(1)</script>",
];

/// 2026-11-22 07:27:41 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_332_461);

pub(crate) fn frame() -> Frame {
    Frame {
        org: NAMES[4].to_owned(),
        theme: Theme::Dark,
        csrf: "c".repeat(43),
        here: "/people?q=%3Cb%3E&page=2".to_owned(),
    }
}

pub(crate) fn notice() -> Notice {
    Notice::bad("One field needs another look").line(format!("Not {}.", NAMES[4]))
}

pub(crate) fn field() -> Field {
    Field { value: NAMES[4].to_owned(), error: Some(format!("Not {}.", NAMES[4])) }
}

pub(crate) fn party() -> Party {
    Party { name: NAMES[4].to_owned(), host: "content.example.tld".to_owned(), initials: "MD".to_owned() }
}

/// A picture, or initials.
pub(crate) fn face(has_picture: bool) -> Face {
    let address = "/avatar/01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f?v=646dbf1c0a580";
    Face { picture: has_picture.then(|| address.to_owned()), initials: "AO".to_owned() }
}

pub(crate) fn picture_form(failed: bool) -> PictureForm {
    PictureForm {
        action: "/account/picture".to_owned(),
        face: face(!failed),
        error: failed.then(|| format!("Not {}.", NAMES[4])),
    }
}

pub(crate) fn when() -> When {
    When::new(NOW, NOW - Span::from_days(4))
}

pub(crate) fn note() -> Note {
    Note::new(Done::Joined, NAMES[4]).group(NAMES[1]).undo("/people/ada.okafor/groups".to_owned(), "remove", NAMES[4])
}

pub(crate) fn picture() -> String {
    qr::picture("otpauth://totp/Acme%20Co.:ada.okafor?secret=NB2WK4TFN5ZXIYLSPFXHI33SOJQW4Z3F&issuer=Acme%20Co.")
        .unwrap()
}

fn all() -> Vec<(&'static str, String)> {
    let mut pages = portal::pages();
    pages.extend(panel::pages());
    let leaving =
        Continue { frame: frame(), name: NAMES[4].to_owned(), href: "https://a.example/?code=1&state='\"><b>".into() };
    pages.push(("continue", leaving.render().unwrap()));
    let broken = Problem::new(StatusCode::BAD_REQUEST, NAMES[4])
        .text(NAMES[4])
        .point(NAMES[4])
        .fact("client_id", NAMES[4])
        .way(NAMES[4], "/?a=\"b");
    pages.push(("problem", problem::sample(Frame { csrf: String::new(), ..frame() }, &broken)));
    pages
}

/// One tag as it stands in the page: its name and attributes.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl Tag<'_> {
    fn get(&self, wanted: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }
}

/// The opening tags of a page, read strictly: what is not as our templates write it fails.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    for piece in html.split('<').skip(1) {
        if piece.starts_with(['/', '!']) {
            continue;
        }
        let name_end = piece.find([' ', '>', '\n']).unwrap_or_else(|| panic!("no tag: <{piece}"));
        let (name, mut rest) = piece.split_at(name_end);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "no tag: <{piece}");
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.starts_with('>') {
                break;
            }
            let end = rest.find(['=', ' ', '>', '\n']).unwrap_or_else(|| panic!("an open tag: <{piece}"));
            let attribute = &rest[..end];
            assert!(!attribute.is_empty() && !attribute.contains(['"', '\'']), "a broken attribute: <{piece}");
            rest = &rest[end..];
            match rest.strip_prefix("=\"") {
                Some(value) => {
                    let (value, after) = value.split_once('"').unwrap_or_else(|| panic!("an open quote: <{piece}"));
                    attributes.push((attribute, value));
                    rest = after;
                }
                None => attributes.push((attribute, "")),
            }
        }
        tags.push(Tag { name, attributes });
    }
    tags
}

#[test]
fn no_page_holds_script_or_style_of_its_own() {
    for (page, html) in all() {
        for tag in tags(&html) {
            assert_ne!(tag.name, "style", "{page}");
            if tag.name == "script" {
                assert!(tag.get("src").is_some_and(|src| src.starts_with("/assets/")), "{page}: a script without src");
            }
            for (name, value) in &tag.attributes {
                assert!(*name != "style" && !name.starts_with("on"), "{page}: {name}=\"{value}\"");
                assert!(!value.starts_with("javascript:"), "{page}: {name}=\"{value}\"");
            }
        }
        for script in html.split("<script").skip(1) {
            let (_, body) = script.split_once('>').unwrap();
            assert!(body.starts_with("</script>"), "{page}: a script with words in it");
        }
    }
}

#[test]
fn names_are_escaped_everywhere() {
    for (page, html) in all() {
        assert!(!html.contains("<b>") && !html.contains("<script>"), "{page} shows a name as it came");
        assert!(html.contains("&#60;b&#62;") || html.contains("&lt;b&gt;"), "{page} shows no name at all");
    }
}

#[test]
fn every_page_has_one_heading_a_title_and_a_way_past_the_navigation() {
    for (page, html) in all() {
        let tags = tags(&html);
        let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
        assert_eq!(count("h1"), 1, "{page}");
        assert_eq!(count("main"), 1, "{page}");
        assert_eq!(count("title"), 1, "{page}");
        assert!(count("form") <= 1 || html.matches("button-main").count() <= 1, "{page}: two main buttons");
        assert!(tags.iter().any(|tag| tag.get("class") == Some("skip") && tag.get("href") == Some("#main")), "{page}");
        let html_tag = tags.iter().find(|tag| tag.name == "html").unwrap();
        assert!(html_tag.get("lang").is_some() && html_tag.get("data-theme") == Some("dark"), "{page}");
    }
}

#[test]
fn ids_are_unique_and_what_refers_to_them_finds_them() {
    for (page, html) in all() {
        let tags = tags(&html);
        let all: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        let ids: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), ids.len(), "{page}: an id stands twice");
        let refers =
            ["for", "aria-describedby", "aria-labelledby", "aria-controls", "popovertarget", "data-show", "data-copy"];
        for tag in &tags {
            for id in refers.iter().filter_map(|name| tag.get(name)).flat_map(str::split_whitespace) {
                assert!(ids.contains(id), "{page}: {} refers to {id}, which is not there", tag.name);
            }
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_form_its_token() {
    for (page, html) in all() {
        let tags = tags(&html);
        let labelled: BTreeSet<&str> =
            tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.get("for")).collect();
        for tag in tags.iter().filter(|tag| matches!(tag.name, "input" | "select" | "textarea")) {
            let kind = tag.get("type").unwrap_or("text");
            // Boxes to tick stand inside their label.
            let inside = kind == "checkbox" && html.contains("<label class=\"");
            let unseen = kind == "hidden" || tag.get("aria-hidden") == Some("true");
            assert!(
                unseen || inside || tag.get("id").is_some_and(|id| labelled.contains(id)),
                "{page}: {:?} has no label",
                tag.get("name")
            );
        }
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            let posts = form.split('>').next().unwrap().contains("method=\"post\"");
            assert_eq!(posts, form.contains("name=\"csrf\""), "{page}: {form}");
        }
    }
}

#[test]
fn nothing_leads_nowhere_or_away() {
    for (page, html) in all().into_iter().filter(|(page, _)| *page != "continue") {
        for tag in tags(&html) {
            if let Some(href) = tag.get("href").or_else(|| tag.get("action")).or_else(|| tag.get("src")) {
                let own = href.starts_with('/') && !href.starts_with("//");
                let known = href.starts_with("http://accounts.localhost:8080/")
                    || href.starts_with("http://directory.localhost:8080/");
                let special = href.starts_with("otpauth://") || href.starts_with("data:image/svg+xml,");
                let section = href.strip_prefix('#').is_some_and(|id| html.contains(&format!("id=\"{id}\"")));
                assert!(own || known || special || section, "{page}: {href}");
            }
        }
    }
}

#[test]
fn words_are_ours() {
    for (page, html) in all() {
        let text: String = html.replace(NAMES[4], "");
        for word in ["please", "Please", "Oops", "Sorry", "TODO", "lorem"] {
            assert!(!text.contains(word), "{page} says {word}");
        }
    }
}
