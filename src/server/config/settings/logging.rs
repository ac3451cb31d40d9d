//! What the program writes.

use tracing_subscriber::EnvFilter;

use crate::config::model::LogFormat;
use crate::config::parse::{expect, put, switch};
use crate::config::print::text;
use crate::config::setting::{Setting, Takes};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "log",
        takes: Takes::One("LEVEL"),
        help: "What to log on standard error: error, warn, info, debug, trace, or a filter such \
               as gpys=debug,info",
        absent: None,
        read: |draft, text| {
            let is_filter = text.parse::<EnvFilter>().is_ok();
            let kind = "error, warn, info, debug or trace, or a filter such as gpys=debug,info";
            put(&mut draft.config.log, expect(kind, is_filter.then(|| text.to_owned())))
        },
        print: |config| Some(text(&config.log)),
    },
    Setting {
        name: "log-format",
        takes: Takes::One("FORMAT"),
        help: "Format of the log: text, or json for one object per line",
        absent: None,
        read: |draft, text| {
            let formats = [LogFormat::Text, LogFormat::Json];
            let format = formats.into_iter().find(|format| format.name() == text);
            put(&mut draft.config.log_format, expect("text or json", format))
        },
        print: |config| Some(text(config.log_format.name())),
    },
    Setting {
        name: "quiet",
        takes: Takes::Switch,
        help: "Do not print the addresses and the QR code at startup",
        absent: None,
        read: |draft, text| put(&mut draft.config.quiet, switch(text)),
        print: |config| Some(config.quiet.into()),
    },
];
