//! One request for a site: whether it may go on, how it goes to the service, and how the answer
//! comes back.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use ostiary_httpkit::client_address;
use ostiary_model::{Ctx, Network};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::headers::{self, FORWARDED_PROTO, Visit};
use crate::moving::{Carried, Failed, Pulse, download, upload};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::upstream::{Spawn, Upstreams, is_plain, upstreams};

/// How long nothing may happen.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a service takes the connection.
    pub connecting: Duration,
    /// While a client sends its request.
    pub request: Duration,
    /// From the last byte of the request that a service took until it begins to answer.
    pub answer: Duration,
    /// While a service answers: it may have news only now and then.
    pub news: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(10),
            request: Duration::from_secs(60),
            answer: Duration::from_secs(5 * 60),
            news: Duration::from_secs(60 * 60),
        }
    }
}

/// How requests are forwarded.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
    pub trusted_proxies: Vec<Network>,
    /// How long nothing may happen.
    pub patience: Patience,
    /// Requests and WebSockets that are passed on at once: each takes a connection to its service, and
    /// one client may ask for many things over one connection of its own.
    pub most: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { trusted_proxies: Vec::new(), patience: Patience::default(), most: 1_000 }
    }
}

/// Everything that forwarding needs.
pub(crate) struct Forward {
    settings: Settings,
    upstreams: Upstreams,
    /// For requests that are being passed on.
    places: Arc<Semaphore>,
    /// What we add to Via. Of this process alone: another Ostiary may well stand behind this one.
    own: HeaderValue,
}

impl Forward {
    pub(crate) fn new(settings: Settings, ctx: &Ctx, spawn: Spawn) -> Self {
        let upstreams = upstreams(spawn, settings.patience.connecting);
        let own = HeaderValue::try_from(format!("1.1 ostiary-{:08x}", u32::from_ne_bytes(ctx.bytes())));
        let places = Arc::new(Semaphore::new(settings.most.min(Semaphore::MAX_PERMITS)));
        Self { settings, upstreams, places, own: own.unwrap_or(HeaderValue::from_static("1.1 ostiary")) }
    }

    /// Decides whether a request for `site`, which was asked for as `host`, goes on, and as what.
    /// Here, and only here: rules about who may come in belong into this function.
    fn decide<B>(&self, request: &Request<B>, host: Authority, https: bool) -> Result<Visit, Refusal> {
        let asked = request.headers().get_all(HOST);
        let is_one = asked.iter().count() <= 1 && asked.iter().all(|other| is_same(other, &host));
        if !is_one || !is_plain(&host) {
            return Err(Refusal::Host);
        }
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(Refusal::Method);
        }
        if headers::is_coded(request.headers()) {
            return Err(Refusal::Coding);
        }
        if headers::came_through(request.headers(), &self.own) {
            return Err(Refusal::Loop);
        }
        let peer = request.extensions().get::<SocketAddr>().ok_or(Refusal::Peer)?.ip().to_canonical();
        let trusted = &self.settings.trusted_proxies;
        let client = client_address(peer, request.headers(), trusted).map_err(|_| Refusal::Unreadable)?;
        let is_trusted = trusted.iter().any(|network| network.contains(peer));
        let said = || request.headers().get_all(FORWARDED_PROTO).iter().eq(["https"]);
        Ok(Visit { client, host, https: https || (is_trusted && said()) })
    }

    /// Answers a request for `site`.
    #[expect(clippy::disallowed_methods, reason = "measures how long the answer took")]
    pub(crate) async fn answer<B>(
        &self,
        site: &Site,
        request: Request<B>,
        host: Authority,
        https: bool,
    ) -> Response<Carried>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Failed>,
    {
        let begun = Instant::now();
        let method = request.method().clone();
        let answered = match self.decide(&request, host, https) {
            Ok(visit) => self.forward(site, request, &visit).await,
            Err(refusal) => Err(refusal),
        };
        let response = answered.unwrap_or_else(|refusal| refusal.answer(&site.host));
        tracing::info!(
            site = &*site.host,
            %method,
            status = response.status().as_u16(),
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "passed on"
        );
        response
    }

    async fn forward<B>(&self, site: &Site, request: Request<B>, visit: &Visit) -> Result<Response<Carried>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Failed>,
    {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Full)?;
        let pulse = Pulse::default();
        let is_websocket = headers::asks_for_websocket(&request);
        let mut outgoing = self.outgoing(site, request, visit, pulse.clone())?;
        if is_websocket {
            headers::switch_to_websocket(outgoing.headers_mut());
        }
        let response = self.ask(outgoing, &pulse).await?;
        let mut response = self.incoming(site, response, is_websocket)?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // As long as the two are coupled.
            response.extensions_mut().insert(Arc::new(place));
            return Ok(response);
        }
        // Until the last of it was passed on.
        let held = move |frame| {
            let _ = &place;
            frame
        };
        Ok(response.map(|body| body.map_frame(held).boxed_unsync()))
    }

    fn outgoing<B>(
        &self,
        site: &Site,
        request: Request<B>,
        visit: &Visit,
        pulse: Pulse,
    ) -> Result<Request<Carried>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Failed>,
    {
        let (asked, body) = request.into_parts();
        let body = upload(body, self.settings.patience.request, pulse);
        let has_length = body.size_hint().exact().is_some();
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = asked.method;
        *outgoing.uri_mut() = site.upstream.at(asked.uri.path_and_query())?;
        *outgoing.headers_mut() = asked.headers;
        headers::outgoing(outgoing.headers_mut(), visit, &self.own)?;
        if !has_length {
            // Said by us, or the client library would take a GET to have no body.
            outgoing.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(outgoing)
    }

    /// Waits for an answer as long as anything moves.
    async fn ask(&self, request: Request<Carried>, pulse: &Pulse) -> Result<Response<Incoming>, Refusal> {
        let patience = self.settings.patience.answer;
        let mut asking = pin!(self.upstreams.request(request));
        loop {
            match timeout(patience, asking.as_mut()).await {
                Ok(answer) => return answer.map_err(|error| Refusal::of(&error)),
                Err(_) if pulse.beat() => {}
                Err(_) => return Err(Refusal::Late(format!("nothing for {} seconds", patience.as_secs()))),
            }
        }
    }

    fn incoming(
        &self,
        site: &Site,
        response: Response<Incoming>,
        is_websocket: bool,
    ) -> Result<Response<Carried>, Refusal> {
        let (mut head, body) = response.into_parts();
        let is_switching = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if is_switching && !(is_websocket && headers::switches_to_websocket(&head.headers)) {
            return Err(Refusal::Failed("it changed the protocol without being asked".to_owned()));
        }
        head.version = Version::HTTP_11;
        let far = head.extensions.remove::<OnUpgrade>();
        head.extensions.clear();
        headers::incoming(&mut head.headers);
        if is_switching && let Some(far) = far {
            headers::switch_to_websocket(&mut head.headers);
            head.extensions.insert(far);
        }
        Ok(Response::from_parts(head, download(body, self.settings.patience.news, Arc::clone(&site.host))))
    }
}

/// Whether a `Host` header says the same as `host`.
fn is_same(other: &HeaderValue, host: &Authority) -> bool {
    other.as_bytes().eq_ignore_ascii_case(host.as_str().as_bytes())
}
