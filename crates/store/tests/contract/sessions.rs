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
);

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
    house.store.session_forget(&other_token, NOW).await;
    drop(tx);
    assert!(house.store.session_by_token(&other_token, NOW).await.unwrap().is_some(), "the row is the truth");
}

async fn use_is_noted_once_a_minute(house: House) {
    let user = stored_person(&house, "ada").await;
    let session = session_of(&user);
    let token = store_session(&house, &session).await;
    let seen = |now| {
        let house = &house;
        async move { house.store.session_by_token(&token, now).await.unwrap().unwrap().seen_at }
    };
    let soon = NOW + Span::from_secs(59);
    house.store.session_seen(&token, &session, soon).await.unwrap();
    assert_eq!(seen(soon).await, NOW);
    let later = NOW + Span::from_secs(61);
    house.store.session_seen(&token, &session, later).await.unwrap();
    assert_eq!(seen(later).await, later);
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
