//! The program's log.

use std::io::{IsTerminal as _, stderr};

use gpys_server::config::{Config, LogFormat};
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log, on standard error.
pub(crate) fn start(config: &Config) {
    let log = tracing_subscriber::registry()
        .with(EnvFilter::new(&config.log))
        .with(filter_fn(|line| !quotes_messages(line)));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => log.with(lines).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
}

/// Whether a line may quote a message, and with it a position, a name or a token. No setting
/// lets such a line into the log. `tungstenite` logs every WebSocket frame at this level.
fn quotes_messages(line: &Metadata<'_>) -> bool {
    *line.level() == Level::TRACE && line.target().starts_with("tungstenite")
}
