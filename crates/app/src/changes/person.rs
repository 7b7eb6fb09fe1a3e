//! What is to be different about a person, written in one transaction.

use std::borrow::Cow;

use ostiary_model::{Action, Ctx, Email, Profile, Schema, User, UserEntry, UserId, Validity};
use ostiary_store::Tx;

use super::guards::{Guard, OWN_ACCOUNT};
use super::values::{self, Bearer};
use super::{AdminError, PersonChange, PersonEdit, posix};
use crate::App;
use crate::people::{self, TypedProfile};

const ENDS_FIRST: AdminError =
    AdminError::Guard("The account would end before it begins. Choose an end that comes after the beginning");

impl App {
    /// Changes a person. All of it or nothing.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_change(&self, ctx: &Ctx, id: UserId, change: &PersonChange) -> Result<(), AdminError> {
        self.early(ctx, Action::EditUser(id))?;
        let mut change = Cow::Borrowed(change);
        if let Some(values) = self.pictures_checked(&change.values).await? {
            change.to_mut().values = values;
        }
        let mut tx = self.change_begin().await?;
        self.person_apply(ctx, &mut tx, id, &change).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "person changed", id);
        Ok(())
    }

    /// Changes names and address.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn person_edit(&self, ctx: &Ctx, id: UserId, edit: &PersonEdit) -> Result<(), AdminError> {
        self.person_change(ctx, id, &PersonChange::from(edit)).await
    }

    /// [`App::person_change`] within `tx`, which was begun with [`App::change_begin`].
    ///
    /// # Errors
    /// [`AdminError`]. `tx` must not be committed then.
    pub(crate) async fn person_apply(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        id: UserId,
        change: &PersonChange,
    ) -> Result<(), AdminError> {
        let acting = self.acting(ctx, tx).await?;
        acting.may(Action::EditUser(id))?;
        let schema = tx.schema().await?;
        if acting.may(Action::Administer).is_err() {
            only_editable(&schema, change)?;
        }
        let entry = tx.user_entry(id).await?.ok_or(AdminError::NoSuchPerson)?;
        profile_write(ctx, tx, &entry, change).await?;
        access_write(ctx, tx, &entry.user, change).await?;
        posix::person_write(ctx, tx, &entry.user, change).await?;
        for (number, list) in values::checked(&schema, Bearer::Person, &change.values)? {
            if values::differ(&schema, &entry.values, number, &list) {
                tx.user_values_set(id, number, &list, ctx.now).await?;
            }
        }
        Ok(())
    }
}

/// On their own entry people change three names, and what is editable.
fn only_editable(schema: &Schema, change: &PersonChange) -> Result<(), AdminError> {
    let PersonChange {
        username,
        email,
        display_name: _,
        given_name: _,
        family_name: _,
        addresses,
        not_before,
        not_after,
        is_service,
        uid_number,
        gid_number,
        values,
    } = change;
    let fixed = [
        ("uid", username.is_some()),
        ("mail", email.is_some() || addresses.is_some()),
        ("the time of the account", not_before.is_some() || not_after.is_some()),
        ("the kind of the account", is_service.is_some()),
        ("uidNumber", uid_number.is_some()),
        ("gidNumber", gid_number.is_some()),
    ];
    if let Some((name, _)) = fixed.into_iter().find(|(_, touched)| *touched) {
        return Err(AdminError::NotEditable(name.to_owned()));
    }
    let is_fixed = |number: u32| !schema.def(number).is_some_and(|def| def.is_editable);
    match values.iter().find(|(number, _)| is_fixed(*number)) {
        Some((number, _)) => Err(AdminError::NotEditable(values::name(schema, *number))),
        None => Ok(()),
    }
}

/// Names and addresses. An address has one place at most, so the further ones make room before
/// the primary one changes, and take what it left after.
async fn profile_write(ctx: &Ctx, tx: &mut Tx, entry: &UserEntry, change: &PersonChange) -> Result<(), AdminError> {
    let (id, old) = (entry.user.id, &entry.user.profile);
    let profile = profile_after(old, change)?;
    let further = addresses_after(entry, &profile, change.addresses.as_deref())?;
    if profile.email.folded() != old.email.folded() {
        let is_primary = |address: &Email| [&profile, old].iter().any(|one| one.email.folded() == address.folded());
        let clear: Vec<Email> = further.iter().filter(|address| !is_primary(address)).cloned().collect();
        if clear != entry.addresses {
            tx.user_addresses_set(id, &clear, ctx.now).await?;
        }
        tx.user_update_profile(id, &profile, ctx.now).await?;
        if further != clear {
            tx.user_addresses_set(id, &further, ctx.now).await?;
        }
        return Ok(());
    }
    if profile != *old {
        tx.user_update_profile(id, &profile, ctx.now).await?;
    }
    if further != entry.addresses {
        tx.user_addresses_set(id, &further, ctx.now).await?;
    }
    Ok(())
}

/// The profile that `change` makes of `old`. An address that an administrator typed counts as
/// known to be theirs.
fn profile_after(old: &Profile, change: &PersonChange) -> Result<Profile, AdminError> {
    let typed = TypedProfile {
        username: change.username.as_deref().unwrap_or(old.username.as_str()),
        email: change.email.as_deref().unwrap_or(old.email.as_str()),
        display_name: change.display_name.as_deref().unwrap_or(&old.display_name),
        given_name: change.given_name.as_deref().unwrap_or(&old.given_name),
        family_name: change.family_name.as_deref().unwrap_or(&old.family_name),
    };
    let profile = people::profile(&typed)?;
    let email_verified = old.email_verified || profile.email != old.email;
    Ok(Profile { email_verified, ..profile })
}

/// The further addresses. Where none are given, a further one that becomes the primary one leaves
/// its place to that.
fn addresses_after(entry: &UserEntry, profile: &Profile, given: Option<&[String]>) -> Result<Vec<Email>, AdminError> {
    let old = &entry.user.profile.email;
    let Some(given) = given else {
        let primary = profile.email.folded();
        let trade = |address: &Email| if address.folded() == primary { old.clone() } else { address.clone() };
        return Ok(entry.addresses.iter().map(trade).collect());
    };
    further_addresses(&profile.email, given)
}

/// Checks the further addresses of somebody whose primary one is `primary`.
pub(super) fn further_addresses(primary: &Email, given: &[String]) -> Result<Vec<Email>, AdminError> {
    if given.len() >= values::MAX_VALUES {
        return Err(AdminError::TooMany("mail".to_owned()));
    }
    let mut seen = std::collections::HashSet::from([primary.folded()]);
    let mut addresses = Vec::with_capacity(given.len());
    for text in given {
        let address = Email::parse(text)?;
        if !seen.insert(address.folded()) {
            return Err(AdminError::Duplicate { attribute: "mail".to_owned(), value: address.to_string() });
        }
        addresses.push(address);
    }
    Ok(addresses)
}

/// From when to when the account may be used, and whether it is a program's. What an account held
/// before it was closed, opened or changed hands stays dead.
async fn access_write(ctx: &Ctx, tx: &mut Tx, user: &User, change: &PersonChange) -> Result<(), AdminError> {
    let validity = validity_after(user.validity, change)?;
    let is_service = change.is_service.unwrap_or(user.is_service);
    if validity == user.validity && is_service == user.is_service {
        return Ok(());
    }
    let opens = validity == Validity::default();
    if ctx.actor.user() == Some(user.id) && (is_service || (validity != user.validity && !opens)) {
        return Err(OWN_ACCOUNT);
    }
    let guard = Guard::before(ctx, tx).await?;
    if validity != user.validity {
        tx.user_set_validity(user.id, validity, ctx.now).await?;
    }
    if is_service != user.is_service {
        tx.user_set_service(user.id, is_service, ctx.now).await?;
    }
    if is_service != user.is_service || validity.contains(ctx.now) != user.validity.contains(ctx.now) {
        tx.user_raise_generation(user.id, ctx.now).await?;
    }
    guard.after(ctx, tx).await
}

/// From when to when, after `change`.
pub(super) fn validity_after(old: Validity, change: &PersonChange) -> Result<Validity, AdminError> {
    let validity = Validity {
        not_before: change.not_before.unwrap_or(old.not_before),
        not_after: change.not_after.unwrap_or(old.not_after),
    };
    match (validity.not_before, validity.not_after) {
        (Some(from), Some(to)) if to <= from => Err(ENDS_FIRST),
        _ => Ok(validity),
    }
}
