//! App passwords: what they open, where, through which program, and everything that ends them.

use std::time::Instant;

use ostiary_app::{
    AppPasswordError, BindFrom, BindName, BindPassword, Binding, Bound, BoundWith, HashParameters, LockoutSettings,
    NewAppPassword, PersonChange, SignInError, SignedIn,
};
use ostiary_model::{AppPassword, AppPasswordId, Ctx, Role, Secret, Span, UserId};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{House, Pair, Person, on_both_pairs, secret};

on_both_pairs!(
    it_binds_over_ldap_and_opens_nothing_else,
    a_second_factor_closes_ldap_to_the_main_password,
    a_service_account_binds_and_never_signs_in,
    people_make_them_for_themselves_alone,
    what_cannot_be_made_is_refused,
    there_are_only_so_many,
    it_is_used_from_its_networks_alone,
    it_is_used_through_its_service_alone,
    what_ends_everything_ends_it,
    a_revoked_one_is_dead_at_once,
    a_revoked_one_is_dead_in_other_processes,
    its_last_use_is_known,
    guesses_at_it_are_held_back,
    many_right_binds_at_once_all_succeed,
);

/// Somebody with an app password, and the session that made it.
struct Holder {
    person: Person,
    signed_in: SignedIn,
    password: AppPassword,
    secret: Secret,
}

impl House {
    async fn holder(&self, name: &str) -> Holder {
        self.holder_of(name, new("Phone")).await
    }

    async fn holder_of(&self, name: &str, new: NewAppPassword) -> Holder {
        let person = self.person(name).await;
        let signed_in = self.signed_in(&person).await;
        let (password, secret) = self.made(&signed_in, new).await;
        Holder { person, signed_in, password, secret }
    }

    async fn made(&self, signed_in: &SignedIn, new: NewAppPassword) -> (AppPassword, Secret) {
        self.app.app_password_add(&self.acting(&signed_in.session), &new).await.unwrap()
    }

    /// Whether the app password opens from this address.
    async fn opens_at(&self, address: &str, holder: &Holder) -> bool {
        opened(self.bind(&self.from(address), &holder.person, &holder.secret).await, &holder.password)
    }

    async fn opens_here(&self, holder: &Holder) -> bool {
        self.opens_at("192.0.2.1", holder).await
    }
}

fn new(name: &str) -> NewAppPassword {
    NewAppPassword { name: name.to_owned(), ..NewAppPassword::default() }
}

fn opened(result: Result<Bound, SignInError>, password: &AppPassword) -> bool {
    match result {
        Ok(bound) => {
            assert_eq!((bound.user.id, bound.role), (password.user, Role::Regular));
            assert_eq!(bound.with, BoundWith::AppPassword(password.id));
            true
        }
        Err(SignInError::Rejected { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

async fn is_bound(house: &House, binding: &Binding) -> bool {
    house.app.bound_still(binding).await.is_some()
}

async fn it_binds_over_ldap_and_opens_nothing_else(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person_in("ada", &["lldap_admin"]).await;
    let (signed_in, _) = house.enrolled(&ada).await;
    let (password, secret) = house.made(&signed_in, new(" Phone ")).await;
    assert_eq!((password.name.as_str(), password.user), ("Phone", ada.id));
    let text = secret.expose();
    assert!(text.starts_with("ost_ap_") && text.len() == 39, "{text}");
    assert!(text[7..].bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte)), "{text}");

    // An administrator's reads as anybody's, and says so to every operation.
    let bound = house.bind(&house.ctx(), &ada, &secret).await.unwrap();
    assert_eq!((bound.role, bound.with), (Role::Regular, BoundWith::AppPassword(password.id)));
    assert_eq!(house.app.bound_still(&bound.binding()).await.unwrap().1, Role::Regular);
    assert_eq!(house.app.bound_as(&bound.binding()).unwrap().1, Role::Regular);

    let bob = house.person("bob").await;
    let web =
        async |name: &str, secret: &Secret| house.app.sign_in(&house.from("198.51.100.1"), name, secret, false).await;
    let refused = |error: SignInError| format!("{error:?}");
    assert_eq!(refused(web("ada", &secret).await.unwrap_err()), "Rejected { left: 4 }", "at the web sign-in");
    assert_eq!(refused(web("bob", &secret).await.unwrap_err()), "Rejected { left: 4 }");
    for (number, (why, person, wrong)) in [
        ("another's", &bob, text.to_owned()),
        ("one letter more", &ada, format!("{text}a")),
        ("one letter less", &ada, text[..38].to_owned()),
        ("loud", &ada, text.to_uppercase()),
        ("without its beginning", &ada, text[7..].to_owned()),
        ("its beginning alone", &ada, "ost_ap_".to_owned()),
        ("over-long", &ada, format!("ost_ap_{}", "a".repeat(2000))),
        ("with a zero byte", &ada, format!("{text}\0")),
    ]
    .into_iter()
    .enumerate()
    {
        let ctx = house.from(&format!("203.0.113.{number}"));
        let error = house.bind(&ctx, person, &crate::secret(&wrong)).await.unwrap_err();
        assert_eq!(refused(error), "Rejected { left: 4 }", "{why}");
    }
    // Nobody's name with it, and everybody's main password as ever.
    let unknown = BindName::Unknown(ostiary_model::Folded::new("nobody"));
    let error = house.app.bind(&house.from("203.0.113.99"), &unknown, &secret, &BindFrom::default()).await.unwrap_err();
    assert_eq!(refused(error), "Rejected { left: 4 }");
    assert!(house.bind(&house.ctx(), &bob, &bob.password).await.is_ok());
}

async fn a_second_factor_closes_ldap_to_the_main_password(pair: Pair) {
    let house = House::new(pair).await;
    let any = house.another_with(|settings| settings.ldap_bind_password = BindPassword::Any).await;
    let ada = house.person("ada").await;
    let before = house.bind(&house.ctx(), &ada, &ada.password).await.unwrap().binding();
    assert!(is_bound(&house, &before).await);
    house.enrolled(&ada).await;
    assert!(!is_bound(&house, &before).await, "what was bound without the second factor");

    assert!(!house.app.may_bind_with_password(&house.user(&ada)) && any.may_bind_with_password(&house.user(&ada)));
    let error = house.bind(&house.from("198.51.100.1"), &ada, &ada.password).await.unwrap_err();
    assert_eq!(format!("{error:?}"), "Rejected { left: 4 }");
    // Counted: a count that stands still would tell that the password is right.
    let error = house.bind(&house.from("198.51.100.1"), &ada, &ada.password).await.unwrap_err();
    assert_eq!(format!("{error:?}"), "Rejected { left: 3 }");

    let bound = any.bind(&house.ctx(), &BindName::User(ada.id), &ada.password, &BindFrom::default()).await.unwrap();
    assert_eq!(bound.with, BoundWith::Password);
    assert!(any.bound_still(&bound.binding()).await.is_some());
    assert!(house.app.bound_still(&bound.binding()).await.is_none());
    // An account without one binds as ever.
    let bob = house.person("bob").await;
    assert!(house.bind(&house.ctx(), &bob, &bob.password).await.is_ok());
}

async fn a_service_account_binds_and_never_signs_in(pair: Pair) {
    let house = House::new(pair).await;
    let was_person = house.person("nextcloud").await;
    let (session, _) = house.enrolled(&was_person).await;
    assert!(house.holds(&session).await);
    let change = PersonChange { is_service: Some(true), ..PersonChange::default() };
    house.app.person_change(&house.cli(), was_person.id, &change).await.unwrap();
    assert!(!house.holds(&session).await, "what it held as a person");
    // Whatever was set up before, it binds with its own password.
    assert!(house.bind(&house.ctx(), &was_person, &was_person.password).await.is_ok());
    for (number, password) in [was_person.password.clone(), secret("not the password")].into_iter().enumerate() {
        let ctx = house.from(&format!("198.51.100.{number}"));
        let error = house.app.sign_in(&ctx, "nextcloud", &password, false).await.unwrap_err();
        assert_eq!(format!("{error:?}"), "Rejected { left: 4 }");
    }
}

async fn people_make_them_for_themselves_alone(pair: Pair) {
    let house = House::new(pair).await;
    let add = async |ctx: &Ctx| house.app.app_password_add(ctx, &new("Phone")).await;
    let denied = |result: Result<_, AppPasswordError>| assert!(matches!(result, Err(AppPasswordError::Denied)));
    denied(add(&house.cli()).await.map(drop));
    denied(add(&house.ctx()).await.map(drop));

    // One factor is enough for whoever has one; two are needed of whoever has two.
    let ada = house.person("ada").await;
    let early = house.signed_in(&ada).await;
    let (first, _) = house.made(&early, new("Phone")).await;
    let (whole, authenticator) = house.enrolled(&ada).await;
    denied(add(&house.acting(&early.session)).await.map(drop));
    let half = house.signed_in(&ada).await;
    denied(add(&house.acting(&half.session)).await.map(drop));
    denied(house.app.app_passwords(&house.acting(&half.session), ada.id).await.map(drop));
    denied(house.app.app_password_revoke(&house.acting(&half.session), ada.id, first.id).await);
    house.pass(Span::from_secs(1));
    let (second, _) = house.made(&whole, new("Mail")).await;

    // Seen and revoked by their owner and by administrators.
    let ids = |list: Vec<AppPassword>| list.into_iter().map(|one| one.id).collect::<Vec<AppPasswordId>>();
    let own = house.app.app_passwords(&house.acting(&whole.session), ada.id).await.unwrap();
    assert_eq!(ids(own), [second.id, first.id]);
    let (_, admin) = house.administrator("root").await;
    assert_eq!(ids(house.app.app_passwords(&house.acting(&admin), ada.id).await.unwrap()), [second.id, first.id]);
    assert_eq!(ids(house.app.app_passwords(&house.cli(), ada.id).await.unwrap()).len(), 2);
    let bob = house.holder("bob").await;
    let bobs = house.acting(&bob.signed_in.session);
    denied(house.app.app_passwords(&bobs, ada.id).await.map(drop));
    denied(house.app.app_password_revoke(&bobs, ada.id, first.id).await);
    let missing = |result| assert!(matches!(result, Err(AppPasswordError::NoSuchAppPassword)), "{result:?}");
    missing(house.app.app_password_revoke(&bobs, bob.person.id, first.id).await);
    missing(house.app.app_password_revoke(&house.cli(), bob.person.id, first.id).await);
    missing(house.app.app_password_revoke(&house.cli(), ada.id, Uuid::nil().into()).await);
    house.app.app_password_revoke(&house.acting(&admin), ada.id, first.id).await.unwrap();
    house.app.app_password_revoke(&house.acting(&whole.session), ada.id, second.id).await.unwrap();
    missing(house.app.app_password_revoke(&house.cli(), ada.id, second.id).await);
    assert_eq!(ids(house.app.app_passwords(&house.cli(), ada.id).await.unwrap()), []);

    // A session that ended makes nothing more, whatever it was.
    let later = house.signed_in_fully(&ada, &authenticator).await;
    house.app.sign_out(&house.ctx(), &later.session).await.unwrap();
    denied(add(&house.acting(&later.session)).await.map(drop));
    house.app.person_disable(&house.cli(), ada.id).await.unwrap();
    denied(add(&house.acting(&whole.session)).await.map(drop));
    denied(house.app.app_passwords(&house.acting(&whole.session), ada.id).await.map(drop));
}

async fn what_cannot_be_made_is_refused(pair: Pair) {
    let house = House::new(pair).await;
    house.person("bob").await;
    let closed = house.service("closed").await;
    house.app.person_disable(&house.cli(), closed.id).await.unwrap();
    let ada = house.person("ada").await;
    let ctx = house.acting(&house.signed_in(&ada).await.session);
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let networks = |list: &[&str]| NewAppPassword { networks: texts(list), ..new("Phone") };
    let service = |name: &str| NewAppPassword { service: Some(name.to_owned()), ..new("Phone") };
    let many: Vec<String> = (0..21).map(|number| format!("10.0.{number}.0/24")).collect();
    for (asked, words) in [
        (new(""), "The name"),
        (new(" \t "), "The name"),
        (new("a\nb"), "seen"),
        (new(&"x".repeat(65)), "64"),
        (networks(&["10.0.0.0/33"]), "\"10.0.0.0/33\" is no address"),
        (networks(&["192.0.2.1", "here"]), "\"here\" is no address"),
        (NewAppPassword { networks: many, ..new("Phone") }, "20 networks"),
        (service("nobody"), "no service account named \"nobody\""),
        (service("bob"), "no service account named \"bob\""),
        (service("closed"), "no service account named \"closed\""),
        (service("a\0"), "no service account"),
    ] {
        let error = house.app.app_password_add(&ctx, &asked).await.unwrap_err();
        assert!(error.to_string().contains(words), "{asked:?}: {error}");
    }
    assert!(house.app.app_passwords(&house.cli(), ada.id).await.unwrap().is_empty());
    // What is empty is not set.
    let asked = NewAppPassword { networks: texts(&["", " 192.0.2.1 ", "192.0.2.1"]), ..service(" ") };
    let (made, _) = house.app.app_password_add(&ctx, &asked).await.unwrap();
    assert_eq!((made.networks, made.service), (vec!["192.0.2.1".parse().unwrap()], None));
}

async fn there_are_only_so_many(pair: Pair) {
    const MOST: usize = 50;
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let signed_in = house.signed_in(&ada).await;
    let mut making = JoinSet::new();
    for number in 0..MOST + 10 {
        let (app, ctx) = (std::sync::Arc::clone(&house.app), house.acting(&signed_in.session));
        making.spawn(async move { app.app_password_add(&ctx, &new(&format!("Phone {number}"))).await.is_ok() });
    }
    let made = making.join_all().await.into_iter().filter(|made| *made).count();
    assert_eq!(made, MOST, "also when they are made at once");
    let error = house.app.app_password_add(&house.acting(&signed_in.session), &new("One more")).await.unwrap_err();
    assert!(matches!(error, AppPasswordError::TooMany(MOST)), "{error:?}");

    // Those that no longer work stay to be seen, and make room.
    house.app.person_sign_out(&house.cli(), ada.id).await.unwrap();
    assert_eq!(house.app.app_passwords(&house.cli(), ada.id).await.unwrap().len(), MOST);
    let again = house.signed_in(&ada).await;
    let (_, secret) = house.made(&again, new("One more")).await;
    assert!(house.bind(&house.ctx(), &ada, &secret).await.is_ok());
    assert_eq!(house.app.app_passwords(&house.cli(), ada.id).await.unwrap().len(), MOST);
}

async fn it_is_used_from_its_networks_alone(pair: Pair) {
    let house = House::new(pair).await;
    let networks = vec!["192.0.2.0/28".to_owned(), "2001:db8::/32".to_owned()];
    let ada = house.holder_of("ada", NewAppPassword { networks, ..new("Phone") }).await;
    for (address, allowed) in [
        ("192.0.2.15", true),
        ("::ffff:192.0.2.3", true),
        ("2001:db8:ffff::1", true),
        ("192.0.2.16", false),
        ("2001:db9::1", false),
    ] {
        assert_eq!(house.opens_at(address, &ada).await, allowed, "{address}");
    }
    let nowhere = house.app.ctx(ostiary_model::Actor::Anonymous);
    assert!(!opened(house.bind(&nowhere, &ada.person, &ada.secret).await, &ada.password));
}

async fn it_is_used_through_its_service_alone(pair: Pair) {
    let house = House::new(pair).await;
    let (cloud, other) = (house.service("cloud").await, house.service("other").await);
    let ada = house.holder_of("ada", NewAppPassword { service: Some("CLOUD".into()), ..new("Files") }).await;
    assert_eq!(ada.password.service, Some(cloud.id));
    let over = async |address: &'static str, services: &[UserId]| {
        let from = BindFrom { services };
        let name = BindName::User(ada.person.id);
        opened(house.app.bind(&house.from(address), &name, &ada.secret, &from).await, &ada.password)
    };
    assert!(!over("192.0.2.7", &[]).await);
    assert!(!over("192.0.2.7", &[other.id]).await);
    assert!(over("192.0.2.7", &[other.id, cloud.id]).await, "the same connection was bound as the service");

    // A program that binds its people over connections of their own.
    house.bind(&house.from("198.51.100.1"), &other, &other.password).await.unwrap();
    house.bind(&house.from("198.51.100.1"), &cloud, &secret("not the password")).await.unwrap_err();
    assert!(!over("198.51.100.1", &[]).await, "a service that failed, and another one");
    house.bind(&house.from("198.51.100.1"), &cloud, &cloud.password).await.unwrap();
    assert!(over("198.51.100.1", &[]).await);
    assert!(!over("198.51.100.2", &[]).await, "elsewhere");
    house.pass(Span::from_hours(23));
    assert!(over("198.51.100.1", &[]).await);
    house.bind(&house.from("198.51.100.1"), &cloud, &cloud.password).await.unwrap();
    house.pass(Span::from_hours(23));
    assert!(over("198.51.100.1", &[]).await, "a day after the last time");
    house.pass(Span::from_hours(1));
    assert!(!over("198.51.100.1", &[]).await, "and no longer");

    // What ends the service's access ends this.
    house.bind(&house.from("192.0.2.1"), &cloud, &cloud.password).await.unwrap();
    assert!(over("192.0.2.1", &[]).await);
    house.app.person_set_password(&house.cli(), cloud.id, &cloud.password).await.unwrap();
    assert!(!over("192.0.2.1", &[]).await);
    house.app.person_disable(&house.cli(), cloud.id).await.unwrap();
    assert!(!over("192.0.2.1", &[cloud.id]).await);
    house.app.person_enable(&house.cli(), cloud.id).await.unwrap();
    let change = PersonChange { is_service: Some(false), ..PersonChange::default() };
    house.app.person_change(&house.cli(), cloud.id, &change).await.unwrap();
    assert!(!over("192.0.2.1", &[cloud.id]).await, "a person vouches for nobody");
    house.app.person_delete(&house.cli(), cloud.id).await.unwrap();
    assert!(!over("192.0.2.1", &[cloud.id]).await);
    assert!(house.app.app_passwords(&house.cli(), ada.person.id).await.unwrap().is_empty(), "it went with the service");
}

/// What an administrator or time does to the owner.
#[derive(Debug, Clone, Copy)]
enum End {
    Disable,
    DisableAndEnable,
    Delete,
    SetPassword,
    ResetFactors,
    SignOut,
    Expire,
    BecomeService,
}

async fn what_ends_everything_ends_it(pair: Pair) {
    let house = House::new(pair).await;
    for end in [
        End::Disable,
        End::DisableAndEnable,
        End::Delete,
        End::SetPassword,
        End::ResetFactors,
        End::SignOut,
        End::Expire,
        End::BecomeService,
    ] {
        let holder = house.holder(&format!("{end:?}").to_lowercase()).await;
        let bystander = house.holder(&format!("{end:?}.bystander").to_lowercase()).await;
        let bound = house.bind(&house.ctx(), &holder.person, &holder.secret).await.unwrap().binding();
        assert!(is_bound(&house, &bound).await);
        let (ctx, id, app) = (house.cli(), holder.person.id, &house.app);
        match end {
            End::Disable => app.person_disable(&ctx, id).await.unwrap(),
            End::DisableAndEnable => {
                app.person_disable(&ctx, id).await.unwrap();
                app.person_enable(&ctx, id).await.unwrap();
            }
            End::Delete => app.person_delete(&ctx, id).await.unwrap(),
            End::SetPassword => app.person_set_password(&ctx, id, &holder.person.password).await.unwrap(),
            End::ResetFactors => app.person_reset_factors(&ctx, id).await.unwrap(),
            End::SignOut => app.person_sign_out(&ctx, id).await.unwrap(),
            End::Expire => {
                let not_after = Some(Some(house.now() + Span::from_mins(1)));
                let change = PersonChange { not_after, ..PersonChange::default() };
                app.person_change(&ctx, id, &change).await.unwrap();
                assert!(is_bound(&house, &bound).await, "not yet");
                house.pass(Span::from_mins(1));
            }
            End::BecomeService => {
                let change = PersonChange { is_service: Some(true), ..PersonChange::default() };
                app.person_change(&ctx, id, &change).await.unwrap();
            }
        }
        assert!(!is_bound(&house, &bound).await, "{end:?}: what was bound");
        assert!(!house.opens_here(&holder).await, "{end:?}");
        assert!(house.opens_here(&bystander).await, "{end:?}: others notice nothing");
    }
}

async fn a_revoked_one_is_dead_at_once(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let (other, other_secret) = house.made(&ada.signed_in, new("Mail")).await;
    let bound = house.bind(&house.ctx(), &ada.person, &ada.secret).await.unwrap().binding();
    let kept = house.bind(&house.ctx(), &ada.person, &other_secret).await.unwrap().binding();
    let ctx = house.acting(&ada.signed_in.session);
    house.app.app_password_revoke(&ctx, ada.person.id, ada.password.id).await.unwrap();
    // In the middle of an operation, at the next one, and at a bind.
    assert!(house.app.bound_as(&bound).is_none());
    assert!(!is_bound(&house, &bound).await);
    assert!(!house.opens_here(&ada).await);
    assert!(is_bound(&house, &kept).await, "another one stays");
    assert!(opened(house.bind(&house.ctx(), &ada.person, &other_secret).await, &other));
    house.pass(Span::from_mins(30));
    assert!(!is_bound(&house, &bound).await);
    assert!(is_bound(&house, &kept).await);
}

async fn a_revoked_one_is_dead_in_other_processes(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let ada = house.holder("ada").await;
    other.directory_catches_up(&house).await;
    let name = BindName::User(ada.person.id);
    let bound = other.bind(&house.ctx(), &name, &ada.secret, &BindFrom::default()).await.unwrap().binding();
    house.app.app_password_revoke(&house.cli(), ada.person.id, ada.password.id).await.unwrap();
    house.pass(Span::from_secs(1));
    assert!(other.bound_still(&bound).await.is_none());
    assert!(other.bound_as(&bound).is_none());
    assert!(other.bind(&house.ctx(), &name, &ada.secret, &BindFrom::default()).await.is_err());
}

/// A process that shows what another one wrote.
trait CatchesUp {
    async fn directory_catches_up(&self, house: &House);
}

impl CatchesUp for ostiary_app::App {
    async fn directory_catches_up(&self, house: &House) {
        let store = house.store().await;
        self.directory().catch_up(&store).await.unwrap();
    }
}

async fn its_last_use_is_known(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let last = async || {
        house.app.app_passwords_note().await.unwrap();
        let list = house.app.app_passwords(&house.cli(), ada.person.id).await.unwrap();
        (list[0].last_used_at, list[0].last_used_address.map(|address| address.to_string()))
    };
    assert_eq!(last().await, (None, None));
    assert!(house.opens_at("192.0.2.7", &ada).await);
    let first = house.now();
    house.pass(Span::from_mins(1));
    assert!(house.opens_at("192.0.2.8", &ada).await);
    house
        .app
        .bind(&house.from("192.0.2.9"), &BindName::User(ada.person.id), &secret("wrong"), &BindFrom::default())
        .await
        .unwrap_err();
    let (at, address) = last().await;
    assert_eq!(
        (at, address.as_deref()),
        (Some(first + Span::from_mins(1)), Some("192.0.2.8")),
        "the last before it was noted"
    );
    house.pass(Span::from_mins(4));
    assert!(house.opens_at("192.0.2.9", &ada).await);
    assert_eq!(last().await.0, at, "every five minutes is enough");
    house.pass(Span::from_mins(1));
    assert!(house.opens_at("192.0.2.9", &ada).await);
    assert_eq!(last().await, (Some(house.now()), Some("192.0.2.9".to_owned())));
}

async fn guesses_at_it_are_held_back(pair: Pair) {
    let lockout = LockoutSettings { per_account_and_address: 3, per_account: 6, ..LockoutSettings::default() };
    let house = House::with(pair, |settings| settings.lockout = lockout).await;
    let ada = house.holder("ada").await;
    let wrong = secret(&format!("ost_ap_{}", "a".repeat(32)));
    for left in [2, 1, 0] {
        let error = house.bind(&house.from("198.51.100.1"), &ada.person, &wrong).await.unwrap_err();
        assert_eq!(format!("{error:?}"), format!("Rejected {{ left: {left} }}"));
    }
    let error = house.bind(&house.from("198.51.100.1"), &ada.person, &ada.secret).await.unwrap_err();
    assert!(matches!(error, SignInError::Paused { .. }), "the right one is not looked at either: {error:?}");
    assert!(house.opens_at("198.51.100.2", &ada).await);
    // A right one makes good what was wrong before it.
    for _ in 0..4 {
        house.bind(&house.from("198.51.100.3"), &ada.person, &wrong).await.unwrap_err();
        assert!(house.opens_at("198.51.100.3", &ada).await);
        house.pass(Span::from_mins(10));
    }
    // Guessed at from everywhere, it still opens where it was used before.
    for number in 0..12 {
        drop(house.bind(&house.from(&format!("203.0.113.{number}")), &ada.person, &wrong).await);
    }
    assert!(!house.opens_at("203.0.113.99", &ada).await);
    assert!(house.opens_at("198.51.100.3", &ada).await);
}

async fn many_right_binds_at_once_all_succeed(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.holder("ada").await;
    let mut binds = JoinSet::new();
    for _ in 0..40 {
        let (app, ctx, secret) = (std::sync::Arc::clone(&house.app), house.ctx(), ada.secret.clone());
        let name = BindName::User(ada.person.id);
        binds.spawn(async move { app.bind(&ctx, &name, &secret, &BindFrom::default()).await.is_ok() });
    }
    assert!(binds.join_all().await.into_iter().all(|bound| bound));
}

/// Hashes at the real cost: every refusal costs one, whatever the account has, and the right app
/// password none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_takes_as_long() {
    const ROUNDS: usize = 9;
    let house = House::with(Pair::Embedded, |settings| {
        settings.hash = HashParameters::default();
        settings.lockout.per_account = 1_000;
        settings.lockout.per_address = 1_000;
    })
    .await;
    let plain = house.person("plain").await;
    let guarded = house.person("guarded").await;
    let (signed_in, _) = house.enrolled(&guarded).await;
    let (_, here) = house.made(&signed_in, new("Phone")).await;
    let networks = vec!["203.0.113.0/24".to_owned()];
    let (_, elsewhere) = house.made(&signed_in, NewAppPassword { networks, ..new("Desk") }).await;
    let guess = secret(&format!("ost_ap_{}", "a".repeat(32)));
    let unknown = || BindName::Unknown(ostiary_model::Folded::new("nobody"));
    let cases = [
        ("wrong", BindName::User(plain.id), secret("not the password")),
        ("unknown name", unknown(), secret("not the password")),
        ("unknown name, a guess at an app password", unknown(), guess.clone()),
        ("a guess at one, where there is none", BindName::User(plain.id), guess.clone()),
        ("a guess at one", BindName::User(guarded.id), guess),
        ("the right main password", BindName::User(guarded.id), guarded.password.clone()),
        ("another's", BindName::User(plain.id), here.clone()),
        ("from elsewhere", BindName::User(guarded.id), elsewhere),
    ];
    let mut times = vec![Vec::new(); cases.len()];
    let mut quick = Vec::new();
    for round in 0..ROUNDS {
        for (case, (why, name, password)) in cases.iter().enumerate() {
            // Several cases share an account: an address for each, so that all are looked at.
            let ctx = house.from(&format!("198.51.{case}.{round}"));
            let begun = Instant::now();
            let result = house.app.bind(&ctx, name, password, &BindFrom::default()).await;
            assert!(matches!(result, Err(SignInError::Rejected { left: 4 })), "{why}: {result:?}");
            times[case].push(begun.elapsed());
        }
        let begun = Instant::now();
        house.bind(&house.from(&format!("198.51.99.{round}")), &guarded, &here).await.unwrap();
        quick.push(begun.elapsed());
    }
    let quickest = |times: &[std::time::Duration]| times.iter().min().copied().unwrap_or_default().as_secs_f64();
    let first = quickest(&times[0]);
    for (times, (why, ..)) in times.iter().zip(&cases) {
        let ratio = quickest(times) / first;
        assert!((0.5..2.0).contains(&ratio), "{why} takes {ratio:.2} times as long");
    }
    assert!(quickest(&quick) < first / 2.0, "the right one is not hashed");
}
