//! Password hashes, authenticator apps, first-administrator links, mail.

use std::sync::Arc;

use ostiary_model::{Span, TokenHash};
use ostiary_store::{Error, InvitationKind, OutgoingMail};

use crate::{House, NOW, contract, ctx, reread, stored_person};

contract!(
    a_password_hash_is_set_replaced_and_upgraded,
    a_password_of_nobody_is_refused,
    an_app_is_set_up_once_and_removed,
    a_time_step_is_spent_once_by_all_who_try,
    a_link_is_used_once_by_all_who_try,
    a_new_link_ends_the_old_one,
    mail_is_claimed_by_one_and_comes_again_after_its_lease,
);

async fn a_password_hash_is_set_replaced_and_upgraded(house: House) {
    let user = stored_person(&house, "ada").await;
    assert!(house.store.password_hash(user.id).await.unwrap().is_none());
    let mut tx = house.store.begin().await.unwrap();
    tx.password_set(user.id, "first", NOW).await.unwrap();
    tx.password_set(user.id, "second", NOW + Span::from_secs(5)).await.unwrap();
    assert!(!tx.password_upgrade(user.id, "first", "never").await.unwrap());
    assert!(tx.password_upgrade(user.id, "second", "third").await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.password_hash(user.id).await.unwrap().as_deref(), Some("third"));
    assert_eq!(reread(&house, user.id).await.password_changed_at, Some(NOW + Span::from_secs(5)));
}

async fn a_password_of_nobody_is_refused(house: House) {
    let mut tx = house.store.begin().await.unwrap();
    assert!(matches!(tx.password_set(ctx().id(), "x", NOW).await, Err(Error::Orphan)));
}

async fn an_app_is_set_up_once_and_removed(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.totp_insert(user.id, b"\0sealed\xff", 7, NOW).await.unwrap());
    assert!(!tx.totp_insert(user.id, b"other", 9, NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    let record = house.store.totp(user.id).await.unwrap().unwrap();
    assert_eq!((record.secret_sealed.as_slice(), record.last_step, record.created_at), (&b"\0sealed\xff"[..], 7, NOW));
    assert!(reread(&house, user.id).await.has_totp);
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.totp_delete(user.id).await.unwrap());
    assert!(!tx.totp_delete(user.id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(!reread(&house, user.id).await.has_totp);
}

async fn a_time_step_is_spent_once_by_all_who_try(house: House) {
    let user = stored_person(&house, "ada").await;
    let mut tx = house.store.begin().await.unwrap();
    tx.totp_insert(user.id, b"sealed", 7, NOW).await.unwrap();
    assert!(!tx.totp_spend(user.id, 7, NOW).await.unwrap());
    assert!(!tx.totp_spend(user.id, 6, NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&house.store);
        tries.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let spent = tx.totp_spend(user.id, 8, NOW).await.unwrap();
            tx.commit(NOW).await.unwrap();
            spent
        });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|spent| *spent).count(), 1);
    assert_eq!(house.store.totp(user.id).await.unwrap().unwrap().used_at, Some(NOW));
}

const KIND: InvitationKind = InvitationKind::FirstAdministrator;

async fn a_link_is_used_once_by_all_who_try(house: House) {
    let token = TokenHash::new(ctx().bytes());
    let mut tx = house.store.begin().await.unwrap();
    tx.invitation_replace(&token, KIND, NOW, NOW + Span::from_hours(1)).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.invitation_valid(&token, KIND, NOW).await.unwrap());
    assert!(!house.store.invitation_valid(&token, KIND, NOW + Span::from_hours(1)).await.unwrap());
    let mut late = house.store.begin().await.unwrap();
    assert!(!late.invitation_take(&token, KIND, NOW + Span::from_hours(1)).await.unwrap());
    drop(late);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&house.store);
        tries.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let taken = tx.invitation_take(&token, KIND, NOW).await.unwrap();
            tx.commit(NOW).await.unwrap();
            taken
        });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|taken| *taken).count(), 1);
    assert!(!house.store.invitation_valid(&token, KIND, NOW).await.unwrap());
}

async fn a_new_link_ends_the_old_one(house: House) {
    let (old, new) = (TokenHash::new(ctx().bytes()), TokenHash::new(ctx().bytes()));
    let mut tx = house.store.begin().await.unwrap();
    for token in [&old, &new] {
        tx.invitation_replace(token, KIND, NOW, NOW + Span::from_hours(1)).await.unwrap();
    }
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.invitation_valid(&old, KIND, NOW).await.unwrap());
    assert!(house.store.invitation_valid(&new, KIND, NOW).await.unwrap());
    let mut tx = house.store.begin().await.unwrap();
    tx.invitations_withdraw(KIND).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(!house.store.invitation_valid(&new, KIND, NOW).await.unwrap());
}

async fn mail_is_claimed_by_one_and_comes_again_after_its_lease(house: House) {
    let lease = Span::from_mins(2);
    assert!(house.store.outbox_claim(NOW, lease).await.unwrap().is_none());
    let id = ctx().id();
    let mail = OutgoingMail::new(id, "ada@example.tld".into(), "Hello".into(), "text".into(), "<p>".into());
    let mut tx = house.store.begin().await.unwrap();
    tx.outbox_insert(&mail, NOW).await.unwrap();
    tx.commit(NOW).await.unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let store = Arc::clone(&house.store);
        tries.spawn(async move { store.outbox_claim(NOW, lease).await.unwrap() });
    }
    let claimed: Vec<OutgoingMail> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].id(), claimed[0].attempts(), claimed[0].subject()), (id, 1, "Hello"));
    assert_eq!((claimed[0].recipient(), claimed[0].body_text()), ("ada@example.tld", "text"));
    assert_eq!(house.store.outbox_claim(NOW + lease, lease).await.unwrap().unwrap().attempts(), 2);
    let mut tx = house.store.begin().await.unwrap();
    tx.outbox_postpone(id, NOW + Span::from_hours(1)).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.outbox_claim(NOW + lease + lease, lease).await.unwrap().is_none());
    let mut tx = house.store.begin().await.unwrap();
    tx.outbox_delete(id).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.outbox_claim(NOW + Span::from_days(9), lease).await.unwrap().is_none());
}
