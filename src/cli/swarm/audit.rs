//! Checks that every peer sees every other.
//!
//! One process knows where all its peers are, so it can compare each one's view with the truth.
//!
//! - A peer is **lost** if another peer's map does not show it (alone or as part of a crowd)
//!   although it was within the viewport for the last three seconds, or if another peer's roster
//!   does not name it (rooms of up to 1,024 peers, whose rosters are complete). Frames are in
//!   flight at any moment, so only a peer that is missing in each of six looks, half a second
//!   apart, is lost.
//! - A peer is **doubled** if a roster has its uuid under two numbers, or if two peers were given
//!   the same number or uuid.
//! - A peer is a **ghost** if it has left, or its network has been gone for 15 s, and another
//!   peer's map still shows it; or if it has left, or its resume time is over, and another peer's
//!   roster still names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::swarm::crowd::Crowd;
use crate::cli::swarm::person::Person;
use crate::cli::swarm::visitors::Departure;
use gpys_proto::geo::Position;
use gpys_proto::wire::{PeerId, Presence, PublicId};

/// Number of looks, and the time between them.
const LOOKS: u32 = 6;
const BETWEEN: Duration = Duration::from_millis(500);
/// How long a peer must have been in view, in seconds, and the number of checks in that time.
const SETTLED: f64 = 3.0;
const STEPS: usize = 7;
/// Largest room whose rosters are complete.
const WHOLE_ROSTER: usize = 1_024;

/// Lost and doubled peers by index, and ghosts by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    pub(super) lost: BTreeSet<usize>,
    pub(super) doubled: BTreeSet<usize>,
    pub(super) ghosts: BTreeSet<PeerId>,
}

/// Compares all views until the measurement is over, but at least [`LOOKS`] times.
pub(super) async fn watch(crowd: &Crowd, over: &watch::Receiver<bool>) -> Audit {
    let mut audit = Audit::default();
    let mut missing: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for look in 1.. {
        let people = crowd.everybody();
        let now = missing_pairs(&people, crowd.stage.time());
        missing =
            now.into_iter().map(|pair| (pair, 1 + missing.get(&pair).unwrap_or(&0))).collect();
        for (&(observer, person), _) in missing.iter().filter(|&(_, &looks)| looks >= LOOKS) {
            tracing::debug!(observer, person, "not seen");
            audit.lost.insert(person);
        }
        audit.doubled.extend(doubled_welcomes(&people));
        audit.doubled.extend(doubled_on_rosters(&people));
        audit.ghosts.extend(ghosts(&people, crowd));
        if look >= LOOKS && *over.borrow() {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    audit
}

/// Departed peers that another peer still sees.
fn ghosts(people: &[Arc<Person>], crowd: &Crowd) -> BTreeSet<PeerId> {
    let now = crowd.stage.time();
    let (mut seen, mut listed) = (BTreeSet::new(), BTreeSet::new());
    for observer in people.iter().filter(|person| person.is_here()) {
        let view = observer.client.view();
        seen.extend(view.figures().map(|(id, _)| id));
        let shown = view.roster().filter(|person| person.presence != Presence::Gone);
        seen.extend(shown.map(|person| person.id));
        listed.extend(view.roster().map(|person| person.id));
    }
    // Read after the looks: a peer on its way back by then may have been seen again.
    gone(&crowd.visitors.departed(), &seen, &listed, now)
}

/// Departed peers past the time for which they may be seen or listed.
fn gone(
    departed: &BTreeMap<PeerId, Departure>,
    seen: &BTreeSet<PeerId>,
    listed: &BTreeSet<PeerId>,
    now: f64,
) -> BTreeSet<PeerId> {
    let is_ghost = |(id, by): &(&PeerId, &Departure)| {
        (now > by.unseen && seen.contains(id)) || (now > by.unlisted && listed.contains(id))
    };
    departed.iter().filter(is_ghost).map(|(&id, _)| id).collect()
}

fn doubled_welcomes(people: &[Arc<Person>]) -> BTreeSet<usize> {
    let (mut ids, mut uuids) = (BTreeSet::new(), BTreeSet::new());
    let mut doubled = BTreeSet::new();
    for person in people {
        let welcome = person.client.welcome();
        // Somebody without a link has the number of a server that may have restarted.
        let has_link = person.is_here() && !person.is_cut_off();
        let new_id = !has_link || ids.insert(welcome.id);
        if !uuids.insert(welcome.uuid.0) || !new_id {
            doubled.insert(person.index);
        }
    }
    doubled
}

fn doubled_on_rosters(people: &[Arc<Person>]) -> BTreeSet<usize> {
    let index = |uuid: PublicId| {
        let own = |person: &&Arc<Person>| person.client.welcome().uuid == uuid;
        people.iter().find(own).map(|person| person.index)
    };
    let mut doubled = BTreeSet::new();
    for observer in people {
        let mut uuids = BTreeSet::new();
        for person in observer.client.view().roster() {
            if !uuids.insert(person.uuid.0) {
                // A peer from outside the swarm counts as one more.
                doubled.insert(index(person.uuid).unwrap_or(usize::MAX));
            }
        }
    }
    doubled
}

/// Where a peer was during the last seconds.
struct Trace {
    index: usize,
    id: PeerId,
    joined: f64,
    places: [Position; STEPS],
}

/// Missing peers, as pairs of the observer's index and the missing peer's.
fn missing_pairs(people: &[Arc<Person>], now: f64) -> BTreeSet<(usize, usize)> {
    let here: Vec<_> = people.iter().filter(|person| person.is_here()).collect();
    let step = SETTLED / (STEPS - 1) as f64;
    let traces: Vec<_> = here
        .iter()
        .map(|person| Trace {
            index: person.index,
            id: person.client.welcome().id,
            joined: person.joined,
            places: std::array::from_fn(|i| person.walker.position(now - step * i as f64)),
        })
        .collect();
    let mut missing = BTreeSet::new();
    for observer in here {
        let sight = observer.sight();
        // A recent viewport may not have arrived at the server; the one before has.
        let settled = now - sight.since > SETTLED;
        let view = observer.client.view();
        let shown: BTreeMap<_, _> = view.figures().collect();
        let named: BTreeSet<_> = view.roster().map(|person| person.id).collect();
        let whole = view.online().total() as usize <= WHOLE_ROSTER;
        for trace in &traces {
            let known = now - trace.joined.max(observer.joined) > SETTLED;
            if trace.index == observer.index || !known {
                continue;
            }
            let in_view = trace.places.iter().all(|&place| {
                sight.viewport.contains(place) && (settled || sight.before.contains(place))
            });
            let drawn = shown.contains_key(&trace.id)
                || view.clusters().any(|(cell, _)| cell.contains(trace.places[0]));
            if (in_view && !drawn) || (whole && !named.contains(&trace.id)) {
                missing.insert((observer.index, trace.index));
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ghost_is_seen_or_listed_for_too_long() {
        let id = PeerId(7);
        let departed = BTreeMap::from([(id, Departure { unseen: 15.0, unlisted: 30.0 })]);
        let (nobody, somebody) = (BTreeSet::new(), BTreeSet::from([id, PeerId(8)]));
        let ghosts = |seen, listed, now| gone(&departed, seen, listed, now).len();
        assert_eq!(ghosts(&somebody, &somebody, 15.0), 0);
        assert_eq!(ghosts(&somebody, &nobody, 15.1), 1);
        assert_eq!(ghosts(&nobody, &somebody, 30.0), 0);
        assert_eq!(ghosts(&nobody, &somebody, 30.1), 1);
        assert_eq!(ghosts(&nobody, &nobody, 60.0), 0);
        let back = gone(&BTreeMap::new(), &somebody, &somebody, 60.0);
        assert_eq!(back.len(), 0, "a peer on its way back is no ghost");
    }
}
