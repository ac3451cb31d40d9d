//! What a client wants its session to send.

use std::collections::{BTreeMap, VecDeque};

use gpys_proto::geo::Viewport;
use gpys_proto::motion::Motion;
use gpys_proto::pose::Pose;
use gpys_proto::wire::{ClientMessage, Presence, Say, Sharing};

/// Messages that wait for the reliable lane. The server takes 20 at once and 10 a second.
const MESSAGES: usize = 64;
/// Topics on the datagram lane, of which the server takes 16 a link.
const TOPICS: usize = 16;

/// What the client wants its session to send. In everything but the messages of the reliable lane
/// the latest wins, and those are bounded, so it cannot grow.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) pose: Option<(Pose, Option<Motion>)>,
    /// The state bits.
    pub(crate) state: Option<u64>,
    pub(crate) presence: Option<Presence>,
    pub(crate) viewport: Option<Viewport>,
    pub(crate) sharing: Option<Sharing>,
    pub(crate) name: Option<String>,
    pub(crate) profile: Option<String>,
    /// Messages for others, and what a host does.
    pub(crate) messages: VecDeque<ClientMessage>,
    /// Messages for others on the datagram lane, by topic.
    pub(crate) latest: BTreeMap<String, Say>,
    pub(crate) leave: bool,
    /// The client was dropped.
    pub(crate) abandoned: bool,
    /// The network is to vanish.
    pub(crate) cut: bool,
}

impl Outbox {
    /// Adds a message of the reliable lane; false if too many wait.
    pub(crate) fn queue(&mut self, message: ClientMessage) -> bool {
        let fits = self.messages.len() < MESSAGES;
        if fits {
            self.messages.push_back(message);
        }
        fits
    }

    /// Puts a message on the datagram lane in place of one that still waits on its topic; false if
    /// too many topics wait.
    pub(crate) fn replace(&mut self, say: Say) -> bool {
        let fits = self.latest.len() < TOPICS || self.latest.contains_key(&say.topic);
        if fits {
            self.latest.insert(say.topic.clone(), say);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use gpys_proto::wire::To;

    use super::*;

    #[test]
    fn messages_wait_in_order_and_only_so_many() {
        let mut outbox = Outbox::default();
        let name = |n: usize| ClientMessage::Name(n.to_string());
        assert!((0..MESSAGES).all(|n| outbox.queue(name(n))));
        assert!(!outbox.queue(name(MESSAGES)));
        assert_eq!(outbox.messages.pop_front(), Some(name(0)));
        assert!(outbox.queue(name(MESSAGES)));
    }

    #[test]
    fn the_latest_of_a_topic_wins() {
        let mut outbox = Outbox::default();
        let say = |topic: usize, body: u8| Say {
            to: To::Room,
            topic: topic.to_string(),
            body: vec![body],
        };
        assert!((0..TOPICS).all(|topic| outbox.replace(say(topic, 0))));
        assert!(!outbox.replace(say(TOPICS, 0)), "one topic too many");
        assert!(outbox.replace(say(3, 7)));
        assert_eq!(outbox.latest.get("3").map(|say| say.body.clone()), Some(vec![7]));
        assert_eq!(outbox.latest.len(), TOPICS);
    }
}
