//! The report of an examination.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Instant;

use serde::Serialize;

use gpys_client::Transport;

/// The verdict on a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// Worth knowing, but nothing to fix.
    Note,
    /// Works, but not for every client or not for long.
    Warning,
    /// Does not work.
    Failure,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Failure => "FAILURE",
        }
    }
}

/// The subject of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// The addresses of the host.
    Name,
    /// A TCP connection to one address.
    Tcp,
    /// The certificate of HTTPS.
    Certificate,
    /// `/config.json`.
    Config,
    /// The path of the URL.
    Path,
    /// A proxy in front of the server, and what it passes on.
    Proxy,
    /// `/readyz`.
    Health,
    /// A QUIC handshake with one address, and the certificate of WebTransport.
    Quic,
    /// The session of WebTransport, or the upgrade to WebSocket.
    Session,
    /// Joining a room.
    Join,
    /// Pings in the room.
    Pings,
}

impl Topic {
    /// Its name in a report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Tcp => "TCP",
            Self::Certificate => "certificate",
            Self::Config => "config.json",
            Self::Path => "path",
            Self::Proxy => "proxy",
            Self::Health => "health",
            Self::Quic => "QUIC",
            Self::Session => "session",
            Self::Join => "join",
            Self::Pings => "pings",
        }
    }
}

/// One step of an examination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The subject.
    pub topic: Topic,
    /// The transport concerned; `None` if it is both.
    pub transport: Option<Name>,
    /// The verdict.
    pub verdict: Verdict,
    /// Its duration, in ms.
    pub ms: f64,
    /// The finding.
    pub says: String,
    /// The remedy.
    pub advice: Option<String>,
}

/// A transport's name in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// WebTransport.
    Wt,
    /// WebSocket.
    Ws,
}

impl Name {
    /// The full name.
    #[must_use]
    pub const fn full(self) -> &'static str {
        match self {
            Self::Wt => "WebTransport",
            Self::Ws => "WebSocket",
        }
    }
}

impl From<Transport> for Name {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::WebTransport => Self::Wt,
            Transport::WebSocket => Self::Ws,
        }
    }
}

/// A finding; a [`Watch`] turns it into a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) says: String,
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(says: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, says: says.into(), advice: None }
    }

    pub(super) fn note(says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, says: says.into(), advice: Some(advice.into()) }
    }

    pub(super) fn warning(says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, says: says.into(), advice: Some(advice.into()) }
    }

    pub(super) fn failure(says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failure, says: says.into(), advice: Some(advice.into()) }
    }
}

/// Measures how long a step takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    topic: Topic,
    transport: Option<Name>,
    started: Instant,
}

impl Watch {
    pub(super) fn start(topic: Topic, transport: Option<Name>) -> Self {
        Self { topic, transport, started: Instant::now() }
    }

    pub(super) fn stop(self, finding: Finding) -> Step {
        let Self { topic, transport, started } = self;
        let Finding { verdict, says, advice } = finding;
        let ms = (started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        Step { topic, transport, verdict, ms, says, advice }
    }
}

/// The result for one transport.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether a page can join a room over it.
    pub works: bool,
    /// The median of the round trips, in ms.
    pub round_trip_ms: Option<f64>,
    /// The share of unanswered pings, from 0 to 1.
    pub lost: Option<f64>,
    /// The largest datagram to the server, in bytes.
    pub max_datagram: Option<usize>,
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The URL as given.
    pub url: String,
    /// The origin to connect as.
    pub origin: String,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The result for each transport that was checked.
    pub transports: BTreeMap<Name, Outcome>,
}

impl Report {
    /// The exit code: 0 if all is well, 1 if one transport works or there is a warning, 2 if no
    /// client can connect.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let is_fine = self.steps.iter().all(|step| step.verdict < Verdict::Warning);
        match (self.transports.values().any(|it| it.works), is_fine) {
            (false, _) => 2,
            (true, false) => 1,
            (true, true) => 0,
        }
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        // These types have no map with keys other than text and no serialiser of their own.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A summary in a line or two.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (name, outcome) in &self.transports {
            let verdict = if outcome.works { "works" } else { "does not work" };
            let _ = write!(text, "{} {verdict}. ", name.full());
        }
        let faults = self.steps.iter().filter(|step| step.verdict >= Verdict::Warning).count();
        let _ = match (self.exit_code(), faults) {
            (0, _) => write!(text, "All is well."),
            (_, 1) => write!(text, "There is one thing to fix."),
            (_, many) => write!(text, "There are {many} things to fix."),
        };
        text
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, topic) = (self.verdict.word(), self.topic.word());
        let on = self.transport.map_or("", Name::full);
        write!(f, "{verdict:7}  {on:12}  {topic:11}  {:>5.0} ms  {}", self.ms, self.says)?;
        if let Some(advice) = &self.advice {
            write!(f, "\n         -> {advice}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[Verdict], works: &[(Name, bool)]) -> Report {
        let step = |&verdict: &Verdict| Step {
            topic: Topic::Quic,
            transport: Some(Name::Wt),
            verdict,
            ms: 5_000.0,
            says: "silence".to_owned(),
            advice: Some("open the port".to_owned()),
        };
        let outcome = |&(name, works)| (name, Outcome { works, ..Outcome::default() });
        Report {
            url: "https://gpys.example".to_owned(),
            origin: "https://gpys.example".to_owned(),
            steps: verdicts.iter().map(step).collect(),
            transports: works.iter().map(outcome).collect(),
        }
    }

    #[test]
    fn the_exit_code_distinguishes_all_one_and_none() {
        use Verdict::{Failure, Note, Ok, Warning};
        let both = [(Name::Wt, true), (Name::Ws, true)];
        let one = [(Name::Wt, false), (Name::Ws, true)];
        let none = [(Name::Wt, false), (Name::Ws, false)];
        assert_eq!(report(&[Ok, Note], &both).exit_code(), 0);
        assert_eq!(report(&[Ok, Warning], &both).exit_code(), 1);
        assert_eq!(report(&[Failure, Ok], &one).exit_code(), 1);
        assert_eq!(report(&[Failure], &none).exit_code(), 2);
        assert_eq!(report(&[Ok], &[(Name::Ws, true)]).exit_code(), 0);
        assert_eq!(report(&[Ok], &[(Name::Ws, false)]).exit_code(), 2);
    }

    #[test]
    fn json_has_the_promised_shape() {
        let report = report(&[Verdict::Failure], &[(Name::Wt, false), (Name::Ws, true)]);
        let value: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["transports"]["wt"]["works"], false);
        let step = &value["steps"][0];
        assert_eq!((&step["topic"], &step["verdict"]), (&"quic".into(), &"failure".into()));
        assert_eq!((&step["transport"], &step["ms"]), (&"wt".into(), &5_000.0.into()));
    }

    #[test]
    fn a_step_is_a_line_and_a_remedy() {
        let report = report(&[Verdict::Failure], &[(Name::Wt, false), (Name::Ws, true)]);
        let text = report.steps[0].to_string();
        assert!(text.starts_with("FAILURE  WebTransport  QUIC "), "{text}");
        assert!(text.ends_with("-> open the port"), "{text}");
        let summary = report.summary();
        assert!(
            summary.contains("WebTransport does not work. WebSocket works. There"),
            "{summary}"
        );
    }
}
