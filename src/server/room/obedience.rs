//! What a room does for programs at the server.

use crate::metrics::Limit;
use crate::room::Room;
use crate::room::order::{Order, People, Reply, RoomInfo};
use crate::room::thing::{NotPut, Thing};
use gpys_proto::kind::Kind;
use gpys_proto::time::Time;
use gpys_proto::world::{Placed, PutError};

impl Room {
    pub(super) fn obey(&mut self, order: Order, now: Time) {
        match order {
            Order::Put(things, reply) => {
                let put = things.iter().map(|thing| self.put(thing, now));
                answer(reply, put.collect());
            }
            Order::TakeOut(key, reply) => answer(reply, self.world.remove_thing(&key)),
            Order::Count(reply) => answer(reply, self.info()),
            Order::Look(reply) => {
                let announcement = self.world.announcement().to_owned();
                let (info, seen) = (self.info(), self.world.seen().collect());
                answer(reply, People { info, announcement, seen, now });
            }
            Order::Say(say, reply) => answer(reply, self.world.say_as_program(&say, now)),
            Order::Remove(peer, reason, reply) => answer(reply, self.world.remove(peer, &reason)),
            Order::Announce(text, reply) => {
                self.world.announce(&text);
                answer(reply, ());
            }
            Order::Close(reason, reply) => {
                self.world.end(&reason);
                answer(reply, ());
            }
        }
    }

    fn info(&self) -> RoomInfo {
        let kind = self.world.kind().cloned().unwrap_or_default();
        RoomInfo { name: self.attendance.room().to_owned(), kind, online: self.world.online() }
    }

    fn put(&mut self, thing: &Thing, now: Time) -> Result<Placed, NotPut> {
        if self.draining {
            return Err(NotPut::Stopping);
        }
        // The first to come decides what a room is for, and a thing knows of the earth only.
        let earth = Kind::default();
        let kind = self.world.kind().unwrap_or(&earth);
        let put = thing.in_room(kind)?;
        self.world.set_kind(earth);
        let (mint, name) = (&self.mint, self.attendance.room());
        let placed = self.world.put_thing(&put, || mint.thing(&put.key, name), now);
        let limit = match placed {
            Err(PutError::Full(_)) => Some(Limit::Things),
            Err(PutError::TooFast | PutError::TooMuchNews) => Some(Limit::Puts),
            _ => None,
        };
        limit.into_iter().for_each(|limit| self.metrics.hit(limit));
        Ok(placed?)
    }
}

fn answer<T>(reply: Reply<T>, answer: T) {
    // Whoever asked may have given up.
    drop(reply.send(answer));
}
