//! Somebody in a room.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use gpys_proto::kind::Kind;
use gpys_proto::place::Place;
use gpys_proto::pose::Orientation;
use gpys_proto::time::Stamp;
use gpys_proto::view::Figure;
use gpys_proto::wire::{self, PeerId, Presence, PublicId, Role};

use crate::room::state::State;

/// Somebody in a room, or a thing, as known at one moment.
#[derive(Clone, Debug)]
pub struct Person {
    said: Arc<wire::Person>,
    figure: Option<Figure>,
    kind: Arc<Kind>,
    is_me: bool,
}

impl Person {
    pub(crate) const fn new(
        said: Arc<wire::Person>,
        figure: Option<Figure>,
        kind: Arc<Kind>,
        is_me: bool,
    ) -> Self {
        Self { said, figure, kind, is_me }
    }

    /// Its number, never used again while the server lives.
    #[must_use]
    pub fn id(&self) -> PeerId {
        self.said.id
    }

    /// Its public identity, which outlives links, and with an identity secret servers.
    #[must_use]
    pub fn uuid(&self) -> PublicId {
        self.said.uuid
    }

    /// Whether it is this client.
    #[must_use]
    pub const fn is_me(&self) -> bool {
        self.is_me
    }

    /// The name it gave; may be empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.said.name
    }

    /// Whether it shares, watches, is hidden, or has no link at present.
    #[must_use]
    pub fn presence(&self) -> Presence {
        self.said.presence
    }

    /// Whether it is a guest, a host or a thing.
    #[must_use]
    pub fn role(&self) -> Role {
        self.said.role
    }

    /// The same for all devices of one person, by the subject of their access tokens.
    #[must_use]
    pub fn subject(&self) -> Option<PublicId> {
        self.said.subject
    }

    /// What it says of itself; `None` if that is nothing.
    ///
    /// # Errors
    /// If it is not a `T`.
    pub fn profile<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        if self.said.profile.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&self.said.profile).map(Some)
    }

    /// Where it was when it was last sampled; `None` if it does not share, or is not in view.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        Some(Place::of(self.figure?.position, &self.kind.space))
    }

    /// Where it is at `time`, on the server's clock: the last place, carried on along its motion
    /// for at most 3 s.
    #[must_use]
    pub fn at(&self, time: Stamp) -> Option<Place> {
        let (place, figure) = (self.place()?, self.figure?);
        let after =
            Duration::from_millis(u64::from(time.after(figure.sampled).max(0).unsigned_abs()));
        let Some((speed, course)) = self.motion() else { return Some(place) };
        Some(place.carried(speed, course, after))
    }

    /// How it holds its device.
    #[must_use]
    pub fn orientation(&self) -> Option<Orientation> {
        self.figure?.orientation
    }

    /// Its speed, in metres a second on the earth and in the room's unit a second on a plane, and
    /// its course in degrees, clockwise from north (on a plane, from upwards).
    #[must_use]
    pub fn motion(&self) -> Option<(f64, f64)> {
        let motion = self.figure?.extra.motion?;
        Some((motion.speed() * self.kind.space.step(), motion.course()))
    }

    /// Its state; `None` if it is not in view, or the room's state is not an `S`.
    #[must_use]
    pub fn state<S: State>(&self) -> Option<S> {
        let figure = self.figure?;
        (S::layout() == self.kind.layout).then(|| S::unpack(figure.extra.state))
    }

    /// What frames show of it, in the wire's units.
    #[must_use]
    pub const fn figure(&self) -> Option<&Figure> {
        self.figure.as_ref()
    }
}
