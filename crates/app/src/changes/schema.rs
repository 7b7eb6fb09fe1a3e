//! Attributes and object classes that administrators define.

use ostiary_model::{Attribute, AttributeDef, AttributeKind, AttributeName, Ctx, OBJECT_CLASSES, ObjectClass, Schema};
use ostiary_store::{Conflict, Tx};

use super::AdminError;
use crate::App;

/// An attribute to be defined, as typed.
#[derive(Debug, Clone)]
pub struct NewAttribute {
    /// What it is called: letters, digits and hyphens.
    pub name: String,
    /// What its values are.
    pub kind: AttributeKind,
    /// Whether an entry may have several.
    pub is_list: bool,
    /// Whether people have it.
    pub on_users: bool,
    /// Whether groups have it.
    pub on_groups: bool,
    /// Whether somebody who is neither administrator nor reader of everything sees it.
    pub is_visible: bool,
    /// Whether people may change it on their own entry.
    pub is_editable: bool,
}

/// What is to be different about a definition. What is `None` stays as it is; what values are and
/// whether there may be several never changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct AttributeFlags {
    /// Whether people have it.
    pub on_users: Option<bool>,
    /// Whether groups have it.
    pub on_groups: Option<bool>,
    /// Whether somebody who is neither administrator nor reader of everything sees it.
    pub is_visible: Option<bool>,
    /// Whether people may change it on their own entry.
    pub is_editable: Option<bool>,
}

/// An object class to be added, as typed.
#[derive(Debug, Clone)]
pub struct NewObjectClass {
    /// What it is called: letters, digits and hyphens.
    pub name: String,
    /// Whether all people have it.
    pub on_users: bool,
    /// Whether all groups have it.
    pub on_groups: bool,
}

const ON_NOTHING: AdminError = AdminError::Guard("Say whether people have it, or groups, or both");
const IN_USE: AdminError =
    AdminError::Guard("Some of them have values of it. Take the values away first, or delete the attribute");
const ALWAYS_THERE: AdminError = AdminError::Guard(
    "Systems that people log in to ask for this attribute, so it stays, and stays on people. Whether they may see and change it can be set",
);
const OWN_NAME: &str = "Ostiary has an attribute of this name already. Choose another name";
const PASSWORD_NAME: &str = "programs take an attribute of this name for a password. Choose another name";
const SERVER_NAME: &str = "programs expect a server to fill an attribute of this name. Choose another name";
const CLASS_NAME: &str = "entries have this object class already, or it changes what an entry is";

/// Names under which programs look for passwords, or write them.
const PASSWORDS: &[&str] = &["userpassword", "unicodepwd", "authpassword", "password", "currentpassword"];

/// Names that belong to servers (RFC 4512 sections 3.4, 4.2 and 5.1, RFC 3671, and the password
/// policy draft).
const SERVERS: &[&str] = &[
    "aliasedobjectname",
    "altserver",
    "attributetypes",
    "collectiveexclusions",
    "creatorsname",
    "ditcontentrules",
    "ditstructurerules",
    "entrycsn",
    "entrydn",
    "entrylevel",
    "entryusn",
    "governingstructurerule",
    "ldapsyntaxes",
    "matchingrules",
    "matchingruleuse",
    "modifiersname",
    "nameforms",
    "namingcontexts",
    "objectclasses",
    "pwdaccountlockedtime",
    "pwdchangedtime",
    "pwdfailuretime",
    "pwdgraceusetime",
    "pwdhistory",
    "pwdpolicysubentry",
    "pwdreset",
    "ref",
    "subtreespecification",
    "supportedcontrol",
    "supportedextension",
    "supportedfeatures",
    "supportedldapversion",
    "supportedsaslmechanisms",
    "vendorname",
    "vendorversion",
];

/// Object classes that would change what an entry is.
const CLASSES: &[&str] = &["alias", "extensibleobject", "referral", "subentry", "subschema"];

impl App {
    /// Defines an attribute.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn attribute_add(&self, ctx: &Ctx, new: &NewAttribute) -> Result<AttributeDef, AdminError> {
        let def = def_of(new)?;
        let mut tx = self.admin_begin(ctx).await?;
        let def = tx.attribute_insert(&def, ctx.now).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "attribute added", def.name.as_str());
        Ok(def)
    }

    /// Changes who has an attribute, and who sees and changes it. It cannot be taken from people or
    /// groups that have values of it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn attribute_change(&self, ctx: &Ctx, number: u32, flags: &AttributeFlags) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        let old = definition(&tx.schema().await?, number)?;
        let def = AttributeDef {
            on_users: flags.on_users.unwrap_or(old.on_users),
            on_groups: flags.on_groups.unwrap_or(old.on_groups),
            is_visible: flags.is_visible.unwrap_or(old.is_visible),
            is_editable: flags.is_editable.unwrap_or(old.is_editable),
            ..old.clone()
        };
        if !def.on_users && !def.on_groups {
            return Err(ON_NOTHING);
        }
        if def.is_built_in() && (def.on_users, def.on_groups) != (old.on_users, old.on_groups) {
            return Err(ALWAYS_THERE);
        }
        let (users, groups) = tx.attribute_used(number).await?;
        if (users && !def.on_users) || (groups && !def.on_groups) {
            return Err(IN_USE);
        }
        if def != old {
            tx.attribute_update(&def).await?;
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "attribute changed", def.name.as_str());
        Ok(())
    }

    /// Removes an attribute and all its values, for good.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn attribute_delete(&self, ctx: &Ctx, number: u32) -> Result<(), AdminError> {
        let mut tx = self.admin_begin(ctx).await?;
        let def = definition(&tx.schema().await?, number)?;
        if def.is_built_in() {
            return Err(ALWAYS_THERE);
        }
        tx.attribute_delete(number).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "attribute deleted", def.name.as_str());
        Ok(())
    }

    /// Gives all people or all groups an object class more. One that people have can be given to
    /// groups too, and the other way round.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn object_class_add(&self, ctx: &Ctx, new: &NewObjectClass) -> Result<(), AdminError> {
        let name = AttributeName::parse(&new.name)?;
        let folded = name.folded();
        if OBJECT_CLASSES.iter().any(|(_, known)| known.eq_ignore_ascii_case(&folded)) || CLASSES.contains(&&*folded) {
            return Err(AdminError::Reserved { name: name.as_str().to_owned(), why: CLASS_NAME });
        }
        if !new.on_users && !new.on_groups {
            return Err(ON_NOTHING);
        }
        let mut tx = self.admin_begin(ctx).await?;
        let mut class = ObjectClass { name, on_users: new.on_users, on_groups: new.on_groups };
        if let Some(old) = class_named(&mut tx, &class.name).await? {
            class = ObjectClass {
                on_users: old.on_users || class.on_users,
                on_groups: old.on_groups || class.on_groups,
                name: old.name.clone(),
            };
            if class == old {
                return Err(AdminError::Conflict(Conflict::ObjectClass));
            }
            tx.object_class_delete(&old.name).await?;
        }
        tx.object_class_insert(&class).await?;
        self.commit(ctx, tx).await?;
        self.audit(ctx, "object class added", class.name.as_str());
        Ok(())
    }

    /// Takes an object class away that was added.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn object_class_delete(&self, ctx: &Ctx, name: &str) -> Result<(), AdminError> {
        let name = AttributeName::parse(name)?;
        let mut tx = self.admin_begin(ctx).await?;
        if !tx.object_class_delete(&name).await? {
            return Err(AdminError::NoSuchObjectClass(name.as_str().to_owned()));
        }
        self.commit(ctx, tx).await?;
        self.audit(ctx, "object class deleted", name.as_str());
        Ok(())
    }
}

fn definition(schema: &Schema, number: u32) -> Result<AttributeDef, AdminError> {
    schema.def(number).cloned().ok_or_else(|| AdminError::NoSuchAttribute(number.to_string()))
}

async fn class_named(tx: &mut Tx, name: &AttributeName) -> Result<Option<ObjectClass>, AdminError> {
    let schema = tx.schema().await?;
    Ok(schema.classes().iter().find(|class| class.name.folded() == name.folded()).cloned())
}

/// The checked definition, without its number yet.
fn def_of(new: &NewAttribute) -> Result<AttributeDef, AdminError> {
    let name = AttributeName::parse(&new.name)?;
    let folded = name.folded();
    let reserved = if Attribute::from_name(&folded).is_some() {
        Some(OWN_NAME)
    } else if PASSWORDS.contains(&&*folded) {
        Some(PASSWORD_NAME)
    } else if SERVERS.contains(&&*folded) {
        Some(SERVER_NAME)
    } else {
        None
    };
    if let Some(why) = reserved {
        return Err(AdminError::Reserved { name: name.as_str().to_owned(), why });
    }
    if !new.on_users && !new.on_groups {
        return Err(ON_NOTHING);
    }
    Ok(AttributeDef {
        number: 0,
        name,
        kind: new.kind,
        is_list: new.is_list,
        on_users: new.on_users,
        on_groups: new.on_groups,
        is_visible: new.is_visible,
        is_editable: new.is_editable,
    })
}
