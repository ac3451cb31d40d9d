//! One run: foul weather, then quiet, then a walk in fine weather, and the end.

use std::time::Duration;

use tokio::time::sleep;

use crate::check::{self, LastSeen};
use crate::town::{Tally, Town};

/// How many things happen.
const CHAOS: u32 = 200;
/// By then everybody is back: a dead link is noticed after 15 s, a dialling one given up after 10 s,
/// two tries are 8 s apart, and ghosts are gone after 30 s.
const QUIET: Duration = Duration::from_secs(65);
/// How often people take a reading when they walk.
const STEP: Duration = Duration::from_millis(50);
/// The most by which information may be older than its path explains: the time between two readings,
/// the pace of the sender and of the room, and their slack.
const EXCESS: Duration = Duration::from_millis(200);

/// Runs a seed.
pub async fn run(seed: u64) -> Result<(Tally, Town), String> {
    let mut town = Town::new(seed);
    for _ in 0..town.rng.usize(2..6) {
        town.join();
    }
    for _ in 0..CHAOS {
        town.disturb().await;
        town.walk(0.5);
        let pause = town.rng.u64(20..250);
        sleep(Duration::from_millis(pause)).await;
    }
    town.calm().await;
    sleep(QUIET).await;
    check::views_are_true(&town)?;
    walk(&mut town).await?;
    sleep(Duration::from_secs(3)).await;
    check::views_are_true(&town)?;
    end(&mut town).await?;
    Ok((town.tally, town))
}

/// People walk in fine weather, and nobody's view grows old.
async fn walk(town: &mut Town) -> Result<(), String> {
    let mut seen = LastSeen::new();
    for step in 0..80 {
        town.walk(1.0);
        sleep(STEP).await;
        // A path that was still has to find out first what it carries.
        if step < 20 {
            continue;
        }
        let excess = check::excess(town, &mut seen);
        town.tally.excess_ms = town.tally.excess_ms.max(excess.as_millis() as u64);
        if excess > EXCESS {
            return Err(format!("what is seen is {excess:?} older than the path"));
        }
    }
    Ok(())
}

/// All leave, the server is stopped, and nothing remains.
async fn end(town: &mut Town) -> Result<(), String> {
    for person in &town.people {
        person.want(|it| it.room = None);
        let state = person.state.lock().unwrap();
        town.tally.links += state.links;
        town.tally.resumed += state.resumed;
    }
    sleep(Duration::from_secs(40)).await;
    check::nothing_is_held(town)?;
    town.stop().await;
    for person in town.people.drain(..) {
        person.end().await;
    }
    sleep(Duration::from_secs(600)).await;
    town.tally.packets = town.network.sent();
    check::no_task_lives()
}
