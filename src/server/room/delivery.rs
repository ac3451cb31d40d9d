//! How a room's events and frames reach its peers.

use std::sync::Arc;

use crate::link::ending::{Ending, frame_reliable};
use crate::metrics::{Limit, Sent};
use crate::room::Room;
use crate::room::member::Member;
use gpys_proto::time::Time;
use gpys_proto::wire::{CloseCode, PeerId};
use gpys_proto::world::{Audience, Dismissal, Event, Lane};

impl Room {
    /// Sends the world's events, each encoded once for all its receivers, and closes the links of
    /// those whom a host dismissed.
    pub(super) fn deliver_events(&mut self, now: Time) {
        loop {
            let mut slow = Vec::new();
            while let Some(event) = self.world.poll_event() {
                self.deliver(&event, &mut slow);
            }
            while let Some(Dismissal { peer, code, reason }) = self.world.poll_dismissal() {
                self.end(peer, Ending::new(code, reason), now);
                self.kept.remove(&peer);
                self.world.leave(peer);
            }
            if slow.is_empty() {
                return;
            }
            for peer in slow {
                let reason = "the client does not read its reliable lane";
                self.end(peer, Ending::at(Limit::Unread, CloseCode::TooSlow, reason), now);
            }
        }
    }

    /// Sends one event, and collects those who do not read their reliable lane.
    fn deliver(&self, event: &Event, slow: &mut Vec<PeerId>) {
        let Event { to, lane, message } = event;
        let framed = (*lane == Lane::Reliable).then(|| Arc::new(frame_reliable(message)));
        let mut deliver = |peer: PeerId, member: &Member| match &framed {
            Some(framed) => {
                if member.link.send_reliable(Arc::clone(framed)).is_err() {
                    slow.push(peer);
                }
            }
            // What finds no room is dropped: a newer one is due soon.
            None => member.link.say(message),
        };
        match to {
            Audience::One(peer) => {
                self.members.get(peer).into_iter().for_each(|m| deliver(*peer, m))
            }
            Audience::These(these) => {
                for peer in these.iter() {
                    self.members.get(peer).into_iter().for_each(|m| deliver(*peer, m));
                }
            }
            Audience::Others(_) | Audience::Everyone => {
                let members = self.members.iter().filter(|&(&peer, _)| to.includes(peer));
                members.for_each(|(&peer, member)| deliver(peer, member));
            }
        }
    }

    /// Sends their frames to the viewers whose turn it is, and tells the world what they cost.
    pub(super) fn send_frames(&mut self, now: Time) {
        let most = usize::from(self.settings.limits.max_frame);
        let mut sent = Sent::default();
        while let Some(peer) = self.world.poll_viewer() {
            let Some(member) = self.members.get_mut(&peer) else { continue };
            let max_len = member.link.max_frame().min(most);
            // A viewer skipped here loses nothing: its next frame makes up for it.
            let has_room = member.link.ready(max_len);
            member.note_room(has_room, now);
            if !has_room {
                sent.skipped += 1;
                continue;
            }
            let mut buffer = Vec::with_capacity(max_len.saturating_add(8));
            member.link.begin_frame(&mut buffer);
            let prefix = buffer.len();
            if !self.world.poll_frame(peer, max_len, now, &mut buffer) {
                continue;
            }
            let bytes = buffer.len() - prefix;
            if member.link.send_frame(buffer.into()) {
                sent.frames += 1;
                sent.bytes += bytes as u64;
            } else {
                member.refused += 1;
                sent.skipped += 1;
            }
        }
        self.metrics.sent(sent);
        let frames = u32::try_from(sent.frames).unwrap_or(u32::MAX);
        self.world.handle_cost(frames, self.load.spend(sent.frames));
    }
}
