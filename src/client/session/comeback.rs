//! How a session gets its next link: beside one that is silent, or after one that is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use gpys_proto::pose::{Extra, Pose};
use gpys_proto::time::Time;
use gpys_proto::wire::{CloseCode, Hello, Presence, ServerMessage, Welcome};

use crate::error::{ConnectError, Ended};
use crate::link::Link;
use crate::link::dial::{Attempt, Dial};
use crate::link::greeting::greet;
use crate::options::Event;
use crate::sender::Sender;
use crate::session::outbox::Outbox;
use crate::session::outgoing::mask;
use crate::session::pings::Pings;
use crate::session::state::{ClientState, lock};
use crate::session::{FAREWELL, Session};

/// Waits until the client needs no link any more.
async fn left(shared: &ClientState) {
    loop {
        let Outbox { leave, abandoned, cut, .. } = *lock(&shared.outbox);
        if leave || abandoned || cut {
            return;
        }
        shared.wake.notified().await;
    }
}

/// What to do after a link or an attempt: try again, perhaps after the time that the server named.
enum Verdict {
    Again(Option<u32>),
    Over(Ended),
}

impl Verdict {
    /// After a link.
    fn of(ended: Ended, has_rival: bool, renews_token: bool) -> Self {
        match ended {
            Ended::Lost(_) | Ended::Silent => Self::Again(None),
            Ended::Closed { retry_ms: Some(retry_ms), .. } => Self::Again(Some(retry_ms)),
            Ended::Closed { code, .. }
                if has_rival && code == CloseCode::Replaced as u8
                    || renews_token && code == CloseCode::Expired as u8
                    || CloseCode::from_code(code).is_some_and(CloseCode::retryable) =>
            {
                Self::Again(None)
            }
            Ended::Closed { .. } | Ended::Left => Self::Over(ended),
        }
    }

    /// After an attempt.
    fn of_attempt(error: &ConnectError, renews_token: bool) -> Self {
        match error {
            ConnectError::Expired { .. } if renews_token => Self::Again(None),
            ConnectError::Full { retry_ms: Some(retry_ms), .. }
            | ConnectError::Refused { retry_ms: Some(retry_ms), .. } => {
                Self::Again(Some(*retry_ms))
            }
            error if error.is_transient() => Self::Again(None),
            error => Self::Over(Ended::Lost(error.to_string())),
        }
    }
}

impl Session {
    /// Whether there will be another link after this one.
    pub(super) fn comes_back(&self, ended: &Ended, server: &dyn Dial) -> bool {
        let verdict = Verdict::of(ended.clone(), self.has_rival, server.renews_token());
        matches!(verdict, Verdict::Again(_))
    }

    /// When the link is suspect, in ms; `None` for a client of one link.
    pub(super) fn suspect_at(&self) -> Option<f64> {
        Some(self.redial.as_ref()?.suspect_at(self.shared.round_trip()))
    }

    /// Begins an attempt, and returns its limit.
    fn limit(&mut self) -> Duration {
        let (now, round_trip) = (self.shared.local(), self.shared.round_trip());
        let limit = self.redial.as_mut().map_or(0.0, |redial| redial.attempt(now, round_trip));
        Duration::from_secs_f64(limit / 1_000.0)
    }

    /// Begins to open a link.
    pub(super) fn attempt(&mut self, server: &dyn Dial) -> Attempt {
        server.dial(Instant::now() + self.limit())
    }

    /// Greets over a link that was opened beside a silent one, and goes on with it.
    ///
    /// # Errors
    /// If there is no point in further attempts.
    pub(super) async fn replace(
        &mut self,
        server: &dyn Dial,
        opened: Result<Link, ConnectError>,
    ) -> Result<(), Ended> {
        let shared = Arc::clone(&self.shared);
        let greeted = match opened {
            Ok(link) => tokio::select! {
                biased;
                greeted = self.greet(server, link) => greeted,
                // What is wanted then is done on the link that there is.
                () = left(&shared) => Ok(()),
            },
            Err(error) => Err(error),
        };
        let verdict = |error| Verdict::of_attempt(&error, server.renews_token());
        match greeted.map_err(verdict) {
            Ok(()) | Err(Verdict::Again(_)) => Ok(()),
            Err(Verdict::Over(ended)) => Err(ended),
        }
    }

    /// Opens another link after one that has `ended`, however long that takes.
    ///
    /// # Errors
    /// With the end of the client, if it leaves or must not come back.
    pub(super) async fn come_back(&mut self, server: &dyn Dial, ended: Ended) -> Result<(), Ended> {
        tracing::debug!(%ended, "a link is over");
        let renews_token = server.renews_token();
        let mut verdict = Verdict::of(ended, self.has_rival, renews_token);
        let shared = Arc::clone(&self.shared);
        loop {
            let retry_ms = match verdict {
                Verdict::Again(retry_ms) => retry_ms,
                Verdict::Over(ended) => return Err(ended),
            };
            let (now, chance) = (shared.local(), fastrand::f64());
            let pause = self.redial.as_mut().map_or(0.0, |it| it.pause(now, retry_ms, chance));
            let dial = async {
                tokio::time::sleep(Duration::from_secs_f64(pause / 1_000.0)).await;
                let link = self.attempt(server).await?;
                self.greet(server, link).await
            };
            let dialled = tokio::select! {
                biased;
                dialled = dial => dialled,
                () = left(&shared) => {
                    self.is_cut = lock(&shared.outbox).cut;
                    return Err(Ended::Left);
                }
            };
            match dialled {
                Ok(()) => return Ok(()),
                Err(error) => verdict = Verdict::of_attempt(&error, renews_token),
            }
        }
    }

    /// Says hello over a new link, and goes on with that once it is welcome.
    async fn greet(&mut self, server: &dyn Dial, mut link: Link) -> Result<(), ConnectError> {
        let limit = self.limit();
        let url = server.url(link.transport());
        let late = |_| ConnectError::TimedOut { url: url.to_owned(), after: limit };
        self.hello.access = timeout(limit, server.token()).await.map_err(late)??;
        let sent = self.shared.local();
        self.has_rival = true;
        let welcome = timeout(limit, greet(&mut link, self.hello(), url)).await;
        let welcome = welcome.map_err(late)??;
        *lock(&self.shared.transport) = link.transport();
        let mut old = std::mem::replace(&mut self.link, link);
        tokio::spawn(async move {
            // A network that is gone takes no farewell.
            let _ = timeout(FAREWELL, old.close()).await;
        });
        self.begin(welcome, sent);
        Ok(())
    }

    /// What the client says on another link.
    fn hello(&self) -> Hello {
        let mut hello =
            Hello { resume: Some(lock(&self.shared.welcome).token), ..self.hello.clone() };
        if hello.sharing.seconds > 0 {
            let past = u32::try_from(self.since.elapsed().as_secs()).unwrap_or(u32::MAX);
            hello.sharing.seconds = hello.sharing.seconds.saturating_sub(past);
            if hello.sharing.seconds == 0 && hello.presence == Presence::Sharing {
                hello.presence = Presence::Watching;
            }
        }
        hello
    }

    /// Goes on with a link on which the hello was sent at `sent` ms.
    fn begin(&mut self, welcome: Welcome, sent: f64) {
        let (shared, now) = (Arc::clone(&self.shared), self.shared.local());
        let before = shared.now();
        let newest = self.sender.newest();
        shared.note_clock(sent, now, welcome.time);
        self.sender = Sender::new(welcome.limits.pose_hz);
        self.state_bits = welcome.kind.layout.bits();
        self.said = 0;
        // What is said at a rate is about the moment.
        lock(&shared.outbox).latest.clear();
        if let Some((pose, extra)) = newest {
            // A server that has restarted counts its time from the start again.
            let age = before.after(pose.sampled.stamp()).max(0);
            let now = u64::from(shared.now().0);
            let sampled = Time::from_ms(now.saturating_sub(u64::from(age.unsigned_abs())));
            let extra = Extra { state: self.state & mask(self.state_bits), ..extra };
            self.sender.offer(Pose { sampled, ..pose }, extra);
        }
        *lock(&shared.welcome) = welcome.clone();
        let message = ServerMessage::Welcome(welcome);
        lock(&shared.view).handle_message(&message);
        self.tell(Event::Message(&message));
        self.pings = Pings::after(self.pings.count);
        if let Some(redial) = &mut self.redial {
            redial.welcome(now);
        }
        shared.hear();
        self.padded = Instant::now();
        self.has_rival = false;
    }
}
