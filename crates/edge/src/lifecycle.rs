//! Everything that runs, and how it ends: the first signal asks, the second cuts, and when a
//! service dies the process stops instead of living on as half a server.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks that were cut may take to notice.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How long a connection on which nothing is asked is kept when draining begins: a request may be on
/// its way.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// Owns every task of the process. Clones own them together.
#[derive(Clone, Default)]
pub struct Lifecycle {
    tasks: TaskTracker,
    stop: Stop,
    died: Arc<OnceLock<&'static str>>,
}

/// Tells a task that the process is about to end.
#[derive(Clone, Default)]
pub struct Stop {
    drain: CancellationToken,
    cut: CancellationToken,
}

impl Stop {
    /// Cancelled when no new work is wanted: what runs may end in its own time.
    #[must_use]
    pub const fn draining(&self) -> &CancellationToken {
        &self.drain
    }

    /// Ends a moment after draining began, and not before a moment from now: when who has asked
    /// nothing is waited for no longer.
    pub(crate) async fn farewell(&self) {
        self.drain.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    }

    /// What `work` comes to. `None` when it takes longer than `patience`, or a stop waits for it no
    /// longer: for whoever has connected and not asked anything yet.
    pub(crate) async fn within<T>(&self, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = tokio::time::timeout(patience, work) => done.ok(),
            () = self.farewell() => None,
        }
    }
}

/// How the process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Asked to, and everything that ran had ended.
    Drained,
    /// Asked to, and something was cut off: its time was over or a second signal came.
    Cut,
    /// A service ended by itself. Its name.
    Died(&'static str),
}

impl Lifecycle {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a task watches to know when to end.
    #[must_use]
    pub const fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Runs what the process cannot do without, until draining begins: it is dropped then, at
    /// whatever it awaits. When it ends or panics earlier, the process stops.
    pub fn service(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let watch = Watch { name, stop: self.stop.clone(), died: Arc::clone(&self.died) };
        self.tasks.spawn(async move {
            tokio::select! {
                () = watch.stop.drain.cancelled() => {}
                () = work => {}
            }
            drop(watch);
        });
    }

    /// Runs what ends by itself, such as one connection. It may go on while draining, and is
    /// dropped when its time is over.
    pub fn connection(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cut = self.stop.cut.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Where one connection is told to leave at once: by whoever holds a clone, or when everything
    /// is cut.
    pub(crate) fn leave(&self) -> CancellationToken {
        self.stop.cut.child_token()
    }

    /// As [`Lifecycle::connection`], and dropped when `leave` is cancelled. `work` comes boxed: it
    /// is what an idle connection costs, and every hand it goes through would hold it once more.
    pub(crate) fn guest(&self, leave: CancellationToken, mut work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = &mut work => {}
                () = leave.cancelled() => {}
            }
        });
    }

    /// Waits for a signal or for a service to die, then lets what runs end within `grace`.
    pub async fn run(&self, mut signals: Signals, grace: Duration) -> End {
        tokio::select! {
            () = signals.next() => tracing::info!("stopping: letting what runs come to its end"),
            () = self.stop.drain.cancelled() => {}
        }
        self.stop.drain.cancel();
        self.tasks.close();
        let drained = tokio::select! {
            () = self.tasks.wait() => true,
            () = tokio::time::sleep(grace) => false,
            () = signals.next() => false,
        };
        self.stop.cut.cancel();
        if !drained {
            tracing::warn!(open = self.tasks.len(), "stopping: cutting off what still ran");
            let _ = tokio::time::timeout(AFTERMATH, self.tasks.wait()).await;
        }
        match (self.died.get(), drained) {
            (Some(name), _) => End::Died(name),
            (None, true) => End::Drained,
            (None, false) => End::Cut,
        }
    }
}

/// Dropped when a service is over, also by a panic.
struct Watch {
    name: &'static str,
    stop: Stop,
    died: Arc<OnceLock<&'static str>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.stop.drain.is_cancelled() {
            tracing::error!(service = self.name, "a service ended by itself, the process stops");
            let _ = self.died.set(self.name);
            self.stop.drain.cancel();
        }
    }
}

/// The signals by which a process is asked to end: SIGTERM (systemd, containers) and SIGINT
/// (Ctrl-C).
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen. From here on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_millis(200);

    async fn run(life: &Lifecycle) -> End {
        life.run(Signals::listen().unwrap(), GRACE).await
    }

    #[tokio::test]
    async fn the_death_of_a_service_stops_everything() {
        let life = Lifecycle::new();
        life.service("steady", std::future::pending());
        life.service("frail", async {});
        assert_eq!(run(&life).await, End::Died("frail"));
    }

    #[tokio::test]
    async fn a_panic_is_a_death() {
        let life = Lifecycle::new();
        life.service("frail", async { panic!("on purpose") });
        assert_eq!(run(&life).await, End::Died("frail"));
    }

    #[tokio::test]
    async fn a_connection_may_end_as_it_likes() {
        let life = Lifecycle::new();
        life.connection(async {});
        life.connection(async { panic!("on purpose") });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!life.stop().draining().is_cancelled());
    }

    #[tokio::test]
    async fn what_runs_may_finish_while_draining() {
        let life = Lifecycle::new();
        let done = Arc::new(OnceLock::new());
        let (stop, flag) = (life.stop().clone(), Arc::clone(&done));
        life.connection(async move {
            stop.draining().cancelled().await;
            tokio::time::sleep(GRACE / 4).await;
            let _ = flag.set(());
        });
        life.stop().draining().cancel();
        assert_eq!(run(&life).await, End::Drained);
        assert!(done.get().is_some(), "it ended by itself");
    }

    #[tokio::test]
    async fn what_does_not_finish_is_cut() {
        let life = Lifecycle::new();
        life.connection(std::future::pending());
        life.stop().draining().cancel();
        assert_eq!(run(&life).await, End::Cut);
    }
}
