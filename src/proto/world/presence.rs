//! How a peer's presence and terms change, and what frames and roster stop showing with it.

use crate::blur::approximate;
use crate::time::Time;
use crate::wire::{Change, Presence, Sharing};
use crate::world::bulletin::Bulletin;
use crate::world::deadlines::{Deadlines, Due};
use crate::world::map::Map;
use crate::world::pace::Pace;
use crate::world::peer::Away;
use crate::world::people::Member;

/// One peer in transition, with the parts of the room that have to follow.
pub(crate) struct Transition<'a> {
    pub(crate) member: Member<'a>,
    pub(crate) map: &'a mut Map,
    pub(crate) deadlines: &'a mut Deadlines,
    pub(crate) bulletin: &'a mut Bulletin,
    pub(crate) pace: &'a mut Pace,
}

impl Transition<'_> {
    /// Takes a peer whose program is silent for hidden, or as what it said it was again. Reports
    /// whether that changes anything.
    pub(crate) fn set_frozen(&mut self, frozen: bool) -> bool {
        let presence = self.member.peer.presence();
        match self.member.peer.frozen {
            None if frozen && matches!(presence, Presence::Sharing | Presence::Watching) => {
                self.show_presence(Presence::Hidden);
                self.member.peer.frozen = Some(presence);
                true
            }
            Some(asked) if !frozen => {
                self.set_presence(asked);
                true
            }
            _ => false,
        }
    }

    /// Changes the presence, as the peer asked or by silence.
    pub(crate) fn set_presence(&mut self, presence: Presence) {
        self.member.peer.frozen = None;
        self.show_presence(presence);
    }

    /// Changes what others know of the peer; the next tick tells them.
    fn show_presence(&mut self, presence: Presence) {
        match presence {
            Presence::Sharing => self.member.peer.shares = true,
            Presence::Watching => {
                if std::mem::take(&mut self.member.peer.shares) {
                    self.set_end(None);
                }
                self.member.inbox.withdraw();
            }
            Presence::Hidden | Presence::Gone => {}
        }
        if self.member.peer.presence() == presence {
            return;
        }
        self.member.replace_presence(presence);
        let shares = self.member.peer.shares;
        let shown = shares && presence != Presence::Gone;
        let body = self.member.body();
        body.hidden = presence == Presence::Hidden;
        let last = body.pose;
        if !shares {
            body.pose = None;
        }
        let inbox = &mut *self.member.inbox;
        inbox.shown = shown;
        if shown {
            // A peer that came back, or hid, is shown again by the next tick.
            inbox.pose = inbox.pose.or(last);
            if inbox.pose.is_some() {
                self.member.queue_pose();
            }
        } else {
            self.withdraw();
        }
        self.bulletin.changed(Change { id: self.member.id(), presence });
    }

    /// Changes the terms of sharing, for a peer that shares or one that will.
    pub(crate) fn set_sharing(&mut self, sharing: Sharing, now: Time) {
        let Sharing { approximate, seconds } = sharing;
        self.set_end((seconds > 0).then(|| now + u64::from(seconds) * 1000));
        self.set_precision(approximate);
    }

    /// Changes whether positions are approximate. A position that becomes exact does so with the
    /// next pose.
    pub(crate) fn set_precision(&mut self, approximate: bool) {
        let was = std::mem::replace(&mut self.member.inbox.approximate, approximate);
        if approximate && !was {
            self.blur();
            self.pace.note_change();
        }
    }

    /// Moves every known position of the peer to the middle of its cell. Viewers due a key chunk
    /// get that place in this tick already, all others by the next.
    fn blur(&mut self) {
        let slot = self.member.slot;
        let placed = self.map.withdraw(self.member.bodies, slot);
        let body = self.member.body();
        body.pose = body.pose.map(approximate);
        let last = body.pose;
        let inbox = &mut *self.member.inbox;
        inbox.pose = inbox.pose.map(approximate);
        self.member.clear_motion();
        let inbox = &mut *self.member.inbox;
        if inbox.shown {
            inbox.pose = inbox.pose.or(last);
            if inbox.pose.is_some() {
                self.member.queue_pose();
            }
        }
        if placed && let Some(pose) = last {
            self.map.grid.place(self.member.bodies, slot, pose.position);
        }
    }

    /// Takes the peer off the map for good, which makes the news of it urgent.
    pub(crate) fn withdraw(&mut self) {
        if self.map.withdraw(self.member.bodies, self.member.slot) {
            self.bulletin.hurry();
        }
    }

    /// Ends sharing at the end of its time: a sharing peer watches from now on; a hidden or gone
    /// one stays so, but comes back not sharing.
    pub(crate) fn end_sharing(&mut self) {
        self.member.peer.ends = None;
        let presence = self.member.peer.presence();
        if matches!(presence, Presence::Sharing | Presence::Watching) {
            self.set_presence(Presence::Watching);
            return;
        }
        let shared = std::mem::take(&mut self.member.peer.shares);
        self.withdraw();
        self.member.inbox.shown = false;
        self.member.inbox.withdraw();
        self.member.body().pose = None;
        if shared && presence == Presence::Hidden {
            self.bulletin.withdrawn(Change { id: self.member.id(), presence });
        }
    }

    /// Replaces the time at which sharing ends by itself.
    pub(crate) fn set_end(&mut self, ends: Option<Time>) {
        let id = self.member.id();
        if let Some(old) = std::mem::replace(&mut self.member.peer.ends, ends) {
            self.deadlines.call_off(old, Due::Unshare, id);
        }
        if let Some(ends) = ends {
            self.deadlines.add(ends, Due::Unshare, id);
        }
    }

    /// Begins the peer's absence, unless it is absent already.
    pub(crate) fn set_away(&mut self, away: Away) {
        let id = self.member.id();
        if self.member.peer.away.is_none() {
            self.member.peer.away = Some(away);
            self.deadlines.add(away.gone, Due::Gone, id);
            self.deadlines.add(away.left, Due::Left, id);
        }
    }

    /// Ends the peer's absence: it came back, or left.
    pub(crate) fn end_away(&mut self) {
        let id = self.member.id();
        if let Some(Away { gone, left }) = self.member.peer.away.take() {
            self.deadlines.call_off(gone, Due::Gone, id);
            self.deadlines.call_off(left, Due::Left, id);
        }
    }
}
