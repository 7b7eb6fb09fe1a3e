//! Who may do what: every kind of actor tries every verb of administration. A refusal changes
//! nothing at all; a permission changes something.

use ostiary_app::PersonChange;
use ostiary_model::{Actor, Ctx};

use crate::attempts::{EVERYTHING, Targets, Verb, try_it};
use crate::{House, Pair, Person, on_both_pairs};

on_both_pairs!(every_actor_tries_every_verb);

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anonymous,
    Regular,
    StrictReadonly,
    PasswordManager,
    /// Somebody who manages the group that is tried on.
    GroupManager,
    /// The same, without an authenticator app.
    GroupManagerWithoutApp,
    /// An administrator who has no authenticator app yet.
    AdministratorWithoutApp,
    /// An administrator who has one and typed the password only.
    AdministratorHalfWay,
    Administrator,
    /// An administrator through a group in the group of administrators.
    NestedAdministrator,
    DemotedAdministrator,
    ClosedAdministrator,
    ExpiredAdministrator,
    SignedOutAdministrator,
    DeletedAdministrator,
    // Over LDAP, where there is no second factor.
    BoundRegular,
    BoundPasswordManager,
    BoundGroupManager,
    BoundAdministrator,
    /// With an authenticator app, where a password is enough to bind all the same.
    BoundPasswordManagerWithApp,
    BoundGroupManagerWithApp,
    BoundAdministratorWithApp,
    /// A program's account, and the app of the person it was before.
    BoundServiceWithApp,
    /// Bound before something ended what they held.
    OutdatedBoundAdministrator,
    CommandLine,
    Server,
}

const EVERYBODY: [Who; 26] = [
    Who::Anonymous,
    Who::Regular,
    Who::StrictReadonly,
    Who::PasswordManager,
    Who::GroupManager,
    Who::GroupManagerWithoutApp,
    Who::AdministratorWithoutApp,
    Who::AdministratorHalfWay,
    Who::Administrator,
    Who::NestedAdministrator,
    Who::DemotedAdministrator,
    Who::ClosedAdministrator,
    Who::ExpiredAdministrator,
    Who::SignedOutAdministrator,
    Who::DeletedAdministrator,
    Who::BoundRegular,
    Who::BoundPasswordManager,
    Who::BoundGroupManager,
    Who::BoundAdministrator,
    Who::BoundPasswordManagerWithApp,
    Who::BoundGroupManagerWithApp,
    Who::BoundAdministratorWithApp,
    Who::BoundServiceWithApp,
    Who::OutdatedBoundAdministrator,
    Who::CommandLine,
    Who::Server,
];

impl Who {
    const fn group(self) -> Option<&'static str> {
        match self {
            Self::Regular
            | Self::GroupManager
            | Self::GroupManagerWithoutApp
            | Self::BoundRegular
            | Self::BoundGroupManager
            | Self::BoundGroupManagerWithApp => None,
            Self::StrictReadonly => Some("lldap_strict_readonly"),
            Self::PasswordManager | Self::BoundPasswordManager | Self::BoundPasswordManagerWithApp => {
                Some("lldap_password_manager")
            }
            Self::NestedAdministrator => Some("Bosses"),
            _ => Some("lldap_admin"),
        }
    }

    const fn is_bound(self) -> bool {
        matches!(
            self,
            Self::BoundRegular
                | Self::BoundPasswordManager
                | Self::BoundGroupManager
                | Self::BoundAdministrator
                | Self::OutdatedBoundAdministrator
        ) || self.is_bound_with_app()
    }

    const fn is_bound_with_app(self) -> bool {
        self.is_bound_half_way() || matches!(self, Self::BoundServiceWithApp)
    }

    /// Bound as somebody who could prove more.
    const fn is_bound_half_way(self) -> bool {
        matches!(
            self,
            Self::BoundPasswordManagerWithApp | Self::BoundGroupManagerWithApp | Self::BoundAdministratorWithApp
        )
    }

    async fn arrive(self, house: &House) -> Ctx {
        match self {
            Self::Anonymous => return house.ctx(),
            Self::CommandLine => return house.cli(),
            Self::Server => return house.app.ctx(Actor::Server),
            _ => {}
        }
        let person = house.person_in(&format!("{self:?}").to_lowercase(), self.group().as_slice()).await;
        if self.is_bound() {
            if self.is_bound_with_app() {
                house.enrolled(&person).await;
            }
            if self == Self::BoundServiceWithApp {
                let change = PersonChange { is_service: Some(true), ..PersonChange::default() };
                house.app.person_change(&house.cli(), person.id, &change).await.unwrap();
            }
            let actor = Actor::Bound { user: person.id, generation: house.user(&person).generation };
            self.lose(house, &person).await;
            return house.ctx().with_actor(actor);
        }
        let whole = match self {
            Self::AdministratorWithoutApp | Self::GroupManagerWithoutApp => house.signed_in(&person).await,
            _ => house.enrolled(&person).await.0,
        };
        let session = match self {
            Self::AdministratorHalfWay => house.signed_in(&person).await.session,
            _ => whole.session,
        };
        self.lose(house, &person).await;
        house.acting(&session)
    }

    /// What happens to some of them after they signed in.
    async fn lose(self, house: &House, person: &Person) {
        let (app, ctx) = (&house.app, house.cli());
        match self {
            Self::DemotedAdministrator => {
                let group = house.group("lldap_admin").await;
                assert!(app.member_remove(&ctx, person.id, group).await.unwrap());
            }
            Self::ClosedAdministrator => app.person_disable(&ctx, person.id).await.unwrap(),
            Self::ExpiredAdministrator => {
                let soon = PersonChange {
                    not_after: Some(Some(house.now() + ostiary_model::Span::from_mins(1))),
                    ..PersonChange::default()
                };
                app.person_change(&ctx, person.id, &soon).await.unwrap();
                house.pass(ostiary_model::Span::from_mins(2));
            }
            Self::SignedOutAdministrator | Self::OutdatedBoundAdministrator => {
                app.person_sign_out(&ctx, person.id).await.unwrap();
            }
            Self::DeletedAdministrator => app.person_delete(&ctx, person.id).await.unwrap(),
            _ => {}
        }
    }

    /// What is the directory's.
    const fn administers(self) -> bool {
        self.administers_all() || matches!(self, Self::BoundAdministrator | Self::BoundServiceWithApp)
    }

    /// What is not the directory's, too.
    const fn administers_all(self) -> bool {
        matches!(self, Self::Administrator | Self::NestedAdministrator | Self::CommandLine | Self::Server)
    }

    /// Whether they are somebody at all, with all proofs that they can give.
    const fn stands(self) -> bool {
        !matches!(
            self,
            Self::Anonymous
                | Self::AdministratorHalfWay
                | Self::ClosedAdministrator
                | Self::ExpiredAdministrator
                | Self::SignedOutAdministrator
                | Self::DeletedAdministrator
                | Self::OutdatedBoundAdministrator
                | Self::CommandLine
                | Self::Server
        ) && !self.is_bound_half_way()
    }

    const fn has_one_factor(self) -> bool {
        matches!(self, Self::AdministratorWithoutApp | Self::GroupManagerWithoutApp)
    }
}

fn is_allowed(who: Who, verb: Verb) -> bool {
    match verb {
        Verb::SetPassword | Verb::SetPasswordOfPasswordManager => {
            who.administers() || matches!(who, Who::PasswordManager | Who::BoundPasswordManager)
        }
        Verb::AddMember | Verb::RemoveMember | Verb::ChangeMembers => {
            who.administers() || matches!(who, Who::GroupManager | Who::BoundGroupManager)
        }
        Verb::ChangeOwnNames | Verb::ChangeOwnKeys | Verb::SetOwnPicture => who.stands(),
        Verb::ChangeOwnMail | Verb::ChangeOwnShell => who.stands() && who.administers(),
        Verb::SetOwnPassword => who.stands() && !who.has_one_factor(),
        Verb::ResetFactors
        | Verb::SignOut
        | Verb::AddClient
        | Verb::RotateClientSecret
        | Verb::DeleteClient
        | Verb::AddAttribute
        | Verb::ChangeAttribute
        | Verb::DeleteAttribute
        | Verb::AddObjectClass
        | Verb::DeleteObjectClass => who.administers_all(),
        _ => who.administers(),
    }
}

async fn every_actor_tries_every_verb(pair: Pair) {
    for who in EVERYBODY {
        // A house each: what the tables hold is compared after every try, so it must not grow.
        let house = House::new(pair).await;
        // Somebody who remains, so that no try is about the last administrator.
        house.person_in("keeper", &["lldap_admin"]).await;
        house.nested("Bosses", "lldap_admin").await;
        tries_every_verb(&house, who).await;
    }
}

async fn tries_every_verb(house: &House, who: Who) {
    let ctx = who.arrive(house).await;
    let manager = matches!(
        who,
        Who::GroupManager | Who::GroupManagerWithoutApp | Who::BoundGroupManager | Who::BoundGroupManagerWithApp
    )
    .then(|| ctx.actor.user().unwrap());
    let mut on = Targets::new(house, 0, manager).await;
    let mut before = house.tables().await;
    for (number, &verb) in EVERYTHING.iter().enumerate() {
        let denied = try_it(house, &ctx, verb, &on).await;
        assert_eq!(!denied, is_allowed(who, verb), "{who:?} {verb:?}");
        let after = house.tables().await;
        assert_eq!(before == after, denied, "{who:?} {verb:?}: what the tables hold");
        if !denied {
            on = Targets::new(house, number + 1, manager).await;
            before = house.tables().await;
        }
    }
}
