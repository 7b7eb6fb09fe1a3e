//! Sessions, with the cache in front.

use ostiary_model::{AuthMethod, AuthMethods, Session, Span, TokenHash, User};
use ostiary_store::{Error, NewSession};

use crate::{House, NOW, contract, ctx, stored_person};

contract!(
    a_session_comes_back_as_it_was,
    a_session_ends_with_its_time,
    ending_a_session_ends_what_hangs_from_it_everywhere,
    use_is_noted_once_a_minute,
    old_sessions_are_forgotten,
    a_session_needs_its_person,
    without_a_key_for_the_cache_the_row_is_asked,
);

/// What somebody else wrote into the cache, or altered there, is not believed.
#[tokio::test]
async fn a_copy_that_we_did_not_make_is_not_believed() {
    let house = House::new(crate::Pair::Servers).await;
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    house.store.session_by_token(&token, NOW).await.unwrap();
    let name = |token: &TokenHash| {
        let hex: String = token.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("ostiary:session:{hex}")
    };
    let client = redis::Client::open(crate::setting("OSTIARY_TEST_REDIS")).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let copy: Vec<u8> = redis::cmd("GET").arg(name(&token)).query_async(&mut redis).await.unwrap();
    assert!(!copy.is_empty(), "the copy is there");
    let forged = TokenHash::new(ctx().bytes());
    for made_up in [copy[32..].to_vec(), copy.clone()] {
        let put = redis::cmd("SET").arg(name(&forged)).arg(made_up).query_async::<()>(&mut redis).await;
        put.unwrap();
        assert!(house.store.session_by_token(&forged, NOW).await.unwrap().is_none());
    }
    let other = House { store: house.again().await.into(), ..house };
    assert_eq!(other.store.session_by_token(&token, NOW).await.unwrap(), Some(session), "ours is believed");
}

async fn without_a_key_for_the_cache_the_row_is_asked(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    let keyless = ostiary_store::Store::open(&house.database, &house.cache, NOW).await.unwrap();
    assert_eq!(keyless.session_by_token(&token, NOW).await.unwrap(), Some(session));
}

fn session_of(user: &User) -> Session {
    let ctx = ctx();
    Session {
        id: ctx.id(),
        parent: None,
        user: user.id,
        generation: user.generation,
        methods: AuthMethods::default().with(AuthMethod::Password).with(AuthMethod::Totp),
        authenticated_at: NOW,
        created_at: NOW,
        expires_at: NOW + Span::from_hours(12),
        seen_at: NOW,
        remembered: true,
        address: ctx.address,
        agent: Some("Firefox \"☃\"".into()),
    }
}

async fn store_session(house: &House, session: &Session) -> TokenHash {
    let token = TokenHash::new(ctx().bytes());
    let mut tx = house.store.begin().await.unwrap();
    tx.session_insert(&NewSession { token, session }).await.unwrap();
    tx.commit(NOW).await.unwrap();
    token
}

async fn a_session_comes_back_as_it_was(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    // The first look fills the cache, the second reads it.
    for _ in 0..2 {
        assert_eq!(house.store.session_by_token(&token, NOW).await.unwrap().unwrap(), session);
    }
    assert!(house.store.session_by_token(&TokenHash::new(ctx().bytes()), NOW).await.unwrap().is_none());
    assert_eq!(house.store.sessions_of(user.id, NOW).await.unwrap(), [session]);
}

async fn a_session_ends_with_its_time(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    assert!(house.store.session_by_token(&token, NOW).await.unwrap().is_some());
    let end = session.expires_at;
    assert!(house.store.session_by_token(&token, end).await.unwrap().is_none(), "also from the cache");
    assert!(house.store.sessions_of(user.id, end).await.unwrap().is_empty());
}

async fn ending_a_session_ends_what_hangs_from_it_everywhere(house: House) {
    let user = stored_person(&house, "ada").await;
    let parent = session_of(&user);
    let parent_token = store_session(&house, &parent).await;
    let child = Session { parent: Some(parent.id), ..session_of(&user) };
    let child_token = store_session(&house, &child).await;
    let other_token = store_session(&house, &session_of(&user)).await;
    for token in [&parent_token, &child_token, &other_token] {
        assert!(house.store.session_by_token(token, NOW).await.unwrap().is_some());
    }
    assert_eq!(house.store.sessions_of(user.id, NOW).await.unwrap().len(), 2, "children are not listed");
    assert!(house.store.session_end(parent.id, NOW).await.unwrap());
    assert!(!house.store.session_end(parent.id, NOW).await.unwrap());
    for token in [&parent_token, &child_token] {
        assert!(house.store.session_by_token(token, NOW).await.unwrap().is_none());
    }
    assert!(house.store.session_by_token(&other_token, NOW).await.unwrap().is_some());
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.session_delete(parent.id).await.unwrap().is_empty());
    assert!(!tx.session_exists(parent.id).await.unwrap());
    house.store.sessions_forget(&[other_token], NOW).await;
    drop(tx);
    assert!(house.store.session_by_token(&other_token, NOW).await.unwrap().is_some(), "the row is the truth");
}

async fn use_is_noted_once_a_minute(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    let seen = async |now| house.store.sessions_of(user.id, now).await.unwrap()[0].seen_at;
    let soon = NOW + Span::from_secs(59);
    house.store.session_seen(&token, &session, soon).await.unwrap();
    assert_eq!(seen(soon).await, NOW);
    let later = NOW + Span::from_secs(61);
    house.store.session_seen(&token, &session, later).await.unwrap();
    assert_eq!(seen(later).await, later);
    // A copy that still tells the old time does not lead to a write at each request.
    let again = NOW + Span::from_secs(62);
    house.store.session_seen(&token, &session, again).await.unwrap();
    assert_eq!(seen(again).await, later);
}

async fn old_sessions_are_forgotten(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    store_session(&house, &session).await;
    let mut tx = house.store.begin().await.unwrap();
    tx.sessions_prune(session.expires_at).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.session_end(session.id, NOW).await.unwrap());
}

async fn a_session_needs_its_person(house: House) {
    let user = crate::person(&ctx(), "nobody");
    let mut tx = house.store.begin().await.unwrap();
    let new = NewSession { token: TokenHash::new(ctx().bytes()), session: &session_of(&user) };
    assert!(matches!(tx.session_insert(&new).await, Err(Error::Orphan)));
}
