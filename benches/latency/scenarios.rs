use std::sync::Arc;
use std::time::Duration;
use anyhow::Result;
use gpys::client::Transport;
use gpys::path::Settings;
use crate::attend::Entrance;
use crate::place::Place;
use crate::servers::Server;
use crate::trial::{self, Plan, Stage};

pub fn smoke() -> Result<()> {
    let place = Arc::new(Place::path(1)?);
    let behind = Arc::new(place.client_runtime(2)?);
    let beside = Arc::new(place.server_runtime(1)?);
    let args: Vec<f64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (hz, tick, people, delay) = (args[0] as u32, args[1] as u32, args[2] as u32, args[3]);
    {
    let server = Arc::new(Server::gpys(&place, 4433, tick, false)?);
    for &loss in &args[4..] {
        for transport in [Transport::WebTransport, Transport::WebSocket] {
            let url = format!("https://{}", server.address);
            let entrance = behind.block_on(behind.spawn(async move { Entrance::gpys(&url, transport).await }))??;
            let stage = Arc::new(Stage { place: Arc::clone(&place), behind: Arc::clone(&behind), beside: Arc::clone(&beside), server: Arc::clone(&server), entrance, other: None, room: format!("r{}", (loss * 100.0) as u32) });
            let path = Settings { delay: Duration::from_secs_f64(delay / 1e3), loss, ..Settings::default() };
            let plan = Plan { behind: people, beside: 0, hz, time: Duration::from_secs(8), path, script: Vec::new() };
            let outcome = trial::run(&stage, &plan)?;
            let (m, p) = (outcome.messages.percentiles(), outcome.picture.ages.percentiles());
            println!("{hz} {loss} {transport:?}: message p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1} ({}) | picture p50 {:.1} p99 {:.1} p99.9 {:.1} max {:.1} stale {:.3} | join {:.0} | cpu {:?} bytes {:?} lost {}",
                m.p50, m.p99, m.p999, m.max, m.count, p.p50, p.p99, p.p999, p.max, outcome.picture.stale_share(), outcome.joins.percentiles().p50, outcome.cpu, outcome.bytes, outcome.lost);
        }
    }
    }
    Ok(())
}
