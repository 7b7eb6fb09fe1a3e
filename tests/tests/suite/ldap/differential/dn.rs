//! Distinguished names, read and written by rules of the test's own (RFC 4514), so that a mistake of
//! the server's reader is not made twice.

use super::dice::Dice;

/// Attribute types and values of each part, the types in lower case and the values as they are
/// meant.
pub(super) type Parts = Vec<Vec<(String, String)>>;

/// The parts of a name that a server has written; `None` when it is no name.
pub(super) fn parts(text: &str) -> Option<Parts> {
    let mut rdns = vec![Vec::new()];
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut rest = text.chars().peekable();
    loop {
        let mut kind = String::new();
        loop {
            match rest.next()? {
                '=' => break,
                c => kind.push(c.to_ascii_lowercase()),
            }
        }
        let mut bytes = Vec::new();
        let end = loop {
            match rest.next() {
                None => break None,
                Some(c @ (',' | '+')) => break Some(c),
                Some('\\') => {
                    let first = rest.next()?;
                    match (first.to_digit(16), rest.peek().and_then(|c| c.to_digit(16))) {
                        (Some(high), Some(low)) => {
                            rest.next();
                            bytes.push(u8::try_from(high * 16 + low).ok()?);
                        }
                        _ => put(first, &mut bytes),
                    }
                }
                Some(c) => put(c, &mut bytes),
            }
        };
        rdns.last_mut()?.push((kind.trim().to_owned(), String::from_utf8(bytes).ok()?));
        match end {
            None => return Some(rdns),
            Some(',') => rdns.push(Vec::new()),
            Some(_) => {}
        }
    }
}

fn put(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// One spelling for each name; other text comes back as it is.
pub(super) fn plain(text: &str) -> String {
    // Most names are written so already.
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"=,.-_".contains(&byte)) {
        return text.to_owned();
    }
    parts(text).map_or_else(|| text.to_owned(), |parts| written(&parts))
}

/// One spelling for each name in any case.
pub(super) fn folded(text: &str) -> String {
    plain(text).to_lowercase()
}

/// `parts` with the least escaping.
pub(super) fn written(parts: &Parts) -> String {
    let rdn = |rdn: &Vec<(String, String)>| {
        let parts: Vec<_> = rdn.iter().map(|(kind, value)| format!("{kind}={}", escaped(value))).collect();
        parts.join("+")
    };
    parts.iter().map(rdn).collect::<Vec<_>>().join(",")
}

/// `value` with everything escaped that must be (RFC 4514 section 2.4).
pub(super) fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (at, c) in value.chars().enumerate() {
        let is_special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (c == ' ' && (at == 0 || at == last))
            || (c == '#' && at == 0);
        match c {
            '\0' => text.push_str("\\00"),
            c if is_special => text.extend(['\\', c]),
            c => text.push(c),
        }
    }
    text
}

/// `parts` in one of the many spellings that mean the same.
pub(super) fn oddly(parts: &Parts, dice: &mut Dice) -> String {
    let style = dice.below(4);
    let mut text = String::new();
    for (at, rdn) in parts.iter().enumerate() {
        if at > 0 {
            text.push(',');
            if style == 1 {
                text.push(' ');
            }
        }
        for (at, (kind, value)) in rdn.iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            let kind = if dice.percent(30) { kind.to_ascii_uppercase() } else { kind.clone() };
            text.push_str(&kind);
            text.push('=');
            text.push_str(&spelled(value, style, dice));
        }
    }
    text
}

fn spelled(value: &str, style: usize, dice: &mut Dice) -> String {
    let value = match style {
        2 => value.chars().map(|c| if c.is_ascii() { c.to_ascii_uppercase() } else { c }).collect(),
        _ => value.to_owned(),
    };
    if style != 3 {
        return escaped(&value);
    }
    // Any character may be given by its bytes.
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let must = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '\0' | '#' | '=')
            || (c == ' ' && (at == 0 || at == last));
        if must || dice.percent(20) {
            let mut buffer = [0; 4];
            text.extend(c.encode_utf8(&mut buffer).bytes().map(|byte| format!("\\{byte:02x}")));
        } else {
            text.push(c);
        }
    }
    text
}
