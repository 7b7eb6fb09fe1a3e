//! As much of HTML as is needed to fill in forms and read pages: our own pages are well formed.

/// A form of a page, with the values that a browser would send.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Where it is sent; empty: to its own page.
    pub action: String,
    /// Whether by POST.
    pub post: bool,
    /// Names and values.
    pub fields: Vec<(String, String)>,
    /// Names of all fields that the page offers, also unchecked boxes and buttons.
    pub offered: Vec<String>,
}

impl Form {
    /// Sets a field that the form offers.
    ///
    /// # Panics
    /// When it does not: then the page is not the one that the test means.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        assert!(self.offered.iter().any(|offered| offered == name), "the form offers {:?}, not {name:?}", self.offered);
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a field as the page has it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(String, String)>,
    /// The text up to the next tag.
    after: &'a str,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(attribute, _)| attribute == name).map(|(_, value)| value.as_str())
    }

    fn owned(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }
}

/// All forms of a page.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    for tag in tags(html) {
        match (tag.name, &mut open) {
            ("form", _) => {
                let post = tag.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
                open = Some(Form { action: tag.owned("action"), post, ..Form::default() });
            }
            ("/form", _) => forms.extend(open.take()),
            ("input" | "button" | "textarea" | "select", Some(form)) => {
                let Some(name) = tag.get("name") else { continue };
                form.offered.push(name.to_owned());
                let kind = tag.get("type").unwrap_or_default();
                let sent = match (tag.name, kind) {
                    ("button", _) | (_, "submit" | "image" | "file") => false,
                    (_, "checkbox" | "radio") => tag.get("checked").is_some(),
                    _ => true,
                };
                if sent {
                    let value = if tag.name == "textarea" { decode(tag.after) } else { tag.owned("value") };
                    form.fields.push((name.to_owned(), value));
                }
            }
            _ => {}
        }
    }
    forms
}

/// What a page says: its text without tags, blanks collapsed.
#[must_use]
pub fn text_of(html: &str) -> String {
    let body = html.split_once("<main").map_or(html, |(_, body)| body);
    let mut text = String::new();
    for piece in body.split('<').skip(1) {
        text.push_str(piece.split_once('>').map_or("", |(_, after)| after));
        text.push(' ');
    }
    decode(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text inside the element with this id, its own tags left out, without blanks.
pub(crate) fn element(html: &str, id: &str) -> Option<String> {
    let tags = tags(html);
    let start = tags.iter().position(|tag| tag.get("id") == Some(id))?;
    let inside = tags.get(start..)?;
    let end = format!("/{}", inside.first()?.name);
    let text: String = inside.iter().take_while(|tag| tag.name != end).map(|tag| tag.after).collect();
    Some(decode(&text).split_whitespace().collect())
}

/// The value of an attribute of the first element that has it and for which `wanted` holds.
pub(crate) fn attribute(html: &str, element: &str, attribute: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    tags(html)
        .into_iter()
        .filter(|tag| tag.name == element)
        .find_map(|tag| tag.get(attribute).filter(|value| wanted(value)).map(str::to_owned))
}

fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, from)) = rest.split_once('<') {
        let (inside, after) = split_tag(from);
        let name = inside.split([' ', '\n', '\t', '\r']).next().unwrap_or_default().trim_end_matches('/');
        let text = after.split('<').next().unwrap_or_default();
        tags.push(Tag { name, attributes: attributes(inside.get(name.len()..).unwrap_or_default()), after: text });
        rest = after;
    }
    tags
}

/// What stands before and after the `>` that ends a tag; one between quotes does not.
fn split_tag(from: &str) -> (&str, &str) {
    let mut quote = None;
    for (place, letter) in from.char_indices() {
        match (quote, letter) {
            (None, '>') => return (from.get(..place).unwrap_or_default(), from.get(place + 1..).unwrap_or_default()),
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    (from, "")
}

fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('/') {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
            None => ("", after),
            Some(quoted) if quoted.starts_with(['"', '\'']) => {
                let (quote, inside) = quoted.split_at(1);
                inside.split_once(quote).unwrap_or((inside, ""))
            }
            Some(bare) => bare.split_at(bare.find(char::is_whitespace).unwrap_or(bare.len())),
        };
        found.push((name.to_ascii_lowercase(), decode(value)));
        rest = after.trim_start();
        if name.is_empty() {
            break;
        }
    }
    found
}

/// Character references become what they stand for.
fn decode(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let known = from.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        match known {
            Some((letter, after)) => {
                out.push(letter);
                rest = after;
            }
            None => {
                out.push('&');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "nbsp" => Some(' '),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_a_browser_sends_them() {
        let html = r#"<form method="post" action="/a?b=1&amp;c=2"><input type=hidden name="csrf" value="x&#x27;y">
            <input name='username' value="" /><input type="checkbox" name="remember" value="yes">
            <input type="checkbox" name="kept" value="a > b" checked><textarea name="note">a &lt; b</textarea>
            <button name="answer" value="allow">Allow</button></form>"#;
        let form = forms(html).remove(0);
        assert!(form.post);
        assert_eq!(form.action, "/a?b=1&c=2");
        let expected = [("csrf", "x'y"), ("username", ""), ("kept", "a > b"), ("note", "a < b")];
        assert_eq!(form.fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(form.offered, ["csrf", "username", "remember", "kept", "note", "answer"]);
    }

    #[test]
    fn text_and_elements_are_found() {
        let html = r#"<body><main id="m"><h1>Hello &amp; <b>you</b></h1><code id="secret"><b>AB</b> <b>CD</b></code> E</main></body>"#;
        assert_eq!(text_of(html), "Hello & you AB CD E");
        assert_eq!(element(html, "secret").as_deref(), Some("ABCD"));
        assert_eq!(attribute(html, "main", "id", |id| id == "m").as_deref(), Some("m"));
    }
}
