//! What the program is told of a room: the difference between what it was told last and what is so.
//! Nothing of people waits in a queue, so a program that reads late gets less, not old news.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use gpys_proto::kind::Kind;
use gpys_proto::time::Stamp;
use gpys_proto::wire::{PeerId, Person, Presence, PublicId, Roster, Said, ServerMessage, Welcome};

use crate::error::Ended;
use crate::options::Event;
use crate::room::ages::Ages;
use crate::room::event::{Closed, Phase};

/// Messages that wait for the program; of more, the oldest are lost.
const MESSAGES: usize = 1_024;
/// A roster names everybody in rooms of up to so many people.
const WHOLE: usize = 1_024;
/// Senders and topics on the datagram lane whose newest time is remembered.
const TOPICS: usize = 4_096;

/// One piece of news.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    Enter(Arc<Person>),
    Leave(Arc<Person>),
    Change(Arc<Person>),
    Moved(Arc<Person>),
    Said(Said),
    /// The same at a rate: the latest of its sender and topic.
    Latest(Said),
    Announcement(String),
    Refused(String),
    Status,
    Closed(Closed),
}

/// The list of who is here, while it is still coming.
#[derive(Debug, Default)]
struct Arriving {
    list: BTreeMap<PeerId, Arc<Person>>,
    /// Rosters that have come...
    got: u32,
    /// ...and that make the list; `None` if the welcome is not known yet.
    need: Option<u32>,
    /// Whether the ids are those of before.
    resumed: bool,
}

/// Somebody who may come back after the server restarted.
#[derive(Debug)]
struct Awaited {
    /// As the program knew them...
    known: Arc<Person>,
    /// ...and as it is told meanwhile.
    gone: Arc<Person>,
}

/// What the program is told.
#[derive(Debug)]
pub(crate) struct Feed {
    own: Option<PeerId>,
    /// The room's kind.
    pub(crate) kind: Arc<Kind>,
    here: BTreeMap<PeerId, Arc<Person>>,
    arriving: Option<Arriving>,
    /// Whether there has been a list.
    begun: bool,
    told: BTreeMap<PeerId, Arc<Person>>,
    /// People for whom `told` may differ from `here`.
    news: BTreeSet<PeerId>,
    /// Those who were here before the server restarted, and may come back.
    awaited: BTreeMap<PublicId, Awaited>,
    /// Those of them of whom the program does not know that they are gone.
    unannounced: BTreeSet<PublicId>,
    /// Those of them who have not come back in time.
    departed: VecDeque<Arc<Person>>,
    /// How often the server has restarted.
    restarts: u32,
    moved: BTreeSet<PeerId>,
    pub(crate) ages: Ages,
    queue: VecDeque<News>,
    /// The newest time of each sender and topic on the datagram lane.
    heard: BTreeMap<(PeerId, String), Stamp>,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Ended>,
    /// Whether the program does not know the phase or the transport.
    status: bool,
    over: Option<Closed>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            own: None,
            kind: Arc::default(),
            here: BTreeMap::new(),
            arriving: Some(Arriving::default()),
            begun: false,
            told: BTreeMap::new(),
            news: BTreeSet::new(),
            awaited: BTreeMap::new(),
            unannounced: BTreeSet::new(),
            departed: VecDeque::new(),
            restarts: 0,
            moved: BTreeSet::new(),
            ages: Ages::default(),
            queue: VecDeque::new(),
            heard: BTreeMap::new(),
            phase: Phase::Live,
            reason: None,
            status: false,
            over: None,
        }
    }
}

impl Feed {
    /// The first welcome, some of whose rosters may have come already.
    pub(crate) fn begin(&mut self, welcome: &Welcome) {
        self.own = Some(welcome.id);
        self.set_kind(&welcome.kind);
        if let Some(arriving) = &mut self.arriving {
            arriving.need = Some(welcome.rosters.into());
        }
        self.complete();
    }

    fn set_kind(&mut self, kind: &Kind) {
        if *self.kind != *kind {
            self.kind = Arc::new(kind.clone());
        }
    }

    /// Whether the first list is complete, or never will be.
    pub(crate) const fn is_ready(&self) -> bool {
        self.begun || matches!(self.phase, Phase::Ended)
    }

    /// Those who are here, by id, and those who may come back after the server restarted.
    pub(crate) fn people(&self) -> impl Iterator<Item = &Arc<Person>> {
        let awaited =
            self.awaited.iter().map(
                |(uuid, Awaited { known, gone })| {
                    if self.unannounced.contains(uuid) { known } else { gone }
                },
            );
        self.here.values().chain(awaited)
    }

    /// One of those who are here.
    pub(crate) fn person(&self, id: PeerId) -> Option<&Arc<Person>> {
        self.here.get(&id)
    }

    /// Whether this is the client itself.
    pub(crate) fn is_own(&self, id: PeerId) -> bool {
        self.own == Some(id)
    }

    /// Takes what came over the link, or became of it. Returns whether there may be news.
    pub(crate) fn handle(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Figure { id, figure, now } => {
                self.ages.note(*id, figure.sampled, *now);
                return self.moved.insert(*id);
            }
            Event::Said { time, said } => return self.handle_latest(*time, said),
            Event::Message(message) => self.handle_message(message),
            Event::Ended { ended, comes_back } => self.handle_end(ended, *comes_back),
        }
        true
    }

    /// The session is gone, however that came.
    pub(crate) fn handle_end(&mut self, ended: &Ended, comes_back: bool) {
        if self.phase == Phase::Ended {
            return;
        }
        let closed = Closed { ended: ended.clone(), terminal: !comes_back };
        self.reason = Some(ended.clone());
        self.status = true;
        if comes_back {
            self.phase = Phase::Waiting;
            self.push(News::Closed(closed));
        } else {
            self.phase = Phase::Ended;
            self.over = Some(closed);
        }
    }

    fn handle_message(&mut self, message: &ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => self.handle_welcome(welcome),
            ServerMessage::Roster(roster) => self.handle_roster(roster),
            ServerMessage::Said(said) => self.push(News::Said(said.clone())),
            ServerMessage::Announcement(text) => self.push(News::Announcement(text.clone())),
            ServerMessage::Refused(refused) => self.push(News::Refused(refused.words())),
            ServerMessage::Closing(_) | ServerMessage::Copies(_) => {}
        }
    }

    /// A welcome on a further link. Those who are here stay so until the new list is complete.
    fn handle_welcome(&mut self, welcome: &Welcome) {
        let need = Some(welcome.rosters.into());
        (self.phase, self.reason, self.status) = (Phase::Live, None, true);
        let resumed = welcome.resumed;
        self.arriving = Some(Arriving { need, resumed, ..Arriving::default() });
        if !resumed {
            self.await_all();
        }
        self.own = Some(welcome.id);
        self.set_kind(&welcome.kind);
        self.complete();
    }

    fn handle_roster(&mut self, roster: &Roster) {
        let list = match &mut self.arriving {
            Some(arriving) => {
                arriving.got += 1;
                &mut arriving.list
            }
            None => &mut self.here,
        };
        for person in &roster.joined {
            if let Some(Awaited { known, gone }) = self.awaited.remove(&person.uuid) {
                let is_unannounced = self.unannounced.remove(&person.uuid);
                self.told.insert(person.id, if is_unannounced { known } else { gone });
            }
            list.insert(person.id, Arc::new(person.clone()));
            self.news.insert(person.id);
        }
        for change in &roster.presence {
            if let Some(person) = list.get_mut(&change.id) {
                Arc::make_mut(person).presence = change.presence;
                self.news.insert(change.id);
            }
        }
        for id in &roster.left {
            list.remove(id);
            self.news.insert(*id);
        }
        self.complete();
    }

    /// Makes the list of who is here the new one, once that is complete.
    fn complete(&mut self) {
        let is_whole = |arriving: &mut Arriving| arriving.need.is_some_and(|it| arriving.got >= it);
        let Some(Arriving { mut list, resumed, .. }) = self.arriving.take_if(is_whole) else {
            return;
        };
        if resumed && list.len() >= WHOLE {
            // A room larger than its list: who is not on it may still be here.
            for (id, person) in &self.here {
                list.entry(*id).or_insert_with(|| Arc::clone(person));
            }
        }
        self.here = list;
        if self.begun {
            self.news.extend(self.told.keys().chain(self.here.keys()));
        } else {
            // The program begins with a look at who is here.
            self.told.clone_from(&self.here);
            self.news.clear();
            self.begun = true;
        }
    }

    /// The server may have restarted: ids begin again, identities may go on, and everybody takes a
    /// moment to come back.
    fn await_all(&mut self) {
        self.restarts += 1;
        self.moved.clear();
        self.ages = Ages::default();
        self.heard.clear();
        self.news.clear();
        for (id, known) in std::mem::take(&mut self.told) {
            if self.own != Some(id) {
                let gone = Arc::new(Person { presence: Presence::Gone, ..(*known).clone() });
                self.unannounced.insert(known.uuid);
                self.awaited.insert(known.uuid, Awaited { known, gone });
            }
        }
        self.here.clear();
    }

    /// How often the server has restarted, for [`Feed::give_up`].
    pub(crate) const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Those who have not come back after this restart of the server have left, unless it has
    /// restarted again.
    pub(crate) fn give_up(&mut self, restarts: u32) {
        if self.restarts == restarts {
            self.unannounced.clear();
            let awaited = std::mem::take(&mut self.awaited).into_values();
            self.departed.extend(awaited.map(|awaited| awaited.gone));
        }
    }

    /// A message of the datagram lane: the latest wins, and may come twice.
    fn handle_latest(&mut self, time: Stamp, said: &Said) -> bool {
        if self.heard.len() >= TOPICS {
            // At worst, something is heard twice.
            self.heard.clear();
        }
        let key = (said.from, said.topic.clone());
        if self.heard.get(&key).is_some_and(|last| time.after(*last) <= 0) {
            return false;
        }
        self.heard.insert(key, time);
        let same = |news: &News| matches!(news, News::Latest(it) if (it.from, &it.topic) == (said.from, &said.topic));
        match self.queue.iter_mut().rev().find(|news| same(news)) {
            Some(waiting) => *waiting = News::Latest(said.clone()),
            None => self.push(News::Latest(said.clone())),
        }
        true
    }

    fn push(&mut self, news: News) {
        if self.queue.len() == MESSAGES {
            self.queue.pop_front();
        }
        self.queue.push_back(news);
    }

    /// The next piece of news; `None` for none at present.
    pub(crate) fn next(&mut self) -> Option<News> {
        if self.arriving.is_none()
            && let Some(news) = self.next_of_people()
        {
            return Some(news);
        }
        if let Some(news) = self.queue.pop_front() {
            return Some(news);
        }
        if std::mem::take(&mut self.status) {
            return Some(News::Status);
        }
        while let Some(id) = self.moved.pop_first() {
            if let Some(person) = self.here.get(&id) {
                return Some(News::Moved(Arc::clone(person)));
            }
        }
        self.over.take().map(News::Closed)
    }

    /// Whether all is said.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ended) && self.over.is_none()
    }

    fn next_of_people(&mut self) -> Option<News> {
        if let Some(person) = self.departed.pop_front() {
            return Some(News::Leave(person));
        }
        while let Some(uuid) = self.unannounced.pop_first() {
            if let Some(awaited) = self.awaited.get(&uuid) {
                return Some(News::Change(Arc::clone(&awaited.gone)));
            }
        }
        while let Some(id) = self.news.pop_first() {
            let is_own = self.is_own(id);
            let news = match (self.told.remove(&id), self.here.get(&id)) {
                (told, Some(person)) => {
                    self.told.insert(id, Arc::clone(person));
                    match told {
                        None if is_own => None,
                        None => Some(News::Enter(Arc::clone(person))),
                        Some(told) if told != *person => Some(News::Change(Arc::clone(person))),
                        Some(_) => None,
                    }
                }
                (Some(told), None) if !is_own => Some(News::Leave(told)),
                (_, None) => None,
            };
            if news.is_some() {
                return news;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
