//! The root for those who are to trust it, under one path of our own hosts, with and without TLS:
//! whoever fetches it has nothing to trust yet, and compares its fingerprint.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use super::Internal;
use crate::http::HttpService;
use crate::redirect::{host, plain};

/// Where it is.
const PATH: &str = "/root.crt";

/// Hands out the root.
#[derive(Debug, Clone)]
pub struct Download {
    internal: Internal,
    hosts: Arc<[String]>,
    disposition: HeaderValue,
}

impl Download {
    /// Hands out the root of `internal` under its own hosts, to be saved as a file that is named
    /// after its domain.
    #[must_use]
    pub fn new(internal: Internal) -> Self {
        let settings = &internal.0.settings;
        let hosts = settings.hosts.first().cloned().unwrap_or_default().into();
        let disposition = format!("attachment; filename=\"{}-root.crt\"", settings.domain);
        let disposition = HeaderValue::try_from(disposition).unwrap_or(HeaderValue::from_static("attachment"));
        Self { internal, hosts, disposition }
    }

    /// Where it is on a host.
    #[must_use]
    pub const fn path() -> &'static str {
        PATH
    }

    /// The answer to `request`, if it asks for the root.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let is_asked = request.uri().path() == PATH
            && host(request).is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(&host)));
        let root = self.internal.root().filter(|_| is_asked)?;
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "The root can only be fetched.\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        let mut response = plain(StatusCode::OK, root.pem().to_owned());
        if *request.method() == Method::HEAD {
            *response.body_mut() = Full::default();
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-x509-ca-cert"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_DISPOSITION, self.disposition.clone());
        Some(response)
    }
}

/// `others`, with `download` before it, when there is a root.
pub fn offering<S: HttpService>(
    download: Option<Download>,
    others: S,
) -> impl HttpService<Body = Either<Full<Bytes>, S::Body>> {
    tower::service_fn(move |request: Request<Incoming>| {
        let (download, others) = (download.clone(), others.clone());
        async move {
            match download.and_then(|download| download.answer(&request)) {
                Some(response) => Ok::<_, Infallible>(response.map(Either::Left)),
                None => others.oneshot(request).await.map(|response| response.map(Either::Right)),
            }
        }
    })
}
