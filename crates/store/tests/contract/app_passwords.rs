//! Passwords for one program each.

use std::net::IpAddr;

use ostiary_model::{AppPassword, AppPasswordName, Generation, Span, TokenHash, User};
use ostiary_store::Error;

use crate::{House, NOW, contract, ctx, person, stored_person};

contract!(
    an_app_password_comes_back_as_it_was,
    an_app_password_is_removed_by_its_owner_once,
    use_of_an_app_password_is_noted_every_five_minutes,
    app_passwords_go_with_owner_and_service_account,
);

fn app_password(user: &User, name: &str) -> AppPassword {
    AppPassword {
        id: ctx().id(),
        user: user.id,
        name: AppPasswordName::parse(name).unwrap(),
        networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        service: None,
        generation: user.generation,
        created_at: NOW,
        last_used_at: None,
        last_used_address: None,
    }
}

async fn store(house: &House, password: &AppPassword) -> TokenHash {
    let hash = TokenHash::new(ctx().bytes());
    let mut tx = house.store.begin().await.unwrap();
    tx.app_password_insert(password, &hash).await.unwrap();
    assert_eq!(tx.commit(NOW).await.unwrap(), None, "the directory does not show it");
    hash
}

async fn an_app_password_comes_back_as_it_was(house: House) {
    let (ada, service) = (stored_person(&house, "ada").await, stored_person(&house, "mail").await);
    let first = app_password(&ada, "Phone \"☃\"");
    let second = AppPassword {
        networks: Vec::new(),
        service: Some(service.id),
        generation: Generation(7),
        created_at: NOW + Span::from_secs(1),
        last_used_at: Some(NOW),
        last_used_address: Some(IpAddr::from([192, 0, 2, 7])),
        ..app_password(&ada, "Mail")
    };
    let hash = store(&house, &first).await;
    store(&house, &second).await;
    assert_eq!(house.store.app_password_by_hash(&hash).await.unwrap(), Some(first.clone()));
    assert_eq!(house.store.app_password_by_hash(&TokenHash::new(ctx().bytes())).await.unwrap(), None);
    assert_eq!(house.store.app_passwords_of(ada.id).await.unwrap(), [second, first.clone()]);
    let mut tx = house.store.begin().await.unwrap();
    let listed = tx.app_passwords_of(ada.id).await.unwrap();
    assert_eq!(house.store.app_passwords_of(ada.id).await.unwrap(), listed);
    drop(tx);
    assert!(house.store.app_passwords_of(service.id).await.unwrap().is_empty());
    let mut tx = house.store.begin().await.unwrap();
    let twin = AppPassword { id: ctx().id(), ..first };
    assert!(matches!(tx.app_password_insert(&twin, &hash).await, Err(Error::Conflict(_))));
}

async fn an_app_password_is_removed_by_its_owner_once(house: House) {
    let (ada, bob) = (stored_person(&house, "ada").await, stored_person(&house, "bob").await);
    let password = app_password(&ada, "Phone");
    let hash = store(&house, &password).await;
    let mut tx = house.store.begin().await.unwrap();
    assert!(!tx.app_password_delete(password.id, bob.id).await.unwrap());
    assert!(tx.app_password_delete(password.id, ada.id).await.unwrap());
    assert!(!tx.app_password_delete(password.id, ada.id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.app_password_by_hash(&hash).await.unwrap(), None);
}

async fn use_of_an_app_password_is_noted_every_five_minutes(house: House) {
    let ada = stored_person(&house, "ada").await;
    let password = app_password(&ada, "Phone");
    let hash = store(&house, &password).await;
    let here = Some(IpAddr::from([192, 0, 2, 7]));
    let steps = [(0, here, true), (299, None, false), (300, None, true), (301, here, false)];
    for (seconds, address, noted) in steps {
        let now = NOW + Span::from_secs(seconds);
        let mut tx = house.store.begin().await.unwrap();
        assert_eq!(tx.app_password_used(password.id, address, now).await.unwrap(), noted, "{seconds}");
        assert_eq!(tx.commit(NOW).await.unwrap(), None);
        if noted {
            let stored = house.store.app_password_by_hash(&hash).await.unwrap().unwrap();
            assert_eq!((stored.last_used_at, stored.last_used_address), (Some(now), address));
        }
    }
    let mut tx = house.store.begin().await.unwrap();
    assert!(!tx.app_password_used(ctx().id(), here, NOW).await.unwrap());
}

async fn app_passwords_go_with_owner_and_service_account(house: House) {
    let (ada, service) = (stored_person(&house, "ada").await, stored_person(&house, "mail").await);
    let bound = store(&house, &AppPassword { service: Some(service.id), ..app_password(&ada, "Mail") }).await;
    let free = store(&house, &app_password(&ada, "Phone")).await;
    for (account, gone) in [(service.id, bound), (ada.id, free)] {
        assert!(house.store.app_password_by_hash(&gone).await.unwrap().is_some());
        let mut tx = house.store.begin().await.unwrap();
        tx.user_delete(account).await.unwrap();
        tx.commit(NOW).await.unwrap();
        assert_eq!(house.store.app_password_by_hash(&gone).await.unwrap(), None);
    }
    let mut tx = house.store.begin().await.unwrap();
    let orphan = app_password(&person(&ctx(), "nobody"), "Phone");
    assert!(matches!(tx.app_password_insert(&orphan, &TokenHash::new(ctx().bytes())).await, Err(Error::Orphan)));
}
