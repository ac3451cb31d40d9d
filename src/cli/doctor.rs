//! `gpys doctor`: finds out which transports reach a server from here, and why others fail.
//!
//! It judges as a browser does: what browsers refuse is a failure, even where a native client would
//! carry on. Every step is real: it resolves names, shakes hands, joins a room as a watcher, pings,
//! and leaves.
//!
//! Reading order: `report` (what a step is), `net` (name, TCP, HTTPS, `/config.json`), `front`
//! (paths and proxies), `record` and `certificate` (the certificate, and how browsers judge it),
//! `quic`, `session`.

mod certificate;
mod front;
mod net;
mod quic;
mod record;
pub mod report;
mod session;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use http::Uri;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::doctor::record::Judge;
use crate::cli::doctor::report::{Name, Outcome, Report, Step, Verdict};
use crate::cli::doctor::session::Visit;
use crate::cli::output;
use crate::cli::parse;
use gpys_client::server_info::Target;
use gpys_client::{ConnectError, Transport, Trust};
use gpys_server::terminal;

/// The variable that holds the access token if no file does.
const ACCESS: &str = "GPYS_ACCESS";

/// The end of the subcommand's help.
pub const HELP: &str = "\
Checks what a browser would check, joins a room as a watcher, pings and leaves.
Exits with 0 if all is well, 1 if only one transport works or something needs
fixing, 2 if no client can connect.

Examples:
  gpys doctor https://gpys.example
        run it where your users are, not on the server
  gpys doctor https://gpys.example --origin https://friend.example
        what a page of another site gets
  gpys doctor https://gpys.example --room staff --access token.txt
  gpys doctor https://gpys.example --json
        one JSON object on standard output";

/// Options of `gpys doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// URL of the server's page.
    #[arg(default_value = "https://localhost:4433")]
    pub url: String,
    /// Connect as a page of this origin, such as `https://example.org` [default: the server's
    /// own].
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    pub origin: Option<String>,
    /// Transports to check.
    #[arg(long, value_enum, default_value_t = Which::Both)]
    pub transport: Which,
    /// Room to join briefly, as a nameless watcher.
    #[arg(long, default_value = "lobby", value_name = "NAME", value_parser = parse::room)]
    pub room: String,
    /// File with the access token for the room; without it, GPYS_ACCESS may hold the token.
    #[arg(long, value_name = "FILE")]
    pub access: Option<PathBuf>,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Accept any certificate, even from hosts outside this network.
    #[arg(long)]
    pub insecure: bool,
}

/// Transports to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// WebTransport.
    Wt,
    /// WebSocket.
    Ws,
    /// Both.
    Both,
}

impl Which {
    const fn all(self) -> &'static [Transport] {
        match self {
            Self::Wt => &[Transport::WebTransport],
            Self::Ws => &[Transport::WebSocket],
            Self::Both => &[Transport::WebTransport, Transport::WebSocket],
        }
    }
}

/// Why the doctor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The URL is not a server's.
    #[error(transparent)]
    Url(#[from] ConnectError),
    /// The file with the token cannot be read.
    #[error("cannot read --access {}: {}", .0.display(), .1)]
    Access(PathBuf, std::io::Error),
}

/// Runs the subcommand to its exit code.
pub fn main(args: Args) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    match runtime.enable_all().build() {
        Ok(runtime) => match runtime.block_on(run(args)) {
            Ok(report) => ExitCode::from(report.exit_code()),
            Err(error) => output::fail(&error, 2),
        },
        Err(error) => output::fail(&error, 2),
    }
}

/// Examines a server and prints each finding at once, or one JSON object at the end.
///
/// # Errors
/// If the URL is not valid, or the token cannot be read. Faults of the server are in the report.
async fn run(args: Args) -> Result<Report, DoctorError> {
    let access = match &args.access {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.map_err(|error| DoctorError::Access(path.clone(), error))?)
        }
        None => std::env::var(ACCESS).ok(),
    };
    let access = access.map(|text| text.trim().to_owned());
    let printer = Printer::new(&args);
    let report = examine(&args, access.as_deref(), |step| printer.print(step)).await?;
    printer.end(&report);
    Ok(report)
}

/// Examines a server, and passes each step to `told` when it is done.
///
/// # Errors
/// If the URL is not valid.
pub async fn examine(
    args: &Args,
    access: Option<&str>,
    mut told: impl FnMut(&Step),
) -> Result<Report, DoctorError> {
    let target = Target::parse(&args.url)?;
    let origin = args.origin.clone().unwrap_or_else(|| own_origin(&target));
    let (judge, steps) = (record::judge(), Vec::new());
    let mut patient = Patient { target, origin, args, access, judge, steps, told: &mut told };
    let transports = patient.examine().await;
    let Patient { steps, origin, .. } = patient;
    Ok(Report { url: args.url.clone(), origin, steps, transports })
}

/// A server under examination.
struct Patient<'a> {
    target: Target,
    origin: String,
    args: &'a Args,
    access: Option<&'a str>,
    judge: Judge,
    steps: Vec<Step>,
    told: &'a mut dyn FnMut(&Step),
}

impl Patient<'_> {
    fn note(&mut self, step: Step) {
        (self.told)(&step);
        self.steps.push(step);
    }

    /// Whether the last step failed.
    fn is_stuck(&self) -> bool {
        self.steps.last().is_some_and(|step| step.verdict == Verdict::Failure)
    }

    async fn examine(&mut self) -> BTreeMap<Name, Outcome> {
        let mut outcomes: BTreeMap<_, _> = self
            .args
            .transport
            .all()
            .iter()
            .map(|&transport| (Name::from(transport), Outcome::default()))
            .collect();
        let Some((config, known, trust)) = self.common().await else { return outcomes };
        for &transport in self.args.transport.all() {
            if transport == Transport::WebTransport {
                let (steps, works) =
                    quic::shake_hands(&config, self.target.port, &self.judge).await;
                steps.into_iter().for_each(|step| self.note(step));
                if !works {
                    continue;
                }
            }
            let (origin, args) = (self.origin.clone(), self.args);
            let (room, access) = (args.room.as_str(), self.access);
            let visit = Visit { config: &config, trust, known, origin: &origin, room, access };
            let outcome = visit.go(transport, |step| self.note(step)).await;
            outcomes.insert(transport.into(), outcome);
        }
        // A fault common to both transports is a fault of each.
        let is_common = |step: &&Step| step.transport.is_none();
        if self.steps.iter().filter(is_common).any(|step| step.verdict == Verdict::Failure) {
            outcomes.values_mut().for_each(|outcome| outcome.works = false);
        }
        outcomes
    }

    /// Checks what both transports need, up to the server's configuration.
    async fn common(&mut self) -> Option<(gpys_client::Config, std::net::SocketAddr, Trust)> {
        if let Some(step) = front::path(&self.target) {
            self.note(step);
        }
        let (step, addresses) = net::look_up(&self.target).await;
        self.note(step);
        if self.is_stuck() {
            return None;
        }
        let (steps, answering) = net::connect_all(&addresses).await;
        steps.into_iter().for_each(|step| self.note(step));
        let step = net::certificate(&self.target, *answering.first()?, &self.judge).await;
        self.note(step);
        // A server that cannot prove its identity gets no requests and no token.
        if self.is_stuck() && !self.args.insecure {
            return None;
        }
        let trust = if self.args.insecure { Trust::Insecure } else { Trust::Public };
        let (steps, config) = net::configuration(&self.target, trust, &self.origin).await;
        steps.into_iter().for_each(|step| self.note(step));
        let (config, known) = config?;
        let step = net::health(&self.target, trust).await;
        self.note(step);
        Some((config, known, trust))
    }
}

/// The origin of a server's own pages, as browsers write it.
fn own_origin(target: &Target) -> String {
    let (scheme, default) = if target.tls { ("https", 443) } else { ("http", 80) };
    let host = target.host.to_ascii_lowercase();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    if target.port == default {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{}", target.port)
    }
}

fn parse_origin(text: &str) -> Result<String, String> {
    let origin = text.trim_end_matches('/').to_ascii_lowercase();
    let whole = origin
        .parse::<Uri>()
        .ok()
        .and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)));
    if whole.as_ref() == Some(&origin) || origin == "null" {
        return Ok(origin);
    }
    Err("expected scheme, host and port, such as https://example.org".to_owned())
}

/// Prints steps as they come, with a spinner in between.
struct Printer {
    json: bool,
    spinner: ProgressBar,
}

impl Printer {
    fn new(args: &Args) -> Self {
        let spinner = if args.json || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} checking {msg} ({elapsed})") {
            spinner.set_style(style);
        }
        spinner.set_message(args.url.clone());
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { json: args.json, spinner }
    }

    fn print(&self, step: &Step) {
        if !self.json {
            self.say(&step.to_string());
        }
    }

    fn say(&self, words: &str) {
        // With standard output closed there is no reader.
        self.spinner.suspend(|| drop(terminal::say(&mut std::io::stdout().lock(), words)));
    }

    fn end(&self, report: &Report) {
        self.spinner.finish_and_clear();
        let words = if self.json { report.json() } else { format!("\n{}", report.summary()) };
        self.say(&words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_an_origin_as_browsers_do() {
        let own = |url: &str| own_origin(&Target::parse(url).unwrap());
        assert_eq!(own("https://GPyS.example/r/x"), "https://gpys.example");
        assert_eq!(own("https://gpys.example:443"), "https://gpys.example");
        assert_eq!(own("http://[::1]:8080/"), "http://[::1]:8080");
        assert_eq!(parse_origin("https://A.example/").unwrap(), "https://a.example");
        assert_eq!(parse_origin("null").unwrap(), "null");
        for bad in ["a.example", "https://a.example/page", ""] {
            assert!(parse_origin(bad).is_err(), "{bad}");
        }
    }
}
