//! Who waits for what on a connection.

use std::task::{Context, Waker};

use quinn_proto::{Dir, StreamId};

/// What a task may wait for. For each of these, the last one to wait is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// The end of the handshake.
    Connected,
    /// The loss of the connection.
    Closed,
    /// A datagram.
    Datagram,
    /// A stream that the client opens.
    Accept(Dir),
    /// Permission to open another stream.
    Open(Dir),
    /// Bytes of a stream, or its end.
    Read(StreamId),
    /// Room for bytes of a stream.
    Write(StreamId),
    /// The client's word that it has all of a stream, or wants no more of it.
    Stopped(StreamId),
}

/// The tasks that wait. A session waits for about eight things, so a list is enough.
#[derive(Debug, Default)]
pub(super) struct Wakers(pub(super) Vec<(Interest, Waker)>);

impl Wakers {
    /// Wakes the task of this context once `interest` is ready.
    pub(super) fn register(&mut self, interest: Interest, context: &Context<'_>) {
        match self.0.iter_mut().find(|(it, _)| *it == interest) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => self.0.push((interest, context.waker().clone())),
        }
    }

    /// Takes the task that waits for `interest`, if there is one.
    pub(super) fn take(&mut self, interest: Interest) -> Option<Waker> {
        let index = self.0.iter().position(|(it, _)| *it == interest)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Takes all tasks.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Waker> {
        std::mem::take(&mut self.0).into_iter().map(|(_, waker)| waker)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    #[test]
    fn each_interest_has_the_last_task_that_waited() {
        let (first, second) = (noop_waker(), futures_util::task::noop_waker_ref());
        let mut wakers = Wakers::default();
        wakers.register(Interest::Datagram, &Context::from_waker(&first));
        wakers.register(Interest::Datagram, &Context::from_waker(second));
        wakers.register(Interest::Accept(Dir::Uni), &Context::from_waker(&first));
        assert!(wakers.take(Interest::Accept(Dir::Bi)).is_none());
        assert!(wakers.take(Interest::Datagram).is_some());
        assert!(wakers.take(Interest::Datagram).is_none());
        assert_eq!(wakers.take_all().count(), 1);
        assert_eq!(wakers.take_all().count(), 0);
    }
}
