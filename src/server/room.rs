//! The one task that owns a room's [`World`].
//!
//! The world decides everything; the task feeds it input and the time, and carries out its
//! decisions. It never waits for a client: what does not fit a link is refused.

mod admission;
pub(crate) mod attendance;
pub(crate) mod command;
mod delivery;
pub(crate) mod directory;
pub(crate) mod identity;
pub(crate) mod mailbox;
mod member;
mod obedience;
pub(crate) mod order;
pub(crate) mod places;
pub(crate) mod thing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, WeakSender};
use tokio::time::sleep_until;

use crate::alarm::Alarms;
use crate::clock::Clock;
use crate::events::Journal;
use crate::link::LinkId;
use crate::link::ending::{Ending, restarting};
use crate::load::Load;
use crate::metrics::{Leave, Limit, Metrics};
use crate::room::attendance::Attendance;
use crate::room::command::Command;
use crate::room::identity::Mint;
use crate::room::mailbox::{Mailbox, Postbox};
use crate::room::member::Member;
use crate::room::places::{Keep, Places};
use gpys_proto::kind::Kind;
use gpys_proto::time::Time;
use gpys_proto::wire::{CloseCode, PeerId};
use gpys_proto::world::{
    FROZEN_MS, FROZEN_OUT_MS, Feedback, Over, Parting, RoomSettings, SILENCE_MS, Violation, World,
};

/// How often links report what they learned, in ms.
const CHECK_MS: u64 = 500;
/// A task that runs at least this late, in ms, was stopped, as was perhaps the whole computer.
const STOPPED_MS: u64 = 1_000;
/// How long an empty room waits for peers before it ends, in ms.
const LINGER_MS: u64 = 1_000;
/// Maximum number of commands handled before the world's turn.
const BATCH: usize = 256;

/// What all rooms of a server share.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    /// The server's clock.
    pub(crate) clock: Clock,
    /// The source of peer numbers and identities.
    pub(crate) mint: Arc<Mint>,
    /// Counts kept places per network.
    pub(crate) places: Arc<Places>,
    /// The server's counters.
    pub(crate) metrics: Arc<Metrics>,
    /// What frames cost the server.
    pub(crate) load: Arc<Load>,
    /// Where rooms write what happens.
    pub(crate) journal: Arc<Journal>,
    /// The timers of turns.
    pub(crate) alarms: Alarms,
}

/// A room: its world, and the links of its peers.
#[derive(Debug)]
pub(crate) struct Room {
    world: World,
    clock: Clock,
    mint: Arc<Mint>,
    places: Arc<Places>,
    metrics: Arc<Metrics>,
    load: Arc<Load>,
    alarms: Alarms,
    /// A turn that is due this soon, in µs, counts as due: alarms may be early.
    early_us: u64,
    settings: RoomSettings,
    own: WeakSender<Command>,
    inbox: Receiver<Command>,
    postbox: Arc<Postbox>,
    attendance: Attendance,
    members: BTreeMap<PeerId, Member>,
    /// The counted places of peers without a link.
    kept: BTreeMap<PeerId, Keep>,
    draining: bool,
    next_check: Time,
    empty_since: Time,
    /// The time of the last round.
    now: Time,
}

impl Room {
    /// An empty room that takes commands from `inbox`; `own` is its sender. Without a kind, its
    /// first peer decides what it is for.
    pub(crate) fn new(
        settings: RoomSettings,
        kind: Option<Kind>,
        means: Means,
        own: WeakSender<Command>,
        inbox: Receiver<Command>,
        attendance: Attendance,
    ) -> Self {
        let Means { clock, mint, places, metrics, load, alarms, .. } = means;
        let now = clock.now();
        let mut world = World::new(settings, mint.seed());
        if let Some(kind) = kind {
            world.set_kind(kind);
        }
        Self {
            world,
            clock,
            mint,
            places,
            metrics,
            load,
            early_us: u64::try_from(alarms.early().as_micros()).unwrap_or(u64::MAX),
            alarms,
            settings,
            own,
            inbox,
            postbox: Arc::default(),
            attendance,
            members: BTreeMap::new(),
            kept: BTreeMap::new(),
            draining: false,
            next_check: now,
            empty_since: now,
            now,
        }
    }

    /// Runs until the room has been empty for a while.
    pub(crate) async fn run(mut self) {
        let (mut commands, mut mailboxes) = (Vec::with_capacity(BATCH), Vec::new());
        while !self.is_over() {
            let planned = self.world.poll_timeout();
            let due = self.next_due(planned);
            self.wait(due, planned == Some(due), &mut commands).await;
            let read = self.clock.now();
            let mut now = read.max(self.now);
            // What was due already at the end of the last round is late only since then.
            self.excuse(now.since(due.max(self.now)), now);
            for command in commands.drain(..) {
                self.handle(command, now);
            }
            self.collect_poses(&mut mailboxes);
            if let Some(due) = self.world.poll_timeout()
                && due <= read.after_us(self.early_us)
            {
                now = now.max(due);
            }
            self.now = now;
            self.run_world(planned, now);
            if now >= self.next_check {
                self.next_check = now + CHECK_MS;
                self.check_links(now);
            }
            self.deliver_events(now);
            self.send_frames(now);
            if !self.world.is_empty() || !self.members.is_empty() {
                self.empty_since = now;
            }
        }
        // A sender finds the channel closed at once, and opens another room.
        self.inbox.close();
    }

    /// Waits until something is due, a turn or something else, or arrives. Poses that come before
    /// the room can show them do not wake it.
    async fn wait(&mut self, due: Time, is_turn: bool, commands: &mut Vec<Command>) {
        let alarm = |time: Time| self.alarms.at(self.clock.instant(time));
        let poses = async {
            alarm(self.world.next_change()).await;
            self.postbox.filled().await;
        };
        let due = async {
            if is_turn {
                alarm(due).await;
            } else {
                sleep_until(self.clock.instant(due)).await;
            }
        };
        tokio::select! {
            // Whatever wakes the room, it does all that is due.
            biased;
            _ = self.inbox.recv_many(commands, BATCH) => {}
            () = poses => {}
            () = due => {}
        }
    }

    /// Discounts from every client's silence the time for which the server itself did not run.
    fn excuse(&mut self, late_ms: u64, now: Time) {
        if late_ms < STOPPED_MS {
            return;
        }
        tracing::warn!(late_ms, "the server did not run for a while");
        self.world.excuse(late_ms);
        self.members.values_mut().for_each(|member| member.excuse(late_ms, now));
    }

    /// Gives the world its turn; `planned` is when it was due before any new input.
    fn run_world(&mut self, planned: Option<Time>, now: Time) {
        let ticks = self.world.ticks();
        self.world.handle_timeout(now);
        if self.world.ticks() != ticks {
            let tick_ms = u64::try_from(self.tick().as_millis()).unwrap_or(u64::MAX);
            let late = planned.is_some_and(|planned| now.since(planned) >= tick_ms);
            self.metrics.ticked(&self.world.take_ages(), late);
        }
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(1) / u32::from(self.settings.tick_hz.max(1))
    }

    fn next_due(&self, world: Option<Time>) -> Time {
        // Even without links: a task that sleeps for long cannot tell how long it was stopped.
        let check = (!self.world.is_empty()).then_some(self.next_check);
        let linger = self.world.is_empty().then_some(self.empty_since + LINGER_MS);
        let due = [world, check, linger].into_iter().flatten().min();
        due.unwrap_or_else(|| self.clock.now() + CHECK_MS)
    }

    fn is_over(&self) -> bool {
        self.world.is_empty()
            && self.members.is_empty()
            && self.inbox.is_empty()
            && (self.draining
                || self.world.is_over()
                || self.clock.now().since(self.empty_since) >= LINGER_MS)
    }

    fn handle(&mut self, command: Command, now: Time) {
        match command {
            Command::Enter(enter) => self.enter(*enter, now),
            Command::Message(peer, link, message) if self.is_current(peer, link) => {
                if let Err(violation) = self.world.handle_message(peer, &message, now) {
                    let ending = Ending::new(violation.close_code(), violation.to_string());
                    let limit = (violation == Violation::TooFast).then_some(Limit::Viewports);
                    self.end(peer, Ending { limit, ..ending }, now);
                }
            }
            Command::Refuse(peer, link, refused) if self.is_current(peer, link) => {
                self.world.refuse(peer, refused);
            }
            Command::Say(peer, link, seq, say) if self.is_current(peer, link) => {
                self.world.handle_say(peer, seq, say, now);
            }
            Command::Leave(peer, link) if self.is_current(peer, link) => {
                self.world.leave(peer);
                if let Some(member) = self.members.remove(&peer) {
                    member.link.close(Ending::new(CloseCode::Bye, "bye"));
                }
            }
            Command::Detach(peer, link) if self.is_current(peer, link) => {
                self.end(peer, Ending::gone("the link is gone"), now);
            }
            // From a link that has been replaced.
            Command::Message(..)
            | Command::Refuse(..)
            | Command::Say(..)
            | Command::Leave(..)
            | Command::Detach(..) => {}
            Command::GiveUp(peer) => self.give_up(peer),
            Command::Order(order) => self.obey(*order, now),
            Command::Drain => self.drain(now),
            #[cfg(test)]
            Command::Panic => panic!("asked to"),
        }
    }

    /// Whether this is the peer's current link.
    fn is_current(&self, peer: PeerId, link: LinkId) -> bool {
        self.members.get(&peer).is_some_and(|member| member.link.id() == link)
    }

    fn collect_poses(&mut self, mailboxes: &mut Vec<Arc<Mailbox>>) {
        self.postbox.swap(mailboxes);
        for mailbox in mailboxes.drain(..) {
            // A new link numbers its samples from the start, so an old link's must not count.
            if let Some(sample) = mailbox.take()
                && self.is_current(mailbox.peer, mailbox.link)
            {
                self.world.handle_pose(mailbox.peer, sample);
            }
        }
    }

    /// Reports to the world what the links learned, and ends those that are silent or stalled.
    fn check_links(&mut self, now: Time) {
        self.load.measure();
        let Over { peers, rooms } = self.world.take_over();
        self.metrics.hits_of(Limit::Says, peers);
        self.metrics.hits_of(Limit::RoomSays, rooms);
        self.kept.retain(|&peer, _| self.world.is_here(peer));
        self.attendance.keep(|peer| self.world.is_here(peer));
        let mut over = Vec::new();
        for (&peer, member) in &mut self.members {
            let heard = member.link.heard();
            if now.since(heard) >= SILENCE_MS {
                over.push((peer, Ending::new(CloseCode::Timeout, "nothing arrived for 15 s")));
                continue;
            }
            let silent_ms = now.since(member.link.spoken());
            if silent_ms >= FROZEN_OUT_MS {
                let reason = "the page was frozen for 10 minutes";
                over.push((peer, Ending::new(CloseCode::Timeout, reason)));
                continue;
            }
            if silent_ms >= FROZEN_MS {
                self.world.freeze(peer);
            } else {
                self.world.thaw(peer);
            }
            let counts = member.link.counts();
            member.note_counts(&counts, now);
            if member.has_stalled(heard, now) {
                let reason = "the client took nothing for 10 s";
                over.push((peer, Ending::at(Limit::Stalled, CloseCode::TooSlow, reason)));
                continue;
            }
            let feedback = Feedback {
                sent: counts.sent.saturating_sub(member.reported.sent),
                lost: counts.lost.saturating_sub(member.reported.lost),
                rtt_ms: counts.rtt_ms,
                refused: std::mem::take(&mut member.refused),
            };
            member.reported = counts;
            self.world.handle_feedback(peer, feedback, now);
        }
        for (peer, ending) in over {
            self.end(peer, ending, now);
        }
    }

    /// Ends a peer's link. The peer keeps its place for a while, unless it broke the rules.
    fn end(&mut self, peer: PeerId, ending: Ending, now: Time) {
        if let Some(member) = self.members.remove(&peer) {
            let why = member.link.why().unwrap_or(ending.leave);
            tracing::debug!(%peer, ?why, reason = %ending.reason, "ending a link");
            if let Some(limit) = ending.limit {
                self.metrics.hit(limit);
            }
            member.link.close(ending);
            match member.link.why() {
                Some(why) if why.is_final() => return self.world.leave(peer),
                Some(Leave::Closed) => self.world.detach(peer, Parting::Closed, now),
                _ => self.world.detach(peer, Parting::Lost(member.link.heard()), now),
            }
            if let Some(network) = member.link.network() {
                self.kept.insert(peer, self.places.keep(network, peer, self.own.clone()));
            }
        }
    }

    fn drain(&mut self, now: Time) {
        self.draining = true;
        let peers: Vec<_> = self.members.keys().copied().collect();
        for peer in peers {
            self.end(peer, restarting(), now);
        }
        self.world.remove_things();
    }
}
