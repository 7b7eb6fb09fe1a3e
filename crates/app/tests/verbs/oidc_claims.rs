//! What applications are told, by scope; and the keys that vouch for it.

use ostiary_app::{PersonEdit, UserinfoError};
use ostiary_model::Span;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::oidc_party::{ALL, claims};
use crate::{House, Pair, Person, on_both_pairs};

async fn named(house: &House, ada: &Person, given: &str, family: &str) {
    let edit = PersonEdit {
        username: "ada".into(),
        email: "ada@example.tld".into(),
        display_name: "Ada Okafor".into(),
        given_name: given.into(),
        family_name: family.into(),
    };
    house.app.person_edit(&house.cli(), ada.id, &edit).await.unwrap();
}

async fn each_scope_opens_its_own_claims(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let (editors, staff) = (house.group("Editors").await, house.group("staff").await);
    let ada = house.person("ada").await;
    named(&house, &ada, "Ada", "").await;
    for group in [staff, editors] {
        house.app.member_add(&house.cli(), ada.id, group).await.unwrap();
    }
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let user = house.user(&ada);
    let sub = user.subject.to_string();
    let profile = json!({
        "sub": sub, "name": "Ada Okafor", "given_name": "Ada", "preferred_username": "ada",
        "updated_at": user.modified_at.as_secs(),
    });
    for (scope, expected) in [
        ("openid", json!({"sub": sub})),
        ("openid offline_access", json!({"sub": sub})),
        ("openid profile", profile),
        (
            "openid email",
            json!({"sub": sub, "email": "ada@example.tld", "email_verified": user.profile.email_verified}),
        ),
        ("openid groups", json!({"sub": sub, "groups": ["Editors", "staff"]})),
    ] {
        let issued = house.tokens(&party, &visitor, scope).await;
        let told = house.app.userinfo(&house.ctx(), &issued.access_token).await.unwrap();
        assert_eq!(serde_json::to_value(told).unwrap(), expected, "{scope}");
    }
    // What is told is what stands there now, not what stood there when the token was made.
    let issued = house.tokens(&party, &visitor, ALL).await;
    house.app.group_rename(&house.cli(), editors, "Writers").await.unwrap();
    house.app.member_remove(&house.cli(), ada.id, staff).await.unwrap();
    named(&house, &ada, "", "").await;
    let told = house.app.userinfo(&house.ctx(), &issued.access_token).await.unwrap();
    assert_eq!((told.groups, told.given_name), (vec!["Writers".to_owned()], None));
}

async fn a_token_for_something_else_tells_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let plain = house.tokens(&party, &visitor, "email profile").await;
    let refused = house.app.userinfo(&house.ctx(), &plain.access_token).await;
    assert!(matches!(refused, Err(UserinfoError::InsufficientScope)), "{refused:?}");
    for token in ["", "ost_at_unknown", &"x".repeat(5000)] {
        assert!(!house.opens(&crate::secret(token)).await, "{token}");
    }
    // Another process hears of the end as soon as it is asked.
    let issued = house.tokens(&party, &visitor, "openid").await;
    house.another().await.person_disable(&house.cli(), ada.id).await.unwrap();
    assert!(!house.opens(&issued.access_token).await);
}

async fn claims_stand_in_the_id_token_where_the_client_wants_them(pair: Pair) {
    let house = House::new(pair).await;
    let with = house.party_with("with", |new| new.claims_in_id_token = true).await;
    let without = house.party("without").await;
    let group = house.group("editors").await;
    let ada = house.person("ada").await;
    house.app.member_add(&house.cli(), ada.id, group).await.unwrap();
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let issued = house.tokens(&with, &visitor, "openid email groups").await;
    let full = claims(issued.id_token.as_ref().unwrap());
    assert_eq!((&full["email"], &full["groups"]), (&json!("ada@example.tld"), &json!(["editors"])));
    assert_eq!(full.get("name"), None, "only what was asked for");
    let told = serde_json::to_value(house.app.userinfo(&house.ctx(), &issued.access_token).await.unwrap()).unwrap();
    assert_eq!(full["sub"], told["sub"]);
    let bare = claims(house.tokens(&without, &visitor, ALL).await.id_token.as_ref().unwrap());
    for name in ["email", "email_verified", "groups", "name", "preferred_username"] {
        assert_eq!(bare.get(name), None, "{name}");
    }
}

async fn all_processes_sign_with_the_one_key(pair: Pair) {
    let house = House::new(pair).await;
    let keys = house.app.public_keys().await.unwrap();
    assert_eq!(keys.len(), 1);
    let jwk: Value = serde_json::from_str(&keys[0].jwk).unwrap();
    for (name, value) in [("kty", "RSA"), ("use", "sig"), ("alg", "RS256"), ("e", "AQAB"), ("kid", &keys[0].kid)] {
        assert_eq!(jwk[name], value, "{name}");
    }
    assert!(jwk.get("d").is_none(), "only the public half");
    house.pass(Span::from_hours(1));
    let again = house.another().await.public_keys().await.unwrap();
    assert_eq!((again.len(), &again[0].kid), (1, &keys[0].kid), "a restart keeps the key");

    // Two first starts at the same moment.
    execute(&house, "DELETE FROM signing_key").await;
    let (one, two) = tokio::join!(house.another(), house.another());
    let (one, two) = (one.public_keys().await.unwrap(), two.public_keys().await.unwrap());
    assert_eq!((one.len(), two.len(), &one[0].kid), (1, 1, &two[0].kid));
    assert_ne!(one[0].kid, keys[0].kid);

    let stranger = ostiary_app::MasterKey::generate(&crate::house::Mixer::new()).to_text();
    assert!(house.another_with_key(&stranger).await.is_err(), "another master key opens nothing");
}

async fn execute(house: &House, sql: &'static str) {
    let query = sqlx::raw_sql(sql);
    let changed = match house.url.strip_prefix("sqlite:") {
        Some(_) => {
            let mut database = SqliteConnection::connect(&house.url).await.unwrap();
            query.execute(&mut database).await.unwrap().rows_affected()
        }
        None => {
            let mut database = PgConnection::connect(&house.url).await.unwrap();
            query.execute(&mut database).await.unwrap().rows_affected()
        }
    };
    assert!(changed > 0, "{sql}");
}

on_both_pairs! {
    each_scope_opens_its_own_claims,
    a_token_for_something_else_tells_nothing,
    claims_stand_in_the_id_token_where_the_client_wants_them,
    all_processes_sign_with_the_one_key,
}
