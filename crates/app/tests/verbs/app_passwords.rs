//! App passwords: who makes them, what they open, where, and through which program.

use ostiary_app::{
    AppPasswordError, BindFrom, BindName, BindPassword, Binding, Bound, BoundWith, NewAppPassword, PersonChange,
    SignInError, SignedIn,
};
use ostiary_model::{AppPassword, AppPasswordId, Ctx, Role, Secret, Span};
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
);

/// Somebody with an app password, and the session that made it.
pub(crate) struct Holder {
    pub(crate) person: Person,
    pub(crate) signed_in: SignedIn,
    pub(crate) password: AppPassword,
    pub(crate) secret: Secret,
}

impl House {
    pub(crate) async fn holder(&self, name: &str) -> Holder {
        self.holder_of(name, new("Phone")).await
    }

    pub(crate) async fn holder_of(&self, name: &str, new: NewAppPassword) -> Holder {
        let person = self.person(name).await;
        let signed_in = self.signed_in(&person).await;
        let (password, secret) = self.made(&signed_in, new).await;
        Holder { person, signed_in, password, secret }
    }

    pub(crate) async fn made(&self, signed_in: &SignedIn, new: NewAppPassword) -> (AppPassword, Secret) {
        self.app.app_password_add(&self.acting(&signed_in.session), &new).await.unwrap()
    }

    /// Whether the app password opens from this address.
    pub(crate) async fn opens_at(&self, address: &str, holder: &Holder) -> bool {
        opened(self.bind(&self.from(address), &holder.person, &holder.secret).await, &holder.password)
    }

    pub(crate) async fn opens_here(&self, holder: &Holder) -> bool {
        self.opens_at("192.0.2.1", holder).await
    }
}

pub(crate) fn new(name: &str) -> NewAppPassword {
    NewAppPassword { name: name.to_owned(), ..NewAppPassword::default() }
}

pub(crate) fn opened(result: Result<Bound, SignInError>, password: &AppPassword) -> bool {
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

pub(crate) async fn is_bound(house: &House, binding: &Binding) -> bool {
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
    let over = async |address: &'static str, services: &[Binding]| {
        let from = BindFrom { services };
        let name = BindName::User(ada.person.id);
        opened(house.app.bind(&house.from(address), &name, &ada.secret, &from).await, &ada.password)
    };
    let bound_as = async |service: &Person| {
        let bound = house.bind(&house.from("192.0.2.200"), service, &service.password).await;
        bound.unwrap().binding()
    };
    let (earlier, others) = (bound_as(&cloud).await, bound_as(&other).await);
    assert!(!over("192.0.2.7", &[]).await);
    assert!(!over("192.0.2.7", &[others]).await);
    assert!(over("192.0.2.7", &[others, earlier]).await, "the same connection was bound as the service");

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
    assert!(!over("192.0.2.1", &[earlier]).await, "over a connection that was bound with the old password");
    let earlier = bound_as(&cloud).await;
    house.app.person_disable(&house.cli(), cloud.id).await.unwrap();
    assert!(!over("192.0.2.1", &[earlier]).await);
    house.app.person_enable(&house.cli(), cloud.id).await.unwrap();
    let change = PersonChange { is_service: Some(false), ..PersonChange::default() };
    house.app.person_change(&house.cli(), cloud.id, &change).await.unwrap();
    assert!(!over("192.0.2.1", &[bound_as(&cloud).await]).await, "a person vouches for nobody");
    house.app.person_delete(&house.cli(), cloud.id).await.unwrap();
    assert!(!over("192.0.2.1", &[earlier]).await);
    assert!(house.app.app_passwords(&house.cli(), ada.person.id).await.unwrap().is_empty(), "it went with the service");
}
