//! The log: on standard error, our own lines at the level that is set, others' warnings only.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, LogLevel};

/// Begins to log for the server: who did what is told unless nothing but errors is wanted.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let level = Level::from(level);
    let audit = if level == Level::ERROR { level } else { level.max(Level::INFO) };
    begin(level, audit, format);
}

/// Begins to log for a command, which says itself what it did.
pub(crate) fn start_for_command(format: LogFormat) {
    begin(Level::WARN, Level::WARN, format);
}

/// Does nothing when it was begun before.
fn begin(level: Level, audit: Level, format: LogFormat) {
    let targets =
        Targets::new().with_default(level.min(Level::WARN)).with_target("ostiary", level).with_target("audit", audit);
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
