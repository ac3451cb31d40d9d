//! Starts and ends the programs of `gpys netem`.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::future::pending;
use std::io::{self, stderr};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use nix::sys::signal::{kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::cli::netem::args::{Args, FAILED};
use gpys_path::{Counters, EmulatedPath, Namespace, PathError, PathSettings, isolate};
use gpys_server::terminal;

/// How long a program may take to listen before the other one starts anyway.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);
/// How often to check whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a program may take to end on a signal.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to end by itself after Ctrl-C, which the terminal also sends to it.
const HEEDS_WITHIN: Duration = Duration::from_secs(1);
/// The shell's exit codes for a program that cannot run and for one that does not exist.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
/// The shell's exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Why `gpys netem` could not run its command.
#[derive(Debug, thiserror::Error)]
enum NetemError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{0} cannot be started: {1}")]
    Start(String, io::Error),
    #[error("cannot set up signals, timers or child processes: {0}")]
    Runtime(#[from] io::Error),
    #[error("interrupted before the far end listened")]
    Interrupted,
}

impl NetemError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Start(_, error) if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Start(..) => NOT_RUN,
            Self::Path(_) | Self::Runtime(_) => FAILED,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

/// Runs the command behind the path, and returns its exit code: 128 plus the signal's number if a
/// signal ended it, 125 to 127 if it did not run. Call it before any other thread starts.
#[must_use]
pub fn run(args: &Args) -> u8 {
    match try_run(args) {
        Ok(status) => exit_code(status),
        Err(error) => {
            say(format_args!("{error}"));
            error.exit_code()
        }
    }
}

fn try_run(args: &Args) -> Result<ExitStatus, NetemError> {
    isolate()?;
    set_child_subreaper(true).map_err(io::Error::from)?;
    let settings = args.settings();
    let [up, down] = settings;
    let path = EmulatedPath::open(up, down, args.seed)?;
    if up == down {
        say(format_args!("each way: {up}; seed {}", args.seed));
    } else {
        say(format_args!("from the near end: {up}; to it: {down}; seed {}", args.seed));
    }
    say(format_args!("near end {}, far end {}", path.near().address(), path.far().address()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(run_both(args, &path, settings))?;
    let [there, back] = path.counters();
    say(format_args!("near to far: {}", Words(there)));
    say(format_args!("far to near: {}", Words(back)));
    Ok(status)
}

async fn run_both(
    args: &Args,
    path: &EmulatedPath,
    settings: [PathSettings; 2],
) -> Result<ExitStatus, NetemError> {
    let mut signals = Signals::listen()?;
    let mut far = None;
    if let Some(words) = &args.far {
        let mut shell = Command::new("/bin/sh");
        // A group of its own, to end everything the shell has started.
        shell.args(["-c", words]).stdin(Stdio::null()).process_group(0);
        let program = far.insert(Program::start(path.far(), shell, true)?);
        tokio::select! {
            () = program.listens(path.far()) => {}
            _ = signals.heard() => {
                program.end().await;
                return Err(NetemError::Interrupted);
            }
        }
    }
    let status = run_near(args, path, settings, &mut signals).await;
    if let Some(far) = &mut far {
        far.end().await;
    }
    status
}

async fn run_near(
    args: &Args,
    path: &EmulatedPath,
    settings: [PathSettings; 2],
    signals: &mut Signals,
) -> Result<ExitStatus, NetemError> {
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    let mut near = Program::start(path.near(), command, false)?;
    let patience = tokio::select! {
        status = near.ended() => return Ok(status),
        never = black_out(args.blackout, path, settings) => match never {},
        patience = signals.heard() => patience,
    };
    match timeout(patience, near.ended()).await {
        Ok(status) => Ok(status),
        Err(_) => Ok(near.end().await),
    }
}

/// Blocks the path for a while, if asked to.
async fn black_out(
    when: Option<(Duration, Duration)>,
    path: &EmulatedPath,
    settings: [PathSettings; 2],
) -> Infallible {
    if let Some((start, length)) = when {
        sleep(start).await;
        let [up, down] = settings.map(|way| PathSettings { blocked: true, ..way });
        path.set(up, down);
        say(format_args!("blackout for {}", humantime::format_duration(length)));
        sleep(length).await;
        path.set(settings[0], settings[1]);
        say(format_args!("the blackout is over"));
    }
    pending().await
}

/// The signals that stop `gpys netem`.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for a signal; returns how long the command may take to end by itself.
    async fn heard(&mut self) -> Duration {
        tokio::select! {
            _ = self.interrupt.recv() => HEEDS_WITHIN,
            _ = self.terminate.recv() => Duration::ZERO,
        }
    }
}

/// A program at one end.
struct Program {
    /// Its id, or that of its group.
    id: Pid,
    is_group: bool,
    waited: oneshot::Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Program {
    fn start(end: &Namespace, command: Command, is_group: bool) -> Result<Self, NetemError> {
        let name = command.get_program().display().to_string();
        let failed = |error| NetemError::Start(name.clone(), error);
        let mut child = end.spawn(command).map_err(failed)?;
        // The system's ids are positive numbers of 31 bits.
        let id = Pid::from_raw(child.id().cast_signed());
        let (ended, waited) = oneshot::channel();
        thread::Builder::new()
            .name("wait".to_owned())
            .spawn(move || child.wait().map(|status| ended.send(status)))
            .map_err(failed)?;
        Ok(Self { id, is_group, waited, status: None })
    }

    /// Waits until it has ended.
    async fn ended(&mut self) -> ExitStatus {
        if self.status.is_none() {
            // Waiting for one's own child does not fail.
            self.status = (&mut self.waited).await.ok();
        }
        self.status.unwrap_or_default()
    }

    /// Asks it to end, then kills it.
    async fn end(&mut self) -> ExitStatus {
        for signal in [SIGTERM, SIGKILL] {
            // Signalling a program that has ended may fail.
            let _ = if self.is_group { killpg(self.id, signal) } else { kill(self.id, signal) };
            if let Ok(status) = timeout(ENDS_WITHIN, self.all_ended()).await {
                return status;
            }
        }
        self.ended().await
    }

    /// Waits until it and its whole group have ended.
    async fn all_ended(&mut self) -> ExitStatus {
        let status = self.ended().await;
        // This process adopts the shell's orphans; wait until all are gone.
        let group = Pid::from_raw(-self.id.as_raw());
        while self.is_group && waitpid(group, Some(WaitPidFlag::WNOHANG)).is_ok() {
            sleep(LOOK_EVERY).await;
        }
        status
    }

    /// Waits until a socket at this end listens, or the wait seems futile.
    async fn listens(&mut self, end: &Namespace) {
        let heard = async {
            while !end.run(has_listener) {
                sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = heard => {}
            status = self.ended() => say(format_args!("the far end's program has ended: {status}")),
            () = sleep(LISTENS_WITHIN) => {
                say(format_args!("nothing listens at the far end yet; starting anyway"));
            }
        }
    }
}

/// Whether a TCP socket listens, or a UDP socket is bound, in this thread's network namespace.
fn has_listener() -> bool {
    let has = |file: &str, is_one: fn(&str) -> bool| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        table.is_ok_and(|table| table.lines().skip(1).any(is_one))
    };
    // The fourth column of the kernel's table is the state, and 0A is listening.
    let listens = |line: &str| line.split_whitespace().nth(3) == Some("0A");
    has("tcp", listens) || has("tcp6", listens) || has("udp", |_| true) || has("udp6", |_| true)
}

/// The exit code as the shell computes it.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

fn say(words: fmt::Arguments<'_>) {
    // With standard error closed there is no reader.
    let _ = terminal::say(&mut stderr(), &format_args!("gpys netem: {words}"));
}

/// Counters as a sentence.
struct Words(Counters);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.0;
        write!(f, "{} packets ({} bytes) came, ", c.packets, c.bytes)?;
        write!(f, "{} packets ({} bytes) went out", c.delivered, c.delivered_bytes)?;
        for (count, what) in [
            (c.lost, "lost one by one"),
            (c.lost_in_bursts, "lost in bursts"),
            (c.overflowed, "dropped by the queue"),
            (c.blocked, "blocked"),
            (c.duplicated, "duplicated"),
            (c.reordered, "out of order"),
        ] {
            if count > 0 {
                write!(f, ", {count} packets {what}")?;
            }
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        if !c.longest_wait.is_zero() {
            write!(f, "; longest wait in the queue {:.1} ms", ms(c.longest_wait))?;
        }
        if c.delivered > 0 {
            write!(f, "; {}", c.lateness)?;
        }
        write!(f, "; at most {:.3} ms later than set", ms(c.latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpys_path::Lateness;

    #[test]
    fn exit_codes_are_those_of_the_shell() {
        for (raw, code) in [(0, 0), (3 << 8, 3), (255 << 8, 255), (15, 143), (9, 137)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), code, "{raw}");
        }
    }

    #[test]
    fn counters_have_units() {
        let mut lateness = Lateness::default();
        (0..8).for_each(|_| lateness.record(Duration::from_micros(7)));
        lateness.record(Duration::from_micros(31));
        let counters = Counters {
            packets: 10,
            bytes: 1_000,
            delivered: 9,
            delivered_bytes: 900,
            lost: 1,
            longest_wait: Duration::from_micros(1_250),
            latest: Duration::from_micros(31),
            lateness,
            ..Counters::default()
        };
        let words = "10 packets (1000 bytes) came, 9 packets (900 bytes) went out, \
                     1 packets lost one by one; longest wait in the queue 1.2 ms; \
                     99 % within 0.05 ms of the set time; at most 0.031 ms later than set";
        assert_eq!(Words(counters).to_string(), words);
    }
}
