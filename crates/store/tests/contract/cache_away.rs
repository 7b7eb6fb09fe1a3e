//! Redis goes away and comes back: nobody is signed out, nobody who was signed out comes back,
//! guesses are still counted.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ostiary_model::{AuthMethods, Session, Span, TokenHash};
use ostiary_store::{CacheUrl, DatabaseUrl, NewSession, Store, TicketHome};

use crate::{NOW, ctx, person};

/// A Redis of this test's own, ended by its pid.
struct Redis(Child);

impl Redis {
    async fn start(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn();
        let redis = Self(child.expect("redis-server is installed by tests/run"));
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return redis;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("Redis did not start");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_goes_on_without_redis() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let redis = Redis::start(port).await;
    let database = DatabaseUrl::parse(&format!("sqlite:{}", folder.path().join("t.db").display())).unwrap();
    let cache = CacheUrl::parse(&format!("redis://127.0.0.1:{port}/")).unwrap();
    let mut store = Store::open(&database, &cache, NOW).await.unwrap();
    store.vouch_for_cache(&crate::CACHE_KEY);
    let user = person(&ctx(), "ada");
    let session = |id| Session {
        id,
        parent: None,
        user: user.id,
        generation: user.generation,
        methods: AuthMethods::default(),
        authenticated_at: NOW,
        created_at: NOW,
        expires_at: NOW + Span::from_hours(1),
        seen_at: NOW,
        remembered: false,
        address: None,
        agent: None,
    };
    let (staying, leaving) = (session(ctx().id()), session(ctx().id()));
    let (staying_token, leaving_token) = (TokenHash::new(ctx().bytes()), TokenHash::new(ctx().bytes()));
    let mut tx = store.begin().await.unwrap();
    tx.user_insert(&user).await.unwrap();
    tx.session_insert(&NewSession { token: staying_token, session: &staying }).await.unwrap();
    tx.session_insert(&NewSession { token: leaving_token, session: &leaving }).await.unwrap();
    tx.commit(NOW).await.unwrap();
    for token in [&staying_token, &leaving_token] {
        assert!(store.session_by_token(token, NOW).await.unwrap().is_some(), "and now the cache holds it");
    }
    assert_eq!(store.counter_add("away", 1, NOW, Span::from_mins(5)).await.unwrap(), 1);
    assert!(store.cache_ping().await);

    // SIGSTOP keeps its memory, as a cut network would: the copies are still there when it returns.
    let pid = redis.0.id().to_string();
    Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    assert!(!store.cache_ping().await);
    assert!(store.session_by_token(&staying_token, NOW).await.unwrap().is_some(), "nobody is signed out");
    assert!(store.session_end(leaving.id, NOW).await.unwrap());
    assert!(store.session_by_token(&leaving_token, NOW).await.unwrap().is_none());
    for count in 1..=3 {
        assert_eq!(store.counter_add("away", 1, NOW, Span::from_mins(5)).await.unwrap(), count);
    }
    let ticket = TokenHash::new(ctx().bytes());
    assert!(store.ticket_put(TicketHome::Cache, &ticket, vec![1], NOW, Span::from_mins(1)).await.is_err());

    Command::new("kill").args(["-CONT", &pid]).status().unwrap();
    let mut back = false;
    for _ in 0..100 {
        back = store.cache_ping().await;
        if back {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(back, "it comes back by itself");
    assert!(store.session_by_token(&leaving_token, NOW).await.unwrap().is_none(), "who was signed out stays so");
    assert!(store.session_by_token(&staying_token, NOW).await.unwrap().is_some());
}
