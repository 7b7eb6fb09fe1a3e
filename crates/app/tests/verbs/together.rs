//! Many things at the same moment: whoever does right is never turned away because others do
//! something too.

use std::sync::Arc;

use ostiary_app::PersonEdit;
use ostiary_model::Span;
use tokio::task::JoinSet;

use crate::{House, Pair, on_both_pairs};

on_both_pairs!(
    signing_in_and_being_edited_do_not_stand_in_each_others_way,
    many_people_sign_in_at_once,
    administrators_work_side_by_side,
);

/// A sign-in writes to the same rows that an administrator writes to, in its own order.
async fn signing_in_and_being_edited_do_not_stand_in_each_others_way(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let ada = house.person("ada").await;
    let editors = house.group("Editors").await;
    let mut work = JoinSet::new();
    for round in 0..40 {
        let (app, ctx, ada) = (Arc::clone(&house.app), house.ctx(), ada.clone());
        work.spawn(async move {
            app.sign_in(&ctx, &ada.name, &ada.password, false).await.map(drop).map_err(|error| error.to_string())
        });
        let app = Arc::clone(if round % 2 == 0 { &house.app } else { &other });
        let (ctx, id) = (house.cli(), ada.id);
        work.spawn(async move {
            let edit = PersonEdit {
                username: "ada".into(),
                email: "ada@example.tld".into(),
                display_name: format!("Ada {round}"),
                ..PersonEdit::default()
            };
            app.person_edit(&ctx, id, &edit).await.map_err(|error| error.to_string())?;
            app.member_add(&ctx, id, editors).await.map_err(|error| error.to_string())?;
            app.member_remove(&ctx, id, editors).await.map(drop).map_err(|error| error.to_string())
        });
    }
    let failed: Vec<String> = work.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

async fn many_people_sign_in_at_once(pair: Pair) {
    let house = House::new(pair).await;
    let mut work = JoinSet::new();
    for number in 0..30 {
        let person = house.person(&format!("person.{number}")).await;
        let (_, authenticator) = house.enrolled(&person).await;
        let (app, ctx) = (Arc::clone(&house.app), house.from(&format!("198.51.100.{number}")));
        let code = authenticator.code(house.now() + Span::from_secs(30));
        work.spawn(async move {
            let signed_in =
                app.sign_in(&ctx, &person.name, &person.password, false).await.map_err(|e| e.to_string())?;
            let visitor = app.session(&ctx, signed_in.token.expose()).await.map_err(|e| e.to_string())?;
            let visitor = visitor.ok_or("the session does not hold")?;
            app.code_check(&ctx, &visitor, &code).await.map(drop).map_err(|e| e.to_string())
        });
    }
    let failed: Vec<String> = work.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

async fn administrators_work_side_by_side(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let (_, session) = house.administrator("bjork").await;
    let mut work = JoinSet::new();
    for number in 0..30 {
        let app = Arc::clone(if number % 2 == 0 { &house.app } else { &other });
        // The second process may not know yet who asks; the command line is nobody to know.
        let ctx = if number % 2 == 0 { house.acting(&session) } else { house.cli() };
        work.spawn(async move {
            let new = crate::house::new_person(&format!("person.{number}"));
            let user = app.person_add(&ctx, &new, None).await.map_err(|e| e.to_string())?;
            let group = app.group_add(&ctx, &format!("Group {number}")).await.map_err(|e| e.to_string())?;
            app.member_add(&ctx, user.id, group.id).await.map(drop).map_err(|e| e.to_string())
        });
    }
    let failed: Vec<String> = work.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{failed:?}");
    let all = house.another().await;
    assert_eq!(all.directory().counts().people, 31);
    assert_eq!(all.directory().counts().groups, 33);
    for number in 0..30 {
        let name = ostiary_model::Folded::new(&format!("group {number}"));
        let group = all.directory().group_by_name(&name).unwrap();
        assert_eq!(all.directory().members_of(group.id).len(), 1);
    }
}
