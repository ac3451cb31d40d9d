//! Rotation of the WebTransport certificates that pages pin by hash.
//!
//! Browsers accept a pinned certificate only if it is valid for at most 14 days, so the server
//! replaces its own while it runs; pages know the current one and the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::unix_now;
use crate::lock::lock;
use crate::quic::endpoint::Endpoint;
use crate::tls::{CertificateError, DAY, HOUR, Hash, SKEW, ServerCertificate};
use crate::webtransport::endpoint;

/// Lifetime of a WebTransport certificate, in s; browsers allow 14 days.
const VALID: i64 = 13 * DAY;
/// How long a certificate waits as the next one, and then serves as the current one, in s.
const PERIOD: i64 = 5 * DAY;
/// How far the server's own clock may be set back before certificates are renewed, in s.
const SETBACK: i64 = HOUR;
/// How often the clock is checked; one long sleep would overshoot if the machine is suspended.
const CHECK_EVERY: Duration = Duration::from_secs(60);

/// Times of the two certificates, in s since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// When the current one was issued.
    current: i64,
    /// When the next one was issued.
    next: i64,
    /// When the current one came into use.
    since: i64,
}

/// What to do with the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Keep both.
    Keep,
    /// Make the next one current, and issue another.
    Advance,
    /// Replace both, because the clock jumped.
    Renew,
}

/// The period for which a certificate issued at `issued` is valid, in s since 1970.
const fn validity(issued: i64) -> (i64, i64) {
    (issued - SKEW, issued - SKEW + VALID)
}

impl Times {
    const fn new(now: i64) -> Self {
        Self { current: now, next: now, since: now }
    }

    /// Whether every client whose clock is off by at most [`SKEW`] accepts a certificate issued at
    /// `issued`.
    const fn is_good(issued: i64, now: i64) -> bool {
        let (from, until) = validity(issued);
        from + SKEW <= now + SETBACK && now + SKEW <= until
    }

    const fn step(self, now: i64) -> Step {
        let due = now - self.since >= PERIOD || !Self::is_good(self.current, now);
        match (due, Self::is_good(self.next, now)) {
            (false, true) => Step::Keep,
            (true, true) => Step::Advance,
            (_, false) => Step::Renew,
        }
    }

    const fn after(self, step: Step, now: i64) -> Self {
        match step {
            Step::Keep => self,
            Step::Advance => Self { current: self.next, next: now, since: now },
            Step::Renew => Self::new(now),
        }
    }
}

/// Hashes of the certificates that pages may accept: the current one and the next.
pub(crate) type Hashes = Arc<Mutex<Vec<Hash>>>;

/// The WebTransport certificates and their schedule.
#[derive(Debug)]
pub(crate) struct Rotation {
    times: Times,
    current: ServerCertificate,
    next: ServerCertificate,
    hashes: Hashes,
}

impl Rotation {
    /// Issues the first two certificates.
    ///
    /// # Errors
    /// If a certificate cannot be generated.
    pub(crate) fn start() -> Result<Self, CertificateError> {
        let times = Times::new(unix_now());
        let (current, next) = (Self::mint(times.current)?, Self::mint(times.next)?);
        let hashes = Arc::new(Mutex::new(vec![current.hash()?, next.hash()?]));
        Ok(Self { times, current, next, hashes })
    }

    fn mint(issued: i64) -> Result<ServerCertificate, CertificateError> {
        ServerCertificate::mint(vec!["localhost".to_owned()], validity(issued))
    }

    /// The hashes, shared and kept up to date.
    pub(crate) fn hashes(&self) -> Hashes {
        Arc::clone(&self.hashes)
    }

    /// The certificate in use.
    pub(crate) fn current(&self) -> ServerCertificate {
        self.current.clone()
    }

    /// Takes the step due at `now`; returns whether the current certificate changed.
    fn advance(&mut self, now: i64) -> Result<bool, CertificateError> {
        let step = self.times.step(now);
        match step {
            Step::Keep => return Ok(false),
            Step::Advance => {
                let fresh = Self::mint(now)?;
                self.current = std::mem::replace(&mut self.next, fresh);
            }
            Step::Renew => (self.current, self.next) = (Self::mint(now)?, Self::mint(now)?),
        }
        self.times = self.times.after(step, now);
        *lock(&self.hashes) = vec![self.current.hash()?, self.next.hash()?];
        Ok(true)
    }

    /// Replaces certificates as they age, for as long as the server runs. Open connections are
    /// unaffected.
    pub(crate) async fn run(mut self, endpoint: Endpoint, max_frame: usize) {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            match self.turn(&endpoint, max_frame, unix_now()) {
                Ok(false) => {}
                Ok(true) => tracing::info!("WebTransport now uses its next certificate"),
                Err(error) => {
                    tracing::error!(%error, "failed to replace WebTransport's certificate");
                }
            }
        }
    }

    /// Gives the endpoint the certificate due at `now`; returns whether it changed.
    fn turn(
        &mut self,
        endpoint: &Endpoint,
        max_frame: usize,
        now: i64,
    ) -> Result<bool, CertificateError> {
        let changed = self.advance(now)?;
        if changed {
            endpoint.set_server_config(endpoint::config(self.current().single()?, max_frame)?);
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(issued: i64, clock: i64) -> bool {
        let (from, until) = validity(issued);
        (from..=until).contains(&clock)
    }

    #[test]
    fn a_year_of_rotation_serves_every_clock_and_every_page() {
        let start = 1_800_000_000;
        let mut times = Times::new(start);
        let mut known: Vec<(i64, [i64; 2])> = Vec::new();
        for now in (start..start + 365 * DAY).step_by(HOUR as usize) {
            let step = times.step(now);
            assert_ne!(step, Step::Renew);
            times = times.after(step, now);
            for skew in [-SKEW, 0, SKEW] {
                assert!(is_valid(times.current, now + skew), "{now} {skew}");
            }
            // A page loaded less than a period ago knows the certificate in use.
            known.retain(|(loaded, _)| now - loaded < PERIOD);
            known.push((now, [times.current, times.next]));
            assert!(known.iter().all(|(_, hashes)| hashes.contains(&times.current)));
        }
        let (from, until) = validity(start);
        assert!(until - from <= 14 * DAY - HOUR);
    }

    #[test]
    fn a_clock_jump_renews_both_certificates() {
        let times = Times::new(1_800_000_000);
        assert_eq!(times.step(1_800_000_000 - SETBACK), Step::Keep);
        assert_eq!(times.step(1_800_000_000 - SETBACK - 1), Step::Renew);
        assert_eq!(times.step(1_800_000_000 + PERIOD), Step::Advance);
        assert_eq!(times.step(1_800_000_000 + 30 * DAY), Step::Renew);
        let later = Times { next: times.current + PERIOD, ..times };
        assert_eq!(
            later.step(times.current + 12 * DAY),
            Step::Advance,
            "the next one is still good"
        );
    }

    #[tokio::test]
    async fn connections_outlive_their_certificate() {
        use rustls::pki_types::CertificateDer;
        use wtransport::ClientConfig;
        use wtransport::quinn::{Connection, Endpoint as Client, Runtime as _, TokioRuntime};
        use wtransport::tls::Sha256Digest;

        use crate::metrics::Metrics;

        /// Opens a stream and accepts the one that the server opens in return.
        async fn talk(quic: &Connection) {
            quic.open_uni().await.unwrap().finish().unwrap();
            drop(quic.accept_uni().await.unwrap());
        }

        let mut rotation = Rotation::start().unwrap();
        let hashes = rotation.hashes();
        let known = lock(&hashes).clone();
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = std::net::UdpSocket::bind(here).unwrap();
        let config = endpoint::config(rotation.current().single().unwrap(), 1_000).unwrap();
        let socket = TokioRuntime.wrap_udp_socket(socket).unwrap();
        let (endpoint, _) = endpoint::open(socket, None, config, &Metrics::new());
        let address = endpoint.local_addr().unwrap();
        let serving = endpoint.clone();
        let server = tokio::spawn(async move {
            while let Some(incoming) = serving.accept().await {
                let quic = incoming.accept().await.unwrap();
                tokio::spawn(async move {
                    while quic.accept_uni().await.is_ok() {
                        quic.open_uni().await.unwrap().finish().unwrap();
                    }
                });
            }
        });
        // A page that was loaded before the first certificate was replaced.
        let visit = async || {
            let known = known.iter().copied().map(Sha256Digest::new);
            let config = ClientConfig::builder()
                .with_bind_address(here)
                .with_server_certificate_hashes(known)
                .build();
            let client = Client::client(here).unwrap();
            let config = config.quic_config().clone();
            let quic = client.connect_with(config, address, "localhost").unwrap().await.unwrap();
            let shown = quic.peer_identity().unwrap().downcast::<Vec<CertificateDer<'_>>>();
            let shown = ring::digest::digest(&ring::digest::SHA256, &shown.unwrap()[0]);
            talk(&quic).await;
            (client, quic, Hash::try_from(shown.as_ref()).unwrap())
        };
        let (_client, stays, shown) = visit().await;
        assert_eq!(shown, known[0]);
        let now = rotation.times.since + PERIOD;
        assert!(rotation.turn(&endpoint, 1_000, now).unwrap());
        let (_client, _new, shown) = visit().await;
        assert_eq!(shown, known[1]);
        talk(&stays).await;
        server.abort();
    }

    #[test]
    fn advancing_keeps_the_hash_that_pages_know() {
        let mut rotation = Rotation::start().unwrap();
        let hashes = rotation.hashes();
        let before = lock(&hashes).clone();
        let start = rotation.times.since;
        assert!(!rotation.advance(start + PERIOD - 1).unwrap());
        assert!(rotation.advance(start + PERIOD).unwrap());
        let after = lock(&hashes).clone();
        assert_eq!(after[0], before[1]);
        assert!(!before.contains(&after[1]));
        assert_eq!(rotation.current().hash().unwrap(), after[0]);
        assert!(endpoint::config(rotation.current().single().unwrap(), 1_000).is_ok());
    }
}
