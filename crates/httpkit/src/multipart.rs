//! The parts of a form that brings a file (RFC 7578), as browsers send them: no preamble, a head
//! with a name in it, and nothing nested. Everything else is no form of ours.
//!
//! Names of files and kinds of content are not read: both are whatever the sender likes.

/// Parts of one form.
const MAX_PARTS: usize = 8;
/// Bytes of the head of a part.
const MAX_HEAD: usize = 4 * 1024;
/// Characters of a boundary (RFC 2046 section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// One field of the form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// Its name.
    pub(crate) name: &'a [u8],
    /// What is in it.
    pub(crate) content: &'a [u8],
    /// Whether its end was seen.
    pub(crate) is_whole: bool,
}

/// The boundary that a `Content-Type` names. `None` when it is not that of such a form.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
    let is_boundary = (1..=MAX_BOUNDARY).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte));
    is_boundary.then_some(value)
}

/// The parts of `body`. Where it was cut off, the last one is not whole. `None` when it is not such
/// a form.
pub(crate) fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(delimiter.get(2..)?)?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let after = rest.strip_prefix(b"\r\n")?;
        let head_ends = find(after.get(..MAX_HEAD).unwrap_or(after), b"\r\n\r\n")?;
        let (head, after) = after.split_at_checked(head_ends)?;
        let after = after.get(4..)?;
        let ends = find(after, &delimiter);
        let (content, beyond) = after.split_at_checked(ends.unwrap_or(after.len()))?;
        parts.push(Part { name: name(head)?, content, is_whole: ends.is_some() });
        if parts.len() > MAX_PARTS {
            return None;
        }
        match beyond.get(delimiter.len()..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    Some(parts)
}

fn name(head: &[u8]) -> Option<&[u8]> {
    let disposition = head.split(|byte| *byte == b'\n').find_map(|line| {
        let (field, value) = line.split_at_checked(b"content-disposition:".len())?;
        field.eq_ignore_ascii_case(b"content-disposition:").then(|| value.trim_ascii())
    })?;
    let name = disposition.strip_prefix(b"form-data; name=\"")?;
    name.split(|byte| *byte == b'"').next()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        from += rest.iter().position(|byte| byte == first)?;
        if text.get(from..)?.starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Chromium sends it.
    const FORM: &[u8] = b"------WebKitFormBoundaryX\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nabc\r\n\
        ------WebKitFormBoundaryX\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"\xc3\xa9;%22.png\"\r\n\
        Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n--\r\n------WebKitFormBoundary\r\nIHDR\r\n\
        ------WebKitFormBoundaryX\r\ncontent-disposition: form-data; name=\"\"\r\n\r\n\r\n------WebKitFormBoundaryX--\r\n";
    const BOUNDARY: &str = "----WebKitFormBoundaryX";

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let parts = parts(FORM, BOUNDARY).unwrap();
        let file = b"\x89PNG\r\n\x1a\n\r\n--\r\n------WebKitFormBoundary\r\nIHDR";
        let expected: [(&[u8], &[u8]); 3] = [(b"csrf", b"abc"), (b"picture", file), (b"", b"")];
        let expected = expected.map(|(name, content)| Part { name, content, is_whole: true });
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_form_may_be_cut_off_anywhere() {
        for end in 0..FORM.len() {
            if let Some(parts) = parts(&FORM[..end], BOUNDARY) {
                let (last, before) = parts.split_last().unwrap();
                assert!(before.iter().all(|part| part.is_whole), "{end}");
                assert!(end + 4 >= FORM.len() || !last.is_whole, "{end}");
            }
        }
        let half = find(FORM, b"IHDR").unwrap();
        assert_eq!(parts(&FORM[..half], BOUNDARY).unwrap()[0].content, b"abc");
    }

    #[test]
    fn what_is_no_form_of_ours_is_refused() {
        let head = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        let many = format!("{}--B--", format!("{head}x\r\n").repeat(MAX_PARTS + 1));
        let long = format!(
            "--B\r\nX: {}\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B--",
            "y".repeat(MAX_HEAD)
        );
        for body in [
            "",
            "csrf=abc",
            "--Bx",
            "--B",
            "--B\r\n",
            "--B\r\n\r\nx\r\n--B--",
            "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--B--",
            "--B\r\nContent-Disposition: form-data; filename=\"; name=\"a\"\r\n\r\nx\r\n--B--",
            "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--B--",
            many.as_str(),
            long.as_str(),
        ] {
            assert_eq!(parts(body.as_bytes(), "B"), None, "{body}");
        }
    }

    #[test]
    fn boundaries() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=----WebKitFormBoundaryX", Some(BOUNDARY)),
            ("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b\"", None),
            ("multipart/form-data; boundary=\"ab\"", Some("ab")),
            ("multipart/form-data; boundary=\"ab", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=ab", None),
            ("application/x-www-form-urlencoded; boundary=ab", None),
            ("multipart/form-data; boundary=a\r\nb", None),
        ] {
            assert_eq!(boundary(kind), expected, "{kind}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    }
}
