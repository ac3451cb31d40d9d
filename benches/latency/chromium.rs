//! Real Chromium behind the path: the page's own benchmark, and how soon it falls back.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gpys::client::Transport;
use gpys::path::PathSettings;
use serde::Deserialize;

use crate::attend::{Attendee, Entrance, Manners};
use crate::board::Board;
use crate::judge::bar;
use crate::results::{Bar, Percentiles, Row};
use crate::run::Ground;
use crate::servers::Server;

/// A separate port for a separate server.
const PORT: u16 = 4435;
/// Samples per second taken by the page.
const HZ: u32 = 60;
/// Number of pages opened while UDP is blocked.
const TIMES: u32 = 5;
/// How soon after its dial the page's first frame is due, in ms.
const FALLBACK_MS: f64 = 1_000.0;
/// How long a browser takes around what it measures, and to fall back with every page, about.
pub const AROUND: Duration = Duration::from_secs(5);
pub const FALL_BACK: Duration = Duration::from_secs(20);
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser");

/// The used parts of what `/bench` reports (web/README.md).
#[derive(Debug, Deserialize)]
struct Page {
    measured_seconds: f64,
    transports: Transports,
}

#[derive(Debug, Deserialize)]
struct Transports {
    webtransport: Option<Measured>,
    websocket: Option<Measured>,
}

#[derive(Debug, Deserialize)]
struct Measured {
    state: String,
    age_ms: Option<Spread>,
    sampled_age_ms: Option<Spread>,
    stale_share: Option<f64>,
    join_ms: Join,
}

#[derive(Debug, Deserialize)]
struct Join {
    first_frame: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Spread {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

#[derive(Debug, Deserialize)]
struct Fallback {
    transport: String,
    first_frame_ms: f64,
}

impl From<Spread> for Percentiles {
    fn from(Spread { count, p50, p90, p99, p999, max }: Spread) -> Self {
        Self { count, p50, p90, p99, p999, max }
    }
}

/// Runs a script behind the path, and returns its output.
fn script(ground: &Ground, name: &str, args: &[&str]) -> Result<String> {
    let mut command = Command::new("node");
    command.arg(Path::new(SCRIPTS).join(name)).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = ground.place.spawn_client(command).context("cannot start Node")?;
    let output = output.wait_with_output()?;
    if !output.status.success() {
        bail!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Measures with `/bench` over this path: two rows.
pub fn measure(ground: &Ground, name: &str, path: PathSettings, seconds: u64) -> Result<Vec<Row>> {
    let server = Server::gpys(&ground.place, &ground.certificates, PORT, HZ, false)?;
    ground.place.set(path);
    let url = format!("https://{}/bench", server.address);
    let (seconds, hz) = (seconds.to_string(), HZ.to_string());
    let said = script(ground, "bench.mjs", &["--url", &url, "--seconds", &seconds, "--rate", &hz]);
    ground.place.set(PathSettings::default());
    let Page { measured_seconds, transports } = serde_json::from_str(&said?)?;
    let links = [("WebTransport", transports.webtransport), ("WebSocket", transports.websocket)];
    let rows = links.into_iter().filter_map(|(system, link)| {
        let link = link.filter(|link| link.state == "live")?;
        let picture: Percentiles = link.sampled_age_ms?.into();
        let join = link.join_ms.first_frame;
        Some(Row {
            scenario: name.into(),
            path: path.to_string(),
            system: system.into(),
            client: "Chromium".into(),
            people: 2,
            observers: 2,
            hz: HZ,
            seconds: measured_seconds,
            rounds: 1,
            message_age_ms: link.age_ms?.into(),
            picture_age_ms: picture,
            stale_share: link.stale_share.unwrap_or(0.0),
            deadlines: Vec::new(),
            round_p99_ms: vec![picture.p99],
            join_ms: join.map(|ms| Percentiles {
                count: 1,
                p50: ms,
                p90: ms,
                p99: ms,
                p999: ms,
                max: ms,
            }),
            down_bytes_per_second: None,
            up_bytes_per_second: None,
            down_packets_per_second: None,
            up_packets_per_second: None,
            path_late: Vec::new(),
            void: 0,
            server_us_per_update: None,
            tail: Vec::new(),
            timeline: Vec::new(),
        })
    });
    Ok(rows.collect())
}

/// Measures how soon the page shows another peer when UDP is blocked.
pub fn fall_back(ground: &Ground, path: PathSettings) -> Result<Option<Bar>> {
    let server = Server::gpys(&ground.place, &ground.certificates, PORT, 30, false)?;
    let (url, tls) = (format!("https://{}", server.address), ground.certificates.connector());
    let walking = ground.beside.block_on(ground.beside.spawn(async move {
        let entrance = Entrance::gpys(&url, Transport::WebTransport, tls).await?;
        let board: Arc<Board> = Board::new(1);
        let manners = Manners { hz: 10, sees: false, waits: false };
        Attendee::join(&entrance, &board, "fallback", 0, manners).await
    }))??;
    ground.place.set(PathSettings { udp_blocked: true, ..path });
    let (page, times) = (format!("https://{}/r/fallback", server.address), TIMES.to_string());
    let said = script(ground, "fallback.mjs", &["--url", &page, "--times", &times]);
    ground.place.set(PathSettings::default());
    ground.beside.block_on(async { walking.leave().await });
    let all: Vec<Fallback> = serde_json::from_str(&said?)?;
    if let Some(odd) = all.iter().find(|one| one.transport != "websocket") {
        bail!("with UDP blocked, a page came over {}", odd.transport);
    }
    let values: Vec<f64> = all.iter().map(|one| one.first_frame_ms).collect();
    let what = "UDP blocked, 50 ms round trip: the page's first frame, after its dial";
    Ok(bar(what.into(), &values, None, Some(FALLBACK_MS), "ms"))
}
