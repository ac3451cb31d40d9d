//! The table of settings, by group. To add a setting, add its value to `model` and a row here.

mod access;
mod certificates;
mod limits;
mod logging;
mod map;
mod network;

use crate::config::setting::{Group, Setting};

/// All settings, in the order in which they are read, explained and printed.
pub const GROUPS: [Group; 6] = [
    Group { heading: "Network", settings: network::SETTINGS },
    Group { heading: "Access", settings: access::SETTINGS },
    Group { heading: "Map", settings: map::SETTINGS },
    Group { heading: "Certificates", settings: certificates::SETTINGS },
    Group { heading: "Limits", settings: limits::SETTINGS },
    Group { heading: "Logging", settings: logging::SETTINGS },
];

/// All settings, without their headings.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}
