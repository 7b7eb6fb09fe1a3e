//! Values in filters that are no UTF-8 can match nothing here, but would make the decoder fail: their
//! terms are overwritten in place, so that nobody can tell what they ask.

use crate::ber::{CONSTRUCTED, Element, INTEGER};

/// The one thing in a filter that is true or false, and not a text (RFC 4511 section 4.5.1).
const DN_ATTRIBUTES: u8 = 0x84;

/// Blanks in the filter of a search what is no UTF-8. `None` when the request is no search, or a
/// limit is out of its range, which the decoder would misread.
pub(crate) fn prepare_search(message: &mut [u8]) -> Option<()> {
    let (_, operation) = split_mut(content_mut(message)?)?;
    let mut fields = content_mut(operation)?;
    // Base, scope, aliases, size limit, time limit, types only.
    for _ in 0..6 {
        let (field, rest) = split_mut(fields)?;
        let (tag, content, _) = Element::split(field).ok()?;
        let is_in_range = content.len() <= 4 && content.first().is_some_and(|first| first & 0x80 == 0);
        if tag == INTEGER && !is_in_range {
            return None;
        }
        fields = rest;
    }
    let (filter, _) = split_mut(fields)?;
    blank_filter(filter);
    Some(())
}

/// The recursion is as deep as [`check`] allowed.
fn blank_filter(filter: &mut [u8]) {
    let is_set = filter.first().is_some_and(|tag| matches!(tag, 0xa0..=0xa2));
    if !is_set {
        if !is_text(filter) {
            blank(filter);
        }
        return;
    }
    let mut rest = content_mut(filter).unwrap_or_default();
    while let Some((term, others)) = split_mut(rest) {
        blank_filter(term);
        rest = others;
    }
}

fn is_text(element: &[u8]) -> bool {
    let Ok((tag, content, _)) = Element::split(element) else { return true };
    if tag == DN_ATTRIBUTES {
        return true;
    }
    if tag & CONSTRUCTED == 0 {
        return std::str::from_utf8(content).is_ok();
    }
    let mut rest = content;
    while let Ok((_, _, others)) = Element::split(rest) {
        if !is_text(rest) {
            return false;
        }
        rest = others;
    }
    true
}

/// Overwrites all content, so that attribute, rule and value are of the same length and nobody's.
fn blank(element: &mut [u8]) {
    let is_constructed = element.first().is_some_and(|tag| tag & CONSTRUCTED != 0);
    let Some(content) = content_mut(element) else { return };
    if !is_constructed {
        content.fill(b'?');
        return;
    }
    let mut rest = content;
    while let Some((inner, others)) = split_mut(rest) {
        blank(inner);
        rest = others;
    }
}

fn content_mut(element: &mut [u8]) -> Option<&mut [u8]> {
    let Element { start, end, .. } = Element::read(element, element.len()).ok()??;
    element.get_mut(start..end)
}

/// The element at the front and what comes after it.
fn split_mut(bytes: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let Element { end, .. } = Element::read(bytes, bytes.len()).ok()??;
    bytes.split_at_mut_checked(end)
}
