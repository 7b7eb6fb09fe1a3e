//! Headers that every answer carries.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing but our own files; no inline script or style, no frames, no foreign forms.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// For what people have sent in, which is never a page whatever a browser makes of it: nothing runs
/// in it and nothing is loaded by it.
pub const INERT_POLICY: &str = "default-src 'none'; sandbox";

/// With `no-referrer`, browsers send `Origin: null` even with our own forms (Fetch, "append a
/// request Origin header") and the check of the origin would have nothing to look at.
/// `same-origin` tells other sites just as little.
const REFERRER: &str = "same-origin";

const PERMISSIONS: &str = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), \
    gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=(), xr-spatial-tracking=(), \
    clipboard-write=(self), publickey-credentials-create=(self), publickey-credentials-get=(self)";

const ALWAYS: [(HeaderName, &str); 6] = [
    (REFERRER_POLICY, REFERRER),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS),
];

/// Adds what every answer carries. A handler decides itself only whether it may be kept, without a
/// word of it nothing is; and what it may do, when that is less than a page may.
pub(crate) fn add(headers: &mut HeaderMap, https: bool) {
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if headers.get(CONTENT_SECURITY_POLICY).is_none_or(|policy| policy != INERT_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_kept_is_the_handlers_word() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        add(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        let mut headers = HeaderMap::new();
        add(&mut headers, true);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }

    #[test]
    fn a_handler_may_do_less_than_a_page_and_never_more() {
        let policy = |own: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(own));
            add(&mut headers, false);
            headers[CONTENT_SECURITY_POLICY].clone()
        };
        assert_eq!(policy(INERT_POLICY), INERT_POLICY);
        assert_eq!(policy("script-src *"), CONTENT_POLICY);
        assert_eq!(policy(""), CONTENT_POLICY);
    }
}
