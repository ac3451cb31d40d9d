//! The run: a server, a swarm, attackers, and the server's usage over time.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::runtime::Builder;

use gpys_testkit::attacks::arena::{Attack, Target};
use gpys_testkit::attacks::{
    floods, h3, http, identity, messages, packets, reflection, rfc6455, sessions, slow,
};
use gpys_testkit::process::{Process, Usage};

/// The default duration, unless `GPYS_SOAK` is set.
const SHORT: Duration = Duration::from_secs(30);
/// Number of peers who stay, and of those who come and go per minute.
const PEOPLE: &str = "40";
const CHURN: &str = "500";
/// Number of concurrent attacks.
const ATTACKS: usize = 8;
/// How often the server's usage is sampled.
const EVERY: Duration = Duration::from_secs(1);
/// How long the server may take to release everything: vanished peers are forgotten after 30 s, and
/// an empty room a second later.
const RETURN: Duration = Duration::from_secs(60);
/// How long the server may take to stop.
const STOP: Duration = Duration::from_secs(10);
/// The share of a run at its start in which memory grows to what the load needs.
const WARM_UP: f64 = 0.25;
/// How much memory may differ between the first and the last third of the rest: it depends on which
/// attacks fall into them. A run of half a minute is hardly warm at its end.
const MARGIN: f64 = 0.05;
const SHORT_MARGIN: f64 = 0.35;

/// Runs the soak, prints what was seen, and fails if anything is wrong.
pub fn soak() -> Result<()> {
    let time = match std::env::var("GPYS_SOAK") {
        Ok(time) => {
            humantime::parse_duration(&time).context("GPYS_SOAK must be a duration such as 10m")?
        }
        Err(_) => SHORT,
    };
    let mut server = Process::start(&[])?;
    let before = calm(&server)?;
    let started = Instant::now();
    let mut swarm = swarm(&server, time)?;
    let over = Arc::new(AtomicBool::new(false));
    let attackers = attack(&server, &over);
    let mut samples = Vec::new();
    while swarm.try_wait()?.is_none() {
        ensure!(started.elapsed() < 2 * time + RETURN, "the swarm did not end");
        std::thread::sleep(EVERY);
        samples.push(server.usage()?);
    }
    over.store(true, Ordering::Relaxed);
    let report = swarm.wait_with_output()?;
    let attacks = attackers.join().map_err(|_| anyhow!("the attackers panicked"))?;
    let after = returned(&server, before)?;
    let report: Value = serde_json::from_slice(&report.stdout).context("the swarm's report")?;
    println!("{}", account(&samples, [before, after], &report, &attacks));
    judge(time, &samples, [before, after], &report)?;
    attacks.judge()?;
    stop(&mut server)
}

/// The usage of a freshly started server, once it is stable.
fn calm(server: &Process) -> Result<Usage> {
    let mut least = server.usage()?;
    for _ in 0..10 {
        std::thread::sleep(EVERY / 10);
        let now = server.usage()?;
        (least.tasks, least.files) = (least.tasks.min(now.tasks), least.files.min(now.files));
        least.rss = now.rss;
    }
    Ok(least)
}

fn swarm(server: &Process, time: Duration) -> Result<Child> {
    let time = humantime::format_duration(time).to_string().replace(' ', "");
    let mut swarm = Command::new(env!("CARGO_BIN_EXE_gpys"));
    swarm.args(["swarm", &server.url(), "--people", PEOPLE, "--churn", CHURN, "--rate", "5"]);
    swarm.args(["--for", &time, "--json"]).stdout(Stdio::piped());
    Ok(swarm.spawn()?)
}

/// What the attackers did.
#[derive(Debug, Default)]
struct Attacks {
    count: usize,
    rounds: usize,
    /// How often each attack got a wrong response.
    wrong: BTreeMap<String, usize>,
}

impl Attacks {
    fn judge(&self) -> Result<()> {
        // Next to everything else a response may be late, and some attacks check the time.
        let wrong: usize = self.wrong.values().sum();
        ensure!(
            wrong * 50 <= self.count,
            "{wrong} of {} attacks were answered wrongly",
            self.count
        );
        Ok(())
    }
}

/// Attacks the server until `over`, on a separate thread: every attack that a server with default
/// settings must endure, round after round.
fn attack(server: &Process, over: &Arc<AtomicBool>) -> JoinHandle<Attacks> {
    let (https, http, metrics) = (server.https, server.http, server.metrics);
    let over = Arc::clone(over);
    std::thread::spawn(move || {
        let target = Rc::new(Target { https, http, udp: https, metrics });
        let mut attacks = Attacks::default();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        while !over.load(Ordering::Relaxed) {
            attacks.rounds += 1;
            let round = all().into_iter().take_while(|_| !over.load(Ordering::Relaxed));
            let round = futures_util::stream::iter(round)
                .map(|attack| attack.against(Rc::clone(&target)))
                .buffer_unordered(ATTACKS)
                .collect::<Vec<_>>();
            for outcome in runtime.block_on(round) {
                attacks.count += 1;
                if let Some(wrong) = outcome {
                    *attacks.wrong.entry(wrong).or_default() += 1;
                }
            }
        }
        attacks
    })
}

fn all() -> Vec<Attack> {
    let sieges = [
        rfc6455::of_fragments,
        rfc6455::of_control,
        rfc6455::of_bits,
        rfc6455::of_lengths,
        rfc6455::of_text,
        rfc6455::of_closes,
        http::of_upgrades,
        http::of_requests,
        packets::attacks,
        reflection::attacks,
        h3::of_streams,
        h3::of_requests,
        sessions::attacks,
        messages::attacks,
        identity::attacks,
        floods::attacks,
        slow::attacks,
    ];
    sieges.into_iter().flat_map(|siege: fn() -> Vec<Attack>| siege()).collect()
}

/// Waits until the server has released everything, and returns its usage then.
fn returned(server: &Process, before: Usage) -> Result<Usage> {
    let started = Instant::now();
    loop {
        let now = server.usage()?;
        let is_back = now.tasks <= before.tasks && now.files <= before.files;
        if is_back || started.elapsed() > RETURN {
            return Ok(now);
        }
        std::thread::sleep(EVERY);
    }
}

/// The median memory of the first and the last third after the warm-up.
fn thirds(samples: &[Usage]) -> [u64; 2] {
    let warm = &samples[(samples.len() as f64 * WARM_UP) as usize..];
    let third = (warm.len() / 3).max(1);
    let median = |part: &[Usage]| {
        let mut rss: Vec<_> = part.iter().map(|usage| usage.rss).collect();
        rss.sort_unstable();
        rss.get(rss.len() / 2).copied().unwrap_or(0)
    };
    [median(&warm[..third.min(warm.len())]), median(&warm[warm.len().saturating_sub(third)..])]
}

fn judge(
    time: Duration,
    samples: &[Usage],
    [before, after]: [Usage; 2],
    report: &Value,
) -> Result<()> {
    let mut wrong = Vec::new();
    let mut check = |is_right: bool, what: String| {
        if !is_right {
            wrong.push(what);
        }
    };
    let count = |value: &Value| value.as_u64().unwrap_or(u64::MAX);
    for what in ["lost", "doubled"] {
        check(count(&report[what]) == 0, format!("{} {what}", report[what]));
    }
    for what in ["mistaken", "ghosts"] {
        let value = &report["churn"][what];
        check(count(value) == 0, format!("{value} {what}"));
    }
    let away = &report["disconnected"];
    check(away.as_object().is_some_and(|away| away.is_empty()), format!("disconnected: {away}"));
    let expected = time.as_secs_f64() / 60.0 * CHURN.parse::<f64>()?;
    let joins = count(&report["churn"]["joins"]) as f64;
    check(joins > 0.8 * expected, format!("{joins} of {expected} joins"));
    check(after.tasks <= before.tasks, format!("tasks: {} to {}", before.tasks, after.tasks));
    check(after.files <= before.files, format!("files: {} to {}", before.files, after.files));
    let [first, last] = thirds(samples).map(|rss| rss as f64);
    let margin = if time > 4 * SHORT { MARGIN } else { SHORT_MARGIN };
    check(last <= first * (1.0 + margin), format!("memory grew: {first} to {last} bytes"));
    if wrong.is_empty() { Ok(()) } else { bail!("{}", wrong.join("; ")) }
}

/// A readable account of the run.
fn account(
    samples: &[Usage],
    [before, after]: [Usage; 2],
    report: &Value,
    attacks: &Attacks,
) -> String {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let most = |of: fn(&Usage) -> u64| samples.iter().map(of).max().unwrap_or(0);
    let [first, last] = thirds(samples).map(mb);
    let mut text = format!(
        "memory: {} before, {first} in the first third, {last} in the last, {} at most, {} after\n\
         tasks: {} before, {} at most, {} after\n\
         files: {} before, {} at most, {} after\n\
         threads: {} before, {} at most, {} after\n\
         attacks: {} in {} rounds, {} not answered as expected\n\
         swarm: {report}",
        mb(before.rss),
        mb(most(|usage| usage.rss)),
        mb(after.rss),
        before.tasks,
        most(|usage| usage.tasks),
        after.tasks,
        before.files,
        most(|usage| usage.files),
        after.files,
        before.threads,
        most(|usage| usage.threads),
        after.threads,
        attacks.count,
        attacks.rounds,
        attacks.wrong.values().sum::<usize>(),
    );
    for (wrong, times) in &attacks.wrong {
        text.push_str(&format!("\n{times} x {wrong}"));
    }
    text
}

/// Checks that the server stops, and exits successfully.
fn stop(server: &mut Process) -> Result<()> {
    let started = Instant::now();
    server.terminate()?;
    loop {
        if let Some(status) = server.ended()? {
            ensure!(status.success(), "the server exited: {status}");
            return Ok(());
        }
        ensure!(started.elapsed() < STOP, "the server did not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
}
