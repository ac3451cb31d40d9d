//! Does everybody see everybody?
//!
//! Because one process knows where all its people are, it can look at the world through each
//! one's eyes. Somebody is **lost** if another person's map does not show them although they
//! were within its viewport for the last three seconds (alone or as part of a crowd), or if
//! another person's roster does not name them (rooms of up to 1,024 people, whose rosters are
//! complete). Frames are on their way at any moment, so only who is missing in each of six
//! looks, half a second apart, is lost. Somebody is **doubled** if a roster has their uuid under
//! two numbers, or two people were given the same number or uuid. Somebody is a **ghost** who
//! has left, or whose network has been gone for 15 s, and whom another person's map still shows;
//! or who has left, or whose resume time is over, and whom another person's roster still names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::swarm::crowd::Crowd;
use crate::cli::swarm::person::Person;
use crate::cli::swarm::visitors::Departure;
use gpys_proto::geo::Position;
use gpys_proto::wire::{PeerId, Presence, PublicId};

/// Looks, and the time between them.
const LOOKS: u32 = 6;
const BETWEEN: Duration = Duration::from_millis(500);
/// How long somebody must have been in view, in seconds, and how often it is checked.
const SETTLED: f64 = 3.0;
const STEPS: usize = 7;
/// Largest room whose rosters are complete.
const WHOLE_ROSTER: usize = 1_024;

/// Who is lost and who is doubled, by index; who is a ghost, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Audit {
    pub(super) lost: BTreeSet<usize>,
    pub(super) doubled: BTreeSet<usize>,
    pub(super) ghosts: BTreeSet<PeerId>,
}

/// Looks through everybody's eyes until it is over, but [`LOOKS`] times at least.
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

/// Those who are gone and whom somebody still sees.
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
    // Asked after the looks: whoever is on the way back by then may have been seen again.
    gone(&crowd.visitors.departed(), &seen, &listed, now)
}

/// Those who have departed for longer than they may be seen or listed.
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
        let new_id = ids.insert(welcome.id);
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
                // Somebody who is not of the swarm is counted as one more.
                doubled.insert(index(person.uuid).unwrap_or(usize::MAX));
            }
        }
    }
    doubled
}

/// Where somebody was during the last seconds.
struct Trace {
    index: usize,
    id: PeerId,
    joined: f64,
    places: [Position; STEPS],
}

/// Whom nobody shows: pairs of the observer's index and the person's.
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
        // What was asked for lately may not have arrived; what was asked for before is known.
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
    fn a_ghost_is_who_is_seen_or_listed_for_too_long() {
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
        assert_eq!(back.len(), 0, "whoever is on the way back is none");
    }
}
