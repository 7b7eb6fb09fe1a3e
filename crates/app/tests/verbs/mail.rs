//! Mail: what is written when, and that every notice arrives once, sooner or later, or is given
//! up with a reason.

use std::path::Path;
use std::sync::Arc;

use ostiary_app::entries::NewPassword;
use ostiary_app::{App, MailRoute, NewAppPassword};
use ostiary_model::{Actor, Secret, Span};
use tokio::task::JoinSet;

use crate::smtp::{MailServer, Mood};
use crate::{House, Pair, on_both_pairs, secret};

on_both_pairs!(
    a_notice_becomes_a_file,
    each_reason_has_its_notice,
    a_server_takes_what_it_is_given,
    what_is_not_taken_now_is_tried_again,
    what_is_refused_for_good_is_given_up,
    after_three_days_it_is_given_up,
    nothing_is_lost_with_a_process,
    two_processes_send_nothing_twice,
);

/// Hands over everything that is due; says how many attempts there were.
async fn deliver(app: &App) -> usize {
    let mut attempts = 0;
    while app.mail_hand_over(&app.ctx(Actor::Server)).await.unwrap() {
        attempts += 1;
    }
    attempts
}

/// The mails in a folder, in no order.
fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            assert_eq!(path.extension().and_then(|ending| ending.to_str()), Some("eml"), "{path:?}");
            std::fs::read_to_string(path).unwrap()
        })
        .collect()
}

fn over_smtp(house: &House, server: &MailServer) -> impl Future<Output = Arc<App>> {
    let url = server.url.clone();
    house.another_with(move |settings| settings.mail.route = MailRoute::Smtp(Secret::new(url)))
}

/// One notice in the outbox.
async fn notice(house: &House, name: &str) {
    let person = house.person(name).await;
    house.app.person_set_password(&house.cli(), person.id, &secret("a lamp in the harbour")).await.unwrap();
}

async fn a_notice_becomes_a_file(pair: Pair) {
    let house = House::new(pair).await;
    let folder = house.folder().join("mail");
    assert_eq!(deliver(&house.app).await, 0);
    notice(&house, "ada").await;
    assert!(files(&folder).is_empty(), "no verb waits for the mail");
    assert_eq!(deliver(&house.app).await, 1);
    let mails = files(&folder);
    assert_eq!(mails.len(), 1);
    let mail = mails[0].replace("\r\n", "\n").replace("=\n", "");
    for part in [
        "From: \"Acme Co.\" <ostiary@example.tld>\n",
        "To: ada@example.tld\n",
        "\nDate: ",
        "\nMessage-ID: <",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "Hello ada the Person",
        "An administrator set a new password for your account",
        "It was not you",
    ] {
        assert!(mail.contains(part), "{part:?} is not in\n{mail}");
    }
    assert!(!mail.contains("lamp"), "never a password");
    assert_eq!(deliver(&house.app).await, 0, "once");
    assert_eq!(files(&folder).len(), 1);
}

async fn each_reason_has_its_notice(pair: Pair) {
    let house = House::new(pair).await;
    let folder = house.folder().join("mail");
    let next = async |words: &str| {
        assert_eq!(deliver(&house.app).await, 1, "{words}");
        let mails = files(&folder);
        assert_eq!(mails.len(), 1, "{words}");
        std::fs::remove_dir_all(&folder).unwrap();
        let mail = mails[0].replace("\r\n", "\n").replace("=\n", "");
        assert!(mail.contains(words), "{words:?} is not in\n{mail}");
        mail
    };
    let ada = house.person("ada").await;
    assert_eq!(deliver(&house.app).await, 0, "an account alone is no reason");
    house.enrolled(&ada).await;
    let mail = next("An authenticator app was set up for your account").await;
    assert!(mail.contains("From the address 192.0.2.1"), "where they did it themselves\n{mail}");
    house.app.person_reset_factors(&house.cli(), ada.id).await.unwrap();
    next("An administrator reset your two-step sign-in").await;
    let ctx = house.acting(&house.signed_in(&ada).await.session);
    let new = NewAppPassword { name: "Phone <b>".into(), ..NewAppPassword::default() };
    house.app.app_password_add(&ctx, &new).await.unwrap();
    let mail = next("An app password named").await;
    assert!(mail.contains("Phone &lt;b&gt;") && mail.contains("From the address 192.0.2.1"), "{mail}");
    assert!(!mail.contains("ost_ap_"), "its secret is for the page alone\n{mail}");
    let (_, session) = house.administrator("bjork").await;
    next("An authenticator app was set up for your account").await;
    house.app.person_set_password(&house.acting(&session), ada.id, &ada.password).await.unwrap();
    let mail = next("An administrator set a new password").await;
    assert!(!mail.contains("192.0.2.1"), "where the administrator sits is not told\n{mail}");
    // Who took a password over sets another with it: nobody else did, and the letter says so.
    let bound = Actor::Bound { user: ada.id, generation: house.user(&ada).generation };
    let ctx = house.ctx().with_actor(bound);
    house.app.entry_password(&ctx, &NewPassword::default()).await.unwrap();
    let mail = next("Somebody who was signed in as you over LDAP changed your password").await;
    assert!(!mail.contains("administrator set") && mail.contains("From the address 192.0.2.1"), "{mail}");
}

async fn a_server_takes_what_it_is_given(pair: Pair) {
    let house = House::new(pair).await;
    let server = MailServer::start(Mood::Willing).await;
    let app = over_smtp(&house, &server).await;
    notice(&house, "ada").await;
    notice(&house, "bob").await;
    assert_eq!(deliver(&app).await, 2);
    let taken = server.taken();
    let mut to: Vec<_> = taken.iter().flat_map(|letter| letter.to.clone()).collect();
    to.sort();
    assert_eq!(to, ["<ada@example.tld>", "<bob@example.tld>"]);
    for letter in taken {
        assert!(letter.from.starts_with("<ostiary@example.tld>"), "{}", letter.from);
        assert!(letter.text.contains("Subject: "), "{}", letter.text);
    }
    assert_eq!(deliver(&app).await, 0);
}

async fn what_is_not_taken_now_is_tried_again(pair: Pair) {
    let house = House::new(pair).await;
    let server = MailServer::start(Mood::Busy).await;
    let app = over_smtp(&house, &server).await;
    let nowhere =
        house.another_with(|settings| settings.mail.route = MailRoute::Smtp(secret("smtp://127.0.0.1:1"))).await;
    notice(&house, "ada").await;
    assert_eq!(deliver(&nowhere).await, 1, "a server that is not there");
    for mood in [Mood::Busy, Mood::Gone] {
        server.set(mood);
        assert_eq!(deliver(&app).await, 0, "not at once");
        house.pass(Span::from_mins(10));
        assert_eq!(deliver(&app).await, 1, "{mood:?}");
    }
    assert!(server.taken().is_empty());
    server.set(Mood::Willing);
    house.pass(Span::from_mins(10));
    assert_eq!(deliver(&app).await, 1);
    assert_eq!(server.taken().len(), 1);
    house.pass(Span::from_days(7));
    assert_eq!(deliver(&app).await, 0);
}

async fn what_is_refused_for_good_is_given_up(pair: Pair) {
    let house = House::new(pair).await;
    let server = MailServer::start(Mood::Unwilling).await;
    let app = over_smtp(&house, &server).await;
    notice(&house, "ada").await;
    assert_eq!(deliver(&app).await, 1);
    server.set(Mood::Willing);
    house.pass(Span::from_days(7));
    assert_eq!(deliver(&app).await, 0);
    assert!(server.taken().is_empty());
    assert!(!house.tables().await.contains("outbox:"));
}

async fn after_three_days_it_is_given_up(pair: Pair) {
    let house = House::new(pair).await;
    let nowhere =
        house.another_with(|settings| settings.mail.route = MailRoute::Smtp(secret("smtp://127.0.0.1:1"))).await;
    notice(&house, "ada").await;
    let begun = house.now();
    let (mut last, mut attempts) = (begun, 0);
    while house.now().since(begun) < Span::from_days(5) {
        let tried = deliver(&nowhere).await;
        if tried > 0 {
            last = house.now();
        }
        attempts += tried;
        house.pass(Span::from_mins(15));
    }
    assert!(!house.tables().await.contains("outbox:"), "never given up");
    let tried_for = last.since(begun);
    assert!(
        tried_for > Span::from_hours(60) && tried_for < Span::from_hours(84),
        "tried for {} s",
        tried_for.as_secs()
    );
    assert!((10..40).contains(&attempts), "{attempts} attempts");
}

async fn nothing_is_lost_with_a_process(pair: Pair) {
    let house = House::new(pair).await;
    notice(&house, "ada").await;
    notice(&house, "bob").await;
    // A process dies with a mail in its hands.
    let claimed = house.store().await.outbox_claim(house.now(), Span::from_mins(2)).await.unwrap();
    assert!(claimed.is_some());
    let next = house.another().await;
    assert_eq!(deliver(&next).await, 1, "the other one");
    house.pass(Span::from_mins(2));
    assert_eq!(deliver(&next).await, 1, "the one that was in its hands");
    assert_eq!(files(&house.folder().join("mail")).len(), 2);
}

async fn two_processes_send_nothing_twice(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    for number in 0..12 {
        notice(&house, &format!("person.{number}")).await;
    }
    let mut work = JoinSet::new();
    for app in [&house.app, &other, &house.app, &other] {
        let app = Arc::clone(app);
        work.spawn(async move {
            // On PostgreSQL one of two who reach for the same mail comes away empty-handed.
            let mut attempts = 0;
            for _ in 0..12 {
                attempts += deliver(&app).await;
            }
            attempts
        });
    }
    assert_eq!(work.join_all().await.into_iter().sum::<usize>(), 12);
    assert_eq!(files(&house.folder().join("mail")).len(), 12);
}
