//! What happens in a server's rooms, for the program around it: who came and went for good. No
//! coordinates.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::lock::lock;
use gpys_proto::wire::{PeerId, PublicId};

/// Events to remember for those who read late.
const REMEMBERED: usize = 1_024;

/// Something that happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, from 1, one more than the one before. A gap says that the reader was more than
    /// 1,024 events late.
    pub id: u64,
    /// When it happened.
    pub time: SystemTime,
    /// The room.
    pub room: String,
    /// What happened.
    pub what: What,
}

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody is here, after nobody was.
    Occupied,
    /// Nobody is here any more.
    Vacated,
    /// Somebody came. Not who comes back on another link.
    Entered(Visitor),
    /// Somebody left, for good: at once with a leave, else once it can no longer come back.
    Left(Visitor),
}

/// Who came or left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Its number, never used again while the server lives.
    pub id: PeerId,
    /// Its public identity.
    pub uuid: PublicId,
    /// The same for all devices of one person, if its grant names a subject.
    pub subject: Option<PublicId>,
    /// The name with which it came; may be empty.
    pub name: String,
    /// Whether it is a host.
    pub host: bool,
}

/// The last events, oldest first.
#[derive(Debug, Default)]
struct Log {
    events: VecDeque<Event>,
    /// The number of the newest.
    newest: u64,
}

/// Where rooms write what happens.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Arc<Mutex<Log>>,
    newest: watch::Sender<u64>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { log: Arc::default(), newest: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Writes an event.
    pub(crate) fn write(&self, room: &str, what: What) {
        let mut log = lock(&self.log);
        log.newest += 1;
        let event = Event { id: log.newest, time: SystemTime::now(), room: room.to_owned(), what };
        if log.events.len() == REMEMBERED {
            log.events.pop_front();
        }
        log.events.push_back(event);
        self.newest.send_replace(log.newest);
    }

    /// The events from now on.
    pub(crate) fn events(&self) -> Events {
        let newest = self.newest.subscribe();
        let next = *newest.borrow() + 1;
        Events { log: Arc::clone(&self.log), next, newest }
    }
}

/// What happens in a server's rooms. Clones read on from the same place.
#[derive(Clone, Debug)]
pub struct Events {
    log: Arc<Mutex<Log>>,
    /// The number of the next event.
    next: u64,
    newest: watch::Receiver<u64>,
}

impl Events {
    /// Goes on after the event with this number, if it is among the last 1,024; else with the
    /// oldest of those.
    #[must_use]
    pub fn after(self, id: u64) -> Self {
        let newest = *self.newest.borrow();
        Self { next: id.min(newest) + 1, ..self }
    }

    /// The number of the event before the next one.
    pub(crate) const fn position(&self) -> u64 {
        self.next - 1
    }

    /// Waits for the next event; `None` once the server is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take() {
                return Some(event);
            }
            self.newest.changed().await.ok()?;
        }
    }

    /// The next event, if there is one.
    fn take(&mut self) -> Option<Event> {
        let log = lock(&self.log);
        let oldest = log.events.front()?.id;
        let next = self.next.max(oldest);
        let event = log.events.get(usize::try_from(next - oldest).ok()?)?.clone();
        self.next = next + 1;
        Some(event)
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, async |mut events| events.next().await.map(|event| (event, events)))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn ids(events: &mut Events) -> Vec<u64> {
        std::iter::from_fn(|| events.next().now_or_never().flatten()).map(|it| it.id).collect()
    }

    #[tokio::test]
    async fn each_reader_gets_what_happens_from_its_beginning_on() {
        let journal = Journal::default();
        let mut first = journal.events();
        assert_eq!(ids(&mut first), [0_u64; 0]);
        journal.write("hall", What::Occupied);
        let second = journal.events();
        journal.write("hall", What::Vacated);
        assert_eq!(ids(&mut first), [1, 2]);
        let mut second = pin!(second.into_stream());
        let event = second.next().await.unwrap();
        assert_eq!((event.id, event.room.as_str(), event.what), (2, "hall", What::Vacated));
        drop(journal);
        assert!(second.next().await.is_none() && first.next().await.is_none());
    }

    #[test]
    fn a_late_reader_sees_a_gap_and_a_returning_one_none() {
        let journal = Journal::default();
        let mut late = journal.events();
        let back = |id| ids(&mut journal.events().after(id)).first().copied();
        (0..2_000).for_each(|_| journal.write("hall", What::Occupied));
        assert_eq!(ids(&mut late), (977..=2_000).collect::<Vec<_>>());
        assert_eq!([1_500, 1, 2_000, u64::MAX].map(back), [Some(1_501), Some(977), None, None]);
    }
}
