//! Clients, consents, grants, tokens and signing keys.

use std::sync::Arc;

use ostiary_model::{
    AccessToken, AuthMethods, Authentication, Client, ClientDetails, ClientId, ClientKind, ClientName, ClientSource,
    CodeChallenge, Consent, Family, Grant, GrantRequest, Pending, Prompt, RedirectUri, ReturnAddress, Rotation, Scope,
    Scopes, Session, SignInPolicy, Span, TokenHash, User,
};
use ostiary_store::{ClientRecord, Conflict, Error, SigningKeyRecord};

use crate::{House, NOW, contract, ctx, stored_person};

contract!(
    a_client_comes_back_as_it_was,
    clients_are_unique_changed_and_deleted,
    a_consent_is_replaced_and_forgotten,
    a_grant_goes_from_state_to_state,
    a_grant_is_approved_and_exchanged_once_by_all_who_try,
    a_grant_that_is_too_late_goes_nowhere,
    tokens_come_back_as_they_were_and_end_together,
    a_refresh_token_is_rotated_once_by_all_who_try,
    what_is_over_is_forgotten,
    signing_keys_come_back_newest_first_and_numbers_are_unique,
);

fn hash() -> TokenHash {
    TokenHash::new(ctx().bytes())
}

fn client(id: &str, source: ClientSource) -> ClientRecord {
    let redirect = |text| RedirectUri::parse(text).unwrap();
    ClientRecord {
        client: Client {
            details: ClientDetails {
                id: ClientId::parse(id).unwrap(),
                name: ClientName::parse("Übersicht & Co.").unwrap(),
                redirect_uris: vec![redirect("https://b.example/cb"), redirect("https://a.example/cb?x=1")],
                policy: SignInPolicy::TwoFactor,
                scopes: [Scope::OpenId, Scope::Groups].into_iter().collect(),
                remember: Some(Span::from_days(365)),
                claims_in_id_token: true,
            },
            kind: ClientKind::Confidential { secret_changed_at: NOW },
            source,
            created_at: NOW,
            modified_at: NOW,
        },
        secret: Some(hash()),
    }
}

async fn stored_client(house: &House, id: &str) -> ClientRecord {
    let record = client(id, ClientSource::Command);
    let mut tx = house.store.begin().await.unwrap();
    tx.client_insert(&record).await.unwrap();
    tx.commit(NOW).await.unwrap();
    record
}

fn scopes() -> Scopes {
    [Scope::OpenId, Scope::OfflineAccess].into_iter().collect()
}

fn pending(record: &ClientRecord) -> Pending {
    let request = GrantRequest {
        client: record.client.id().clone(),
        back: ReturnAddress {
            redirect_uri: record.client.details.redirect_uris[0].clone(),
            state: Some("s t&=".into()),
        },
        scopes: scopes(),
        nonce: Some("n".into()),
        challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
        prompt: Prompt::parse("login consent").unwrap(),
        max_age: Some(Span::ZERO),
        login_hint: Some("ada".into()),
    };
    Pending::open(ctx().id(), request, NOW, Span::from_mins(15))
}

async fn stored_pending(house: &House, record: &ClientRecord) -> Pending {
    let grant = pending(record);
    let mut tx = house.store.begin().await.unwrap();
    tx.grant_insert(&grant).await.unwrap();
    tx.commit(NOW).await.unwrap();
    grant
}

fn session(user: &User) -> Session {
    Session {
        id: ctx().id(),
        parent: None,
        user: user.id,
        generation: user.generation,
        methods: "pwd otp".parse().unwrap(),
        authenticated_at: NOW,
        created_at: NOW,
        expires_at: NOW + Span::from_hours(1),
        seen_at: NOW,
        remembered: false,
        address: None,
        agent: None,
    }
}

async fn a_client_comes_back_as_it_was(house: House) {
    let record = stored_client(&house, "directus").await;
    let id = record.client.id().clone();
    let found = house.store.client_by_id(&id).await.unwrap().unwrap();
    assert_eq!((&found.client, found.secret), (&record.client, record.secret));
    assert_eq!(house.store.clients().await.unwrap(), [record.client]);
    assert!(house.store.client_by_id(&ClientId::parse("Directus").unwrap()).await.unwrap().is_none(), "ids are exact");
    let mut public = client("public", ClientSource::Config);
    (public.client.kind, public.client.details.remember, public.secret) = (ClientKind::Public, None, None);
    let mut tx = house.store.begin().await.unwrap();
    tx.client_insert(&public).await.unwrap();
    assert_eq!(tx.client_by_id(public.client.id()).await.unwrap().unwrap().client, public.client);
    assert_eq!(tx.client_ids(ClientSource::Config).await.unwrap(), [public.client.id().clone()]);
    assert!(!tx.client_set_secret(public.client.id(), &hash(), NOW).await.unwrap(), "a public client has no secret");
}

async fn clients_are_unique_changed_and_deleted(house: House) {
    let mut record = stored_client(&house, "directus").await;
    let id = record.client.id().clone();
    let mut tx = house.store.begin().await.unwrap();
    let twin = tx.client_insert(&client("directus", ClientSource::Config)).await;
    assert!(matches!(twin, Err(Error::Conflict(Conflict::ClientId))), "{twin:?}");
    drop(tx);
    record.client.details.redirect_uris.truncate(1);
    record.client.details.policy = SignInPolicy::OneFactor;
    let (fresh, later) = (hash(), NOW + Span::from_secs(5));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.client_update(&record).await.unwrap());
    assert!(!tx.client_update(&client("other", ClientSource::Command)).await.unwrap());
    assert!(tx.client_set_secret(&id, &fresh, later).await.unwrap());
    tx.commit(NOW).await.unwrap();
    let found = house.store.client_by_id(&id).await.unwrap().unwrap();
    assert_eq!((found.client.details, found.secret), (record.client.details, Some(fresh)));
    assert_eq!(found.client.kind, ClientKind::Confidential { secret_changed_at: later });
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.client_delete(&id).await.unwrap());
    assert!(!tx.client_delete(&id).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(house.store.clients().await.unwrap().is_empty());
}

async fn a_consent_is_replaced_and_forgotten(house: House) {
    let user = stored_person(&house, "ada").await;
    let id = stored_client(&house, "directus").await.client.id().clone();
    let mut consent = Consent {
        user: user.id,
        client: id.clone(),
        scopes: [Scope::OpenId].into_iter().collect(),
        granted_at: NOW,
        expires_at: NOW + Span::from_days(1),
    };
    let mut tx = house.store.begin().await.unwrap();
    tx.consent_put(&consent).await.unwrap();
    consent.scopes = scopes();
    tx.consent_put(&consent).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.consent(user.id, &id).await.unwrap(), Some(consent.clone()));
    let mut tx = house.store.begin().await.unwrap();
    tx.consents_prune(consent.expires_at).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.consent(user.id, &id).await.unwrap(), None);
}

async fn a_grant_goes_from_state_to_state(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let mut grant = stored_pending(&house, &record).await;
    let id = grant.id;
    assert_eq!(house.store.grant_by_id(id).await.unwrap(), Some(Grant::Pending(grant.clone())));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.grant_consent(id, user.id, NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    grant.consented_by = Some(user.id);
    assert_eq!(house.store.grant_by_id(id).await.unwrap(), Some(Grant::Pending(grant.clone())));
    let code = hash();
    assert!(house.store.grant_by_code(&code).await.unwrap().is_none());
    let approved = grant.clone().approve(&session(&user), code, NOW, Span::from_secs(60));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.grant_approve(&approved, NOW).await.unwrap());
    assert!(!tx.grant_consent(id, user.id, NOW).await.unwrap());
    assert!(!tx.grant_cancel(&grant.cancel()).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.grant_by_code(&code).await.unwrap(), Some(Grant::Approved(approved.clone())));
    let exchanged = approved.exchange(NOW, NOW + Span::from_days(90));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.grant_exchange(&exchanged).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.grant_by_code(&code).await.unwrap(), Some(Grant::Exchanged(exchanged)));

    let refused = stored_pending(&house, &record).await;
    let cancelled = refused.cancel();
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.grant_cancel(&cancelled).await.unwrap());
    assert!(!tx.grant_cancel(&cancelled).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert_eq!(house.store.grant_by_id(cancelled.id).await.unwrap(), Some(Grant::Cancelled(cancelled)));
}

async fn a_grant_is_approved_and_exchanged_once_by_all_who_try(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let grant = stored_pending(&house, &record).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&house.store);
        let approved = grant.clone().approve(&session(&user), hash(), NOW, Span::from_secs(60));
        tries.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let won = tx.grant_approve(&approved, NOW).await.unwrap();
            tx.commit(NOW).await.unwrap();
            won.then_some(approved)
        });
    }
    let mut winners: Vec<_> = tries.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let exchanged = winners.remove(0).exchange(NOW, NOW + Span::from_days(90));
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, exchanged) = (Arc::clone(&house.store), exchanged.clone());
        tries.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            let won = tx.grant_exchange(&exchanged).await.unwrap();
            tx.commit(NOW).await.unwrap();
            won
        });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

async fn a_grant_that_is_too_late_goes_nowhere(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let grant = stored_pending(&house, &record).await;
    let late = grant.expires_at;
    let approved = grant.clone().approve(&session(&user), hash(), NOW, Span::from_secs(60));
    let mut tx = house.store.begin().await.unwrap();
    assert!(!tx.grant_consent(grant.id, user.id, late).await.unwrap());
    assert!(!tx.grant_approve(&approved, late).await.unwrap());
    assert!(tx.grant_approve(&approved, NOW).await.unwrap());
    let too_late = approved.clone().exchange(approved.expires_at, late);
    assert!(!tx.grant_exchange(&too_late).await.unwrap());
    tx.grant_revoke(grant.id).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.grant_by_id(grant.id).await.unwrap().is_none());
}

struct Issued {
    grant: Pending,
    access: (TokenHash, AccessToken),
    refresh: TokenHash,
    family: Family,
}

async fn issued(house: &House, user: &User, record: &ClientRecord) -> Issued {
    let grant = stored_pending(house, record).await;
    let access = AccessToken {
        id: ctx().id(),
        grant: grant.id,
        client: record.client.id().clone(),
        user: user.id,
        generation: user.generation,
        scopes: scopes(),
        created_at: NOW,
        expires_at: NOW + Span::from_hours(1),
    };
    let family = Family {
        id: ctx().id(),
        grant: grant.id,
        client: record.client.id().clone(),
        holder: Authentication { user: user.id, generation: user.generation, methods: AuthMethods::default(), at: NOW },
        scopes: scopes(),
        created_at: NOW,
        expires_at: NOW + Span::from_days(90),
    };
    let (access_hash, refresh) = (hash(), hash());
    let mut tx = house.store.begin().await.unwrap();
    tx.access_token_insert(&access_hash, &access).await.unwrap();
    tx.family_insert(&family).await.unwrap();
    tx.refresh_token_insert(&refresh, family.id, NOW, NOW + Span::from_days(14)).await.unwrap();
    tx.commit(NOW).await.unwrap();
    Issued { grant, access: (access_hash, access), refresh, family }
}

async fn tokens_come_back_as_they_were_and_end_together(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let issued = issued(&house, &user, &record).await;
    let (access_hash, access) = &issued.access;
    assert_eq!(house.store.access_token(access_hash, NOW).await.unwrap().as_ref(), Some(access));
    assert!(house.store.access_token(access_hash, access.expires_at).await.unwrap().is_none());
    let found = house.store.refresh_token(&issued.refresh).await.unwrap().unwrap();
    assert_eq!((found.family, found.token.rotation), (issued.family.clone(), None));
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.family_touch(issued.family.id, NOW).await.unwrap());
    tx.grant_revoke(issued.grant.id).await.unwrap();
    assert!(!tx.family_touch(issued.family.id, NOW).await.unwrap());
    tx.commit(NOW).await.unwrap();
    assert!(house.store.access_token(access_hash, NOW).await.unwrap().is_none());
    assert!(house.store.refresh_token(&issued.refresh).await.unwrap().is_none());
    let mut tx = house.store.begin().await.unwrap();
    let orphan = tx.refresh_token_insert(&hash(), issued.family.id, NOW, NOW + Span::from_days(1)).await;
    assert!(matches!(orphan, Err(Error::Orphan)));
}

async fn a_refresh_token_is_rotated_once_by_all_who_try(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let issued = issued(&house, &user, &record).await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..20_u8 {
        let store = Arc::clone(&house.store);
        let (token, family) = (issued.refresh, issued.family.id);
        tries.spawn(async move {
            let mut tx = store.begin().await.unwrap();
            tx.family_touch(family, NOW).await.unwrap();
            let rotation = Rotation { at: NOW, successor_sealed: vec![number] };
            let won = tx.refresh_token_rotate(&token, &rotation).await.unwrap();
            let seen = tx.refresh_token(&token).await.unwrap().unwrap().token.rotation.unwrap();
            tx.commit(NOW).await.unwrap();
            (won, seen)
        });
    }
    let answers = tries.join_all().await;
    assert_eq!(answers.iter().filter(|(won, _)| *won).count(), 1);
    assert!(answers.iter().all(|(_, seen)| *seen == answers[0].1), "all see the winner's successor");
}

async fn what_is_over_is_forgotten(house: House) {
    let (user, record) = (stored_person(&house, "ada").await, stored_client(&house, "directus").await);
    let issued = issued(&house, &user, &record).await;
    let mut tx = house.store.begin().await.unwrap();
    tx.grants_prune(issued.grant.expires_at).await.unwrap();
    tx.tokens_prune(NOW + Span::from_days(90)).await.unwrap();
    tx.commit(NOW).await.unwrap();
    assert!(house.store.grant_by_id(issued.grant.id).await.unwrap().is_none());
    assert!(house.store.refresh_token(&issued.refresh).await.unwrap().is_none());
    assert!(house.store.access_token(&issued.access.0, NOW).await.unwrap().is_none());
}

async fn signing_keys_come_back_newest_first_and_numbers_are_unique(house: House) {
    let key = |number: i64, kid: &str| SigningKeyRecord {
        id: ctx().id(),
        number,
        kid: kid.into(),
        alg: "RS256".into(),
        private_sealed: vec![0, 255, 1],
        public_jwk: "{\"kty\":\"RSA\"}".into(),
        created_at: NOW,
        active_from: NOW + Span::from_secs(60),
    };
    let mut tx = house.store.begin().await.unwrap();
    assert!(tx.signing_key_insert(&key(1, "a")).await.unwrap());
    assert!(!tx.signing_key_insert(&key(1, "b")).await.unwrap());
    assert!(tx.signing_key_insert(&key(2, "c")).await.unwrap());
    tx.commit(NOW).await.unwrap();
    let keys = house.store.signing_keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["c", "a"]);
    assert_eq!((keys[0].private_sealed.as_slice(), keys[0].active_from), (&[0, 255, 1][..], NOW + Span::from_secs(60)));
}
