//! Distinguished names, read and written by rules of the test's own (RFC 4514), so that a mistake of
//! the server's reader is not made twice.

use super::dice::Dice;

/// Attribute types and values of each part, the types in lower case and the values as they are
/// meant.
pub(super) type Parts = Vec<Vec<(String, String)>>;

/// What names entries, with the other names and the identifiers of the same (RFC 4514 section 2.3,
/// RFC 4519).
const KINDS: &[(&str, &str, &str)] = &[
    ("uid", "userId", "0.9.2342.19200300.100.1.1"),
    ("cn", "commonName", "2.5.4.3"),
    ("ou", "organizationalUnitName", "2.5.4.11"),
    ("dc", "domainComponent", "0.9.2342.19200300.100.1.25"),
];

/// The usual name of what `kind` stands for, in lower case.
fn usual(kind: &str) -> String {
    let is_called = |(_, other, oid): &&(&str, &str, &str)| other.eq_ignore_ascii_case(kind) || *oid == kind;
    KINDS.iter().find(is_called).map_or_else(|| kind.to_ascii_lowercase(), |(usual, _, _)| (*usual).to_owned())
}

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
                c => kind.push(c),
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
        rdns.last_mut()?.push((usual(kind.trim()), String::from_utf8(bytes).ok()?));
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
    // Most names are written so already; identifiers have dots.
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"=,-_".contains(&byte)) {
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
            let known = KINDS.iter().find(|(usual, _, _)| usual == kind);
            match (dice.below(10), known) {
                (0..3, _) => text.push_str(&kind.to_ascii_uppercase()),
                (3, Some((_, other, _))) => text.push_str(other),
                (4, Some((_, _, oid))) => text.push_str(oid),
                _ => text.push_str(kind),
            }
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
