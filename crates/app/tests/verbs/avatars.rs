//! Pictures of people, and pictures that are values of attributes: who may set and see them, and
//! that only what was made here is kept.

use jpeg_encoder::{ColorType, Encoder};
use ostiary_app::{AdminError, NewAttribute, PersonChange, PictureError};
use ostiary_model::{Actor, AttributeKind, Ctx, Span, UserId};

use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(
    a_picture_is_kept_and_goes_with_its_person,
    who_may_set_whose_picture,
    who_sees_whose_picture,
    what_is_no_picture_changes_nothing,
    pictures_of_attributes_are_made_anew,
    many_pictures_at_once_wait_or_are_told,
);

/// What must never be kept.
const PLACE: &[u8] = b"51.5007 N, 0.1246 W";

/// A photograph that says where it was taken.
pub(crate) fn photograph(width: u16, height: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.add_exif_metadata(PLACE).unwrap();
    let shades: Vec<u8> = (0..u32::from(width) * u32::from(height)).map(|index| (index % 251) as u8).collect();
    encoder.encode(&shades, width, height, ColorType::Luma).unwrap();
    file
}

fn holds(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// Width and height, as the frame header says (ITU-T T.81 section B.2.2).
fn sides(jpeg: &[u8]) -> (u16, u16) {
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let side = |at: usize| u16::from_be_bytes([jpeg[frame + at], jpeg[frame + at + 1]]);
    (side(7), side(5))
}

async fn kept(house: &House, whose: UserId) -> Option<Vec<u8>> {
    house.app.avatar(whose).await.unwrap().map(|avatar| avatar.jpeg)
}

async fn a_picture_is_kept_and_goes_with_its_person(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (cli, app) = (house.cli(), &house.app);
    assert_eq!(kept(&house, ada.id).await, None);
    assert!(!app.avatar_set(&cli, ada.id, None).await.unwrap(), "there was none to take");
    let before = house.user(&ada);

    house.pass(Span::from_secs(5));
    assert!(app.avatar_set(&house.cli(), ada.id, Some(&photograph(60, 40))).await.unwrap());
    let jpeg = kept(&house, ada.id).await.unwrap();
    assert_eq!(sides(&jpeg), (40, 40));
    assert!(!holds(&jpeg, PLACE) && !holds(&jpeg, b"Exif"));
    let after = house.user(&ada);
    assert!(after.has_avatar && !before.has_avatar);
    assert_eq!(after.modified_at, house.now());
    assert_eq!(after.generation, before.generation, "nobody is signed out for a picture");
    let avatar = app.avatar(ada.id).await.unwrap().unwrap();
    assert_eq!(avatar.changed_at, house.now());

    assert!(app.avatar_set(&house.cli(), ada.id, Some(&photograph(9, 9))).await.unwrap());
    assert_eq!(sides(&kept(&house, ada.id).await.unwrap()), (9, 9));
    // Another process shows it as well, once it looks.
    assert!(house.another().await.directory().user(ada.id).unwrap().has_avatar);

    assert!(app.avatar_set(&house.cli(), ada.id, None).await.unwrap());
    assert_eq!(kept(&house, ada.id).await, None);
    assert!(!house.user(&ada).has_avatar);

    app.avatar_set(&house.cli(), ada.id, Some(&photograph(9, 9))).await.unwrap();
    app.person_delete(&house.cli(), ada.id).await.unwrap();
    assert_eq!(kept(&house, ada.id).await, None);
    let gone = app.avatar_set(&house.cli(), ada.id, Some(&photograph(9, 9))).await;
    assert!(matches!(gone, Err(AdminError::NoSuchPerson)), "{gone:?}");
}

/// Whether `ctx` may set and remove the picture of `whose`; each refusal leaves all as it was.
async fn may_set(house: &House, ctx: &Ctx, whose: &Person) -> bool {
    house.app.avatar_set(&house.cli(), whose.id, Some(&photograph(7, 7))).await.unwrap();
    let before = kept(house, whose.id).await;
    let set = house.app.avatar_set(ctx, whose.id, Some(&photograph(8, 8))).await;
    if let Err(error) = &set {
        assert!(matches!(error, AdminError::Denied), "{error:?}");
        assert_eq!(kept(house, whose.id).await, before);
    }
    let removed = house.app.avatar_set(ctx, whose.id, None).await;
    assert_eq!(removed.is_ok(), set.is_ok());
    assert_eq!(kept(house, whose.id).await.is_some(), set.is_err());
    set.is_ok()
}

async fn who_may_set_whose_picture(pair: Pair) {
    let house = House::new(pair).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let service = house.service("reader").await;
    let (root, root_session) = house.administrator("root").await;
    let half = house.signed_in(&root).await.session;
    let manager = house.person_in("manager", &["lldap_password_manager"]).await;
    let (manager_full, _) = house.enrolled(&manager).await;

    let (own, other) = (house.acting(&house.signed_in(&ada).await.session), house.acting(&root_session));
    assert!(may_set(&house, &own, &ada).await, "with the one proof that there is");
    assert!(!may_set(&house, &own, &bob).await);
    assert!(may_set(&house, &other, &ada).await && may_set(&house, &other, &root).await);
    assert!(may_set(&house, &other, &service).await);
    assert!(!may_set(&house, &house.acting(&half), &ada).await, "an administrator half way");
    assert!(!may_set(&house, &house.acting(&half), &root).await, "their own account is closed half way, too");
    assert!(!may_set(&house, &house.acting(&manager_full.session), &ada).await);
    assert!(!may_set(&house, &house.ctx(), &ada).await, "a stranger");
    assert!(may_set(&house, &house.cli(), &ada).await);
    let bound = |person: &Person| {
        let generation = house.user(person).generation;
        house.ctx().with_actor(Actor::Bound { user: person.id, generation })
    };
    assert!(may_set(&house, &bound(&ada), &ada).await && !may_set(&house, &bound(&ada), &bob).await);
    assert!(!may_set(&house, &bound(&root), &ada).await, "an administrator with an app, by the password alone");
    let plain = house.person_in("plain", &["lldap_admin"]).await;
    assert!(may_set(&house, &bound(&plain), &ada).await);

    house.app.person_sign_out(&house.cli(), ada.id).await.unwrap();
    assert!(!may_set(&house, &own, &ada).await, "signed out");
}

async fn who_sees_whose_picture(pair: Pair) {
    let house = House::new(pair).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let reader = house.person_in("reader", &["lldap_strict_readonly"]).await;
    let own = house.visitor(&house.signed_in(&ada).await).await;
    assert!(own.sees_picture(ada.id) && !own.sees_picture(bob.id));
    let one_step = house.visitor(&house.signed_in(&reader).await).await;
    assert!(one_step.sees_picture(reader.id) && !one_step.sees_picture(ada.id), "reading takes two steps");
    let (two_steps, _) = house.enrolled(&reader).await;
    let two_steps = house.visitor(&two_steps).await;
    assert!(two_steps.sees_picture(reader.id) && two_steps.sees_picture(ada.id));
    let half_way = house.visitor(&house.signed_in(&reader).await).await;
    assert!(!half_way.sees_picture(reader.id) && !half_way.sees_picture(ada.id));
    // An id that belongs to nobody is like anybody's.
    let nobody: UserId = "01939f3c-7c1e-7b8e-9d59-3f6f0f1f2f3f".parse().unwrap();
    assert!(!own.sees_picture(nobody) && two_steps.sees_picture(nobody));
}

async fn what_is_no_picture_changes_nothing(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    house.app.avatar_set(&house.cli(), ada.id, Some(&photograph(20, 20))).await.unwrap();
    let before = (kept(&house, ada.id).await, house.user(&ada));
    let mut cut = photograph(20, 20);
    cut.truncate(40);
    let mut wide = photograph(20, 20);
    let frame = wide.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    wide[frame + 5..frame + 9].fill(0xff);
    for (file, expected) in [
        (&b""[..], PictureError::Kind),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>", PictureError::Kind),
        (b"<!doctype html><script>alert(1)</script>", PictureError::Kind),
        (&cut, PictureError::Broken),
        (&wide, PictureError::TooManyPixels),
        (&vec![0xff; ostiary_app::MAX_PICTURE_BYTES + 1], PictureError::TooManyBytes),
    ] {
        let refused = house.app.avatar_set(&house.cli(), ada.id, Some(file)).await;
        assert!(matches!(refused, Err(AdminError::Picture(error)) if error == expected), "{refused:?}");
        assert_eq!((kept(&house, ada.id).await, house.user(&ada)), before);
    }
}

async fn pictures_of_attributes_are_made_anew(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let badge = NewAttribute {
        name: "badgePhoto".into(),
        kind: AttributeKind::Jpeg,
        is_list: true,
        on_users: true,
        on_groups: true,
        is_visible: true,
        is_editable: false,
    };
    let number = house.app.attribute_add(&house.cli(), &badge).await.unwrap().number;
    let change = |files: Vec<Vec<u8>>| PersonChange { values: vec![(number, files)], ..PersonChange::default() };
    let files = vec![photograph(1200, 6), photograph(5, 7)];
    house.app.person_change(&house.cli(), ada.id, &change(files)).await.unwrap();

    let store = house.store().await;
    let values = store.user_value_bytes(ada.id, number).await.unwrap();
    assert_eq!(
        values.iter().map(|value| sides(value)).collect::<Vec<_>>(),
        [(1024, 5), (5, 7)],
        "whole, in their order"
    );
    assert!(values.iter().all(|value| !holds(value, PLACE)));

    for file in [b"<svg/>".to_vec(), photograph(9, 9)[..60].to_vec()] {
        let refused = house.app.person_change(&house.cli(), ada.id, &change(vec![photograph(3, 3), file])).await;
        assert!(matches!(refused, Err(AdminError::Picture(_))), "{refused:?}");
        assert_eq!(store.user_value_bytes(ada.id, number).await.unwrap(), values);
    }
}

async fn many_pictures_at_once_wait_or_are_told(pair: Pair) {
    let house = House::new(pair).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let app = std::sync::Arc::clone(&house.app);
        tasks.spawn(async move { app.picture_prepare(&photograph(160, 160)).await });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(PictureError::Busy))));
    assert!(answers.iter().any(Result::is_ok));
    // Afterwards all is well again.
    house.app.picture_prepare(&photograph(16, 16)).await.unwrap();
}
