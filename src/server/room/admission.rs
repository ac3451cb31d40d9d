//! How peers enter a room, and who makes way for them.

use std::sync::Arc;

use crate::access::Grant;
use crate::clock;
use crate::events::Visitor;
use crate::limits::gate::Network;
use crate::link::ending::{Ending, restarting};
use crate::link::{Link, PathCounts};
use crate::metrics::{How, Limit};
use crate::room::Room;
use crate::room::command::{Admitted, Enter};
use crate::room::identity::Hour;
use crate::room::mailbox::Mailbox;
use crate::room::member::Member;
use gpys_proto::kind::Claim;
use gpys_proto::time::Time;
use gpys_proto::wire::{CloseCode, Hello, PeerId};
use gpys_proto::world::{Arrival, Feedback, JoinError, Newcomer};

impl Room {
    pub(super) fn enter(&mut self, enter: Enter, now: Time) {
        let Enter { hello, grant, link, reply } = enter;
        let admission = self.admit(hello, grant, &link, now).map(|(peer, how)| {
            let member = Member::new(link.clone(), how, &self.metrics, now);
            // The round trip of a path on which nothing has been sent yet.
            let PathCounts { rtt_ms, .. } = member.reported;
            self.world.handle_feedback(peer, Feedback { rtt_ms, ..Feedback::default() }, now);
            if let Some(old) = self.members.insert(peer, member) {
                old.link.close(Ending::new(CloseCode::Replaced, "you reconnected on another link"));
            }
            let mailbox = Mailbox::new(peer, link.id(), Arc::clone(&self.postbox));
            let state_bits = self.world.kind().map_or(0, |kind| kind.layout.bits());
            Admitted { peer, mailbox, state_bits }
        });
        // The link's task may be gone already and cannot report it.
        if let Err(Ok(Admitted { peer, .. })) = reply.send(admission) {
            self.end(peer, Ending::gone("the link is gone"), now);
        }
    }

    fn admit(
        &mut self,
        hello: Hello,
        grant: Grant,
        link: &Link,
        now: Time,
    ) -> Result<(PeerId, How), Ending> {
        if self.draining {
            return Err(restarting());
        }
        let refused = |error: JoinError| {
            let ending = Ending::new(error.close_code(), error.to_string());
            let limit = matches!(error, JoinError::Full(_)).then_some(Limit::People);
            Ending { limit, ..ending }
        };
        let claim = hello.claim();
        let Hello { room, name, presence, resume, budget, viewport, sharing, profile, .. } = hello;
        let Grant { may_share, host, subject, kind, .. } = grant;
        if let Some(kind) = kind {
            self.world.set_kind(kind.clone());
            let granted = Claim { space: Some(kind.space), layout: Some(kind.layout) };
            self.world.check(&granted).map_err(|it| refused(JoinError::Kind(it)))?;
        }
        self.world.check(&claim).map_err(|it| refused(JoinError::Kind(it)))?;
        let subject = subject.map(|subject| self.mint.subject(&subject, &room));
        let arrival = Arrival {
            name,
            profile,
            subject,
            presence,
            budget,
            viewport,
            sharing,
            may_share,
            host,
            claim,
        };
        let back = resume.and_then(|token| self.world.resume(token, &arrival, now));
        if let Some(peer) = back {
            self.kept.remove(&peer);
            tracing::debug!(%peer, link = ?link.id(), "a peer resumes");
            return Ok((peer, How::Resumed));
        }
        let full = || Ending::new(CloseCode::Full, "the server has run out of peer numbers");
        let id = self.mint.newcomer(resume).ok_or_else(full)?;
        let hour = Hour::of(clock::since_1970());
        let (uuid, token) =
            self.mint.identity(&room, id, resume, hour, |uuid| self.world.has(uuid));
        if let Some(network) = link.network() {
            self.make_way(network);
        }
        let newcomer = Newcomer { id, uuid, token, arrival };
        let visitor = Visitor { id, uuid, subject, name: newcomer.arrival.name.clone(), host };
        self.world.join(newcomer, now).map_err(refused)?;
        self.attendance.enter(visitor);
        tracing::debug!(peer = %id, link = ?link.id(), "a peer joins");
        Ok((id, How::New))
    }

    /// Makes way for a newcomer from this network: gives up the network's places beyond its share
    /// and, if the room is full, its oldest place here.
    fn make_way(&mut self, network: Network) {
        self.places.make_way(network);
        if self.world.is_full() {
            let numbers =
                self.kept.iter().filter_map(|(&peer, it)| Some((it.number_in(network)?, peer)));
            if let Some((_, peer)) = numbers.min() {
                self.give_up(peer);
            }
        }
    }

    /// Gives up the place of a peer without a link.
    pub(super) fn give_up(&mut self, peer: PeerId) {
        if self.kept.remove(&peer).is_some() {
            tracing::debug!(%peer, "giving up a place");
            self.metrics.hit(Limit::Places);
            self.world.leave(peer);
        }
    }
}
