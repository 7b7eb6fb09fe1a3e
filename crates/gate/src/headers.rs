//! Headers between the client and a service: what concerns one connection alone is taken out, what
//! only we may say is taken out and said anew.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use hyper::body::Body;

/// Of one connection, whether `Connection` names them or not (RFC 9110 section 7.6.1).
const HOPS: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Words about who asks, from where and for what, that services believe. `proxy` becomes the
/// variable `HTTP_PROXY` of a CGI program.
const CLAIMS: [&str; 13] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "proxy",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-original-forwarded-for",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// The same, by their beginnings.
const CLAIMED: [&str; 5] = ["remote-", "x-auth-request-", "x-forwarded-", "x-remote-", "x-webauth-"];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A request for a site as we know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Where it comes from.
    pub(crate) client: IpAddr,
    /// The name that was asked for, with the port if there was one.
    pub(crate) host: Authority,
    /// Whether the client's own connection is encrypted.
    pub(crate) https: bool,
}

/// Takes out what concerns one connection alone.
pub(crate) fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = words(headers, &CONNECTION).filter_map(|word| word.parse().ok()).collect();
    for name in named.iter().chain(&HOPS) {
        headers.remove(name);
    }
}

/// Takes out what only we may say.
fn without_claims(headers: &mut HeaderMap) {
    let is_claim = |name: &&HeaderName| {
        // Programs that are handed headers as variables see no difference between the two.
        let name = name.as_str().replace('_', "-");
        CLAIMS.contains(&name.as_str()) || CLAIMED.iter().any(|beginning| name.starts_with(beginning))
    };
    let claims: Vec<HeaderName> = headers.keys().filter(is_claim).cloned().collect();
    for name in &claims {
        headers.remove(name);
    }
}

/// Makes one line of what HTTP/2 may say in several (RFC 9113 section 8.2.3).
fn with_one_cookie(headers: &mut HeaderMap) -> Result<(), http::Error> {
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1 {
        let whole = HeaderValue::from_bytes(&lines.join(&b"; "[..]))?;
        headers.insert(COOKIE, whole);
    }
    Ok(())
}

/// The words of a list (RFC 9110 section 5.6.1). What is no text is no word of any list of ours.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let parts = headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    parts.filter_map(|part| std::str::from_utf8(part.trim_ascii()).ok()).filter(|word| !word.is_empty())
}

/// Makes `headers` those of a request that we send for `visit`, who have the name `own`.
pub(crate) fn outgoing(headers: &mut HeaderMap, visit: &Visit, own: &HeaderValue) -> Result<(), http::Error> {
    without_hops(headers);
    without_claims(headers);
    with_one_cookie(headers)?;
    // Whoever expects it was told to go on by us.
    headers.remove(EXPECT);
    let Visit { client, host, https } = visit;
    let scheme = if *https { "https" } else { "http" };
    // RFC 7239 section 6: an IPv6 address stands in brackets.
    let node = if client.is_ipv6() { format!("\"[{client}]\"") } else { client.to_string() };
    headers.insert(HOST, HeaderValue::try_from(host.as_str())?);
    headers.insert(FORWARDED_FOR, HeaderValue::try_from(client.to_string())?);
    headers.insert(FORWARDED_HOST, HeaderValue::try_from(host.as_str())?);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    headers.insert(FORWARDED, HeaderValue::try_from(format!("for={node};host=\"{host}\";proto={scheme}"))?);
    headers.append(VIA, own.clone());
    Ok(())
}

/// Makes `headers` those of an answer that we pass on.
pub(crate) fn incoming(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // RFC 9112 section 6.3: it overrides the length, which must not be passed on.
        headers.remove(CONTENT_LENGTH);
    }
    without_hops(headers);
}

/// Whether our name is among those that the request came through (RFC 9110 section 7.6.3).
pub(crate) fn came_through(headers: &HeaderMap, own: &HeaderValue) -> bool {
    words(headers, &VIA).any(|hop| hop.split(' ').take(2).eq(own.to_str().unwrap_or_default().split(' ')))
}

/// Whether the body is coded in another way than in chunks, which we would have to know.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    words(headers, &TRANSFER_ENCODING).any(|coding| !coding.eq_ignore_ascii_case("chunked"))
}

/// Whether the connection is asked to become a WebSocket (RFC 6455 section 4.1). No other protocol
/// is passed on: inside of one nobody would look at requests any more.
pub(crate) fn asks_for_websocket<B: Body>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && request.body().is_end_stream()
        && switches_to_websocket(request.headers())
}

/// Whether these are the headers of a change to WebSocket, asked for or granted.
pub(crate) fn switches_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = words(headers, &UPGRADE);
    protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
        && protocols.next().is_none()
        && words(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"))
}

/// Asks for that change, or grants it.
pub(crate) fn switch_to_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn sent(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(lines);
        let visit =
            Visit { client: "192.0.2.7".parse().unwrap(), host: "Wiki.example.org:81".parse().unwrap(), https: true };
        outgoing(&mut headers, &visit, &HeaderValue::from_static("1.1 own")).unwrap();
        headers
    }

    const ANEW: [(&str, &str); 6] = [
        ("host", "Wiki.example.org:81"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "Wiki.example.org:81"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=192.0.2.7;host=\"Wiki.example.org:81\";proto=https"),
        ("via", "1.1 own"),
    ];

    #[test]
    fn nobody_says_from_outside_what_only_we_may_say() {
        let claims = [
            ("host", "elsewhere"),
            ("Forwarded", "for=127.0.0.1"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("X_Forwarded_For", "127.0.0.1"),
            ("X-Forwarded_Proto", "http"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Prefix", "/admin"),
            ("X-Forwarded-User", "ada"),
            ("X-Real-IP", "127.0.0.1"),
            ("X_Real_IP", "127.0.0.1"),
            ("Remote-User", "ada"),
            ("REMOTE_USER", "ada"),
            ("Remote-Groups", "lldap_admin"),
            ("Remote_Groups", "lldap_admin"),
            ("Remote-Email", "ada@example.org"),
            ("Remote-Name", "Ada"),
            ("Proxy", "evil.example:3128"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-URL", "/admin"),
            ("True-Client-IP", "127.0.0.1"),
            ("X-Client-IP", "127.0.0.1"),
            ("Client-IP", "127.0.0.1"),
            ("X-Cluster-Client-IP", "127.0.0.1"),
            ("CF-Connecting-IP", "127.0.0.1"),
            ("Fastly-Client-IP", "127.0.0.1"),
            ("X-Original-Forwarded-For", "127.0.0.1"),
            ("X-Remote-User", "ada"),
            ("X_WebAuth_User", "ada"),
            ("X-Auth-Request-Email", "ada@example.org"),
        ];
        assert_eq!(sent(&claims), map(&ANEW));
        assert_eq!(sent(&[]), map(&ANEW));
    }

    #[test]
    fn what_concerns_one_connection_stays_behind() {
        let hops = [
            ("Connection", "close, X-Secret"),
            ("Connection", "\t x-other ,, keep-alive"),
            ("Connection", "\u{e9}, x-third"),
            ("X-Secret", "1"),
            ("X-Other", "1"),
            ("X-Third", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic eA=="),
            ("TE", "trailers"),
            ("Trailer", "Remote-User"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABk"),
            ("Expect", "100-continue"),
        ];
        assert_eq!(sent(&hops), map(&ANEW));
        // Nor can it be used to take out what we say.
        let stripping = [("Connection", "host, x-forwarded-for, x-forwarded-proto, x-forwarded-host, forwarded, via")];
        assert_eq!(sent(&stripping), map(&ANEW));
    }

    #[test]
    fn everything_else_goes_on_as_it_came() {
        let other = [
            ("cookie", "a=1; b=2"),
            ("authorization", "Basic eA=="),
            ("sec-websocket-key", "AAAA"),
            ("x-real-ip-is-not-this", "1"),
            ("content-length", "7"),
            ("accept", "text/event-stream"),
            ("x-bytes", "\u{e9}"),
        ];
        assert_eq!(sent(&other), map(&[&other[..], &ANEW[..]].concat()));
        assert_eq!(
            sent(&[("cookie", "a=1; b=2"), ("cookie", "c=\u{e9}")])["cookie"].as_bytes(),
            "a=1; b=2; c=\u{e9}".as_bytes()
        );
        assert_eq!(sent(&[("via", "1.0 a, 2 b (c)")]).get_all(VIA).iter().count(), 2);
    }

    #[test]
    fn an_answer_has_one_length() {
        let mut headers = map(&[("content-length", "5"), ("transfer-encoding", "chunked"), ("server", "x")]);
        incoming(&mut headers);
        assert_eq!(headers, map(&[("server", "x")]));
        let mut headers = map(&[("content-length", "5"), ("connection", "close"), ("date", "today")]);
        incoming(&mut headers);
        assert_eq!(headers, map(&[("content-length", "5"), ("date", "today")]));
    }

    #[test]
    fn who_came_through_us_is_known() {
        let own = HeaderValue::from_static("1.1 own");
        for (via, expected) in [
            (&["1.1 own"][..], true),
            (&["1.0 fred, 1.1 own (a comment)"], true),
            (&["2 fred", "1.1 own"], true),
            (&["1.1 owner"], false),
            (&["1.1 fred"], false),
            (&[""], false),
            (&[], false),
        ] {
            let lines: Vec<_> = via.iter().map(|value| ("via", *value)).collect();
            assert_eq!(came_through(&map(&lines), &own), expected, "{via:?}");
        }
    }

    #[test]
    fn chunks_are_the_only_coding() {
        assert!(!is_coded(&map(&[])) && !is_coded(&map(&[("transfer-encoding", "Chunked")])));
        for coding in ["gzip, chunked", "identity", "chunked, chunkedx"] {
            assert!(is_coded(&map(&[("transfer-encoding", coding)])), "{coding}");
        }
    }

    #[test]
    fn only_websockets_are_asked_for() {
        let asks = |method: Method, version: Version, body: &'static str, lines: &[(&str, &str)]| {
            let mut request = Request::new(http_body_util::Full::new(bytes::Bytes::from_static(body.as_bytes())));
            *request.method_mut() = method;
            *request.version_mut() = version;
            *request.headers_mut() = map(lines);
            asks_for_websocket(&request)
        };
        let good = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket")];
        assert!(asks(Method::GET, Version::HTTP_11, "", &good));
        assert!(!asks(Method::POST, Version::HTTP_11, "", &good));
        assert!(!asks(Method::GET, Version::HTTP_10, "", &good));
        assert!(!asks(Method::GET, Version::HTTP_11, "x", &good));
        for bad in [
            &[("Connection", "keep-alive"), ("Upgrade", "websocket")][..],
            &[("Upgrade", "websocket")],
            &[("Connection", "upgrade")],
            &[("Connection", "upgrade"), ("Upgrade", "h2c")],
            &[("Connection", "upgrade"), ("Upgrade", "websocket, h2c")],
            &[("Connection", "upgrade"), ("Upgrade", "h2c"), ("Upgrade", "websocket")],
        ] {
            assert!(!asks(Method::GET, Version::HTTP_11, "", bad), "{bad:?}");
        }
    }
}
