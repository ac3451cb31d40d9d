//! The invariants, checked against the model.

use std::collections::{BTreeMap, BTreeSet};

use gpys::proto::blur::blur;
use gpys::proto::geo::{Cell, Cover, Position, cell_step};
use gpys::proto::pose::{Orientation, Pose};
use gpys::proto::view::{Figure, View};
use gpys::proto::wire::PeerId;
use gpys::proto::wire::frame::Frame;

use crate::extra;
use crate::model::Model;
use crate::sim::{Device, Sim};

/// The bound on starvation: a person in view, and not part of a crowd, is sent again within a
/// refresh and the time that the viewer's rate takes for this many bytes, the most that can be
/// overdue at once: the people that a budget allows, one by one, and a full cover of crowds.
const OVERDUE_BYTES: u64 = 16 * 1024;
/// More of them for each byte of a person's state and motion.
const MORE_OVERDUE_BYTES: u64 = 2 * 1024;

/// Whether `view` shows the place as a crowd.
fn in_crowd(view: &View, place: Position) -> bool {
    view.clusters().any(|(cell, _)| cell.contains(place))
}

/// Checks that a frame shows only people who are still shown (their time is not over, they did not
/// stop, are not gone and have not left), approximate ones only in the middle of their cells, and
/// everybody with the motion and the state of that sample.
/// Returns the number of those.
pub fn frame(model: &Model, bytes: &[u8], state_bits: u32) -> Result<u64, String> {
    let mut frame = Frame::default();
    frame.decode(bytes).map_err(|error| error.to_string())?;
    let mut approximate = 0;
    for (chunk, entries) in frame.chunks() {
        let half = cell_step(chunk.cell.level).div_ceil(2);
        for entry in entries {
            let id = entry.id;
            let person = model.people.get(&id).filter(|person| person.visible().is_some());
            let person = person.ok_or_else(|| format!("{id} is shown, but does not share"))?;
            let sample = entry.orientation.map_or(0, Orientation::code);
            let told = entry.extra(&frame.extras);
            if !extra::is_right(told, sample, state_bits, person.approximate) {
                return Err(format!("{id} is told with {told:?} at sample {sample}"));
            }
            if person.approximate {
                let (shown, middle) = (entry.position, blur(entry.position));
                let near = |a: i32, b: i32| a.abs_diff(b) <= half;
                if !near(shown.lat(), middle.lat()) || !near(shown.lng(), middle.lng()) {
                    return Err(format!("{id} is approximate, but is shown at {shown:?}"));
                }
                approximate += 1;
            }
        }
    }
    Ok(approximate)
}

/// Checks that nobody in view starves.
pub fn starvation(sim: &mut Sim) -> Result<(), String> {
    let now = sim.now;
    let visible: BTreeMap<PeerId, Position> = sim
        .model
        .people
        .iter()
        .filter_map(|(&id, person)| Some((id, person.visible()?.position)))
        .collect();
    for device in sim.devices.iter_mut().filter(|device| device.linked && !device.refuses) {
        let Device { viewport, id: own, sent, in_view_since, .. } = device;
        let rate = u64::from(sim.world.budget(*own).unwrap_or(u32::MAX));
        let more = MORE_OVERDUE_BYTES * (u64::from(sim.state_bits.div_ceil(8)) + 2);
        let bound =
            u64::from(sim.settings.limits.refresh_ms) + (OVERDUE_BYTES + more) * 1000 / rate;
        in_view_since.retain(|id, _| visible.get(id).is_some_and(|at| viewport.contains(*at)));
        for (&id, &place) in visible.iter().filter(|(id, at)| *id != own && viewport.contains(**at))
        {
            let since = *in_view_since.entry(id).or_insert(now);
            if in_crowd(sent, place) {
                in_view_since.insert(id, now);
                continue;
            }
            let shown = sent.figure(id).map(|figure| now.nearest(figure.shown));
            let latest = shown.unwrap_or(since).max(since);
            if now.since(latest) > bound {
                return Err(format!("{own} was not sent {id} for {} ms", now.since(latest)));
            }
        }
    }
    Ok(())
}

/// Checks that no device sees people again after it learns that they left.
pub fn gone_stay_gone(sim: &Sim) -> Result<(), String> {
    for device in &sim.devices {
        let on_roster: BTreeSet<_> = device.view.roster().map(|person| person.id).collect();
        // Without a link, or before the first frame, a device sees no one.
        let Some(newest) = device.view.newest() else { continue };
        for (id, figure) in device.view.figures() {
            // A frame may be ahead of the roster, but not by more than the reliable lane's delay.
            // After a gap between frames, the time in which they name everyone begins again.
            let since_gap = device.after_gap.map_or(i32::MAX, |gap| newest.after(gap));
            let age = newest.after(figure.shown).min(since_gap);
            if age > 6_000 && !on_roster.contains(&id) && !sim.model.people.contains_key(&id) {
                return Err(format!("{} still sees {id}, who left", device.id));
            }
        }
    }
    Ok(())
}

/// Checks that after quiet every view equals the model.
pub fn views_equal_model(sim: &Sim) -> Result<(), String> {
    for device in &sim.devices {
        view_equals_model(sim, device)
            .map_err(|what| format!("{} sees wrong: {what}", device.id))?;
    }
    Ok(())
}

/// Checks the same for one device.
pub fn view_equals_model(sim: &Sim, device: &Device) -> Result<(), String> {
    let Device { view, viewport, id: own, .. } = device;
    let people = &sim.model.people;
    let roster: BTreeMap<_, _> = view.roster().map(|person| (person.id, person.presence)).collect();
    let expected: BTreeMap<_, _> = people.iter().map(|(&id, p)| (id, p.presence)).collect();
    if roster != expected {
        return Err(format!("roster {roster:?} is not {expected:?}"));
    }
    if view.online().total() as usize != sim.model.online() {
        return Err(format!("{:?} online is not {}", view.online(), sim.model.online()));
    }
    if view.online().things as usize != sim.model.things() {
        return Err(format!("{:?} is not {} things", view.online(), sim.model.things()));
    }
    for (&id, person) in people.iter().filter(|(id, _)| *id != own) {
        let Some(pose) = person.visible().filter(|pose| viewport.contains(pose.position)) else {
            continue;
        };
        match view.figure(id) {
            Some(figure) => {
                compare(figure, pose, person.presence, id)?;
                let sample = pose.orientation.map_or(0, Orientation::code);
                if !extra::is_right(figure.extra, sample, sim.state_bits, person.approximate) {
                    return Err(format!("{id} has {:?} at sample {sample}", figure.extra));
                }
            }
            None if in_crowd(view, pose.position) => {}
            None => return Err(format!("{id} is missing")),
        }
    }
    for (id, figure) in view.figures().filter(|(_, f)| viewport.contains(f.position)) {
        let truth = people.get(&id).and_then(|person| person.visible());
        if truth.is_none() {
            return Err(format!("{id} is a ghost, last shown at {:?}", figure.shown));
        }
    }
    crowds_equal_model(sim, device)
}

fn compare(
    figure: &Figure,
    pose: Pose,
    presence: gpys::proto::wire::Presence,
    id: PeerId,
) -> Result<(), String> {
    let half = cell_step(figure.cell.level).div_ceil(2);
    let near = |a: i32, b: i32| a.abs_diff(b) <= half;
    let hidden = presence == gpys::proto::wire::Presence::Hidden;
    let same = near(figure.position.lat(), pose.position.lat())
        && near(figure.position.lng(), pose.position.lng())
        && figure.orientation == pose.orientation
        && figure.accuracy == pose.accuracy
        && figure.hidden == hidden;
    if same { Ok(()) } else { Err(format!("{id} is {figure:?}, not {pose:?} {presence:?}")) }
}

/// Checks that the counts of crowds within the viewer's cells equal the model's.
fn crowds_equal_model(sim: &Sim, device: &Device) -> Result<(), String> {
    let cover = Cover::of(device.viewport);
    for (cell, cluster) in device.view.clusters().filter(|(cell, _)| cover.index(*cell).is_some()) {
        let mut counts = [0; 4];
        for pose in sim.model.people.values().filter_map(|person| person.visible()) {
            if cell.contains(pose.position) {
                counts[quarter(cell, pose.position)] += 1;
            }
        }
        if counts != cluster.counts {
            return Err(format!("{cell:?} has {counts:?}, not {:?}", cluster.counts));
        }
    }
    Ok(())
}

fn quarter(cell: Cell, place: Position) -> usize {
    if cell.level > 0 {
        return Cell::at(cell.level - 1, place).quadrant();
    }
    let half = 1 << (gpys::proto::geo::cell_bits(0) - 1);
    let (x, y) = cell.steps(place);
    usize::from(x >= half) | usize::from(y >= half) << 1
}
