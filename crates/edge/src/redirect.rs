//! Plain HTTP beside HTTPS: it sends browsers on, and answers a CA that looks for the answer to its
//! challenge (RFC 8555 section 8.3). Nothing else is served without TLS.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::acme::Answers;

/// Where a CA looks for the answer to its challenge (RFC 8555 section 8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// Sends requests for our hosts to HTTPS.
#[derive(Clone)]
pub struct Redirect {
    /// Where each host is, by name in lower case: scheme, host and port.
    origins: Arc<HashMap<String, String>>,
    answers: Option<Answers>,
}

impl Redirect {
    /// Sends requests for a host to its origin, such as `https://accounts.example.org`, and answers
    /// challenges, when there may be any.
    pub fn new(origins: impl IntoIterator<Item = (String, String)>, answers: Option<Answers>) -> Self {
        let origins = origins.into_iter().map(|(host, origin)| (host.to_ascii_lowercase(), origin));
        Self { origins: Arc::new(origins.collect()), answers }
    }

    /// The answer to `request`. A challenge is never sent on: there may be no certificate yet.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let token = request.uri().path().strip_prefix(CHALLENGE);
        let Some((token, answers)) = token.zip(self.answers.as_ref()) else { return self.onward(request) };
        match answers.http_01(token) {
            Some(answer) => plain(StatusCode::OK, answer),
            None => plain(StatusCode::NOT_FOUND, "Nobody is to be answered here.\n"),
        }
    }

    /// Where `request` is sent: 308 keeps method and body (RFC 9110 section 15.4.9); a host that is
    /// not ours is 421 (section 15.5.20).
    fn onward<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let Some(origin) = host(request).and_then(|host| self.origins.get(&host.to_ascii_lowercase())) else {
            return plain(StatusCode::MISDIRECTED_REQUEST, "No site of this name is here.\n");
        };
        // A path that is none ("*" of OPTIONS) leads to the front page.
        let path = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str);
        let path = path.filter(|path| path.starts_with('/') && *request.method() != Method::CONNECT).unwrap_or("/");
        let Ok(location) = HeaderValue::try_from(format!("{origin}{path}")) else {
            return plain(StatusCode::BAD_REQUEST, "This address cannot be read.\n");
        };
        let mut response = plain(StatusCode::PERMANENT_REDIRECT, "");
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

/// The host that is asked for, without its port. `None` when it is missing, doubled or none.
pub(crate) fn host<B>(request: &Request<B>) -> Option<String> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = request.headers().get_all(HOST).into_iter();
            let host = hosts.next().filter(|_| hosts.next().is_none())?;
            Authority::try_from(host.as_bytes()).ok()?
        }
    };
    (!authority.as_str().contains('@')).then(|| authority.host().to_owned())
}

/// An answer of a few words.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let text: Bytes = text.into();
    let length = text.len();
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// [`Redirect::answer`] as a service, in front of `others`, which answers the paths that `is_other`
/// names, such as that of the health check.
pub fn redirecting<S, B>(
    redirect: Redirect,
    others: S,
    is_other: fn(&str) -> bool,
) -> impl tower::Service<
    Request<hyper::body::Incoming>,
    Response = Response<http_body_util::Either<B, Full<Bytes>>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: tower::Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    use http_body_util::Either;
    use tower::ServiceExt as _;
    tower::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (redirect, others) = (redirect.clone(), others.clone());
        async move {
            if is_other(request.uri().path()) {
                return others.oneshot(request).await.map(|response| response.map(Either::Left));
            }
            Ok(redirect.answer(&request).map(Either::Right))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, uri: &str, hosts: &[&str]) -> (u16, Option<String>) {
        let redirect = Redirect::new(
            [
                ("accounts.example.org".to_owned(), "https://accounts.example.org".to_owned()),
                ("Directory.example.org".to_owned(), "https://directory.example.org:8443".to_owned()),
            ],
            None,
        );
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let response = redirect.onward(&request.body(()).unwrap());
        let location = response.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    }

    #[test]
    fn our_hosts_are_sent_to_https_with_path_and_query() {
        let to = |location: &str| (308, Some(location.to_owned()));
        for (uri, host, location) in [
            ("/", "accounts.example.org", "https://accounts.example.org/"),
            ("/sign-in?next=%2F", "Accounts.Example.org:80", "https://accounts.example.org/sign-in?next=%2F"),
            ("/x", "directory.example.org", "https://directory.example.org:8443/x"),
            ("//evil.example/", "accounts.example.org", "https://accounts.example.org//evil.example/"),
            ("http://directory.example.org/y", "accounts.example.org", "https://directory.example.org:8443/y"),
        ] {
            assert_eq!(ask(Method::GET, uri, &[host]), to(location), "{uri} {host}");
            assert_eq!(ask(Method::POST, uri, &[host]), to(location), "{uri} {host}");
        }
        assert_eq!(ask(Method::OPTIONS, "*", &["accounts.example.org"]), to("https://accounts.example.org/"));
    }

    #[test]
    fn other_hosts_are_not_ours() {
        for hosts in
            [&[][..], &["evil.example"], &["accounts.example.org", "evil.example"], &["a@accounts.example.org"], &[""]]
        {
            assert_eq!(ask(Method::GET, "/", hosts), (421, None), "{hosts:?}");
        }
    }
}
