//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gpys::proto::geo::cell_step;
use gpys::proto::pose::Orientation;
use gpys::proto::view::Figure;
use gpys::proto::wire::Presence;
use gpys::server::Held;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::person::{MOST, Person, State};
use crate::town::Town;

/// The longest silence of a live link in quiet: pings and pongs come once a second.
const SILENCE: Duration = Duration::from_secs(3);

/// Checks that everybody who wants to be in a room is there, under one number and one identity,
/// and sees exactly the others, where they are.
pub fn views_are_true(town: &Town) -> Result<(), String> {
    let mut numbers = BTreeSet::new();
    for person in &town.people {
        let state = person.state.lock().unwrap();
        let Some(client) = &state.client else {
            if state.room.is_some() {
                return Err(format!("person {} was left behind", person.number));
            }
            continue;
        };
        if client.silence() > SILENCE {
            let (number, silence) = (person.number, client.silence());
            return Err(format!("person {number} has heard nothing for {silence:?}"));
        }
        if !numbers.insert(client.welcome().id) {
            return Err(format!("two people are {}", client.welcome().id));
        }
    }
    town.people.iter().try_for_each(|viewer| {
        view_is_true(town, viewer).map_err(|what| format!("person {}: {what}", viewer.number))
    })
}

fn view_is_true(town: &Town, viewer: &Person) -> Result<(), String> {
    let Some(client) = viewer.client() else { return Ok(()) };
    let room = viewer.state.lock().unwrap().room.clone();
    let view = client.view();
    let mut expected = BTreeMap::new();
    let mut shown = BTreeSet::new();
    for person in &town.people {
        let state = person.state.lock().unwrap();
        let (Some(other), true) = (&state.client, state.room == room) else { continue };
        let (id, presence) = (other.welcome().id, presence(&state));
        expected.insert(id, presence);
        if person.number == viewer.number || presence == Presence::Watching {
            continue;
        }
        shown.insert(id);
        match view.figure(id) {
            Some(figure) => compare(figure, &state)?,
            // Nothing new is sent while hidden, so nobody knows where such a newcomer is.
            None if presence == Presence::Hidden => {}
            None => return Err(format!("does not see person {} ({id})", person.number)),
        }
    }
    let roster: BTreeMap<_, _> = view.roster().map(|it| (it.id, it.presence)).collect();
    if roster != expected {
        return Err(format!("has the roster {roster:?}, not {expected:?}"));
    }
    if view.online().total() as usize != expected.len() {
        return Err(format!("counts {:?}, not {}", view.online(), expected.len()));
    }
    match view.figures().find(|(id, _)| !shown.contains(id)) {
        Some((id, _)) => Err(format!("sees {id}, who is not there")),
        None => Ok(()),
    }
}

fn presence(state: &State) -> Presence {
    state.presence.unwrap_or(Presence::Sharing)
}

fn compare(figure: &Figure, state: &State) -> Result<(), String> {
    let reading = state.reading.unwrap();
    let half = cell_step(figure.cell.level).div_ceil(2);
    let near = |a: i32, b: i32| a.abs_diff(b) <= half;
    let is_same = near(figure.position.lat(), reading.position.lat())
        && near(figure.position.lng(), reading.position.lng())
        && figure.orientation == reading.orientation
        && figure.hidden == (presence(state) == Presence::Hidden);
    // What a hidden page had to say may wait until it is shown again.
    if is_same || presence(state) == Presence::Hidden {
        return Ok(());
    }
    Err(format!("sees {figure:?}, not {reading:?}, {:?}", state.presence))
}

/// When each viewer last saw each walker, by their numbers.
pub type LastSeen = BTreeMap<(u32, u32), Instant>;

/// The most by which what anybody sees of those who walk is older than the two paths explain. A
/// walker who is not seen at all is as old as the last sight of it.
pub fn excess(town: &Town, seen: &mut LastSeen) -> Duration {
    let mut most = Duration::ZERO;
    for viewer in &town.people {
        let Some(client) = viewer.client() else { continue };
        let room = viewer.state.lock().unwrap().room.clone();
        let view = client.view();
        for person in town.people.iter().filter(|it| it.number != viewer.number) {
            let state = person.state.lock().unwrap();
            let (Some(other), true) = (&state.client, state.room == room) else { continue };
            if presence(&state) != Presence::Sharing {
                continue;
            }
            let last = seen.entry((viewer.number, person.number)).or_insert_with(Instant::now);
            let figure = view.figure(other.welcome().id);
            let code = figure.and_then(|it| it.orientation).map(Orientation::code);
            if let Some(code) = code.filter(|code| code % MOST == person.number) {
                *last = state.taken[(code / MOST) as usize];
            }
            let path = [viewer, person].map(|it| town.network.weather(it.device));
            let path = path.iter().map(|it| it.delay + it.jitter).sum();
            most = most.max(last.elapsed().saturating_sub(Duration::from_millis(path)));
        }
    }
    most
}

/// Checks that the server has given back whatever it held for clients, and counted no panic.
pub fn nothing_is_held(town: &Town) -> Result<(), String> {
    let held = town.census().held();
    if held != Held::default() {
        return Err(format!("the server still holds {held:?}"));
    }
    let metrics = town.census().metrics();
    let panics = metrics.lines().filter(|line| line.starts_with("gpys_panics_total"));
    match panics.clone().find(|line| !line.ends_with(" 0")) {
        Some(line) => Err(format!("the server panicked: {line}")),
        None if panics.count() == 0 => Err("the server counts no panics".to_owned()),
        None => Ok(()),
    }
}

/// What a run takes while people stay: what the server holds, and tasks.
pub fn taken(town: &Town) -> (Held, usize) {
    (town.census().held(), Handle::current().metrics().num_alive_tasks())
}

/// Checks that the server holds what it held before, and that there are no more tasks, but for
/// another endpoint on each device: a client opens one after 16 links.
pub fn nothing_was_added(town: &Town, before: (Held, usize)) -> Result<(), String> {
    let after = taken(town);
    if after.0 != before.0 || after.1 > before.1 + town.people.len() {
        return Err(format!("the server holds {after:?}, not {before:?}"));
    }
    Ok(())
}

/// Checks that no task lives on.
pub fn no_task_lives() -> Result<(), String> {
    match Handle::current().metrics().num_alive_tasks() {
        0 => Ok(()),
        tasks => Err(format!("{tasks} tasks live on")),
    }
}
