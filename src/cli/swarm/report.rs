//! The report of a swarm.
//!
//! **Age of information** is the server's clock, as the receiver estimates it, minus the time a
//! sample was taken, at the arrival of each new sample of a peer that was in view before. It covers
//! the whole way: the sender's pacing, the link up, the wait for the server's tick, the link down,
//! and the receiver's turn; and also the rounding of a sample's time in a frame, always towards
//! older (by up to 3 ms for a fresh one, docs/PROTOCOL.md, section 7). The measurement runs from
//! when all peers are connected until the time is up. Sent and received count new samples in the
//! same time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::cli::swarm::audit::Audit;
use crate::cli::swarm::crowd::Crowd;
use crate::cli::swarm::tally::{Ages, TRANSPORTS, histogram, short};
use crate::cli::swarm::visitors::Churn;
use gpys_client::Traffic;

/// What a part of the swarm did and saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Peers that were to connect.
    pub people: u64,
    /// Peers that connected.
    pub connected: u64,
    /// New poses sent.
    pub sent: u64,
    /// New samples of others received.
    pub received: u64,
    /// Their age of information.
    pub age_ms: Ages,
    /// Peers that another peer did not see although they were in view.
    pub lost: u64,
    /// Peers that another peer saw twice.
    pub doubled: u64,
    /// Frames received.
    pub frames: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Received datagrams that do not decode.
    pub bad: u64,
}

/// The whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The whole swarm.
    #[serde(flatten)]
    pub all: Part,
    /// Length of the measurement, in ms.
    pub measured_ms: u64,
    /// Repeated dials because a link could not be opened, and links in place of one that was silent or
    /// over.
    pub redials: u64,
    /// Reasons why peers could not connect or lost their link, with counts.
    pub disconnected: BTreeMap<String, u64>,
    /// By transport: `wt`, `ws`.
    pub transports: BTreeMap<&'static str, Part>,
    /// Visitors, if there were any; of the other counts, only lost and doubled include them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub churn: Option<Churn>,
}

impl Report {
    /// Builds the report from counts before and after the measured time.
    pub(super) fn new(
        crowd: &Crowd,
        seconds: f64,
        (before, after): (&[Traffic], &[Traffic]),
        audit: &Audit,
        disconnected: BTreeMap<String, u64>,
    ) -> Self {
        let measured_ms = (seconds * 1_000.0).round() as u64;
        let ghosts = audit.ghosts.len() as u64;
        let churn =
            (crowd.stage.args.churn > 0).then(|| Churn { ghosts, ..crowd.visitors.counts() });
        let redials = crowd.stage.tallies.redials.load(Ordering::Relaxed);
        let mut report = Self { measured_ms, redials, disconnected, churn, ..Self::default() };
        let mut all_ages = histogram();
        for transport in TRANSPORTS {
            let of = |&index: &usize| {
                index < crowd.stage.size && crowd.stage.transport(index) == transport
            };
            let ages = crowd.stage.tallies.ages(transport);
            let mut part = Part {
                people: (0..crowd.stage.size).filter(of).count() as u64,
                received: ages.len(),
                age_ms: Ages::of(&ages),
                lost: audit.lost.iter().filter(|&index| of(index)).count() as u64,
                doubled: audit.doubled.iter().filter(|&index| of(index)).count() as u64,
                ..Part::default()
            };
            for ((person, before), after) in crowd.people().iter().zip(before).zip(after) {
                if person.transport == transport {
                    part.count(before, after);
                }
            }
            // Two histograms of the same bounds can always be added.
            let _ = all_ages.add(&ages);
            report.all.add(&part);
            if part.people > 0 {
                report.transports.insert(short(transport), part);
            }
        }
        report.all.age_ms = Ages::of(&all_ages);
        report.all.lost = audit.lost.len() as u64;
        report.all.doubled = audit.doubled.len() as u64;
        report
    }

    /// Whether all peers connected, stayed or left as planned, and saw each other exactly once.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let all = &self.all;
        all.connected == all.people
            && all.lost + all.doubled == 0
            && self.churn.is_none_or(|churn| churn.mistaken + churn.ghosts == 0)
            && self.disconnected.values().sum::<u64>() == 0
    }

    /// The report as one JSON object on one line.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as text.
    #[must_use]
    pub fn text(&self) -> String {
        let all = &self.all;
        let mut text = format!(
            "{} of {} people connected; measured for {:.1} s\n\n{:4} {:>6} {:>9} {:>10} {:>9} {:>6} {:>6} {:>6}",
            all.connected,
            all.people,
            self.measured_ms as f64 / 1_000.0,
            "",
            "people",
            "sent",
            "received",
            "MB",
            "p50",
            "p99",
            "max"
        );
        let parts = self.transports.iter().map(|(&name, part)| (name, part));
        for (name, part) in parts.chain([("all", all)]) {
            let age = |age: Option<u64>| age.map_or_else(|| "-".to_owned(), |age| age.to_string());
            let Ages { p50, p99, max } = part.age_ms;
            let _ = write!(
                text,
                "\n{name:4} {:>6} {:>9} {:>10} {:>9.2} {:>6} {:>6} {:>6}",
                part.connected,
                part.sent,
                part.received,
                part.frame_bytes as f64 / 1e6,
                age(p50),
                age(p99),
                age(max)
            );
        }
        text.push_str("\n\nAge of information in ms: sample taken to sample received.");
        for (count, what) in [
            (all.lost, "lost"),
            (all.doubled, "doubled"),
            (all.bad, "bad datagrams"),
            (self.redials, "dialled again"),
        ] {
            let _ = write!(text, "\n{what}: {count}");
        }
        if let Some(churn) = self.churn {
            text.push_str(&churn.text());
        }
        for (reason, count) in &self.disconnected {
            let _ = write!(text, "\n{count} x {reason}");
        }
        text
    }
}

impl Part {
    /// Adds one peer's traffic.
    fn count(&mut self, before: &Traffic, after: &Traffic) {
        self.connected += 1;
        self.sent += after.poses - before.poses;
        self.frames += after.frames - before.frames;
        self.frame_bytes += after.frame_bytes - before.frame_bytes;
        self.bad += after.bad - before.bad;
    }

    /// Adds the counts of another part; ages, lost and doubled do not add up like that.
    fn add(&mut self, other: &Self) {
        self.people += other.people;
        self.connected += other.connected;
        self.sent += other.sent;
        self.received += other.received;
        self.frames += other.frames;
        self.frame_bytes += other.frame_bytes;
        self.bad += other.bad;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let ages = Ages { p50: Some(20), p99: Some(40), max: Some(55) };
        let part = Part { people: 2, connected: 2, sent: 600, age_ms: ages, ..Part::default() };
        let transports = [("wt", part.clone()), ("ws", Part::default())].into();
        Report { all: part, measured_ms: 30_000, transports, ..Report::default() }
    }

    #[test]
    fn json_is_one_object_of_the_promised_shape() {
        let json = report().json();
        assert!(!json.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        for part in [&value, &value["transports"]["wt"], &value["transports"]["ws"]] {
            for key in ["people", "connected", "sent", "received", "lost", "doubled"] {
                assert!(part[key].is_u64(), "{key} in {part}");
            }
            for key in ["p50", "p99", "max"] {
                assert!(part["age_ms"].get(key).is_some(), "{key} in {part}");
            }
        }
        assert_eq!(value["age_ms"]["p99"], 40);
        assert!(value["transports"]["ws"]["age_ms"]["p50"].is_null());
    }

    #[test]
    fn any_trouble_makes_a_report_unclean() {
        assert!(report().is_clean());
        let mut lost = report();
        lost.all.lost = 1;
        let mut away = report();
        away.all.connected = 1;
        let mut broken = report();
        broken.disconnected.insert("lost: x".to_owned(), 1);
        let churned = |churn| Report { churn: Some(churn), ..report() };
        assert!(churned(Churn { joins: 9, late: 1, ..Churn::default() }).is_clean());
        let ghost = churned(Churn { ghosts: 1, ..Churn::default() });
        let mistaken = churned(Churn { mistaken: 1, ..Churn::default() });
        for bad in [lost, away, broken, ghost, mistaken] {
            assert!(!bad.is_clean());
        }
    }

    #[test]
    fn the_text_says_what_went_wrong() {
        let mut report = report();
        report.disconnected.insert("nothing arrived for 15 s".to_owned(), 3);
        let text = report.text();
        assert!(text.contains("2 of 2 people connected"), "{text}");
        assert!(text.ends_with("3 x nothing arrived for 15 s"), "{text}");
    }
}
