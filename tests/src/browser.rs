//! A browser without pictures: cookies, redirects between our own hosts, forms, and the headers by
//! which a real one tells where a request comes from.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::cookie::{CookieStore, Jar};
use reqwest::header::{HeaderMap, LOCATION, ORIGIN};
use reqwest::{Certificate, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, redirect};
use url::Url;

use crate::html::{self, Form};
use crate::server::Ostiary;

/// More hops than this go in a circle.
const MAX_HOPS: usize = 12;

/// A person's browser.
#[derive(Clone)]
pub struct Browser {
    client: Client,
    jar: Arc<Jar>,
    accounts: Url,
    directory: Url,
}

/// What a browser shows.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its source.
    pub body: String,
}

impl Browser {
    /// A browser that was never here, at the doors of `ostiary`.
    ///
    /// # Errors
    /// When the server did not say where it is.
    pub fn new(ostiary: &Ostiary) -> Result<Self> {
        Self::made(ostiary, Client::builder())
    }

    /// The same over HTTPS: whoever the certificate in the file `root` belongs to is trusted, and
    /// nobody else.
    ///
    /// # Errors
    /// When the file holds none.
    pub fn trusting(ostiary: &Ostiary, root: &Path) -> Result<Self> {
        let root = Certificate::from_pem(&std::fs::read(root)?)?;
        Self::made(ostiary, Client::builder().add_root_certificate(root))
    }

    fn made(ostiary: &Ostiary, builder: ClientBuilder) -> Result<Self> {
        let jar = Arc::new(Jar::default());
        let (accounts, directory) = (Url::parse(ostiary.accounts()?)?, Url::parse(ostiary.directory()?)?);
        let own = SocketAddr::new(ostiary.http_address()?.ip(), 0);
        let mut builder = builder
            .cookie_provider(Arc::clone(&jar))
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .user_agent("Mozilla/5.0 (X11; Linux x86_64) OstiaryTests/1.0");
        for url in [&accounts, &directory] {
            builder = builder.resolve(url.host_str().unwrap_or_default(), own);
        }
        Ok(Self { client: builder.build()?, jar, accounts, directory })
    }

    /// The client itself, for requests that no browser would send.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The address of a path on the accounts host.
    ///
    /// # Errors
    /// When it is no path.
    pub fn accounts(&self, path: &str) -> Result<Url> {
        Ok(self.accounts.join(path)?)
    }

    /// The address of a path on the directory host.
    ///
    /// # Errors
    /// When it is no path.
    pub fn directory(&self, path: &str) -> Result<Url> {
        Ok(self.directory.join(path)?)
    }

    /// The cookies that would be sent to `url`, as one header.
    #[must_use]
    pub fn cookies(&self, url: &Url) -> Option<String> {
        self.jar.cookies(url).and_then(|value| value.to_str().ok().map(str::to_owned))
    }

    /// Plants a cookie for `url`.
    pub fn plant(&self, url: &Url, cookie: &str) {
        self.jar.add_cookie_str(cookie, url);
    }

    /// Opens an address, as a bookmark or a link from elsewhere does, and follows it through our
    /// own hosts. A redirect to another host is given as it is.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn open(&self, url: impl AsRef<str>) -> Result<Page> {
        let url = Url::parse(url.as_ref())?;
        self.follow(self.client.get(url.clone()).header("sec-fetch-site", "none"), url).await
    }

    /// Opens a path on the accounts host.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn visit(&self, path: &str) -> Result<Page> {
        self.open(self.accounts(path)?).await
    }

    /// Opens an address without following where it leads.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn open_once(&self, url: &Url) -> Result<Page> {
        page(self.client.get(url.clone()).send().await?, url.clone()).await
    }

    /// Sends a form of `page` and follows where it leads.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn send(&self, page: &Page, form: &Form) -> Result<Page> {
        let mut url = if form.action.is_empty() { page.url.clone() } else { page.url.join(&form.action)? };
        if !form.post {
            url.query_pairs_mut().clear().extend_pairs(&form.fields);
            return self.open(url).await;
        }
        let request =
            self.client.request(Method::POST, url.clone()).header(ORIGIN, page.url.origin().ascii_serialization());
        let request = request.header("sec-fetch-site", "same-origin").form(&form.fields);
        self.follow(request, url).await
    }

    async fn follow(&self, request: RequestBuilder, url: Url) -> Result<Page> {
        let mut shown = page(request.send().await.with_context(|| url.to_string())?, url).await?;
        for _ in 0..MAX_HOPS {
            let Some(next) = shown.onward().filter(|next| self.is_ours(next)) else { return Ok(shown) };
            ensure!(
                shown.status != StatusCode::TEMPORARY_REDIRECT && shown.status != StatusCode::PERMANENT_REDIRECT,
                "{} answers {}, which would carry a form on",
                shown.url,
                shown.status
            );
            let request = self.client.get(next.clone()).header("sec-fetch-site", "same-site");
            shown = page(request.send().await?, next).await?;
        }
        bail!("{} leads in a circle", shown.url)
    }

    fn is_ours(&self, url: &Url) -> bool {
        [&self.accounts, &self.directory].iter().any(|own| own.origin() == url.origin())
    }
}

async fn page(response: Response, url: Url) -> Result<Page> {
    let (status, headers) = (response.status(), response.headers().clone());
    Ok(Page { url, status, headers, body: response.text().await? })
}

impl Page {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// What it says.
    #[must_use]
    pub fn text(&self) -> String {
        html::text_of(&self.body)
    }

    /// Where it leads by itself: a redirect, or a page that sends the browser on.
    #[must_use]
    pub fn onward(&self) -> Option<Url> {
        let location = match self.headers.get(LOCATION).filter(|_| self.status.is_redirection()) {
            Some(location) => location.to_str().ok().map(str::to_owned),
            None => html::attribute(&self.body, "meta", "content", |content| {
                content
                    .split_once(';')
                    .is_some_and(|(_, url)| url.trim_start().to_ascii_lowercase().starts_with("url="))
            })
            .and_then(|content| content.split_once('=').map(|(_, url)| url.trim_matches(['\'', '"']).to_owned())),
        };
        location.and_then(|location| self.url.join(&location).ok())
    }

    /// The form that offers a field of this name.
    ///
    /// # Errors
    /// When there is none, with what the page says instead.
    pub fn form(&self, field: &str) -> Result<Form> {
        html::forms(&self.body)
            .into_iter()
            .find(|form| form.offered.iter().any(|offered| offered == field))
            .with_context(|| format!("{} ({}) has no form with {field:?}: {}", self.url, self.status, self.text()))
    }

    /// The form that is sent to an address that ends so.
    ///
    /// # Errors
    /// When there is none, with what the page says instead.
    pub fn form_to(&self, action: &str) -> Result<Form> {
        html::forms(&self.body)
            .into_iter()
            .find(|form| form.action.ends_with(action))
            .with_context(|| format!("{} ({}) has no form to {action:?}: {}", self.url, self.status, self.text()))
    }

    /// The text of the element with this id, without blanks.
    ///
    /// # Errors
    /// When there is none.
    pub fn element(&self, id: &str) -> Result<String> {
        html::element(&self.body, id)
            .with_context(|| format!("{} ({}) has no #{id}: {}", self.url, self.status, self.text()))
    }

    /// A header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
