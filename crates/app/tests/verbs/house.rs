//! A whole app on a database of its own, with a clock and chance that the test holds.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ostiary_app::{
    App, BindFrom, BindName, BindPassword, Bound, HashParameters, LockoutSettings, MailRoute, MailSettings, MasterKey,
    NewPerson, OpenError, Parts, PasswordPolicy, PersonChange, PosixSettings, SessionSettings, Settings, SignInError,
    SignedIn, Site, TokenSettings, Visitor,
};
use ostiary_model::{Actor, Clock, Ctx, Entropy, Folded, GroupId, Secret, Session, Span, Timestamp, User, UserId};
use ostiary_store::{CacheUrl, DatabaseUrl, Store};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::authenticator::Authenticator;
use crate::redis::RedisDatabase;
use crate::tables::Looking;

/// The two pairs that are supported in earnest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pair {
    Embedded,
    Servers,
}

/// Hashes that cost nothing, for tests that are not about their cost.
const CHEAP: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

/// When every test begins: at the start of a time step of authenticator apps.
const BEGIN: Timestamp = Timestamp::from_secs(1_795_000_020);

/// An app and everything it stands on.
pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) settings: Settings,
    pub(crate) url: String,
    clock: Arc<TestClock>,
    database: DatabaseUrl,
    cache: CacheUrl,
    redis: Option<RedisDatabase>,
    key: String,
    pub(crate) looking: Looking,
    folder: TempDir,
    // The last to go, after everything that is connected to it.
    _postgres: Option<PostgresDatabase>,
}

/// Somebody with a password.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) password: Secret,
}

impl House {
    pub(crate) async fn new(pair: Pair) -> Self {
        Self::with(pair, |_| {}).await
    }

    /// A house whose settings were changed before it opened.
    pub(crate) async fn with(pair: Pair, change: impl FnOnce(&mut Settings)) -> Self {
        Self::build(pair, None, change).await
    }

    /// A house whose cache cannot be reached.
    pub(crate) async fn without_cache(pair: Pair) -> Self {
        Self::build(pair, Some("redis://127.0.0.1:1/0"), |_| {}).await
    }

    async fn build(pair: Pair, other_cache: Option<&str>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (postgres, redis) = match pair {
            Pair::Embedded => (None, None),
            Pair::Servers => {
                let redis = RedisDatabase::take(&setting("OSTIARY_TEST_REDIS"));
                (Some(PostgresDatabase::create(setting("OSTIARY_TEST_POSTGRES")).await), Some(redis))
            }
        };
        let embedded = || format!("sqlite:{}", folder.path().join("test.db").display());
        let url = postgres.as_ref().map_or_else(embedded, |postgres| postgres.url.clone());
        let cache = redis.as_ref().map_or_else(|| "memory:".to_owned(), RedisDatabase::url);
        let mut settings = settings(folder.path());
        change(&mut settings);
        let clock = Arc::new(TestClock(AtomicI64::new(BEGIN.as_micros())));
        let key = MasterKey::generate(&Mixer::new()).to_text().to_string();
        let database = DatabaseUrl::parse(&url).unwrap();
        let cache = CacheUrl::parse(other_cache.unwrap_or(&cache)).unwrap();
        let app = open(&database, &cache, &settings, &key, &clock).await.unwrap();
        Self {
            app,
            settings,
            url,
            clock,
            database,
            cache,
            redis,
            key,
            looking: Looking::default(),
            folder,
            _postgres: postgres,
        }
    }

    /// Another process on the same database, with the same settings and master key.
    pub(crate) async fn another(&self) -> Arc<App> {
        self.another_with(|_| {}).await
    }

    /// Another process that behaves differently.
    pub(crate) async fn another_with(&self, change: impl FnOnce(&mut Settings)) -> Arc<App> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        open(&self.database, &self.cache, &settings, &self.key, &self.clock).await.unwrap()
    }

    /// Another process that was given a master key of its own.
    pub(crate) async fn another_with_key(&self, key: &str) -> Result<Arc<App>, OpenError> {
        open(&self.database, &self.cache, &self.settings, key, &self.clock).await
    }

    /// The text of the master key's file.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The store beneath, for a look past the verbs.
    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.database, &self.cache, self.now()).await.unwrap()
    }

    /// The folder that goes with the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time go by, for the clock and for what Redis keeps.
    pub(crate) fn pass(&self, span: Span) {
        self.clock.0.fetch_add(span.as_micros(), Ordering::SeqCst);
        if let Some(redis) = &self.redis {
            redis.age(span);
        }
    }

    /// Somebody at a browser, from an address that is always the same.
    pub(crate) fn ctx(&self) -> Ctx {
        self.from("192.0.2.1")
    }

    /// Somebody at a browser.
    pub(crate) fn from(&self, address: &str) -> Ctx {
        let address: IpAddr = address.parse().unwrap();
        self.app.ctx(Actor::Anonymous).with_address(Some(address)).with_agent(Some("a browser".into()))
    }

    /// Whoever may run the binary.
    pub(crate) fn cli(&self) -> Ctx {
        self.app.ctx(Actor::CommandLine)
    }

    /// The holder of a session.
    pub(crate) fn acting(&self, session: &Session) -> Ctx {
        self.ctx().with_actor(Actor::Person(session.clone()))
    }

    /// A person with a password and nothing else.
    pub(crate) async fn person(&self, name: &str) -> Person {
        self.person_in(name, &[]).await
    }

    /// A person with a password, in groups.
    pub(crate) async fn person_in(&self, name: &str, groups: &[&str]) -> Person {
        let password = secret(&format!("the door of {name}"));
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let new = NewPerson { groups, ..new_person(name) };
        let user = self.app.person_add(&self.cli(), &new, Some(&password)).await.unwrap();
        Person { id: user.id, name: name.to_owned(), password }
    }

    /// A group, by its name.
    pub(crate) async fn group(&self, name: &str) -> GroupId {
        match self.app.directory().group_by_name(&Folded::new(name)) {
            Some(group) => group.id,
            None => self.app.group_add(&self.cli(), name).await.unwrap().id,
        }
    }

    /// Signs in with the password alone.
    pub(crate) async fn signed_in(&self, person: &Person) -> SignedIn {
        self.app.sign_in(&self.ctx(), &person.name, &person.password, false).await.unwrap()
    }

    /// Signs in and sets up an authenticator app: a session of two factors.
    pub(crate) async fn enrolled(&self, person: &Person) -> (SignedIn, Authenticator) {
        let visitor = self.visitor(&self.signed_in(person).await).await;
        let ctx = self.acting(&visitor.session);
        let enrolment = self.app.totp_begin(&ctx, &visitor).await.unwrap();
        let authenticator = Authenticator::of(&enrolment.secret);
        let code = authenticator.code(self.now());
        let signed_in = self.app.totp_confirm(&ctx, &visitor, &enrolment.ticket, &code).await.unwrap();
        (signed_in, authenticator)
    }

    /// Signs in with password and code, in a time step that is not used yet.
    pub(crate) async fn signed_in_fully(&self, person: &Person, authenticator: &Authenticator) -> SignedIn {
        self.pass(Span::from_secs(60));
        let visitor = self.visitor(&self.signed_in(person).await).await;
        self.app.code_check(&self.ctx(), &visitor, &authenticator.code(self.now())).await.unwrap()
    }

    /// An administrator with a session of two factors.
    pub(crate) async fn administrator(&self, name: &str) -> (Person, Session) {
        let person = self.person_in(name, &["lldap_admin"]).await;
        let (signed_in, _) = self.enrolled(&person).await;
        (person, signed_in.session)
    }

    /// Binds with a password, over a connection of its own.
    pub(crate) async fn bind(&self, ctx: &Ctx, person: &Person, password: &Secret) -> Result<Bound, SignInError> {
        self.app.bind(ctx, &BindName::User(person.id), password, &BindFrom::default()).await
    }

    /// Makes an account a program's.
    pub(crate) async fn service(&self, name: &str) -> Person {
        let person = self.person(name).await;
        let change = PersonChange { is_service: Some(true), ..PersonChange::default() };
        self.app.person_change(&self.cli(), person.id, &change).await.unwrap();
        person
    }

    /// Who the cookie belongs to. The session must hold.
    pub(crate) async fn visitor(&self, signed_in: &SignedIn) -> Visitor {
        self.app.session(&self.ctx(), signed_in.token.expose()).await.unwrap().expect("the session holds")
    }

    /// Whether the cookie still opens anything.
    pub(crate) async fn holds(&self, signed_in: &SignedIn) -> bool {
        self.app.session(&self.ctx(), signed_in.token.expose()).await.unwrap().is_some()
    }

    /// The account as the directory shows it.
    pub(crate) fn user(&self, person: &Person) -> Arc<User> {
        self.app.directory().user(person.id).expect("the account is there")
    }
}

/// What is typed to add somebody.
pub(crate) fn new_person(name: &str) -> NewPerson {
    NewPerson {
        username: name.to_owned(),
        email: format!("{name}@example.tld"),
        display_name: format!("{name} the Person"),
        ..NewPerson::default()
    }
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

async fn open(
    database: &DatabaseUrl,
    cache: &CacheUrl,
    settings: &Settings,
    key: &str,
    clock: &Arc<TestClock>,
) -> Result<Arc<App>, OpenError> {
    let store = Store::open(database, cache, clock.now()).await.unwrap();
    App::open(Parts {
        store,
        settings: settings.clone(),
        master_key: MasterKey::parse(key).unwrap(),
        clock: Arc::<TestClock>::clone(clock),
        entropy: Arc::new(Mixer::new()),
    })
    .await
}

fn settings(folder: &Path) -> Settings {
    Settings {
        site: Site {
            org_name: "Acme Co.".into(),
            accounts_url: "https://accounts.example.tld".parse().unwrap(),
            directory_url: "https://directory.example.tld".parse().unwrap(),
        },
        base_dn: "dc=example,dc=tld".into(),
        hash: CHEAP,
        lockout: LockoutSettings::default(),
        session: SessionSettings::default(),
        password_policy: PasswordPolicy::default(),
        tokens: TokenSettings::default(),
        posix: PosixSettings::default(),
        ldap_bind_password: BindPassword::default(),
        ldap_url: None,
        mail: MailSettings { route: MailRoute::Folder(folder.join("mail")), from: "ostiary@example.tld".into() },
    }
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with `bash tests/run rust`, which starts the server")
    })
}

/// A database of its own on the test server, as long as the test runs.
struct PostgresDatabase {
    server: String,
    name: String,
    url: String,
}

impl PostgresDatabase {
    async fn create(server: String) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("verbs_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        Self { server, name, url: url.into() }
    }
}

impl Drop for PostgresDatabase {
    /// On a thread and a runtime of its own: the test's may be ending. What goes wrong here is no
    /// failure of the test; the server ends with the run.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.ok()?;
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.ok()
            })
        });
        drop(removing.join());
    }
}

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Chance that repeats nothing within a run, and nothing of another run on the same servers.
pub(crate) struct Mixer(AtomicU64);

impl Mixer {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = (u64::from(std::process::id()) << 40) ^ nanos ^ (NUMBER.fetch_add(1, Ordering::Relaxed) << 20);
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for Mixer {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}
