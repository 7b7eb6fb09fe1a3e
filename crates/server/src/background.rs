//! What runs by itself while the server runs. What each does stands in `app`.

use std::sync::Arc;

use ostiary_app::App;
use ostiary_edge::Lifecycle;

/// Starts everything that runs by itself.
pub(crate) fn start(app: &Arc<App>, life: &Lifecycle) {
    let own = || Arc::clone(app);
    let (following, delivering, noting, forgetting) = (own(), own(), own(), own());
    life.service("following other writers", async move { following.follow().await });
    life.service("mail", async move { delivering.deliver().await });
    life.service("noting", async move { noting.note().await });
    life.service("forgetting", async move { forgetting.forget().await });
}
