//! May this person and this client still have this? Every grant to a client goes through here:
//! approving, exchanging a code, refreshing.

use ostiary_model::{Authentication, Client, ClientId, Ctx, User};
use ostiary_store::Tx;

use crate::Trouble;
use crate::access::{may_sign_in, standing};

/// Both as they stand in the transaction that grants.
pub(crate) struct Entitled {
    pub(crate) user: User,
    pub(crate) client: Client,
}

/// The person and the client, if the account is a person's, open and of the same generation, the client is
/// still registered, and what the person proved is enough for the client's policy of today.
pub(crate) async fn entitled(
    ctx: &Ctx,
    tx: &mut Tx,
    client: &ClientId,
    holder: &Authentication,
) -> Result<Option<Entitled>, Trouble> {
    let user = standing(ctx, tx, holder.user, holder.generation).await?;
    let Some(user) = user.filter(may_sign_in) else { return Ok(None) };
    let Some(record) = tx.client_by_id(client).await? else { return Ok(None) };
    let enough = holder.methods.level() >= record.client.details.policy.level();
    Ok(enough.then_some(Entitled { user, client: record.client }))
}
