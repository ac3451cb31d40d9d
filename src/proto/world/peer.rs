//! What a room knows of a peer that most ticks do not touch.

use crate::text;
use crate::time::Time;
use crate::wire::{PeerId, Person, Presence, PublicId, ResumeToken, Role};
use crate::world::interface::{
    Arrival, CLOSED_MS, Parting, SILENCE_MS, VIEWPORT_BURST, VIEWPORTS_PER_SECOND,
};
use crate::world::talk::Talk;
use crate::world::viewer::Viewer;

/// A peer's identity, presence and viewer: the parts that most ticks do not touch.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) uuid: PublicId,
    pub(crate) token: ResumeToken,
    pub(crate) name: Box<str>,
    role: Role,
    /// What few peers have.
    about: Option<Box<About>>,
    /// How much it has said, once it has.
    talk: Option<Box<Talk>>,
    /// The presence it asked for last, while its program is silent.
    pub(crate) frozen: Option<Presence>,
    /// Changed by [`Peer::replace_presence`] alone.
    presence: Presence,
    /// Whether the poses are shown, also while hidden.
    pub(crate) shares: bool,
    /// When sharing ends by itself.
    pub(crate) ends: Option<Time>,
    pub(crate) may_share: bool,
    /// The deadlines of a peer without a link.
    pub(crate) away: Option<Away>,
    pub(crate) viewer: Option<Box<Viewer>>,
    /// The viewer's seat.
    pub(crate) seat: u32,
    /// Viewports that may come at once, in thousandths, as of `looked`.
    looks: u16,
    looked: Time,
}

/// What few peers have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    profile: Box<str>,
    subject: Option<PublicId>,
    /// What its program calls a thing; empty for a peer.
    key: Box<str>,
}

/// When a peer without a link counts as gone, and when it has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    pub(crate) gone: Time,
    pub(crate) left: Time,
}

impl Away {
    pub(crate) fn new(parting: Parting, resume_ms: u32, now: Time) -> Self {
        let (gone, heard) = match parting {
            Parting::Lost(heard) => (heard + SILENCE_MS, heard),
            Parting::Closed => (now + CLOSED_MS, now),
        };
        Self { gone, left: heard + u64::from(resume_ms) }
    }
}

impl Peer {
    pub(crate) fn new(
        (uuid, token): (PublicId, ResumeToken),
        presence: Presence,
        may_share: bool,
        now: Time,
    ) -> Self {
        Self {
            uuid,
            token,
            name: Box::default(),
            role: Role::Guest,
            about: None,
            talk: None,
            frozen: None,
            presence,
            shares: presence == Presence::Sharing,
            ends: None,
            may_share,
            away: None,
            viewer: None,
            seat: 0,
            looks: VIEWPORT_BURST * 1000,
            looked: now,
        }
    }

    pub(crate) const fn presence(&self) -> Presence {
        self.presence
    }

    /// Replaces the presence, and returns the one before. Whoever calls it keeps the counts.
    pub(crate) const fn replace_presence(&mut self, presence: Presence) -> Presence {
        std::mem::replace(&mut self.presence, presence)
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) const fn is_host(&self) -> bool {
        matches!(self.role, Role::Host)
    }

    /// What its program calls a thing; `None` for a peer.
    pub(crate) fn key(&self) -> Option<&str> {
        let about = self.about.as_ref().filter(|_| self.role == Role::Thing)?;
        Some(&about.key)
    }

    pub(crate) fn subject(&self) -> Option<PublicId> {
        self.about.as_ref()?.subject
    }

    /// Sets what a hello says of the peer, and reports whether others have to hear of it.
    pub(crate) fn introduce(&mut self, arrival: &Arrival) -> bool {
        let Arrival { name, profile, subject, host, .. } = arrival;
        let role = if *host { Role::Host } else { Role::Guest };
        let profile = profile.as_str().into();
        let about = About { profile, subject: *subject, key: Box::default() };
        let about = (about != About::default()).then(|| Box::new(about));
        let same = *self.name == **name && self.role == role && self.about == about;
        (self.name, self.role, self.about) = (name.as_str().into(), role, about);
        !same
    }

    /// Makes it the thing that its program calls `key`.
    pub(crate) fn into_thing(mut self, key: &str, name: &str, profile: &str) -> Self {
        let about = About { profile: profile.into(), subject: None, key: key.into() };
        (self.role, self.name, self.about) = (Role::Thing, name.into(), Some(Box::new(about)));
        self
    }

    /// Whether others know it by this name and profile.
    pub(crate) fn is_known_as(&self, name: &str, profile: &str) -> bool {
        let known = self.about.as_ref().map_or("", |about| &about.profile);
        *self.name == *name && known == profile
    }

    /// How much it has said.
    pub(crate) fn talk(&mut self, now: Time) -> &mut Talk {
        self.talk.get_or_insert_with(|| Box::new(Talk::new(now)))
    }

    /// Forgets the numbers of what was said on an earlier link.
    pub(crate) fn restart_talk(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.restart();
        }
    }

    /// Changes the name, and reports whether it did.
    pub(crate) fn set_name(&mut self, name: &str) -> bool {
        let name = text::name(name);
        let changed = *self.name != *name;
        self.name = name.into();
        changed
    }

    /// Changes the profile, and reports whether it did.
    pub(crate) fn set_profile(&mut self, profile: &str) -> bool {
        let about = self.about.get_or_insert_default();
        let changed = *about.profile != *profile;
        about.profile = profile.into();
        changed
    }

    /// The peer's roster entry.
    pub(crate) fn person(&self, id: PeerId) -> Person {
        Person {
            id,
            uuid: self.uuid,
            name: self.name.clone().into(),
            presence: self.presence,
            role: self.role,
            subject: self.subject(),
            profile: self
                .about
                .as_ref()
                .map(|about| about.profile.clone().into())
                .unwrap_or_default(),
        }
    }

    /// Counts one more viewport, and reports whether the limit allows it.
    pub(crate) fn may_look(&mut self, now: Time) -> bool {
        let earned = u64::from(self.looks) + now.since(self.looked) * VIEWPORTS_PER_SECOND;
        self.looks = earned.min(u64::from(VIEWPORT_BURST) * 1000) as u16;
        self.looked = now;
        let left = self.looks.checked_sub(1000);
        self.looks = left.unwrap_or(self.looks);
        left.is_some()
    }
}
