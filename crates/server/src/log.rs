//! The log: on standard error, our own lines at the level that is set, others' warnings only.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogFormat, LogLevel};

/// Begins to log. Does nothing when it was begun before.
pub(crate) fn start(level: LogLevel, format: LogFormat) {
    let level = Level::from(level);
    let targets = Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target("ostiary", level)
        // Who changed what is told unless nothing but errors is wanted.
        .with_target("audit", level);
    let layer = fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
