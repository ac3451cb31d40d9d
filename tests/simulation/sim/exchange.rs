//! What happens at one moment of a run: arrivals, the world's turn, and what it sends.

use gpys::proto::pose::Orientation;
use gpys::proto::time::Time;
use gpys::proto::wire::{ClientDatagram, ClientMessage, MAX_AGE_MS, PeerId, ServerMessage};
use gpys::proto::world::Audience;

use super::Sim;
use crate::check;

/// Up the link.
#[derive(Clone, Debug)]
pub enum Up {
    /// A pose's bytes.
    Pose(Vec<u8>),
    Message(ClientMessage),
}

/// Down the link.
#[derive(Clone, Debug)]
pub enum Down {
    Frame(Vec<u8>),
    Message(ServerMessage),
}

/// The bytes that a viewer may get: what its rate allows, and a burst.
#[derive(Debug)]
pub struct Allowance {
    pub rate: u64,
    /// Millionths of bytes.
    pub tokens: u64,
    pub filled: Time,
}

impl Allowance {
    pub const fn burst(rate: u64) -> u64 {
        let burst = rate / 10;
        if burst > 2_000 { burst } else { 2_000 }
    }

    fn spend(&mut self, bytes: usize, now: Time) -> Result<(), String> {
        self.tokens += self.rate * now.us_since(self.filled);
        self.tokens = self.tokens.min(Self::burst(self.rate) * 1_000_000);
        self.filled = now;
        let left = self.tokens.checked_sub(bytes as u64 * 1_000_000);
        self.tokens = left.ok_or_else(|| format!("{bytes} bytes are over the budget"))?;
        Ok(())
    }
}

impl Sim {
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.arrivals_up()?;
        self.world.handle_timeout(self.now);
        self.tally.ended += self.model.expire(self.now);
        self.send_events()?;
        self.send_frames()?;
        self.arrivals_down()
    }

    fn arrivals_up(&mut self) -> Result<(), String> {
        let now = self.now;
        let mut jumped = Vec::new();
        for index in 0..self.devices.len() {
            let device = &mut self.devices[index];
            while let Some(up) = device.up.arrive(now) {
                match up {
                    Up::Pose(bytes) => {
                        let sample = match ClientDatagram::decode(&bytes, now, self.state_bits) {
                            Ok(ClientDatagram::Pose(sample)) => sample,
                            other => return Err(format!("{}: {other:?} of a pose", device.id)),
                        };
                        if sample.pose.sampled > now || now.since(sample.pose.sampled) > MAX_AGE_MS
                        {
                            return Err(format!("{}: a sample of another time", device.id));
                        }
                        self.world.handle_pose(device.id, sample);
                        self.model.pose(device.id, sample);
                    }
                    Up::Message(message) => {
                        self.world
                            .handle_message(device.id, &message, now)
                            .map_err(|violation| format!("{}: {violation}", device.id))?;
                        match message {
                            ClientMessage::Presence(presence) => {
                                self.model.set_presence(device.id, presence);
                                // Withdrawn for a moment, it is new to all viewers.
                                jumped.push(device.id);
                            }
                            ClientMessage::Sharing(sharing) => {
                                self.model.set_sharing(device.id, sharing, now);
                                jumped.push(device.id);
                            }
                            // Another pace is another bound on starvation.
                            ClientMessage::Pace(_) => device.in_view_since.clear(),
                            ClientMessage::Viewport(viewport) => {
                                device.viewport = viewport;
                                device.in_view_since.clear();
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        jumped.into_iter().for_each(|id| self.has_jumped(id));
        Ok(())
    }

    /// Notes that a person was withdrawn, or jumped to another place, the middle of a cell; the
    /// clocks of viewers that have it in view start over.
    pub(super) fn has_jumped(&mut self, id: PeerId) {
        for device in &mut self.devices {
            device.in_view_since.remove(&id);
        }
    }

    fn send_events(&mut self) -> Result<(), String> {
        while let Some(event) = self.world.poll_event() {
            let message = ServerMessage::decode(&event.message).map_err(|e| e.to_string())?;
            if let (Audience::Everyone, ServerMessage::Roster(roster)) = (&event.to, &message) {
                for person in &roster.joined {
                    if self.announced.insert(person.id, false).is_some() {
                        return Err(format!("{} was announced twice", person.id));
                    }
                }
                for id in &roster.left {
                    if self.model.people.contains_key(id) {
                        return Err(format!("{id} is told to have left but is here"));
                    }
                    self.announced.insert(*id, true);
                }
            }
            let Self { rng, devices, now, .. } = self;
            for device in devices.iter_mut().filter(|device| device.linked) {
                if event.to.includes(device.id) {
                    device.sent.handle_message(&message);
                    device.down.reliable(rng, *now, Down::Message(message.clone()));
                }
            }
        }
        Ok(())
    }

    fn send_frames(&mut self) -> Result<(), String> {
        let mut frames = 0;
        while let Some(viewer) = self.world.poll_viewer() {
            let Some(device) = self.devices.iter_mut().find(|device| device.id == viewer) else {
                return Err(format!("{viewer} is nobody's but has a turn"));
            };
            if !device.linked {
                return Err(format!("{viewer} has no link but a turn"));
            }
            if device.refuses {
                continue;
            }
            let mut bytes = Vec::new();
            if self.world.poll_frame(viewer, 1000, self.now, &mut bytes) {
                self.tally.frames += 1;
                frames += 1;
                self.tally.approximate += check::frame(&self.model, &bytes, self.state_bits)?;
                if bytes.len() > 1000 || bytes.is_empty() {
                    return Err(format!("a frame of {} bytes", bytes.len()));
                }
                device.allowance.spend(bytes.len(), self.now)?;
                device.sent.handle_frame(&bytes, |_, _| {}).map_err(|error| error.to_string())?;
                device.down.datagram(&mut self.rng, self.now, Down::Frame(bytes));
            }
        }
        self.world.handle_cost(frames, u64::from(frames) * self.frame_us);
        Ok(())
    }

    fn arrivals_down(&mut self) -> Result<(), String> {
        for device in &mut self.devices {
            while let Some(down) = device.down.arrive(self.now) {
                match down {
                    Down::Message(message) => {
                        device.view.handle_message(&message);
                        if matches!(message, ServerMessage::Welcome(_)) {
                            device.heard = None;
                        }
                    }
                    Down::Frame(bytes) => {
                        let newest = &mut device.newest;
                        let mut older = None;
                        let fresh = |id, figure: &gpys::proto::view::Figure| {
                            let sample = figure.orientation.map_or(0, Orientation::code);
                            let known = newest.entry(id).or_insert(sample);
                            if sample < *known {
                                older = Some(id);
                            }
                            *known = sample;
                        };
                        device.view.handle_frame(&bytes, fresh).map_err(|e| e.to_string())?;
                        if let Some(id) = older {
                            return Err(format!("{}: an older pose of {id}", device.id));
                        }
                        let (before, now) = (device.heard, device.view.newest());
                        if before.zip(now).is_some_and(|(before, now)| now.after(before) > 2_000) {
                            device.after_gap = now;
                        }
                        device.heard = now;
                    }
                }
            }
        }
        Ok(())
    }
}
