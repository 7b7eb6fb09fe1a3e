//! Stands before an authority and plays its bad days: refusals, silence, broken chains.
//!
//! The authority makes its addresses of the name that it is asked under, so everything goes
//! through here.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary_edge::acme::Issuer;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::node::connector;
use crate::pebble::Pebble;

/// Makes something else of an answer.
pub(crate) type Change = fn(&str) -> String;

/// What happens to a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// This is answered: everything between the first line and the body's end.
    Says(String),
    /// Nothing is answered, ever.
    Hangs,
    /// The connection is cut.
    Cuts,
    /// The authority's answer is replaced by what is made of it.
    Makes(Change),
}

/// An answer with a problem document.
pub(crate) fn problem(status: &str, headers: &str, kind: &str) -> Fault {
    let body = json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "so it is" }).to_string();
    says(status, &format!("Content-Type: application/problem+json\r\n{headers}"), &body)
}

pub(crate) fn says(status: &str, headers: &str, body: &str) -> Fault {
    let length = body.len();
    Fault::Says(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
}

struct Rule {
    path: String,
    fault: Fault,
    left: usize,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<(Instant, String)>>,
    /// Whether the authority's own suggestions when to renew (RFC 9773) come through.
    suggests: bool,
    /// What is suggested instead.
    suggestion: Mutex<Option<String>>,
    /// What orders were for.
    orders: Mutex<Vec<Value>>,
}

/// Stands before an authority until it is dropped.
pub(crate) struct Faults {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl Faults {
    pub(crate) async fn before(pebble: &Pebble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = pebble.ca_file().parent().unwrap().to_owned();
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(folder.join("api.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("api.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(pebble.ca_file()).unwrap()).unwrap();
        let shared = Shared { suggests: pebble.suggests(), ..Shared::default() };
        let (acceptor, shared) = (TlsAcceptor::from(Arc::new(config)), Arc::new(shared));
        let (behind, kept) = (pebble.port(), Arc::clone(&shared));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut running = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, shared, trusted) = (acceptor.clone(), Arc::clone(&kept), trusted.clone());
                running.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    shared.serve(stream, address, behind, trusted).await;
                });
            }
        });
        Self { address, shared, _task: task }
    }

    /// The authority as it is seen from here.
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer { directory: format!("https://localhost:{}/dir", self.address.port()), external_account: None }
    }

    /// Lets this happen to the next `times` requests for addresses that hold `path`.
    pub(crate) fn play(&self, path: &str, fault: Fault, times: usize) {
        self.shared.rules.lock().unwrap().push(Rule { path: path.to_owned(), fault, left: times });
    }

    /// Offers this suggestion (RFC 9773) from now on.
    pub(crate) fn suggest(&self, text: String) {
        *self.shared.suggestion.lock().unwrap() = Some(text);
    }

    /// Everything that was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().iter().map(|(_, path)| path.clone()).collect()
    }

    /// When addresses that hold `path` were asked for.
    pub(crate) fn moments(&self, path: &str) -> Vec<Instant> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|(_, asked)| asked.contains(path)).map(|(moment, _)| *moment).collect()
    }

    /// What orders were for, refused ones too.
    pub(crate) fn orders(&self) -> Vec<Value> {
        self.shared.orders.lock().unwrap().clone()
    }
}

impl Shared {
    /// Notes what is asked for.
    fn note(&self, path: &str, body: &str) {
        self.asked.lock().unwrap().push((Instant::now(), path.to_owned()));
        if path == "/order-plz" {
            self.orders.lock().unwrap().push(payload(body));
        }
    }

    fn fault(&self, path: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && path.contains(&rule.path))?;
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        here: SocketAddr,
        behind: u16,
        trusted: RootCertStore,
    ) {
        let Some((head, body)) = read_message(&mut stream).await else { return };
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.note(&path, &body);
        let suggestion = self.suggestion.lock().unwrap().clone();
        let answer = match (self.fault(&path), suggestion) {
            (Some(Fault::Says(answer)), _) => answer,
            (Some(Fault::Hangs), _) => std::future::pending().await,
            (Some(Fault::Cuts), _) => return,
            (_, Some(text)) if path.starts_with("/ari/") => {
                let Fault::Says(answer) = says("200 OK", "Retry-After: 3600\r\n", &text) else { return };
                answer
            }
            (fault, suggestion) => {
                let answer = forward(&head, &body, behind, trusted).await;
                let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_default();
                let content = match fault {
                    // A refused nonce is asked about again: that is the one to make something of.
                    Some(Fault::Makes(make)) if head.contains(" 400 ") => {
                        self.rules.lock().unwrap().push(Rule {
                            path: path.clone(),
                            fault: Fault::Makes(make),
                            left: 1,
                        });
                        content.to_owned()
                    }
                    Some(Fault::Makes(make)) => make(content),
                    _ if suggestion.is_some() => with_suggestions(&path, content, &body, here),
                    _ if path == "/dir" && !self.suggests => without_suggestions(content),
                    _ => content.to_owned(),
                };
                with_body(head, &content)
            }
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

/// What was signed in a request.
fn payload(request: &str) -> Value {
    let signed: Value = serde_json::from_str(request).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// A directory of an authority that does not know RFC 9773.
fn without_suggestions(content: &str) -> String {
    let Ok(Value::Object(mut directory)) = serde_json::from_str(content) else { return content.to_owned() };
    directory.remove("renewalInfo");
    Value::Object(directory).to_string()
}

/// What an authority that knows RFC 9773 would have answered.
fn with_suggestions(path: &str, content: &str, request: &str, here: SocketAddr) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(content) else { return content.to_owned() };
    if path == "/dir" {
        value["renewalInfo"] = json!(format!("https://localhost:{}/ari", here.port()));
    } else if path == "/order-plz"
        && let Some(replaced) = payload(request).get("replaces")
    {
        value["replaces"] = replaced.clone();
    }
    value.to_string()
}

fn with_body(head: &str, body: &str) -> String {
    let is_of_body = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:") || line.starts_with("connection:")
    };
    let head: Vec<&str> = head.split("\r\n").filter(|line| !is_of_body(line)).collect();
    format!("{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", head.join("\r\n"), body.len())
}

/// Head and body of a request.
async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

async fn forward(head: &str, body: &str, behind: u16, trusted: RootCertStore) -> String {
    let stream = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector(trusted).connect(name, stream).await.unwrap();
    // Answered by HTTP/1.0, so that the end of the connection is the end of the body.
    let head = head.replacen(" HTTP/1.1\r\n", " HTTP/1.0\r\n", 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer.replacen("HTTP/1.0 ", "HTTP/1.1 ", 1)
}
