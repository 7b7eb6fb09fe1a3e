//! The first thing that every request meets: which host, from where, and the last thing that
//! every answer gets: headers, a page for a problem, a line in the log.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use ostiary_app::App;
use ostiary_model::{Actor, Ctx, Network};
use tower::ServiceExt as _;
use tracing::Instrument as _;
use url::Url;

use crate::address::client_address;
use crate::cookies::Cookies;
use crate::csrf::MAX_FORM_BYTES;
use crate::door::{Arrival, Side};
use crate::health::CertificatesShown;
use crate::problem::Problem;
use crate::routes::{HEALTH, LocalPath};
use crate::{headers, health};

/// Characters of a `User-Agent` that are kept.
const MAX_AGENT: usize = 256;

/// Makes the page (HTML) of a problem that a request ran into.
pub type Render = fn(&App, &Arrival, &Problem) -> String;

/// What stands behind the front, one router for each host.
pub struct Doors {
    /// Behind the accounts host.
    pub accounts: Router,
    /// Behind the directory host.
    pub directory: Router,
}

/// How the front behaves.
#[derive(Debug, Clone, Default)]
pub struct FrontSettings {
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// How it stands with the certificates.
    pub certificates: CertificatesShown,
    /// Whether browsers are told to come over HTTPS alone from now on (HSTS, RFC 6797).
    pub pins_https: bool,
}

struct Front {
    app: Arc<App>,
    settings: FrontSettings,
    accounts: Behind,
    directory: Behind,
}

struct Behind {
    host: String,
    origin: Arc<str>,
    https: bool,
    router: Router,
}

/// The whole HTTP service. Each request must bring its peer's [`SocketAddr`] as an extension, put
/// there by whoever accepted the connection.
pub fn front(app: Arc<App>, settings: FrontSettings, doors: Doors, render: Render) -> Router {
    let site = &app.settings().site;
    let behind = |url: &Url, router: Router| Behind {
        host: url.host_str().unwrap_or_default().to_owned(),
        origin: url.origin().ascii_serialization().into(),
        https: url.scheme() == "https",
        router: router
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .layer(from_fn(catch_panic))
            .layer(from_fn_with_state((Arc::clone(&app), render), render_problem))
            .layer(from_fn(log)),
    };
    let accounts = behind(&site.accounts_url, doors.accounts);
    let shown = Extension(settings.certificates.clone());
    let directory = behind(&site.directory_url, doors.directory.layer(shown));
    Router::new().fallback(arrive).with_state(Arc::new(Front { app, settings, accounts, directory }))
}

async fn arrive(State(front): State<Arc<Front>>, mut request: Request) -> Response {
    if request.uri().path() == HEALTH {
        let in_full = health::is_from_here(&request);
        return with_headers(health::answer(&front.app, &front.settings.certificates, in_full).await, false);
    }
    let ctx = front.app.ctx(Actor::Anonymous).with_agent(agent(&request));
    let span = tracing::info_span!("request", id = %ctx.request);
    let (behind, side) = match front.host(&request) {
        Ok(found) => found,
        Err(problem) => return span.in_scope(|| turned_away(problem)),
    };
    let response = match front.arrival(&request, ctx, behind, side) {
        Ok(arrival) => {
            request.extensions_mut().insert(arrival);
            let Ok(response) = behind.router.clone().oneshot(request).instrument(span).await;
            response
        }
        Err(problem) => span.in_scope(|| turned_away(problem)),
    };
    with_headers(response, behind.https && front.settings.pins_https)
}

fn turned_away(problem: Problem) -> Response {
    tracing::info!(status = problem.status.as_u16(), "turned away at the front: {}", problem.title);
    with_headers(problem.into_response(), false)
}

fn with_headers(mut response: Response, https: bool) -> Response {
    headers::add(response.headers_mut(), https);
    response
}

fn agent(request: &Request) -> Option<Arc<str>> {
    let text = request.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(MAX_AGENT).collect::<String>().into())
}

impl Front {
    /// Whichever of our hosts was asked, by name alone; RFC 9110 section 7.2 lets an absolute
    /// address win over `Host`.
    fn host(&self, request: &Request) -> Result<(&Behind, Side), Problem> {
        let name = asked_host(request);
        for (behind, side) in [(&self.accounts, Side::Accounts), (&self.directory, Side::Directory)] {
            if name.as_ref().is_some_and(|name| name.host().eq_ignore_ascii_case(&behind.host)) {
                return Ok((behind, side));
            }
        }
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "No site of this name is here")
            .text("This server answers under two names, and the address that you opened has neither.")
            .point(format!("To sign in, open {}", self.accounts.origin))
            .point(format!("To administer, open {}", self.directory.origin)))
    }

    fn arrival(&self, request: &Request, ctx: Ctx, behind: &Behind, side: Side) -> Result<Arrival, Problem> {
        let peer = request.extensions().get::<SocketAddr>().ok_or_else(|| {
            tracing::error!("a request came in without its peer's address");
            Problem::broken()
        })?;
        let address = client_address(peer.ip(), request.headers(), &self.settings.trusted_proxies).map_err(|_| {
            tracing::warn!(peer = %peer.ip(), "a trusted proxy sent an X-Forwarded-For that cannot be read");
            Problem::unreadable("The header X-Forwarded-For holds something that is no address")
        })?;
        let here = match *request.method() {
            http::Method::GET | http::Method::HEAD | http::Method::POST => {
                request.uri().path_and_query().and_then(|path| LocalPath::from_str(path.as_str()).ok())
            }
            _ => None,
        };
        Ok(Arrival {
            side,
            ctx: ctx.with_address(Some(address)),
            cookies: Cookies::read(request.headers(), behind.https),
            here: here.unwrap_or_else(LocalPath::root),
            origin: Arc::clone(&behind.origin),
        })
    }
}

/// The name that was asked for, with the port if there was one. `None` when it is missing, doubled
/// or no name.
#[must_use]
pub fn asked_host<B>(request: &http::Request<B>) -> Option<Authority> {
    let authority = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => {
            let mut hosts = request.headers().get_all(HOST).into_iter();
            let host = hosts.next()?;
            if hosts.next().is_some() {
                return None;
            }
            Authority::try_from(host.as_bytes()).ok()?
        }
    };
    (!authority.as_str().contains('@')).then_some(authority)
}

/// A panic is a mistake of ours and costs this one answer only.
async fn catch_panic(request: Request, next: Next) -> Response {
    match unwound(next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a handler panicked");
            Problem::broken().into_response()
        }
    }
}

async fn unwound<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
}

async fn render_problem(
    State((app, render)): State<(Arc<App>, Render)>,
    arrival: Arrival,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() {
        let html = render(&app, &arrival, &problem);
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = Body::from(html);
    }
    response
}

/// One line for each request. The route instead of the address: addresses hold names and tokens.
#[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
async fn log(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    tracing::info!(
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_once_and_whole() {
        let ask = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(Body::empty()).unwrap();
            asked_host(&request).map(|authority| authority.host().to_owned())
        };
        assert_eq!(ask("/", &["accounts.example.org"]).as_deref(), Some("accounts.example.org"));
        assert_eq!(ask("/", &["accounts.example.org:8080"]).as_deref(), Some("accounts.example.org"));
        assert_eq!(ask("http://a.example/", &["b.example"]).as_deref(), Some("a.example"));
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["accounts.example.org", "evil.example"]),
            ("/", &["user@accounts.example.org"]),
            ("/", &[""]),
            ("/", &["accounts.example.org/x"]),
        ] {
            assert_eq!(ask(uri, hosts), None, "{hosts:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_caught() {
        let caught = unwound(async {
            tokio::task::yield_now().await;
            panic!("as expected by this test");
        })
        .await;
        assert!(caught.is_err());
        assert_eq!(unwound(async { 1 }).await.ok(), Some(1));
    }
}
