//! The master key: what was sealed with one opens with no other, and a start says so.

use ostiary_app::{MasterKey, OpenError, Trouble};

use crate::house::Mixer;
use crate::{House, Pair, on_both_pairs};

on_both_pairs!(another_master_key_is_refused_at_the_start, the_same_master_key_opens_again);

async fn another_master_key_is_refused_at_the_start(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    house.enrolled(&ada).await;
    let before = house.tables().await;
    let other = MasterKey::generate(&Mixer::new()).to_text();
    assert_ne!(other.as_str(), house.key());
    let Err(error) = house.another_with_key(&other).await else { panic!("it opened with another key") };
    assert!(matches!(error, OpenError::Trouble(Trouble::Sealed)), "{error:?}");
    assert!(error.to_string().contains("master key"), "{error}");
    assert_eq!(house.tables().await, before, "nothing was written, such as a second signing key");
}

async fn the_same_master_key_opens_again(pair: Pair) {
    let house = House::new(pair).await;
    let ada = house.person("ada").await;
    let (_, authenticator) = house.enrolled(&ada).await;
    let before = house.tables().await;
    let again = house.another().await;
    assert_eq!(house.tables().await, before, "a second start makes nothing anew");
    house.pass(ostiary_model::Span::from_mins(1));
    let signed_in = again.sign_in(&house.ctx(), "ada", &ada.password, false).await.unwrap();
    let visitor = again.session(&house.ctx(), signed_in.token.expose()).await.unwrap().unwrap();
    again.code_check(&house.ctx(), &visitor, &authenticator.code(house.now())).await.unwrap();
}
