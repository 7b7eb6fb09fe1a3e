//! Everything that can be tried to change something, and what it is tried on.

use ostiary_app::{
    AdminError, AttributeFlags, ClientError, GroupChange, NewAttribute, NewObjectClass, PersonChange, PersonEdit,
};
use ostiary_model::{
    AttributeKind, ClientId, Ctx, GroupId, LOGIN_SHELL, Member, Nesting, NewClient, SSH_PUBLIC_KEY, SignInPolicy,
    UserId,
};

use crate::avatars::photograph;
use crate::house::new_person;
use crate::{House, secret};

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident,)*) => {
        /// What they try.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Verb {
            $($(#[$doc])* $verb,)*
        }

        pub(crate) const EVERYTHING: &[Verb] = &[$(Verb::$verb),*];
    };
}

verbs! {
    AddPerson,
    AddPersonWithPassword,
    EditPerson,
    ChangePerson,
    SetPicture,
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
    ChangeMembers,
    /// Through the same verb as people.
    ChangeInnerGroups,
    ChangeGroup,
    AddNesting,
    RemoveNesting,
    AddManager,
    RemoveManager,
    AddAttribute,
    ChangeAttribute,
    DeleteAttribute,
    AddObjectClass,
    DeleteObjectClass,
    AddClient,
    RotateClientSecret,
    DeleteClient,
    ChangeOwnNames,
    /// Of an attribute that people may change.
    ChangeOwnKeys,
    ChangeOwnMail,
    /// Of an attribute that people may not change.
    ChangeOwnShell,
    SetOwnPicture,
    /// The last: it ends the session of whoever may.
    SetOwnPassword,
}

/// What is there to be changed, anew for each try.
pub(crate) struct Targets {
    name: String,
    person: UserId,
    closed: UserId,
    manager: UserId,
    administrator: UserId,
    group: GroupId,
    inner: GroupId,
    other: GroupId,
    admins: GroupId,
    attribute: u32,
    client: ClientId,
}

impl Targets {
    /// `manager` is one more who manages the group.
    pub(crate) async fn new(house: &House, number: usize, manager: Option<UserId>) -> Self {
        let (app, ctx) = (&house.app, house.cli());
        let name = format!("target.{number}");
        let add = async |suffix: &str, groups: &[&str]| {
            let mut new = new_person(&format!("{name}.{suffix}"));
            new.groups = groups.iter().map(|group| (*group).to_owned()).collect();
            app.person_add(&ctx, &new, None).await.unwrap().id
        };
        let group = house.group(&name).await;
        let inner = house.group(&format!("{name} inner")).await;
        let person = add("person", &[&name]).await;
        let closed = add("closed", &[]).await;
        app.person_disable(&ctx, closed).await.unwrap();
        let client = app.client_add(&ctx, &new_client(&name)).await.unwrap().0;
        let managers = [Some(person), manager].into_iter().flatten().collect();
        let change =
            GroupChange { managers: Some(managers), add: vec![Member::Group(inner)], ..GroupChange::default() };
        app.group_change(&ctx, group, &change).await.unwrap();
        let class = NewObjectClass { name: format!("class-{number}"), on_users: true, on_groups: false };
        app.object_class_add(&ctx, &class).await.unwrap();
        Self {
            person,
            closed,
            manager: add("manager", &["lldap_password_manager"]).await,
            administrator: add("administrator", &["lldap_admin"]).await,
            group,
            inner,
            other: house.group(&format!("{name} other")).await,
            admins: house.group("lldap_admin").await,
            attribute: app.attribute_add(&ctx, &new_attribute(&format!("badge-{number}"))).await.unwrap().number,
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

/// A text that people have.
pub(crate) fn new_attribute(name: &str) -> NewAttribute {
    NewAttribute {
        name: name.to_owned(),
        kind: AttributeKind::String,
        is_list: false,
        on_users: true,
        on_groups: false,
        is_visible: true,
        is_editable: false,
    }
}

/// Whether it was denied; any other refusal is a mistake of the test.
pub(crate) async fn try_it(house: &House, ctx: &Ctx, verb: Verb, on: &Targets) -> bool {
    let attempt = match verb {
        Verb::ChangeOwnNames
        | Verb::ChangeOwnKeys
        | Verb::ChangeOwnMail
        | Verb::ChangeOwnShell
        | Verb::SetOwnPicture
        | Verb::SetOwnPassword => Box::pin(on_oneself(house, ctx, verb, on)).await,
        _ => match Box::pin(on_people(house, ctx, verb, on)).await {
            Some(result) => result,
            None => Box::pin(on_the_rest(house, ctx, verb, on)).await,
        },
    };
    match attempt {
        Ok(()) => false,
        Err(AdminError::Denied | AdminError::NotEditable(_)) => true,
        Err(error) => panic!("{:?} {verb:?}: {error:?}", ctx.actor),
    }
}

async fn on_people(house: &House, ctx: &Ctx, verb: Verb, on: &Targets) -> Option<Result<(), AdminError>> {
    let app = &house.app;
    let password = secret("a lamp in the harbour");
    let new = new_person(&format!("{}.new", on.name));
    let edit = PersonEdit {
        username: format!("{}.edited", on.name),
        email: format!("{}.edited@example.tld", on.name),
        ..PersonEdit::default()
    };
    let change = PersonChange {
        addresses: Some(vec![format!("{}.further@example.tld", on.name)]),
        is_service: Some(true),
        ..PersonChange::default()
    };
    Some(match verb {
        Verb::AddPerson => app.person_add(ctx, &new, None).await.map(drop),
        Verb::AddPersonWithPassword => app.person_add(ctx, &new, Some(&password)).await.map(drop),
        Verb::EditPerson => app.person_edit(ctx, on.person, &edit).await,
        Verb::ChangePerson => app.person_change(ctx, on.person, &change).await,
        Verb::SetPicture => app.avatar_set(ctx, on.person, Some(&photograph(2, 2))).await.map(drop),
        Verb::SetPassword => app.person_set_password(ctx, on.person, &password).await,
        Verb::SetPasswordOfPasswordManager => app.person_set_password(ctx, on.manager, &password).await,
        Verb::SetPasswordOfAdministrator => app.person_set_password(ctx, on.administrator, &password).await,
        Verb::Disable => app.person_disable(ctx, on.person).await,
        Verb::Enable => app.person_enable(ctx, on.closed).await,
        Verb::Delete => app.person_delete(ctx, on.person).await,
        Verb::ResetFactors => app.person_reset_factors(ctx, on.person).await,
        Verb::SignOut => app.person_sign_out(ctx, on.person).await,
        _ => return None,
    })
}

async fn on_the_rest(house: &House, ctx: &Ctx, verb: Verb, on: &Targets) -> Result<(), AdminError> {
    let app = &house.app;
    let renamed = format!("{} renamed", on.name);
    let class = |name: &str| NewObjectClass { name: name.to_owned(), on_users: false, on_groups: true };
    let number = on.name.trim_start_matches("target.");
    let members = GroupChange {
        add: vec![Member::User(on.closed)],
        remove: vec![Member::User(on.person)],
        ..GroupChange::default()
    };
    let inner = GroupChange { remove: vec![Member::Group(on.inner)], ..GroupChange::default() };
    let managers = GroupChange { managers: Some(vec![on.closed]), ..GroupChange::default() };
    match verb {
        Verb::AddGroup => app.group_add(ctx, &renamed).await.map(drop),
        Verb::RenameGroup => app.group_rename(ctx, on.group, &renamed).await,
        Verb::DeleteGroup => app.group_delete(ctx, on.group).await,
        Verb::AddMember => app.member_add(ctx, on.closed, on.group).await.map(drop),
        Verb::AddAdministrator => app.member_add(ctx, on.person, on.admins).await.map(drop),
        Verb::RemoveMember => app.member_remove(ctx, on.person, on.group).await.map(drop),
        Verb::ChangeMembers => app.group_change(ctx, on.group, &members).await,
        Verb::ChangeInnerGroups => app.group_change(ctx, on.group, &inner).await,
        Verb::ChangeGroup => app.group_change(ctx, on.group, &managers).await,
        Verb::AddNesting => app.nesting_add(ctx, Nesting { child: on.other, parent: on.group }).await.map(drop),
        Verb::RemoveNesting => app.nesting_remove(ctx, Nesting { child: on.inner, parent: on.group }).await.map(drop),
        Verb::AddManager => app.manager_add(ctx, on.group, on.closed).await.map(drop),
        Verb::RemoveManager => app.manager_remove(ctx, on.group, on.person).await.map(drop),
        Verb::AddAttribute => app.attribute_add(ctx, &new_attribute(&format!("new-{number}"))).await.map(drop),
        Verb::ChangeAttribute => {
            let flags = AttributeFlags { is_editable: Some(true), ..AttributeFlags::default() };
            app.attribute_change(ctx, on.attribute, &flags).await
        }
        Verb::DeleteAttribute => app.attribute_delete(ctx, on.attribute).await,
        Verb::AddObjectClass => app.object_class_add(ctx, &class(&format!("new-{number}"))).await,
        Verb::DeleteObjectClass => app.object_class_delete(ctx, &format!("class-{number}")).await,
        Verb::AddClient => as_admin(app.client_add(ctx, &new_client(&format!("{}.new", on.name))).await.map(drop)),
        Verb::RotateClientSecret => as_admin(app.client_rotate_secret(ctx, &on.client).await.map(drop)),
        Verb::DeleteClient => as_admin(app.client_delete(ctx, &on.client).await),
        _ => panic!("{verb:?} is tried elsewhere"),
    }
}

async fn on_oneself(house: &House, ctx: &Ctx, verb: Verb, on: &Targets) -> Result<(), AdminError> {
    let app = &house.app;
    let user = ctx.actor.user().ok_or(AdminError::Denied)?;
    let change = match verb {
        Verb::ChangeOwnNames => PersonChange { display_name: Some(on.name.clone()), ..PersonChange::default() },
        Verb::ChangeOwnKeys => PersonChange {
            values: vec![(SSH_PUBLIC_KEY, vec![format!("ssh-ed25519 AAAAC3Nz {}", on.name).into_bytes()])],
            ..PersonChange::default()
        },
        Verb::ChangeOwnMail => {
            PersonChange { email: Some(format!("{}.own@example.tld", on.name)), ..PersonChange::default() }
        }
        Verb::ChangeOwnShell => {
            PersonChange { values: vec![(LOGIN_SHELL, vec![b"/bin/zsh".to_vec()])], ..PersonChange::default() }
        }
        Verb::SetOwnPicture => return app.avatar_set(ctx, user, Some(&photograph(3, 3))).await.map(drop),
        _ => return app.person_set_password(ctx, user, &secret("a lamp in the harbour")).await,
    };
    app.person_change(ctx, user, &change).await
}

fn as_admin(result: Result<(), ClientError>) -> Result<(), AdminError> {
    result.map_err(|error| match error {
        ClientError::Denied => AdminError::Denied,
        other => panic!("{other:?}"),
    })
}
