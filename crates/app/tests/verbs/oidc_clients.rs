//! Registering clients, by whom, from where; and what they prove themselves by.

use ostiary_app::{ClientError, ClientProofError, ConfiguredClient, ConfiguredSecret};
use ostiary_model::{Actor, Client, ClientId, ClientKind, ClientSource, Ctx, NewClient, Span};

use crate::oidc_party::new_client;
use crate::{House, Pair, on_both_pairs, secret};

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn confidential(id: &str) -> NewClient {
    NewClient { public: false, ..new_client(id) }
}

fn configured(client: NewClient, secret: Option<&str>) -> ConfiguredClient {
    ConfiguredClient { client, secret: secret.map(|text| ConfiguredSecret::parse(text).unwrap()) }
}

async fn proves(house: &House, id: &str, with: Option<&str>) -> bool {
    match house.app.client_authenticate(&house.ctx(), id, with.map(secret).as_ref()).await {
        Ok(client) => {
            assert_eq!(client.id().as_str(), id);
            true
        }
        Err(ClientProofError::Rejected) => false,
        Err(other) => panic!("{other}"),
    }
}

async fn a_client_proves_itself_by_its_secret_alone(pair: Pair) {
    let house = House::new(pair).await;
    let (client, made) = house.app.client_add(&house.cli(), &confidential("directus")).await.unwrap();
    let made = made.unwrap();
    assert!(made.expose().starts_with("ost_cs_") && made.expose().len() > 40);
    assert!(matches!(client.kind, ClientKind::Confidential { .. }));
    let (public, none) = house.app.client_add(&house.cli(), &new_client("phone")).await.unwrap();
    assert!(none.is_none() && public.is_public());
    assert!(!house.tables().await.contains(made.expose()), "the secret is not in the database");

    assert!(proves(&house, "directus", Some(made.expose())).await);
    assert!(proves(&house, "phone", None).await);
    let long = "x".repeat(1000);
    for (id, with) in [
        ("directus", None),
        ("directus", Some("")),
        ("directus", Some("ost_cs_wrong")),
        ("directus", Some(long.as_str())),
        ("phone", Some(made.expose())),
        ("phone", Some("")),
        ("nobody", None),
        ("nobody", Some(made.expose())),
        ("Directus", Some(made.expose())),
        (" directus", Some(made.expose())),
        ("directus\0", Some(made.expose())),
        ("", Some(made.expose())),
    ] {
        assert!(!proves(&house, id, with).await, "{id:?} {with:?}");
    }

    let (_, newer) = house.app.client_rotate_secret(&house.cli(), &id("directus")).await.unwrap();
    assert!(!proves(&house, "directus", Some(made.expose())).await, "the old secret is dead");
    assert!(proves(&house, "directus", Some(newer.expose())).await);
    let rotated = house.app.client_rotate_secret(&house.cli(), &id("phone")).await;
    assert!(matches!(rotated, Err(ClientError::Public(_))));

    house.app.client_delete(&house.cli(), &id("directus")).await.unwrap();
    assert!(!proves(&house, "directus", Some(newer.expose())).await);
    let again = house.app.client_delete(&house.cli(), &id("directus")).await;
    assert!(matches!(again, Err(ClientError::NoSuchClient(_))));
}

async fn what_was_registered_comes_back(pair: Pair) {
    let house = House::new(pair).await;
    let new = NewClient {
        redirect_uris: vec![
            "https://b.example/cb".into(),
            "http://127.0.0.1:1/cb".into(),
            "https://a.example/x?y".into(),
        ],
        scopes: vec!["openid".into(), "groups".into()],
        remember: Some(Span::from_days(30)),
        claims_in_id_token: true,
        ..confidential("app")
    };
    let (made, _) = house.app.client_add(&house.cli(), &new).await.unwrap();
    let found = house.app.client_show(&house.cli(), &id("app")).await.unwrap();
    assert_eq!(found, made);
    assert_eq!(found.source, ClientSource::Command);
    let uris: Vec<&str> = found.details.redirect_uris.iter().map(|uri| uri.as_str()).collect();
    assert_eq!(uris, ["https://b.example/cb", "http://127.0.0.1:1/cb", "https://a.example/x?y"]);
    house.app.client_add(&house.cli(), &new_client("aaa")).await.unwrap();
    let all = house.app.client_list(&house.cli()).await.unwrap();
    assert_eq!(all.iter().map(|client| client.id().as_str()).collect::<Vec<_>>(), ["aaa", "app"]);
    assert_eq!(all[1], made);

    let before = house.tables().await;
    assert!(matches!(house.app.client_add(&house.cli(), &new).await, Err(ClientError::Taken(_))));
    let bad = NewClient { redirect_uris: vec!["http://app.example/cb".into()], ..new_client("bad") };
    assert!(matches!(house.app.client_add(&house.cli(), &bad).await, Err(ClientError::Invalid(_))));
    assert_eq!(house.tables().await, before, "nothing was written");
}

async fn only_administrators_with_two_factors_register(pair: Pair) {
    let house = House::new(pair).await;
    house.app.client_add(&house.cli(), &new_client("there")).await.unwrap();
    let (_, full) = house.administrator("root").await;
    let half = house.person_in("half", &["lldap_admin"]).await;
    let half = house.signed_in(&half).await.session;
    let regular = house.person("regular").await;
    let (regular, _) = house.enrolled(&regular).await;
    let manager = house.person_in("manager", &["lldap_password_manager"]).await;
    let (manager, _) = house.enrolled(&manager).await;
    let left = house.person_in("left", &["lldap_admin"]).await;
    let (gone, _) = house.enrolled(&left).await;
    house.app.person_sign_out(&house.cli(), left.id).await.unwrap();

    let refused: [(&str, Ctx); 6] = [
        ("nobody", house.ctx()),
        ("an LDAP identity", house.app.ctx(Actor::Bound { user: full.user, generation: full.generation })),
        ("one factor", house.acting(&half)),
        ("a regular person", house.acting(&regular.session)),
        ("a password manager", house.acting(&manager.session)),
        ("a session that has ended", house.acting(&gone.session)),
    ];
    let before = house.tables().await;
    for (who, ctx) in refused {
        let app = &house.app;
        let answers = [
            app.client_add(&ctx, &new_client("new")).await.map(drop),
            app.client_list(&ctx).await.map(drop),
            app.client_show(&ctx, &id("there")).await.map(drop),
            app.client_rotate_secret(&ctx, &id("there")).await.map(drop),
            app.client_delete(&ctx, &id("there")).await,
            app.clients_from_config(&ctx, &[]).await,
        ];
        for (verb, answer) in answers.into_iter().enumerate() {
            assert!(matches!(answer, Err(ClientError::Denied)), "{who}, verb {verb}: {answer:?}");
        }
    }
    assert_eq!(house.tables().await, before, "nothing was written");
    let ctx = house.acting(&full);
    house.app.client_add(&ctx, &new_client("new")).await.unwrap();
    house.app.client_delete(&ctx, &id("new")).await.unwrap();
}

async fn the_file_is_followed_and_commands_left_alone(pair: Pair) {
    let house = House::new(pair).await;
    let server = || house.app.ctx(Actor::Server);
    let show = async |name: &str| -> Client { house.app.client_show(&house.cli(), &id(name)).await.unwrap() };
    house.app.client_add(&house.cli(), &new_client("own")).await.unwrap();
    let first = "the secret that stands in the file";
    let file = [configured(confidential("one"), Some(first)), configured(new_client("two"), None)];
    house.app.clients_from_config(&server(), &file).await.unwrap();
    let one = show("one").await;
    assert_eq!(one.source, ClientSource::Config);
    assert!(proves(&house, "one", Some(first)).await && proves(&house, "two", None).await);

    house.pass(Span::from_secs(10));
    house.app.clients_from_config(&server(), &file).await.unwrap();
    assert_eq!(show("one").await, one, "the same file changes nothing");

    let hex: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"another secret that stands in the file")
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let renamed = NewClient { name: "Renamed".into(), ..confidential("one") };
    let changed = [configured(renamed.clone(), Some(&format!("sha256:{hex}")))];
    house.app.clients_from_config(&server(), &changed).await.unwrap();
    let after = show("one").await;
    assert_eq!(after.details.name.as_str(), "Renamed");
    assert_eq!((after.created_at, after.modified_at), (one.created_at, house.now()));
    assert!(proves(&house, "one", Some("another secret that stands in the file")).await);
    assert!(!proves(&house, "one", Some(first)).await);
    let two = house.app.client_show(&house.cli(), &id("two")).await;
    assert!(matches!(two, Err(ClientError::NoSuchClient(_))), "what left the file is gone");

    for refused in [
        house.app.client_rotate_secret(&house.cli(), &id("one")).await.map(drop),
        house.app.client_delete(&house.cli(), &id("one")).await,
    ] {
        assert!(matches!(refused, Err(ClientError::InFile(_))), "{refused:?}");
    }
    let before = house.tables().await;
    let taken = [configured(new_client("three"), None), configured(new_client("own"), None)];
    let twice = [configured(new_client("three"), None), configured(new_client("three"), None)];
    assert!(matches!(house.app.clients_from_config(&server(), &taken).await, Err(ClientError::Taken(_))));
    assert!(matches!(house.app.clients_from_config(&server(), &twice).await, Err(ClientError::Twice(_))));
    for bad in [configured(confidential("four"), None), configured(new_client("four"), Some(first))] {
        let refused = house.app.clients_from_config(&server(), &[bad]).await;
        assert!(matches!(refused, Err(ClientError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(house.tables().await, before, "nothing was written");
    house.app.clients_from_config(&server(), &[]).await.unwrap();
    let left = house.app.client_list(&house.cli()).await.unwrap();
    assert_eq!(left.iter().map(|client| client.id().as_str()).collect::<Vec<_>>(), ["own"]);
}

on_both_pairs! {
    a_client_proves_itself_by_its_secret_alone,
    what_was_registered_comes_back,
    only_administrators_with_two_factors_register,
    the_file_is_followed_and_commands_left_alone,
}
