//! Definitions of attributes and object classes.

use ostiary_model::{AttributeDef, AttributeKind, AttributeName, ObjectClass, Schema, Timestamp};

use crate::changes::ChangeKind;
use crate::db::{Store, Tx, read, row, within};
use crate::error::Error;

const ATTRIBUTES: &str =
    "SELECT number, name, kind, is_list, on_users, on_groups, is_visible, is_editable FROM attribute ORDER BY number";
const CLASSES: &str = "SELECT name, on_users, on_groups FROM object_class ORDER BY name_folded";

row! {
    struct AttributeRow {
        number: i64,
        name: String,
        kind: String,
        is_list: bool,
        on_users: bool,
        on_groups: bool,
        is_visible: bool,
        is_editable: bool,
    }
}

row! {
    struct ClassRow {
        name: String,
        on_users: bool,
        on_groups: bool,
    }
}

impl TryFrom<AttributeRow> for AttributeDef {
    type Error = Error;

    fn try_from(row: AttributeRow) -> Result<Self, Error> {
        Ok(Self {
            number: number(row.number)?,
            name: AttributeName::from_stored(row.name),
            kind: AttributeKind::parse(&row.kind).map_err(|_| Error::Corrupt("attribute.kind"))?,
            is_list: row.is_list,
            on_users: row.on_users,
            on_groups: row.on_groups,
            is_visible: row.is_visible,
            is_editable: row.is_editable,
        })
    }
}

impl From<ClassRow> for ObjectClass {
    fn from(row: ClassRow) -> Self {
        Self { name: AttributeName::from_stored(row.name), on_users: row.on_users, on_groups: row.on_groups }
    }
}

/// An attribute's number as it is stored.
pub(crate) fn number(stored: i64) -> Result<u32, Error> {
    u32::try_from(stored).map_err(|_| Error::Corrupt("attribute.number"))
}

fn schema(attributes: Vec<AttributeRow>, classes: Vec<ClassRow>) -> Result<Schema, Error> {
    let defs = attributes.into_iter().map(AttributeDef::try_from).collect::<Result<_, _>>()?;
    Ok(Schema::new(defs, classes.into_iter().map(ObjectClass::from).collect()))
}

impl Store {
    /// Every definition.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn schema(&self) -> Result<Schema, Error> {
        let attributes = read!(self, db => sqlx::query_as(ATTRIBUTES).fetch_all(db).await)?;
        let classes = read!(self, db => sqlx::query_as(CLASSES).fetch_all(db).await)?;
        schema(attributes, classes)
    }
}

impl Tx {
    /// Every definition, as they stand in this transaction.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn schema(&mut self) -> Result<Schema, Error> {
        let attributes = within!(self, db => sqlx::query_as(ATTRIBUTES).fetch_all(db).await)?;
        let classes = within!(self, db => sqlx::query_as(CLASSES).fetch_all(db).await)?;
        schema(attributes, classes)
    }

    /// Adds `def` under the next number, whatever number it has, and gives it back with that.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when the name is taken.
    pub async fn attribute_insert(&mut self, def: &AttributeDef, now: Timestamp) -> Result<AttributeDef, Error> {
        let next: i64 = within!(self, db => sqlx::query_scalar("UPDATE attribute_number SET last = last + 1 RETURNING last")
            .fetch_one(db).await)?;
        within!(self, db => sqlx::query(
            "INSERT INTO attribute (number, name, name_folded, kind, is_list, on_users, on_groups, is_visible, \
             is_editable, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(next)
        .bind(def.name.as_str())
        .bind(def.name.folded())
        .bind(def.kind.as_str())
        .bind(def.is_list)
        .bind(def.on_users)
        .bind(def.on_groups)
        .bind(def.is_visible)
        .bind(def.is_editable)
        .bind(now.as_micros())
        .execute(db).await.map(drop))?;
        self.note(ChangeKind::Schema);
        Ok(AttributeDef { number: number(next)?, ..def.clone() })
    }

    /// Writes name and flags of the definition with the number of `def`; its kind stays, because
    /// values were checked by it. False when there is no such definition.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when the name is taken.
    pub async fn attribute_update(&mut self, def: &AttributeDef) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query(
            "UPDATE attribute SET name = $2, name_folded = $3, is_list = $4, on_users = $5, on_groups = $6, \
             is_visible = $7, is_editable = $8 WHERE number = $1",
        )
        .bind(i64::from(def.number))
        .bind(def.name.as_str())
        .bind(def.name.folded())
        .bind(def.is_list)
        .bind(def.on_users)
        .bind(def.on_groups)
        .bind(def.is_visible)
        .bind(def.is_editable)
        .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.schema_noted(found))
    }

    /// Whether people have values of an attribute, and whether groups have.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn attribute_used(&mut self, number: u32) -> Result<(bool, bool), Error> {
        let (users, groups): (i64, i64) = within!(self, db => sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM user_value WHERE attribute = $1 LIMIT 1) u), \
             (SELECT COUNT(*) FROM (SELECT 1 FROM group_value WHERE attribute = $1 LIMIT 1) g)",
        ).bind(i64::from(number)).fetch_one(db).await)?;
        Ok((users > 0, groups > 0))
    }

    /// Removes a definition and all values of it. False when there is no such definition.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn attribute_delete(&mut self, number: u32) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM attribute WHERE number = $1")
            .bind(i64::from(number)).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.schema_noted(found))
    }

    /// Adds an object class.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] when the name is taken.
    pub async fn object_class_insert(&mut self, class: &ObjectClass) -> Result<(), Error> {
        within!(self, db => sqlx::query(
            "INSERT INTO object_class (name_folded, name, on_users, on_groups) VALUES ($1, $2, $3, $4)",
        )
        .bind(class.name.folded()).bind(class.name.as_str()).bind(class.on_users).bind(class.on_groups)
        .execute(db).await.map(drop))?;
        self.note(ChangeKind::Schema);
        Ok(())
    }

    /// Removes an object class. False when there is none with this name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn object_class_delete(&mut self, name: &AttributeName) -> Result<bool, Error> {
        let found = within!(self, db => sqlx::query("DELETE FROM object_class WHERE name_folded = $1")
            .bind(name.folded()).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(self.schema_noted(found))
    }

    fn schema_noted(&mut self, found: u64) -> bool {
        if found > 0 {
            self.note(ChangeKind::Schema);
        }
        found > 0
    }
}
