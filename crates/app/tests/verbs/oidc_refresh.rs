//! Refresh tokens: rotation, the grace for those who share one, and theft.

use std::collections::HashSet;

use ostiary_app::{ConfiguredClient, ExchangeError};
use ostiary_model::{Actor, ClientId, NewClient, Scopes, Span};

use crate::oidc_party::{ALL, Party, assert_invalid, claims, new_client, refresh_at, refresh_token};
use crate::{House, Pair, on_both_pairs};

const GRACE: Span = Span::from_secs(30);

async fn a_used_token_gets_the_same_successor_for_a_moment(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let first = house.tokens(&party, &visitor, ALL).await;
    let second = house.refresh(&party, refresh_token(&first)).await.unwrap();
    assert_ne!(refresh_token(&first).expose(), refresh_token(&second).expose());
    assert_ne!(first.access_token.expose(), second.access_token.expose());
    house.pass(GRACE);
    let repeat = house.refresh(&party, refresh_token(&first)).await.unwrap();
    assert_eq!(refresh_token(&repeat).expose(), refresh_token(&second).expose(), "the same successor");
    assert_ne!(repeat.access_token.expose(), second.access_token.expose(), "with an access token of its own");
    for issued in [&first, &second, &repeat] {
        assert!(house.opens(&issued.access_token).await);
    }
    // One of those who share it was quicker: the slower one gets the newest, not one that is used.
    let third = house.refresh(&party, refresh_token(&second)).await.unwrap();
    house.pass(Span::from_secs(10));
    let fourth = house.refresh(&party, refresh_token(&third)).await.unwrap();
    house.pass(Span::from_secs(10));
    let slow = house.refresh(&party, refresh_token(&second)).await.unwrap();
    assert_eq!(refresh_token(&slow).expose(), refresh_token(&fourth).expose());
    house.pass(Span::from_hours(1));
    house.refresh(&party, refresh_token(&slow)).await.unwrap();
}

async fn the_id_token_stays_the_same_person_and_sign_in(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let first = house.tokens(&party, &visitor, ALL).await;
    house.pass(Span::from_hours(3));
    let second = house.refresh(&party, refresh_token(&first)).await.unwrap();
    let (before, after) = (claims(first.id_token.as_ref().unwrap()), claims(second.id_token.as_ref().unwrap()));
    for name in ["iss", "sub", "aud", "auth_time", "amr"] {
        assert_eq!(before.get(name), after.get(name), "{name}");
    }
    assert_eq!(after.get("nonce"), None);
    assert_eq!(after["iat"], house.now().as_secs());
    assert_ne!(before["at_hash"], after["at_hash"]);
}

async fn of_twenty_at_once_all_get_the_same_successor(pair: Pair) {
    let house = House::new(pair).await;
    let second = house.another().await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let mut token = refresh_token(&house.tokens(&party, &visitor, ALL).await).clone();
    for _ in 0..3 {
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let app = if number % 2 == 0 { house.app.clone() } else { second.clone() };
                let (ctx, client, token) = (house.ctx(), party.client.clone(), token.clone());
                tokio::spawn(async move { app.refresh(&ctx, &client, &token, None).await })
            })
            .collect();
        let (mut successors, mut access) = (HashSet::new(), HashSet::new());
        for task in tasks {
            let issued = task.await.unwrap().unwrap();
            successors.insert(refresh_token(&issued).expose().to_owned());
            assert!(house.opens(&issued.access_token).await);
            access.insert(issued.access_token.expose().to_owned());
        }
        assert_eq!((successors.len(), access.len()), (1, 20));
        token = crate::secret(successors.iter().next().unwrap());
        house.pass(Span::from_hours(1));
    }
    refresh_at(&second, &house, &party, &token).await.unwrap();
}

async fn a_late_second_use_ends_the_family(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let bystander = house.tokens(&party, &visitor, ALL).await;
    let first = house.tokens(&party, &visitor, ALL).await;
    let second = house.refresh(&party, refresh_token(&first)).await.unwrap();
    house.pass(Span::from_secs(31));
    assert_invalid(&house.refresh(&party, refresh_token(&first)).await, "used long ago");
    assert_invalid(&house.refresh(&party, refresh_token(&second)).await, "the family has ended");
    for issued in [&first, &second] {
        assert!(!house.opens(&issued.access_token).await);
    }
    house.refresh(&party, refresh_token(&bystander)).await.unwrap();
}

async fn a_token_belongs_to_its_client(pair: Pair) {
    let house = House::new(pair).await;
    let (party, thief) = (house.party("app").await, house.party("thief").await);
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let issued = house.tokens(&party, &visitor, ALL).await;
    assert_invalid(&house.refresh(&thief, refresh_token(&issued)).await, "another client");
    assert_invalid(&house.refresh(&party, &issued.access_token).await, "no refresh token at all");
    assert_invalid(&house.refresh(&party, &crate::secret("")).await, "nothing");
    house.refresh(&party, refresh_token(&issued)).await.unwrap();
    assert!(!house.opens(refresh_token(&issued)).await, "nor does it open userinfo");
}

async fn unused_tokens_end_and_so_do_old_families(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let idle = house.tokens(&party, &visitor, ALL).await;
    let mut busy = house.tokens(&party, &visitor, ALL).await;
    house.pass(Span::from_hours(1));
    assert!(!house.opens(&busy.access_token).await, "an access token lasts an hour");
    // Thirteen days at a time is never idle; ninety days are too many.
    for _ in 0..6 {
        house.pass(Span::from_days(13));
        busy = house.refresh(&party, refresh_token(&busy)).await.unwrap();
    }
    assert_invalid(&house.refresh(&party, refresh_token(&idle)).await, "nobody used it");
    house.pass(Span::from_days(12));
    assert_invalid(&house.refresh(&party, refresh_token(&busy)).await, "ninety days are over");
}

async fn scopes_may_narrow_and_never_widen(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let first = house.tokens(&party, &visitor, "openid email offline_access").await;
    let ask = async |scope: &str| {
        let scopes = Scopes::parse(scope).unwrap();
        house.app.refresh(&house.ctx(), &party.client, refresh_token(&first), Some(scopes)).await
    };
    for scope in ["openid groups", "groups", ""] {
        let refused = ask(scope).await;
        assert!(matches!(refused, Err(ExchangeError::InvalidScope)), "{scope}: {refused:?}");
    }
    let narrow = ask("email").await.unwrap();
    assert_eq!(narrow.scopes.to_string(), "email");
    assert!(narrow.id_token.is_none());
    let wide = house.refresh(&party, refresh_token(&narrow)).await.unwrap();
    assert_eq!(wide.scopes.to_string(), "openid email offline_access", "the refresh token keeps all that was granted");
}

async fn what_the_client_may_no_longer_ask_is_no_longer_given(pair: Pair) {
    let house = House::new(pair).await;
    let server = house.app.ctx(Actor::Server);
    let put = async |scopes: &[&str]| {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let client = NewClient { scopes, ..new_client("filed") };
        house.app.clients_from_config(&server, &[ConfiguredClient { client, secret: None }]).await.unwrap();
        let client = house.app.client_show(&house.cli(), &ClientId::parse("filed").unwrap()).await.unwrap();
        Party { client }
    };
    let party = put(&[]).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let issued = house.tokens(&party, &visitor, ALL).await;
    let party = put(&["openid", "offline_access"]).await;
    let less = house.refresh(&party, refresh_token(&issued)).await.unwrap();
    assert_eq!(less.scopes.to_string(), "openid offline_access");
    let party = put(&["openid"]).await;
    assert_invalid(&house.refresh(&party, refresh_token(&less)).await, "no refresh tokens any more");
    assert!(!house.opens(&less.access_token).await);
}

async fn the_database_alone_gives_no_token(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let first = house.tokens(&party, &visitor, ALL).await;
    let second = house.refresh(&party, refresh_token(&first)).await.unwrap();
    let all = house.tables().await;
    for token in [refresh_token(&first), refresh_token(&second)] {
        let hex: String = token.expose().bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!all.contains(token.expose()) && !all.to_ascii_lowercase().contains(&hex));
    }
}

/// Whoever loses the race against the end of the account gets a token that opens nothing.
async fn disabling_in_the_middle_leaves_nothing_alive(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    for round in 0..5 {
        let ada = house.person(&format!("ada{round}")).await;
        let visitor = house.visitor(&house.signed_in(&ada).await).await;
        let issued = house.tokens(&party, &visitor, ALL).await;
        let (app, cli) = (house.app.clone(), house.cli());
        let end = tokio::spawn(async move {
            match round % 2 {
                0 => app.person_disable(&cli, ada.id).await.unwrap(),
                _ => app.person_delete(&cli, ada.id).await.unwrap(),
            }
        });
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (app, ctx, client, token) =
                    (house.app.clone(), house.ctx(), party.client.clone(), refresh_token(&issued).clone());
                tokio::spawn(async move { app.refresh(&ctx, &client, &token, None).await })
            })
            .collect();
        end.await.unwrap();
        for task in tasks {
            match task.await.unwrap() {
                Ok(given) => {
                    assert!(!house.opens(&given.access_token).await);
                    assert_invalid(&house.refresh(&party, refresh_token(&given)).await, "after the end");
                }
                Err(ExchangeError::InvalidGrant) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

/// A theft is noticed while the rightful holders go on: none of them keeps what they got just then.
async fn a_theft_noticed_in_the_middle_leaves_nothing_alive(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    for round in 0..4 {
        let code = house.code(&party, &visitor, ALL).await;
        let first = house.exchange(&party, &code).await.unwrap();
        let second = house.refresh(&party, refresh_token(&first)).await.unwrap();
        house.pass(Span::from_secs(31));
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let (app, ctx, client) = (house.app.clone(), house.ctx(), party.client.clone());
                let (code, old, new) = (code.clone(), refresh_token(&first).clone(), refresh_token(&second).clone());
                tokio::spawn(async move {
                    match number % 4 {
                        0 if round % 2 == 0 => app.code_exchange(&ctx, &client, &code.exchange).await,
                        0 => app.refresh(&ctx, &client, &old, None).await,
                        _ => app.refresh(&ctx, &client, &new, None).await,
                    }
                })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                Ok(given) => {
                    assert!(!house.opens(&given.access_token).await, "round {round}");
                    assert_invalid(&house.refresh(&party, refresh_token(&given)).await, "after the theft");
                }
                Err(ExchangeError::InvalidGrant) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

async fn what_is_over_is_forgotten_and_nothing_else(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party_with("app", |new| new.remember = Some(Span::from_hours(2))).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let old = house.code(&party, &visitor, "openid").await;
    house.tokens(&party, &visitor, "openid").await;
    let kept = house.tokens(&party, &visitor, ALL).await;
    let replayable = house.code(&party, &visitor, ALL).await;
    let replayed = house.exchange(&party, &replayable).await.unwrap();
    house.pass(Span::from_hours(2));
    house.app.oidc_prune(&house.app.ctx(Actor::Server)).await.unwrap();
    let all = house.tables().await;
    let count = |table: &str| all.lines().filter(|line| line.starts_with(&format!("{table}: "))).count();
    assert_eq!((count("oidc_grant"), count("access_token"), count("consent")), (2, 0, 0), "{}", old.grant);
    assert_eq!((count("refresh_family"), count("refresh_token")), (2, 2));
    house.refresh(&party, refresh_token(&kept)).await.unwrap();
    assert_invalid(&house.exchange(&party, &replayable).await, "a second use is still noticed");
    assert_invalid(&house.refresh(&party, refresh_token(&replayed)).await, "and ends what the first gave");
    house.pass(Span::from_days(90));
    house.app.oidc_prune(&house.app.ctx(Actor::Server)).await.unwrap();
    let all = house.tables().await;
    for table in ["oidc_grant", "access_token", "refresh_family", "refresh_token", "consent"] {
        assert!(!all.contains(&format!("{table}: ")), "{table} is empty");
    }
}

on_both_pairs! {
    a_used_token_gets_the_same_successor_for_a_moment,
    the_id_token_stays_the_same_person_and_sign_in,
    of_twenty_at_once_all_get_the_same_successor,
    a_late_second_use_ends_the_family,
    a_token_belongs_to_its_client,
    unused_tokens_end_and_so_do_old_families,
    scopes_may_narrow_and_never_widen,
    what_the_client_may_no_longer_ask_is_no_longer_given,
    the_database_alone_gives_no_token,
    disabling_in_the_middle_leaves_nothing_alive,
    a_theft_noticed_in_the_middle_leaves_nothing_alive,
    what_is_over_is_forgotten_and_nothing_else,
}
