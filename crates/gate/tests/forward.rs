//! The way to a service and back, with services that do not behave: in one process, with little
//! patience. What the built binary promises to the outside is asked in the black-box suite.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests measure time and start tasks of their own")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Channel, Either, Empty, Full};
use hyper::body::Body;
use ostiary_gate::{Carried, Failed, Patience, Settings, Site, Sites};
use ostiary_model::{Actor, Ctx, Entropy, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

const PATIENCE: Patience = Patience {
    connecting: Duration::from_millis(300),
    request: Duration::from_millis(200),
    answer: Duration::from_millis(400),
    news: Duration::from_millis(300),
};

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// A site `wiki.example.org` and the listener of its service.
struct Stage {
    sites: Sites,
    listener: TcpListener,
    tasks: TaskTracker,
}

async fn stage() -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let tasks = TaskTracker::new();
    let own = tasks.clone();
    let ctx = Ctx::new(Timestamp::from_micros(0), Actor::Server, Arc::new(Sevens));
    let sites = Sites::new(
        vec![Site { host: "wiki.example.org".into(), upstream }],
        Settings { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], patience: PATIENCE, most: 4 },
        &ctx,
        Arc::new(move |work| drop(own.spawn(work))),
    );
    Stage { sites, listener, tasks }
}

type Answer = Response<Either<Carried, Full<Bytes>>>;

async fn elsewhere<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("elsewhere")))
}

/// Asks as a client at 192.0.2.7 would.
async fn ask<B>(sites: &Sites, mut request: Request<B>) -> Answer
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Failed>,
{
    request.extensions_mut().insert("192.0.2.7:4711".parse::<SocketAddr>().unwrap());
    let Ok(answer) = sites.before(tower::service_fn(elsewhere), false).oneshot(request).await;
    answer
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).header("host", "wiki.example.org").body(Empty::new()).unwrap()
}

impl Stage {
    /// Takes the next connection and reads the head of a request from it.
    async fn asked(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        (stream, head)
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1, "{}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Waits until the other side has ended the connection.
async fn let_go(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the service is still held");
}

async fn text(answer: Answer) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again_and_ends_with_the_sites() {
    let stage = stage().await;
    let serving = async {
        let (mut stream, first) = stage.asked().await;
        assert!(first.starts_with("GET /a//b?c HTTP/1.1\r\n"), "{first}");
        assert!(
            first.contains("\r\nx-forwarded-for: 192.0.2.7\r\n") && first.contains("\r\nvia: 1.1 ostiary-07070707\r\n")
        );
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nServer: it\r\nKeep-Alive: timeout=5\r\n\r\none")
            .await
            .unwrap();
        let second = head(&mut stream).await;
        assert!(second.starts_with("HEAD / HTTP/1.1\r\n"), "{second}");
        stream.write_all(b"HTTP/1.1 404 Gone astray\r\nContent-Length: 7\r\n\r\n").await.unwrap();
        stream
    };
    let asking = async {
        let answer = ask(&stage.sites, get("/a//b?c")).await;
        assert_eq!((answer.status(), &answer.headers()["server"]), (StatusCode::OK, &"it".parse().unwrap()));
        assert!(!answer.headers().contains_key("keep-alive"));
        assert_eq!(text(answer).await, "one");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = ask(
            &stage.sites,
            Request::head("/").header("host", "WIKI.example.org").body(Empty::<Bytes>::new()).unwrap(),
        )
        .await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-length"]), (404, &"7".parse().unwrap()));
        assert_eq!(text(answer).await, "");
    };
    let (stream, ()) = tokio::join!(serving, asking);
    drop(stage.sites);
    let_go(stream).await;
    stage.tasks.close();
    tokio::time::timeout(Duration::from_secs(5), stage.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn only_so_many_are_passed_on_at_once() {
    let stage = stage().await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let (answer, stream) = tokio::join!(ask(&stage.sites, get("/")), async {
            let (mut stream, _) = stage.asked().await;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").await.unwrap();
            stream
        });
        assert_eq!(answer.status(), StatusCode::OK);
        held.push((answer, stream));
    }
    let refused = ask(&stage.sites, get("/")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(refused).await.starts_with("There is too much to do here."));
    // One has come to its end.
    let (answer, mut stream) = held.pop().unwrap();
    stream.write_all(b"one").await.unwrap();
    assert_eq!(text(answer).await, "one");
    let (answer, ()) = tokio::join!(ask(&stage.sites, get("/")), async {
        let _head = head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    });
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_websocket_takes_a_place_as_long_as_it_lasts() {
    let stage = stage().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let request = Request::get("/live").header("host", "wiki.example.org").header("connection", "upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let serving = async {
            let (mut stream, _) = stage.asked().await;
            let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(switched.as_bytes()).await.unwrap();
            stream
        };
        let (answer, stream) = tokio::join!(ask(&stage.sites, request.body(Empty::<Bytes>::new()).unwrap()), serving);
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        // What couples the two keeps the extensions, and nothing else.
        open.push((answer.into_parts().0.extensions, stream));
    }
    assert_eq!(ask(&stage.sites, get("/")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    open.pop();
    let serving = async {
        let (mut stream, _) = stage.asked().await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&stage.sites, get("/")), serving);
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn other_hosts_are_left_to_others() {
    let stage = stage().await;
    for host in ["accounts.example.org", "xwiki.example.org", "wiki.example.org.", "wiki.example.org.evil.example", ""]
    {
        let answer =
            ask(&stage.sites, Request::get("/").header("host", host).body(Empty::<Bytes>::new()).unwrap()).await;
        assert_eq!(text(answer).await, "elsewhere", "{host:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_decided_is_refused_before_a_service_hears_of_it() {
    let stage = stage().await;
    let at = |uri: &str| Request::builder().uri(uri);
    let host = || at("/").header("host", "wiki.example.org");
    let table: Vec<(&str, http::request::Builder, u16)> = vec![
        ("another Host", at("http://wiki.example.org/").header("host", "accounts.example.org"), 400),
        (
            "two Hosts",
            at("http://wiki.example.org/").header("host", "wiki.example.org").header("host", "wiki.example.org"),
            400,
        ),
        ("a port that is none", at("/").header("host", "wiki.example.org:x"), 400),
        ("no port", at("/").header("host", "wiki.example.org:"), 400),
        ("CONNECT", at("wiki.example.org:443").method(Method::CONNECT), 501),
        ("TRACE", host().method(Method::TRACE), 501),
        ("a coding", host().method(Method::POST).header("transfer-encoding", "gzip, chunked"), 501),
        ("a circle", host().header("via", "1.1 front, 1.1 ostiary-07070707"), 508),
    ];
    for (what, request, status) in table {
        let answer = ask(&stage.sites, request.body(Empty::<Bytes>::new()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{what}");
        let words = text(answer).await;
        assert!(!words.contains("wiki") && words.lines().count() == 1, "{words}");
    }
    let nobody = tokio::time::timeout(Duration::from_millis(50), stage.listener.accept()).await;
    assert!(nobody.is_err(), "the service was asked");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_nobody_else() {
    let stage = stage().await;
    for (peer, scheme, client, proto) in [
        ("10.0.0.1:1", "https", "198.51.100.7", "https"),
        ("10.0.0.1:1", "http", "198.51.100.7", "http"),
        ("10.0.0.1:1", "https, http", "198.51.100.7", "http"),
        ("192.0.2.7:1", "https", "192.0.2.7", "http"),
    ] {
        let mut request = get("/");
        request.extensions_mut().insert(peer.parse::<SocketAddr>().unwrap());
        let headers = request.headers_mut();
        headers.insert("x-forwarded-for", "127.0.0.1, 198.51.100.7".parse().unwrap());
        headers.insert("x-forwarded-proto", scheme.parse().unwrap());
        let service = stage.sites.before(tower::service_fn(elsewhere::<Empty<Bytes>>), false);
        let asking = tokio::spawn(service.oneshot(request));
        let (mut stream, head) = stage.asked().await;
        assert!(head.contains(&format!("\r\nx-forwarded-for: {client}\r\n")), "{peer} {head}");
        assert!(head.contains(&format!("\r\nx-forwarded-proto: {proto}\r\n")), "{peer} {head}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
        assert_eq!(asking.await.unwrap().unwrap().status().as_u16(), 204);
    }
}

#[tokio::test]
async fn a_service_that_misbehaves_is_a_bad_gateway() {
    for said in [
        "",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let stage = stage().await;
        let serving = async {
            let (mut stream, _) = stage.asked().await;
            stream.write_all(said.as_bytes()).await.unwrap();
        };
        let (answer, ()) = tokio::join!(ask(&stage.sites, get("/")), serving);
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{said:?}");
        assert!(text(answer).await.starts_with("The service behind this address cannot be reached."));
    }
    let stage = stage().await;
    drop(stage.listener);
    assert_eq!(ask(&stage.sites, get("/")).await.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up_and_let_go() {
    let stage = stage().await;
    let begun = Instant::now();
    let (answer, (stream, _)) = tokio::join!(ask(&stage.sites, get("/")), stage.asked());
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(begun.elapsed() < PATIENCE.answer * 3);
    let_go(stream).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        for is_silent in [false, true] {
            let stage = stage().await;
            let serving = async {
                let (mut stream, _) = stage.asked().await;
                stream.write_all(said.as_bytes()).await.unwrap();
                is_silent.then_some(stream)
            };
            let (answer, held) = tokio::join!(ask(&stage.sites, get("/")), serving);
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(answer.into_body().collect().await.is_err(), "{said:?}");
            if let Some(stream) = held {
                let_go(stream).await;
            }
        }
    }
}

#[tokio::test]
async fn who_hangs_up_leaves_no_service_waiting() {
    let stage = stage().await;
    // While the service thinks.
    let asking = tokio::spawn({
        let sites = stage.sites.clone();
        async move { ask(&sites, get("/")).await }
    });
    let (stream, _) = stage.asked().await;
    asking.abort();
    let_go(stream).await;
    // While it answers.
    let serving = async {
        let (mut stream, _) = stage.asked().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await.unwrap();
        stream
    };
    let (answer, stream) = tokio::join!(ask(&stage.sites, get("/")), serving);
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
    drop(body);
    let_go(stream).await;
}

#[tokio::test]
async fn an_upload_may_be_slow_and_long_but_must_go_on() {
    let stage = stage().await;
    let (mut sender, body) = Channel::<Bytes, Failed>::new(1);
    let request = Request::post("/").header("host", "wiki.example.org").header("trailer", "remote-user").body(body);
    let sending = async move {
        // In all longer than any patience.
        for _ in 0..8 {
            tokio::time::sleep(PATIENCE.request * 2 / 3).await;
            sender.send_data(Bytes::from_static(b"part")).await.unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("remote-user", "ada".parse().unwrap());
        sender.send_trailers(trailers).await.unwrap();
    };
    let serving = async {
        let (mut stream, head) = stage.asked().await;
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.contains("content-length"), "{head}");
        let mut came = Vec::new();
        while !came.ends_with(b"\r\n0\r\n\r\n") {
            let mut part = [0; 64];
            let count = stream.read(&mut part).await.unwrap();
            came.extend_from_slice(&part[..count]);
        }
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(came).unwrap()
    };
    let (answer, came, ()) = tokio::join!(ask(&stage.sites, request.unwrap()), serving, sending);
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(came.matches("part").count(), 8);
    assert!(!came.contains("ada"), "trailers are no headers");
}

#[tokio::test]
async fn a_client_that_stops_halfway_is_given_up() {
    let stage = stage().await;
    let (mut sender, body) = Channel::<Bytes, Failed>::new(1);
    let request = Request::post("/").header("host", "wiki.example.org").body(body).unwrap();
    let (answer, (stream, _), ()) = tokio::join!(ask(&stage.sites, request), stage.asked(), async {
        sender.send_data(Bytes::from_static(b"half")).await.unwrap();
    });
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    let_go(stream).await;
}

#[tokio::test]
async fn a_service_may_answer_before_it_has_read_everything() {
    let stage = stage().await;
    let (mut sender, body) = Channel::<Bytes, Failed>::new(1);
    let request = Request::post("/").header("host", "wiki.example.org").body(body).unwrap();
    let sending = async move { while sender.send_data(Bytes::from(vec![b'x'; 64 * 1024])).await.is_ok() {} };
    let serving = async {
        let (mut stream, _) = stage.asked().await;
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntoo")
            .await
            .unwrap();
        // The answer is on the way before the connection ends.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let asking = async {
        let answer = ask(&stage.sites, request).await;
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(text(answer).await, "too");
    };
    tokio::join!(asking, serving, sending);
}

#[tokio::test]
async fn a_get_keeps_its_body_whatever_its_length() {
    let stage = stage().await;
    let (sender, body) = Channel::<Bytes, Failed>::new(1);
    let request = Request::get("/").header("host", "wiki.example.org").body(body).unwrap();
    let serving = async {
        let (mut stream, head) = stage.asked().await;
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    drop(sender);
    let (answer, ()) = tokio::join!(ask(&stage.sites, request), serving);
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let request = Request::post("/").header("host", "wiki.example.org").header("connection", "content-length");
    let serving = async {
        let (mut stream, head) = stage.asked().await;
        assert!(head.contains("\r\ncontent-length: 4\r\n") && !head.contains("transfer-encoding"), "{head}");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask(&stage.sites, request.body(Full::from("four")).unwrap()), serving);
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
}
