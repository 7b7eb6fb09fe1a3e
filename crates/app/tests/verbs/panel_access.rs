//! What of the panel somebody may see: administrators all of it, managers who is in their groups,
//! everybody else nothing; and with two steps alone.

use ostiary_app::{PanelAccess, PanelPart, SignedIn};

use crate::{House, Pair, on_both_pairs};

on_both_pairs!(the_panel_is_for_administrators_and_managers, a_manager_sees_no_group_that_rights_hang_from);

/// What the holder of a session sees, in one line.
async fn seen(house: &House, signed_in: &SignedIn) -> String {
    let part = |part: PanelPart| match part {
        PanelPart::Whole => "everything".to_owned(),
        PanelPart::Groups(groups) => groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", "),
    };
    match house.app.panel_access(&house.visitor(signed_in).await) {
        PanelAccess::Closed => "nothing".to_owned(),
        PanelAccess::OwesSecondFactor(later) => format!("later {}", part(later)),
        PanelAccess::Open(now) => part(now),
    }
}

async fn the_panel_is_for_administrators_and_managers(pair: Pair) {
    let house = House::new(pair).await;
    let (app, cli) = (&house.app, house.cli());
    let (team, choir) = (house.group("team").await, house.group("choir").await);
    let roles = ["lldap_password_manager", "lldap_strict_readonly", "team"];
    let stranger = house.person_in("stranger", &roles).await;
    let manager = house.person("manager").await;
    let root = house.person_in("root", &["lldap_admin"]).await;
    for group in [team, choir] {
        app.manager_add(&cli, group, manager.id).await.unwrap();
        app.manager_add(&cli, group, root.id).await.unwrap();
    }

    for (person, early, full) in [
        (&stranger, "nothing", "nothing"),
        (&manager, "later choir, team", "choir, team"),
        (&root, "later everything", "everything"),
    ] {
        assert_eq!(seen(&house, &house.signed_in(person).await).await, early, "{}", person.name);
        let (enrolled, _) = house.enrolled(person).await;
        assert_eq!(seen(&house, &enrolled).await, full, "{}", person.name);
        assert_eq!(seen(&house, &house.signed_in(person).await).await, early, "{}: half way again", person.name);
    }
}

async fn a_manager_sees_no_group_that_rights_hang_from(pair: Pair) {
    let house = House::new(pair).await;
    let other = house.another().await;
    let (app, cli) = (&house.app, house.cli());
    let (team, choir) = (house.group("team").await, house.group("choir").await);
    let manager = house.person("manager").await;
    for group in [team, choir] {
        app.manager_add(&cli, group, manager.id).await.unwrap();
    }
    let (session, _) = house.enrolled(&manager).await;
    house.nested("team", "house").await;
    for name in ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"] {
        let nesting = house.nested("house", name).await;
        assert_eq!(seen(&house, &session).await, "choir", "team is in {name} through house");
        app.nesting_remove(&cli, nesting).await.unwrap();
        assert_eq!(seen(&house, &session).await, "choir, team");
    }
    // Another process takes the groups away, one by deleting it: from the next request on.
    other.manager_remove(&cli, team, manager.id).await.unwrap();
    assert_eq!(seen(&house, &session).await, "choir");
    other.group_delete(&cli, choir).await.unwrap();
    assert_eq!(seen(&house, &session).await, "nothing");
}
