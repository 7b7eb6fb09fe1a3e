//! Who may do what: every kind of actor tries every verb of administration. A refusal changes
//! nothing at all; a permission changes something.

use ostiary_app::{AdminError, ClientError, PersonEdit};
use ostiary_model::{Actor, ClientId, Ctx, GroupId, NewClient, SignInPolicy, UserId};

use crate::house::new_person;
use crate::{House, Pair, Person, on_both_pairs, secret};

on_both_pairs!(every_actor_tries_every_verb);

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anonymous,
    /// An administrator over LDAP, where there is no second factor.
    BoundAdministrator,
    Regular,
    StrictReadonly,
    PasswordManager,
    /// An administrator who has no authenticator app yet.
    AdministratorWithoutApp,
    /// An administrator who has one and typed the password only.
    AdministratorHalfWay,
    Administrator,
    DemotedAdministrator,
    ClosedAdministrator,
    SignedOutAdministrator,
    DeletedAdministrator,
    CommandLine,
    Server,
}

const EVERYBODY: [Who; 14] = [
    Who::Anonymous,
    Who::BoundAdministrator,
    Who::Regular,
    Who::StrictReadonly,
    Who::PasswordManager,
    Who::AdministratorWithoutApp,
    Who::AdministratorHalfWay,
    Who::Administrator,
    Who::DemotedAdministrator,
    Who::ClosedAdministrator,
    Who::SignedOutAdministrator,
    Who::DeletedAdministrator,
    Who::CommandLine,
    Who::Server,
];

impl Who {
    async fn arrive(self, house: &House) -> Ctx {
        let name = format!("{self:?}").to_lowercase();
        let group = match self {
            Self::Regular => None,
            Self::StrictReadonly => Some("lldap_strict_readonly"),
            Self::PasswordManager => Some("lldap_password_manager"),
            _ => Some("lldap_admin"),
        };
        match self {
            Self::Anonymous => return house.ctx(),
            Self::CommandLine => return house.cli(),
            Self::Server => return house.app.ctx(Actor::Server),
            _ => {}
        }
        let person = house.person_in(&name, group.as_slice()).await;
        let whole = match self {
            Self::BoundAdministrator => return house.ctx().with_actor(Actor::Bound(person.id)),
            Self::AdministratorWithoutApp => house.signed_in(&person).await,
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
            Self::SignedOutAdministrator => app.person_sign_out(&ctx, person.id).await.unwrap(),
            Self::DeletedAdministrator => app.person_delete(&ctx, person.id).await.unwrap(),
            _ => {}
        }
    }

    const fn administers(self) -> bool {
        matches!(self, Self::Administrator | Self::CommandLine | Self::Server)
    }
}

/// What they try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    AddPerson,
    AddPersonWithPassword,
    EditPerson,
    SetPassword,
    SetPasswordOfPasswordManager,
    SetPasswordOfAdministrator,
    Disable,
    Enable,
    Delete,
    ResetFactors,
    SignOut,
    AddGroup,
    RenameGroup,
    DeleteGroup,
    AddMember,
    AddAdministrator,
    RemoveMember,
    AddClient,
    RotateClientSecret,
    DeleteClient,
    /// The last: it ends the session of whoever may.
    SetOwnPassword,
}

const EVERYTHING: [Verb; 21] = [
    Verb::AddPerson,
    Verb::AddPersonWithPassword,
    Verb::EditPerson,
    Verb::SetPassword,
    Verb::SetPasswordOfPasswordManager,
    Verb::SetPasswordOfAdministrator,
    Verb::Disable,
    Verb::Enable,
    Verb::Delete,
    Verb::ResetFactors,
    Verb::SignOut,
    Verb::AddGroup,
    Verb::RenameGroup,
    Verb::DeleteGroup,
    Verb::AddMember,
    Verb::AddAdministrator,
    Verb::RemoveMember,
    Verb::AddClient,
    Verb::RotateClientSecret,
    Verb::DeleteClient,
    Verb::SetOwnPassword,
];

fn is_allowed(who: Who, verb: Verb) -> bool {
    match verb {
        Verb::SetPassword | Verb::SetPasswordOfPasswordManager => who.administers() || who == Who::PasswordManager,
        Verb::SetOwnPassword => matches!(
            who,
            Who::Regular | Who::StrictReadonly | Who::PasswordManager | Who::Administrator | Who::DemotedAdministrator
        ),
        _ => who.administers(),
    }
}

/// What is there to be changed, anew for each try.
struct Targets {
    name: String,
    person: UserId,
    closed: UserId,
    manager: UserId,
    administrator: UserId,
    group: GroupId,
    admins: GroupId,
    client: ClientId,
}

impl Targets {
    async fn new(house: &House, number: usize) -> Self {
        let (app, ctx) = (&house.app, house.cli());
        let name = format!("target.{number}");
        let add = async |suffix: &str, groups: &[&str]| {
            let mut new = new_person(&format!("{name}.{suffix}"));
            new.groups = groups.iter().map(|group| (*group).to_owned()).collect();
            app.person_add(&ctx, &new, None).await.unwrap().id
        };
        let group = house.group(&name).await;
        let person = add("person", &[&name]).await;
        let closed = add("closed", &[]).await;
        app.person_disable(&ctx, closed).await.unwrap();
        let client = app.client_add(&ctx, &new_client(&name)).await.unwrap().0;
        Self {
            person,
            closed,
            manager: add("manager", &["lldap_password_manager"]).await,
            administrator: add("administrator", &["lldap_admin"]).await,
            group,
            admins: house.group("lldap_admin").await,
            client: client.id().clone(),
            name,
        }
    }
}

fn new_client(id: &str) -> NewClient {
    NewClient {
        id: id.to_owned(),
        name: id.to_owned(),
        redirect_uris: vec!["https://content.example.tld/callback".into()],
        public: false,
        policy: SignInPolicy::OneFactor,
        scopes: Vec::new(),
        remember: None,
        claims_in_id_token: false,
    }
}

/// Whether it was denied; any other refusal is a mistake of this test.
async fn try_it(house: &House, ctx: &Ctx, verb: Verb, on: &Targets) -> bool {
    let app = &house.app;
    let password = secret("a lamp in the harbour");
    let new = new_person(&format!("{}.new", on.name));
    let edit = PersonEdit {
        username: format!("{}.edited", on.name),
        email: format!("{}.edited@example.tld", on.name),
        ..PersonEdit::default()
    };
    let renamed = format!("{} renamed", on.name);
    let result: Result<(), AdminError> = match verb {
        Verb::AddPerson => app.person_add(ctx, &new, None).await.map(drop),
        Verb::AddPersonWithPassword => app.person_add(ctx, &new, Some(&password)).await.map(drop),
        Verb::EditPerson => app.person_edit(ctx, on.person, &edit).await,
        Verb::SetPassword => app.person_set_password(ctx, on.person, &password).await,
        Verb::SetPasswordOfPasswordManager => app.person_set_password(ctx, on.manager, &password).await,
        Verb::SetPasswordOfAdministrator => app.person_set_password(ctx, on.administrator, &password).await,
        Verb::Disable => app.person_disable(ctx, on.person).await,
        Verb::Enable => app.person_enable(ctx, on.closed).await,
        Verb::Delete => app.person_delete(ctx, on.person).await,
        Verb::ResetFactors => app.person_reset_factors(ctx, on.person).await,
        Verb::SignOut => app.person_sign_out(ctx, on.person).await,
        Verb::AddGroup => app.group_add(ctx, &renamed).await.map(drop),
        Verb::RenameGroup => app.group_rename(ctx, on.group, &renamed).await,
        Verb::DeleteGroup => app.group_delete(ctx, on.group).await,
        Verb::AddMember => app.member_add(ctx, on.closed, on.group).await.map(drop),
        Verb::AddAdministrator => app.member_add(ctx, on.person, on.admins).await.map(drop),
        Verb::RemoveMember => app.member_remove(ctx, on.person, on.group).await.map(drop),
        Verb::AddClient => as_admin(app.client_add(ctx, &new_client(&format!("{}.new", on.name))).await.map(drop)),
        Verb::RotateClientSecret => as_admin(app.client_rotate_secret(ctx, &on.client).await.map(drop)),
        Verb::DeleteClient => as_admin(app.client_delete(ctx, &on.client).await),
        Verb::SetOwnPassword => match ctx.actor.user() {
            Some(user) => app.person_set_password(ctx, user, &password).await,
            None => Err(AdminError::Denied),
        },
    };
    match result {
        Ok(()) => false,
        Err(AdminError::Denied) => true,
        Err(error) => panic!("{:?} {verb:?}: {error:?}", ctx.actor),
    }
}

fn as_admin(result: Result<(), ClientError>) -> Result<(), AdminError> {
    result.map_err(|error| match error {
        ClientError::Denied => AdminError::Denied,
        other => panic!("{other:?}"),
    })
}

async fn every_actor_tries_every_verb(pair: Pair) {
    let house = House::new(pair).await;
    // Somebody who remains, so that no try is about the last administrator.
    house.person_in("keeper", &["lldap_admin"]).await;
    let mut number = 0;
    for who in EVERYBODY {
        let ctx = who.arrive(&house).await;
        let mut on = Targets::new(&house, number).await;
        let mut before = house.tables().await;
        for verb in EVERYTHING {
            let denied = try_it(&house, &ctx, verb, &on).await;
            assert_eq!(!denied, is_allowed(who, verb), "{who:?} {verb:?}");
            let after = house.tables().await;
            assert_eq!(before == after, denied, "{who:?} {verb:?}: what the tables hold");
            if !denied {
                number += 1;
                on = Targets::new(&house, number).await;
                before = house.tables().await;
            }
        }
        number += 1;
    }
}
