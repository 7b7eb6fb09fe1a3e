//! A grant from the request to its code: what is asked, of whom, and when it is over.

use ostiary_app::{ConfiguredClient, GrantError, Next, Trouble, UnknownClient, Visitor};
use ostiary_model::{Actor, ClientId, GrantId, GrantRequest, NewClient, Prompt, SignInPolicy, Span};

use crate::oidc_party::{ISSUER, Party, error_of, in_query, new_client, request};
use crate::{House, Pair, on_both_pairs};

async fn opened(house: &House, party: &Party, change: impl FnOnce(&mut GrantRequest)) -> GrantId {
    let (mut request, _) = request(&party.client, "openid email");
    change(&mut request);
    house.app.grant_open(&house.ctx(), request).await.unwrap()
}

async fn next(house: &House, grant: GrantId, visitor: Option<&Visitor>) -> Next {
    house.app.grant_next(&house.ctx(), grant, visitor).await.unwrap()
}

async fn is_gone(house: &House, grant: GrantId, visitor: &Visitor) -> bool {
    let gone = house.app.grant_next(&house.ctx(), grant, Some(visitor)).await;
    matches!(gone, Err(GrantError::Gone))
}

async fn allow(house: &House, grant: GrantId, visitor: &Visitor) {
    house.app.consent_answer(&house.ctx(), visitor, grant, true).await.unwrap();
}

async fn a_person_goes_from_the_click_to_the_code(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party_with("app", |new| new.policy = SignInPolicy::TwoFactor).await;
    let ada = house.person("ada").await;
    let grant = opened(&house, &party, |_| {}).await;
    let application = house.app.grant_application(&house.ctx(), grant).await.unwrap().unwrap();
    assert_eq!((application.name.as_str(), application.host.as_str()), ("The app", "app.example"));

    let Next::SignIn { login_hint } = next(&house, grant, None).await else { panic!() };
    assert_eq!(login_hint.as_deref(), Some("ada"));
    let half = house.visitor(&house.signed_in(&ada).await).await;
    assert!(matches!(next(&house, grant, Some(&half)).await, Next::SetUpAuthenticator));
    let (full, authenticator) = house.enrolled(&ada).await;
    let half = house.visitor(&house.signed_in(&ada).await).await;
    assert!(matches!(next(&house, grant, Some(&half)).await, Next::Code));
    let visitor = house.visitor(&full).await;
    let Next::Consent(view) = next(&house, grant, Some(&visitor)).await else { panic!() };
    assert_eq!((view.application, view.scopes.to_string()), (application, "openid email".to_owned()));
    assert_eq!(view.remember, Some(Span::from_days(365)));

    allow(&house, grant, &visitor).await;
    let Next::Redirect(url) = next(&house, grant, Some(&visitor)).await else { panic!() };
    assert!(url.as_str().starts_with("https://app.example/cb?code=ost_ac_"), "{url}");
    assert_eq!(in_query(&url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(in_query(&url, "state").as_deref(), Some("the state"));
    assert!(!house.tables().await.contains(&in_query(&url, "code").unwrap()), "the code is not in the database");
    assert!(is_gone(&house, grant, &visitor).await, "a grant gives one code");
    let application = house.app.grant_application(&house.ctx(), grant).await.unwrap();
    assert!(application.is_some(), "the page that leads on can still say where to");

    // The second sign-in asks nothing, in any browser of the same person.
    let other = house.signed_in_fully(&ada, &authenticator).await;
    let visitor = house.visitor(&other).await;
    let grant = opened(&house, &party, |_| {}).await;
    assert!(matches!(next(&house, grant, Some(&visitor)).await, Next::Redirect(_)));
}

async fn one_factor_is_enough_where_the_client_says_so(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    house.enrolled(&ada).await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    assert!(visitor.owes_second_factor());
    let grant = opened(&house, &party, |_| {}).await;
    assert!(matches!(next(&house, grant, Some(&visitor)).await, Next::Consent(_)));
}

async fn who_must_not_be_asked_is_not(pair: Pair) {
    let house = House::new(pair).await;
    let one = house.party("one").await;
    let two = house.party_with("two", |new| new.policy = SignInPolicy::TwoFactor).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let silent = |request: &mut GrantRequest| request.prompt = Prompt::Silent;
    let grant = opened(&house, &one, silent).await;
    assert_eq!(error_of(&next(&house, grant, None).await), "login_required");
    assert_eq!(error_of(&next(&house, grant, Some(&visitor)).await), "consent_required");
    let factor = opened(&house, &two, silent).await;
    assert_eq!(error_of(&next(&house, factor, Some(&visitor)).await), "interaction_required");
    house.pass(Span::from_secs(60));
    let old = opened(&house, &one, |request| {
        silent(request);
        request.max_age = Some(Span::from_secs(59));
    })
    .await;
    assert_eq!(error_of(&next(&house, old, Some(&visitor)).await), "login_required");

    let asked = opened(&house, &one, |_| {}).await;
    allow(&house, asked, &visitor).await;
    assert!(in_query(&redirect(next(&house, grant, Some(&visitor)).await), "code").is_some());
}

fn redirect(next: Next) -> url::Url {
    match next {
        Next::Redirect(url) => url,
        other => panic!("no redirect but {other:?}"),
    }
}

async fn prompts_ask_again(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    allow(&house, opened(&house, &party, |_| {}).await, &visitor).await;
    house.pass(Span::from_secs(60));

    let ask = |sign_in, consent| move |request: &mut GrantRequest| request.prompt = Prompt::Ask { sign_in, consent };
    let login = opened(&house, &party, ask(true, false)).await;
    assert!(matches!(next(&house, login, Some(&visitor)).await, Next::SignIn { .. }));
    let fresh = house.visitor(&house.signed_in(&ada).await).await;
    assert!(in_query(&redirect(next(&house, login, Some(&fresh)).await), "code").is_some());

    house.pass(Span::from_secs(1));
    let zero = opened(&house, &party, |request| request.max_age = Some(Span::ZERO)).await;
    assert!(matches!(next(&house, zero, Some(&fresh)).await, Next::SignIn { .. }));
    let fresher = house.visitor(&house.signed_in(&ada).await).await;
    house.pass(Span::from_secs(30));
    assert!(in_query(&redirect(next(&house, zero, Some(&fresher)).await), "code").is_some());

    let consent = opened(&house, &party, ask(false, true)).await;
    assert!(matches!(next(&house, consent, Some(&fresher)).await, Next::Consent(_)));
    allow(&house, consent, &fresher).await;
    assert!(in_query(&redirect(next(&house, consent, Some(&fresher)).await), "code").is_some());
}

async fn consent_is_of_this_person_for_this_much_and_this_long(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party_with("app", |new| new.remember = Some(Span::from_hours(1))).await;
    let forgetful = house.party_with("forgetful", |new| new.remember = None).await;
    let (ada, eve) = (house.person("ada").await, house.person("eve").await);
    let ada = house.visitor(&house.signed_in(&ada).await).await;
    let eve = house.visitor(&house.signed_in(&eve).await).await;

    let grant = opened(&house, &party, |_| {}).await;
    allow(&house, grant, &ada).await;
    assert!(matches!(next(&house, grant, Some(&eve)).await, Next::Consent(_)), "another person is asked");
    redirect(next(&house, grant, Some(&ada)).await);
    let more = opened(&house, &party, |request| request.scopes = "openid groups".parse_scopes()).await;
    assert!(matches!(next(&house, more, Some(&ada)).await, Next::Consent(_)), "more is asked for");
    let less = opened(&house, &party, |request| request.scopes = "openid".parse_scopes()).await;
    redirect(next(&house, less, Some(&ada)).await);
    house.pass(Span::from_hours(1));
    let late = opened(&house, &party, |_| {}).await;
    assert!(matches!(next(&house, late, Some(&ada)).await, Next::Consent(_)), "it is forgotten");

    for _ in 0..2 {
        let grant = opened(&house, &forgetful, |_| {}).await;
        assert!(matches!(next(&house, grant, Some(&ada)).await, Next::Consent(_)), "it is never remembered");
        allow(&house, grant, &ada).await;
        redirect(next(&house, grant, Some(&ada)).await);
    }
}

/// Any program can pass for one that keeps no secret.
async fn a_public_client_has_to_ask_each_time(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party_with("app", |new| new.public = true).await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    for _ in 0..2 {
        let grant = opened(&house, &party, |_| {}).await;
        let Next::Consent(view) = next(&house, grant, Some(&visitor)).await else { panic!() };
        assert_eq!(view.remember, None);
        allow(&house, grant, &visitor).await;
        redirect(next(&house, grant, Some(&visitor)).await);
    }
    assert!(!house.tables().await.contains("consent: "), "nothing is remembered");
}

trait ParseScopes {
    fn parse_scopes(&self) -> ostiary_model::Scopes;
}

impl ParseScopes for str {
    fn parse_scopes(&self) -> ostiary_model::Scopes {
        ostiary_model::Scopes::parse(self).unwrap()
    }
}

async fn a_no_is_told_to_the_client_and_final(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let grant = opened(&house, &party, |_| {}).await;
    house.app.consent_answer(&house.ctx(), &visitor, grant, false).await.unwrap();
    for _ in 0..2 {
        assert_eq!(error_of(&next(&house, grant, Some(&visitor)).await), "access_denied");
    }
    for answer in [true, false] {
        let late = house.app.consent_answer(&house.ctx(), &visitor, grant, answer).await;
        assert!(matches!(late, Err(GrantError::Gone)));
    }
    house.pass(Span::from_mins(15));
    assert!(is_gone(&house, grant, &visitor).await);
}

async fn a_grant_ends_in_time_and_with_its_client(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let late = opened(&house, &party, |_| {}).await;
    house.pass(Span::from_mins(15));
    assert!(is_gone(&house, late, &visitor).await);
    let answer = house.app.consent_answer(&house.ctx(), &visitor, late, true).await;
    assert!(matches!(answer, Err(GrantError::Gone)));
    assert_eq!(house.app.grant_application(&house.ctx(), late).await.unwrap(), None);
    assert!(is_gone(&house, "01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f".parse().unwrap(), &visitor).await);

    let orphan = opened(&house, &party, |_| {}).await;
    let (again, _) = request(&party.client, "openid");
    house.app.client_delete(&house.cli(), party.client.id()).await.unwrap();
    assert!(is_gone(&house, orphan, &visitor).await);
    let opened_late = house.app.grant_open(&house.ctx(), again).await;
    assert!(matches!(opened_late, Err(GrantError::Gone)), "{opened_late:?}");

    // A redirect URI that was withdrawn in between is not used any more.
    let server = house.app.ctx(Actor::Server);
    let file = |client: NewClient| [ConfiguredClient { client, secret: None }];
    house.app.clients_from_config(&server, &file(new_client("filed"))).await.unwrap();
    let client = house.app.client_show(&house.cli(), &ClientId::parse("filed").unwrap()).await.unwrap();
    let filed = opened(&house, &Party { client }, |_| {}).await;
    let moved = NewClient { redirect_uris: vec!["https://moved.example/cb".into()], ..new_client("filed") };
    house.app.clients_from_config(&server, &file(moved)).await.unwrap();
    assert!(is_gone(&house, filed, &visitor).await);
}

/// The page was open while the account was closed: its visitor holds nothing any more.
async fn a_closed_account_gets_no_code(pair: Pair) {
    for step in ["before consent", "after consent"] {
        for how in ["disabled", "generation", "deleted"] {
            let house = House::new(pair).await;
            let party = house.party("app").await;
            let ada = house.person("ada").await;
            let visitor = house.visitor(&house.signed_in(&ada).await).await;
            let grant = opened(&house, &party, |_| {}).await;
            let silent = opened(&house, &party, |request| request.prompt = Prompt::Silent).await;
            if step == "after consent" {
                allow(&house, grant, &visitor).await;
                allow(&house, silent, &visitor).await;
            }
            match how {
                "disabled" => house.app.person_disable(&house.cli(), ada.id).await.unwrap(),
                "generation" => house.app.person_sign_out(&house.cli(), ada.id).await.unwrap(),
                _ => house.app.person_delete(&house.cli(), ada.id).await.unwrap(),
            }
            if step == "before consent" {
                // The answer is taken for nothing: no consent is written.
                allow(&house, grant, &visitor).await;
                assert!(!house.tables().await.contains("consent: "), "{how}");
            }
            let asked = next(&house, grant, Some(&visitor)).await;
            assert!(matches!(asked, Next::SignIn { .. }), "{step}, {how}: {asked:?}");
            assert_eq!(error_of(&next(&house, silent, Some(&visitor)).await), "login_required", "{step}, {how}");
            assert!(!house.tables().await.contains("approved"), "{step}, {how}: no code was made");
        }
    }
}

async fn of_many_at_once_one_gets_the_code(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let ada = house.person("ada").await;
    let visitor = house.visitor(&house.signed_in(&ada).await).await;
    let grant = opened(&house, &party, |_| {}).await;
    allow(&house, grant, &visitor).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (app, ctx, visitor) = (house.app.clone(), house.ctx(), visitor.clone());
            tokio::spawn(async move { app.grant_next(&ctx, grant, Some(&visitor)).await })
        })
        .collect();
    let mut codes = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(Next::Redirect(url)) => codes += usize::from(in_query(&url, "code").is_some()),
            Err(GrantError::Gone) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(codes, 1);
}

/// Beginning costs a stranger nothing and the house a row.
async fn a_network_begins_only_so_many(pair: Pair) {
    let house = House::new(pair).await;
    let party = house.party("app").await;
    let open = |address: &str| {
        let (request, _) = request(&party.client, "openid");
        let (app, ctx) = (house.app.clone(), house.from(address));
        tokio::spawn(async move { app.grant_open(&ctx, request).await })
    };
    let mut begun = 0;
    for _ in 0..61 {
        let tasks: Vec<_> = (0..10).map(|_| open("192.0.2.7")).collect();
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => begun += 1,
                Err(GrantError::Trouble(Trouble::Busy)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(begun, 600);
    open("198.51.100.7").await.unwrap().unwrap();
    house.pass(Span::from_mins(10));
    open("192.0.2.7").await.unwrap().unwrap();
}

async fn only_known_clients_and_their_addresses_are_answered(pair: Pair) {
    let house = House::new(pair).await;
    let change = |new: &mut NewClient| {
        new.public = true;
        new.redirect_uris.push("http://127.0.0.1/cb".into());
    };
    house.party_with("app", change).await;
    let ask = async |id: &str, uri: &str| house.app.client_of_request(id, uri).await;
    assert!(ask("app", "https://app.example/cb").await.is_ok());
    assert_eq!(ask("app", "http://127.0.0.1:4711/cb").await.unwrap().1.as_str(), "http://127.0.0.1:4711/cb");
    for id in ["nobody", "App", "app ", " app", "app\0", "", "é"] {
        assert!(matches!(ask(id, "https://app.example/cb").await, Err(UnknownClient::Id)), "{id:?}");
    }
    for uri in
        ["", "https://app.example/", "https://app.example/cb/", "https://evil.example/cb", "https://app.example/cb\0"]
    {
        assert!(matches!(ask("app", uri).await, Err(UnknownClient::RedirectUri(_))), "{uri:?}");
    }
}

on_both_pairs! {
    a_person_goes_from_the_click_to_the_code,
    one_factor_is_enough_where_the_client_says_so,
    who_must_not_be_asked_is_not,
    prompts_ask_again,
    consent_is_of_this_person_for_this_much_and_this_long,
    a_public_client_has_to_ask_each_time,
    a_no_is_told_to_the_client_and_final,
    a_grant_ends_in_time_and_with_its_client,
    a_closed_account_gets_no_code,
    of_many_at_once_one_gets_the_code,
    a_network_begins_only_so_many,
    only_known_clients_and_their_addresses_are_answered,
}
