//! Codes: what they become, and everything that they must not become.

use ostiary_app::{ConfiguredClient, ExchangeError};
use ostiary_model::{Actor, ClientId, CodeVerifier, NewClient, SignInPolicy, Span};
use serde_json::json;

use crate::oidc_party::{ALL, ISSUER, Party, assert_invalid, claims, new_client, refresh_token};
use crate::{House, Pair, Person, on_both_pairs};

async fn a_code_becomes_tokens(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let (signed_in, _) = house.enrolled(&ada).await;
    let visitor = house.visitor(&signed_in).await;
    house.pass(Span::from_secs(5));
    let issued = house.tokens(&party, &visitor, ALL).await;
    assert_eq!((issued.scopes.to_string(), issued.expires_in), (ALL.to_owned(), Span::from_hours(1)));
    assert!(issued.access_token.expose().starts_with("ost_at_"));
    assert!(refresh_token(&issued).expose().starts_with("ost_rt_"));
    let token = claims(issued.id_token.as_ref().unwrap());
    let now = house.now().as_secs();
    let expected = json!({
        "iss": ISSUER, "sub": house.user(&ada).subject.to_string(), "aud": "app", "iat": now, "exp": now + 3600,
        "auth_time": signed_in.session.authenticated_at.as_secs(), "nonce": "the nonce", "amr": ["pwd", "otp", "mfa"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(token.get(name), Some(value), "{name}");
    }
    let names: Vec<&str> = token.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), expected.as_object().unwrap().len() + 1, "only at_hash besides: {names:?}");
    assert!(house.opens(&issued.access_token).await);
    let all = house.tables().await;
    for secret in [&issued.access_token, refresh_token(&issued)] {
        assert!(!all.contains(secret.expose()), "no token is in the database");
    }

    let plain = house.tokens(&party, &visitor, "email").await;
    assert!(plain.id_token.is_none() && plain.refresh_token.is_none(), "neither was asked for");
    let short = house.tokens(&party, &visitor, "openid").await;
    assert!(short.id_token.is_some() && short.refresh_token.is_none());
}

async fn a_wrong_verifier_or_address_spends_the_code(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let right = house.code(&party, &visitor, ALL).await;
    let other = house.code(&party, &visitor, ALL).await;

    let mut wrong = right.clone();
    wrong.exchange.verifier = other.exchange.verifier.clone();
    assert_invalid(&house.exchange(&party, &wrong).await, "the verifier of another request");
    assert_invalid(&house.exchange(&party, &right).await, "the code is spent");

    for address in ["https://app.example/cb/", "https://app.example/", "https://evil.example/cb", ""] {
        let right = house.code(&party, &visitor, ALL).await;
        let mut wrong = right.clone();
        wrong.exchange.redirect_uri = address.to_owned();
        assert_invalid(&house.exchange(&party, &wrong).await, address);
        assert_invalid(&house.exchange(&party, &right).await, "the code is spent");
    }
    let mut unknown = other.clone();
    unknown.exchange.code = crate::secret("ost_ac_unknown");
    assert_invalid(&house.exchange(&party, &unknown).await, "no such code");
    house.exchange(&party, &other).await.unwrap();
}

async fn a_code_belongs_to_its_client(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let thief = house.party_with("thief", |new| new.redirect_uris = vec!["https://app.example/cb".into()]).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let code = house.code(&party, &visitor, ALL).await;
    assert_invalid(&house.exchange(&thief, &code).await, "another client");
    let issued = house.exchange(&party, &code).await.unwrap();
    assert_invalid(&house.exchange(&thief, &code).await, "another client, later");
    assert!(house.opens(&issued.access_token).await, "a stranger's try ends nothing");
    house.refresh(&party, refresh_token(&issued)).await.unwrap();
}

async fn a_code_lasts_a_minute(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let (early, late) = (house.code(&party, &visitor, ALL).await, house.code(&party, &visitor, ALL).await);
    house.pass(Span::from_secs(59));
    house.exchange(&party, &early).await.unwrap();
    house.pass(Span::from_secs(1));
    assert_invalid(&house.exchange(&party, &late).await, "too late");
}

async fn a_second_use_ends_what_the_first_gave(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let bystander = house.tokens(&party, &visitor, ALL).await;
    let code = house.code(&party, &visitor, ALL).await;
    let issued = house.exchange(&party, &code).await.unwrap();
    let renewed = house.refresh(&party, refresh_token(&issued)).await.unwrap();
    // Long after the code itself was over.
    house.pass(Span::from_mins(30));
    let mut replay = code.clone();
    replay.exchange.verifier = CodeVerifier::parse(&"w".repeat(43)).unwrap();
    assert_invalid(&house.exchange(&party, &replay).await, "used before");
    for token in [&issued.access_token, &renewed.access_token] {
        assert!(!house.opens(token).await);
    }
    assert_invalid(&house.refresh(&party, refresh_token(&renewed)).await, "revoked");
    assert_invalid(&house.exchange(&party, &code).await, "used before");
    assert!(house.opens(&bystander.access_token).await, "another grant of the same person goes on");
}

async fn of_fifty_at_once_one_gets_tokens(pair: Pair) {
    let house = House::new(pair).await;
    let second = house.another().await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let code = house.code(&party, &visitor, ALL).await;
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let app = if number % 2 == 0 { house.app.clone() } else { second.clone() };
            let (ctx, client, exchange) = (house.ctx(), party.client.clone(), code.exchange.clone());
            tokio::spawn(async move { app.code_exchange(&ctx, &client, &exchange).await })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(issued) => winners.push(issued),
            Err(ExchangeError::InvalidGrant) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners.len(), 1);
    // The other forty-nine were second uses.
    assert!(!house.opens(&winners[0].access_token).await);
    assert_invalid(&house.refresh(&party, refresh_token(&winners[0])).await, "revoked");
}

async fn ended(house: &House, how: &str, ada: &Person, party: &Party) {
    let app = &house.app;
    match how {
        "disabled" => app.person_disable(&house.cli(), ada.id).await.unwrap(),
        "disabled and enabled" => {
            app.person_disable(&house.cli(), ada.id).await.unwrap();
            app.person_enable(&house.cli(), ada.id).await.unwrap();
        }
        "signed out everywhere" => app.person_sign_out(&house.cli(), ada.id).await.unwrap(),
        "password set" => {
            app.person_set_password(&house.cli(), ada.id, &crate::secret("a new door, a new key")).await.unwrap()
        }
        "factors reset" => app.person_reset_factors(&house.cli(), ada.id).await.unwrap(),
        "deleted" => app.person_delete(&house.cli(), ada.id).await.unwrap(),
        "client deleted" => app.client_delete(&house.cli(), party.client.id()).await.unwrap(),
        other => panic!("{other}"),
    }
}

async fn what_ends_a_person_ends_their_codes_and_tokens(pair: Pair) {
    let house = House::new(pair).await;
    let ways = [
        "disabled",
        "disabled and enabled",
        "signed out everywhere",
        "password set",
        "factors reset",
        "deleted",
        "client deleted",
    ];
    for (number, how) in ways.into_iter().enumerate() {
        let party = house.party(&format!("app{number}")).await;
        let ada = house.person(&format!("ada{number}")).await;
        let eve = house.person(&format!("eve{number}")).await;
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        let other = house.visitor(&house.signed_in(&eve).await).await;
        let code = house.code(&party, &visitor, ALL).await;
        let issued = house.tokens(&party, &visitor, ALL).await;
        let bystander = house.tokens(&party, &other, ALL).await;
        ended(&house, how, &ada, &party).await;
        assert_invalid(&house.exchange(&party, &code).await, how);
        assert_invalid(&house.refresh(&party, refresh_token(&issued)).await, how);
        assert!(!house.opens(&issued.access_token).await, "{how}");
        assert_eq!(house.opens(&bystander.access_token).await, how != "client deleted", "{how}");
    }
}

async fn a_stricter_policy_ends_what_one_factor_got(pair: Pair) {
    let house = House::new(pair).await;
    let server = house.app.ctx(Actor::Server);
    let put = async |policy| {
        let client = NewClient { policy, ..new_client("filed") };
        house.app.clients_from_config(&server, &[ConfiguredClient { client, secret: None }]).await.unwrap();
    };
    put(SignInPolicy::OneFactor).await;
    let client = house.app.client_show(&house.cli(), &ClientId::parse("filed").unwrap()).await.unwrap();
    let party = Party { client };
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let code = house.code(&party, &visitor, ALL).await;
    let issued = house.tokens(&party, &visitor, ALL).await;
    put(SignInPolicy::TwoFactor).await;
    assert_invalid(&house.exchange(&party, &code).await, "one factor is no longer enough");
    assert_invalid(&house.refresh(&party, refresh_token(&issued)).await, "one factor is no longer enough");
    put(SignInPolicy::OneFactor).await;
    assert_invalid(&house.refresh(&party, refresh_token(&issued)).await, "the family has ended");
}

on_both_pairs! {
    a_code_becomes_tokens,
    a_wrong_verifier_or_address_spends_the_code,
    a_code_belongs_to_its_client,
    a_code_lasts_a_minute,
    a_second_use_ends_what_the_first_gave,
    of_fifty_at_once_one_gets_tokens,
    what_ends_a_person_ends_their_codes_and_tokens,
    a_stricter_policy_ends_what_one_factor_got,
}
