//! A real session on each transport: opened as by a page, into a room, with pings.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::time::{interval, timeout};

use crate::cli::doctor::net::PATIENCE;
use crate::cli::doctor::report::{Finding, Name, Outcome, Step, Topic, Verdict, Watch};
use gpys_client::link::end::Incoming;
use gpys_client::link::greeting::greet;
use gpys_client::link::webtransport::Dialer;
use gpys_client::link::{Link, websocket, webtransport};
use gpys_client::server_info::Config;
use gpys_client::{ConnectError, Transport, Trust};
use gpys_proto::wire::{
    ClientMessage, CloseCode, Hello, PONG_TAG, Presence, VERSION, decode_pong, encode_ping,
};

/// Number of pings to send.
const PINGS: u32 = 20;
/// Interval of pings. A server answers ten a second.
const APART: Duration = Duration::from_millis(110);
/// Time to wait for the last answers.
const LAST: Duration = Duration::from_secs(1);
/// The share of lost pings above which users notice skipped positions.
const LOSSY: f64 = 0.1;

/// A page that connects.
#[derive(Clone, Debug)]
pub(super) struct Visit<'a> {
    pub(super) config: &'a Config,
    pub(super) trust: Trust,
    /// An address at which the server answers.
    pub(super) known: SocketAddr,
    pub(super) origin: &'a str,
    pub(super) room: &'a str,
    pub(super) access: Option<&'a str>,
}

impl Visit<'_> {
    /// Joins and leaves over one transport, and passes each step to `told` when it is done.
    pub(super) async fn go(&self, transport: Transport, mut told: impl FnMut(Step)) -> Outcome {
        let name = Some(Name::from(transport));
        let mut outcome = Outcome::default();
        let watch = Watch::start(Topic::Session, name);
        let opened = self.opened(transport).await;
        let (finding, link) = match opened {
            Ok((link, finding)) => (finding, Some(link)),
            Err(finding) => (finding, None),
        };
        told(watch.stop(finding));
        let Some(mut link) = link else { return outcome };

        let watch = Watch::start(Topic::Join, name);
        let url = match transport {
            Transport::WebTransport => &self.config.webtransport,
            Transport::WebSocket => &self.config.websocket,
        };
        let joined = timeout(PATIENCE, greet(&mut link, self.hello(), url)).await;
        let finding = match joined {
            Ok(Ok(welcome)) => {
                outcome.works = true;
                let hz = welcome.tick_hz;
                Finding::ok(format!("in room {:?}, at least {hz} ticks a second", self.room))
            }
            Ok(Err(error)) => refused(&error),
            Err(_) => Finding::failure(
                format!("no welcome within {PATIENCE:?}"),
                "The server or the network is overloaded; try again.",
            ),
        };
        told(watch.stop(finding));
        if outcome.works {
            let watch = Watch::start(Topic::Pings, name);
            told(watch.stop(ping(&mut link, &mut outcome).await));
            leave(&mut link).await;
        }
        link.close().await;
        outcome
    }

    fn hello(&self) -> Hello {
        let access = self.access.map(str::to_owned);
        Hello { presence: Presence::Watching, access, ..Hello::new(self.room) }
    }

    /// Opens a link as a page of the origin.
    async fn opened(&self, transport: Transport) -> Result<(Link, Finding), Finding> {
        match self.try_open(transport, Some(self.origin)).await {
            Ok(link) => {
                let finding = Finding::ok(format!("open to pages of {}", self.origin));
                Ok((link, finding))
            }
            Err(error) => Err(self.failed(transport, &error)),
        }
    }

    /// Why there is no session.
    fn failed(&self, transport: Transport, error: &ConnectError) -> Finding {
        match error {
            ConnectError::Origin { .. } => Finding::failure(
                format!("pages of {} are refused (403)", self.origin),
                format!(
                    "If they are the server's own, start it with --public-url {0}, and make any \
                     proxy in front pass on the Host header; if they are another site's that may \
                     connect, start it with --allow-origin {0}.",
                    self.origin
                ),
            ),
            ConnectError::Rejected { status: StatusCode::TOO_MANY_REQUESTS, .. } => {
                Finding::failure(
                    "too many connections from this address (429)",
                    "Raise --max-per-address or --handshakes-per-address; behind a proxy, make it \
                     send X-Forwarded-For, and name it with --trusted-proxy.",
                )
            }
            ConnectError::Rejected { status, .. } => match transport {
                Transport::WebTransport => Finding::failure(
                    format!("the server refused the session ({status})"),
                    "Check that the UDP port leads to GPyS and not to another program.",
                ),
                Transport::WebSocket => Finding::failure(
                    format!("the upgrade to WebSocket failed ({status})"),
                    "Make the proxy in front forward /ws over HTTP/1.1, with the headers Upgrade \
                     and Connection.",
                ),
            },
            error => {
                let advice = "Check the server's log; a firewall may pass only some packets.";
                Finding::failure(error.to_string(), advice)
            }
        }
    }

    async fn try_open(
        &self,
        transport: Transport,
        origin: Option<&str>,
    ) -> Result<Link, ConnectError> {
        match transport {
            Transport::WebTransport => {
                let (dialer, _socket) = Dialer::new(self.config, self.trust, self.known).await?;
                let opening = webtransport::WebTransportLink::open(&dialer, origin, None);
                let opened = timeout(PATIENCE, opening).await;
                let link = opened.unwrap_or_else(|_| Err(dialer.timed_out(PATIENCE)))?;
                Ok(Link::WebTransport(Box::new(link)))
            }
            Transport::WebSocket => {
                let open = async {
                    let (target, tls) = self.config.websocket_target(self.trust)?;
                    let (stream, _) = target.open_with(tls.as_ref()).await?;
                    let link = websocket::WebSocketLink::open(stream, &target, origin).await?;
                    Ok(Link::WebSocket(Box::new(link)))
                };
                let url = self.config.websocket.clone();
                let late = |_| Err(ConnectError::TimedOut { url, after: PATIENCE });
                timeout(PATIENCE, open).await.unwrap_or_else(late)
            }
        }
    }
}

/// Why the server refused the page, and what to do.
fn refused(error: &ConnectError) -> Finding {
    let says = |reason: &str, code: u8| format!("the server refused: {reason} (code {code})");
    match error {
        ConnectError::Version { reason, .. } => Finding::failure(
            says(reason, CloseCode::BadVersion as u8),
            format!("This program speaks protocol {VERSION}: update the older of the two."),
        ),
        ConnectError::Forbidden { reason, .. } => Finding::failure(
            says(reason, CloseCode::Forbidden as u8),
            "Give a token for this room with --access, or choose another room with --room.",
        ),
        ConnectError::Expired { .. } => Finding::failure(
            says("the access token has expired", CloseCode::Expired as u8),
            "Give a new token for this room with --access, or choose another room with --room.",
        ),
        ConnectError::Full { reason, .. } => Finding::failure(
            says(reason, CloseCode::Full as u8),
            "Raise --max-people, --max-rooms or --max-connections, or try again later.",
        ),
        ConnectError::Refused { code, reason, .. } => {
            let advice = if *code == CloseCode::Restarting as u8 {
                "The server is about to stop; wait until it has restarted."
            } else {
                "Check the server's log."
            };
            Finding::failure(says(reason, *code), advice)
        }
        ConnectError::Broken { source, .. } => Finding::failure(
            format!("the link broke: {source}"),
            "Check the server's log; a proxy may cut protocols it does not know.",
        ),
        error => Finding::failure(error.to_string(), "Check the server's log."),
    }
}

/// Pings, and judges the round trips.
async fn ping(link: &mut Link, outcome: &mut Outcome) -> Finding {
    let mut sent: Vec<Instant> = Vec::new();
    let mut trips: Vec<Option<Duration>> = vec![None; PINGS as usize];
    let mut turns = interval(APART);
    let exchange = async {
        while trips.iter().any(Option::is_none) {
            tokio::select! {
                _ = turns.tick(), if sent.len() < trips.len() => {
                    sent.push(Instant::now());
                    // The count begins with 1.
                    let number = u32::try_from(sent.len()).unwrap_or(PINGS);
                    link.send_datagram(&encode_ping(number)).await.map_err(|end| end.reason)?;
                }
                incoming = link.recv() => {
                    let incoming = incoming.map_err(|end| end.reason)?;
                    let Incoming::Datagram(bytes) = incoming else { continue };
                    if bytes.first() == Some(&PONG_TAG)
                        && let Ok((echo, _)) = decode_pong(&bytes)
                        && let Some(index) = (echo as usize).checked_sub(1)
                        && let Some(at) = sent.get(index)
                        && let Some(trip @ None) = trips.get_mut(index)
                    {
                        *trip = Some(at.elapsed());
                    }
                }
            }
        }
        Ok(())
    };
    if let Ok(Err(broken)) = timeout(APART * PINGS + LAST, exchange).await {
        outcome.works = false;
        let advice =
            "Something in between cuts connections; try again, and check the server's log.";
        let broken: String = broken;
        return Finding::failure(format!("the link broke: {broken}"), advice);
    }
    if let Link::WebTransport(link) = link {
        outcome.max_datagram = link.max_datagram();
    }
    sum_up(&trips, outcome)
}

fn sum_up(trips: &[Option<Duration>], outcome: &mut Outcome) -> Finding {
    let mut came: Vec<_> = trips.iter().flatten().map(Duration::as_secs_f64).collect();
    came.sort_unstable_by(f64::total_cmp);
    let lost = 1.0 - came.len() as f64 / trips.len() as f64;
    outcome.lost = Some((lost * 1e3).round() / 1e3);
    let (Some(&least), Some(&most)) = (came.first(), came.last()) else {
        outcome.works = false;
        let advice =
            "Make firewalls in between pass all UDP of the port, not only the first packets.";
        return Finding::failure("no ping was answered", advice);
    };
    let ms = |seconds: f64| (seconds * 1e4).round() / 10.0;
    let median = ms(came[came.len() / 2]);
    outcome.round_trip_ms = Some(median);
    let (came, all) = (came.len(), trips.len());
    let range = format!("{median} ms ({} to {}), {came} of {all} answered", ms(least), ms(most));
    let room = outcome.max_datagram.map(|most| format!(", datagrams up to {most} bytes"));
    let says = range + &room.unwrap_or_default();
    if lost <= LOSSY {
        return Finding::ok(says);
    }
    let advice =
        "The path loses many packets, so people will jump on the map: try another network.";
    Finding { verdict: Verdict::Warning, says, advice: Some(advice.to_owned()) }
}

/// Leaves for good, so that the server does not wait for this watcher to come back.
async fn leave(link: &mut Link) {
    let bye = async {
        link.send_message(&ClientMessage::Leave.encode()).await?;
        while link.recv().await.is_ok() {}
        Ok::<_, gpys_client::link::end::End>(())
    };
    // Without an answer, this watcher is gone as well.
    drop(timeout(LAST, bye).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_pings() {
        let ms = |ms| Some(Duration::from_millis(ms));
        let mut outcome = Outcome { max_datagram: Some(1_200), ..Outcome::default() };
        let finding = sum_up(&[ms(10), ms(30), ms(20)], &mut outcome);
        assert_eq!(finding.verdict, Verdict::Ok);
        assert_eq!(finding.says, "20 ms (10 to 30), 3 of 3 answered, datagrams up to 1200 bytes");
        assert_eq!((outcome.round_trip_ms, outcome.lost), (Some(20.0), Some(0.0)));
        let finding = sum_up(&[ms(10), None, None, ms(20)], &mut outcome);
        assert_eq!((finding.verdict, outcome.lost), (Verdict::Warning, Some(0.5)));
        outcome.works = true;
        assert_eq!(sum_up(&[None], &mut outcome).verdict, Verdict::Failure);
        assert!(!outcome.works);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let (url, room, reason) = (String::new(), "lobby".to_owned(), "no".to_owned());
        let version = ConnectError::Version { url, server: None, reason: reason.clone() };
        let forbidden = ConnectError::Forbidden { room, reason: reason.clone() };
        let full = ConnectError::Full { reason, retry_ms: None };
        let advice = |error: &ConnectError| refused(error).advice.unwrap();
        assert!(advice(&version).contains("update the older"));
        assert!(advice(&forbidden).contains("--access"));
        assert!(advice(&full).contains("--max-people"));
        assert!(refused(&full).says.contains("(code 9)"));
    }
}
