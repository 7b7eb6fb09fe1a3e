//! What is known about both servers: what their requests and answers are understood by.

use super::rules::Met;
use super::schema::Schema;
use super::world::World;

pub(super) struct Known {
    pub(super) schema: Schema,
    /// What both hold.
    pub(super) world: World,
    /// The attributes that are operational with us and ordinary ones with slapd.
    pub(super) operational: Vec<String>,
    /// The differences that were met.
    pub(super) met: Met,
}
