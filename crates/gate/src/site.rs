//! The sites, and the service that answers for them and leaves everything else to another.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Body;
use ostiary_httpkit::asked_host;
use ostiary_model::Ctx;
use tower::{Service, ServiceExt as _};

use crate::forward::{Forward, Settings};
use crate::moving::{Carried, Failed};
use crate::upstream::{Spawn, Upstream};

/// A host name that is forwarded.
#[derive(Debug, Clone)]
pub struct Site {
    /// The name, in small letters.
    pub host: Arc<str>,
    /// The service behind it.
    pub upstream: Upstream,
}

/// All sites. Clones share them and the connections to the services.
#[derive(Clone)]
pub struct Sites(Arc<House>);

struct House {
    sites: HashMap<Arc<str>, Arc<Site>>,
    forward: Forward,
}

impl Sites {
    /// Forwards requests for `sites`. `spawn` runs what belongs to connections to the services, which
    /// ends when the last clone is dropped and nothing is being answered; `ctx` gives chance.
    #[must_use]
    pub fn new(sites: Vec<Site>, settings: Settings, ctx: &Ctx, spawn: Spawn) -> Self {
        let sites = sites.into_iter().map(|site| (Arc::clone(&site.host), Arc::new(site))).collect();
        Self(Arc::new(House { sites, forward: Forward::new(settings, ctx, spawn) }))
    }

    /// The names that are forwarded.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.sites.keys().map(|host| &**host)
    }

    /// A service that forwards what is for a site and leaves the rest to `others`. `https` says
    /// whether its connections are encrypted.
    #[must_use]
    pub fn before<S>(&self, others: S, https: bool) -> SiteOr<S> {
        SiteOr { sites: self.clone(), others, https }
    }
}

impl House {
    /// The site that is asked for, by name alone, and how it was asked for.
    fn site<B>(&self, request: &Request<B>) -> Option<(Arc<Site>, Authority)> {
        let asked = asked_host(request)?;
        let site = self.sites.get(&*asked.host().to_ascii_lowercase())?;
        Some((Arc::clone(site), asked))
    }
}

/// Forwards what is for a site and leaves the rest to another service. Each request must bring its
/// peer's address ([`SocketAddr`](std::net::SocketAddr)) as an extension.
#[derive(Clone)]
pub struct SiteOr<S> {
    sites: Sites,
    others: S,
    https: bool,
}

impl<S, A, B> Service<Request<B>> for SiteOr<S>
where
    S: Service<Request<B>, Response = Response<A>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    A: 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Failed>,
{
    type Response = Response<Either<Carried, A>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some((site, host)) = self.sites.0.site(&request) else {
            let answer = self.others.clone().oneshot(request);
            return Box::pin(async move { Ok(answer.await?.map(Either::Right)) });
        };
        let (Sites(house), https) = (self.sites.clone(), self.https);
        Box::pin(async move { Ok(house.forward.answer(&site, request, host, https).await.map(Either::Left)) })
    }
}
