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

/// One seed in this many has quiet hours.
const QUIET_SEEDS: u64 = 100;
/// Quiet hours in a run.
const HOURS: u32 = 2;
/// In a quiet hour, somebody takes a step or goes out and comes back this often.
const LULL: Duration = Duration::from_secs(150);

/// Runs a seed.
pub async fn run(seed: u64) -> Result<(Tally, Town), String> {
    let mut town = Town::new(seed);
    // A client draws the times of its redials from its thread's generator.
    fastrand::seed(seed);
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
    if seed.is_multiple_of(QUIET_SEEDS) {
        let before = check::taken(&town);
        rest(&mut town, HOURS).await?;
        check::nothing_was_added(&town, before)?;
    }
    walk(&mut town).await?;
    sleep(Duration::from_secs(3)).await;
    check::views_are_true(&town)?;
    end(&mut town).await?;
    Ok((town.tally, town))
}

/// Hours in which little happens: somebody takes a step, or goes out and comes back.
pub async fn rest(town: &mut Town, hours: u32) -> Result<(), String> {
    for _ in 0..hours {
        for _ in 0..3_600 / LULL.as_secs() {
            town.walk(0.2);
            let index = town.rng.usize(0..town.people.len());
            let room = town.people[index].state.lock().unwrap().room.clone();
            town.people[index].want(|it| it.room = None);
            sleep(LULL / 2).await;
            town.people[index].want(|it| it.room = room);
            sleep(LULL / 2).await;
        }
        check::views_are_true(town)?;
        town.tally.quiet_hours += 1;
    }
    Ok(())
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
        town.tally.redials += state.redials;
    }
    sleep(Duration::from_secs(40)).await;
    check::nothing_is_held(town)?;
    town.stop().await;
    for person in town.people.drain(..) {
        person.end().await;
    }
    sleep(Duration::from_secs(600)).await;
    town.tally.fates = town.network.fates();
    check::no_task_lives()
}
