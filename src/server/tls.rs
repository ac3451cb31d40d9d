//! Identities: what the server shows to browsers so that they believe it is itself.
//!
//! Pages come over HTTPS with a certificate from files, or with one made for this run that the
//! browser warns about. WebTransport knows no such warning: unless the certificate is a public
//! CA's, pages name the hash of the one that they expect. Browsers take such certificates only
//! if they are valid for at most 14 days, so they are replaced while the server runs; pages
//! know the current and the next one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, version};
use time::OffsetDateTime;
use wtransport::quinn;
use wtransport::quinn::crypto::rustls::NoInitialCipherSuite;
use wtransport::tls::Certificate;
use wtransport::tls::error::InvalidCertificate;

use super::gate::lock;
use super::webtransport::quic_config;

/// The protocol in whose handshakes proofs are given to authorities (RFC 8737, section 6.2).
pub(crate) const PROOF: &[u8] = b"acme-tls/1";
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// How far a client's clock may be off, in s. Certificates begin this much before they are made.
const SKEW: i64 = DAY;
/// How long a certificate of WebTransport is valid, in s; browsers allow 14 days.
const VALID: i64 = 13 * DAY;
/// How long a certificate is the next one and then the current one, in s.
const PERIOD: i64 = 5 * DAY;
/// How far the server's own clock may be set back before that matters, in s.
const SETBACK: i64 = HOUR;
/// How often the clock is read, in case the computer slept.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long the certificate of HTTPS is valid that is made for one run, in s.
const RUN_VALID: i64 = 397 * DAY;

/// Times of the certificates, in s since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    /// When the current one was made.
    current: i64,
    /// When the next one was made.
    next: i64,
    /// Since when the current one is in use.
    since: i64,
}

/// What is to be done with the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Keep,
    /// The next one becomes the current one, and a new next one is made.
    Advance,
    /// The clock jumped; both are made anew.
    Renew,
}

/// From when to when a certificate made at `made` is valid, in s since 1970.
const fn validity(made: i64) -> (i64, i64) {
    (made - SKEW, made - SKEW + VALID)
}

impl Times {
    const fn new(now: i64) -> Self {
        Self { current: now, next: now, since: now }
    }

    /// Whether every client takes a certificate made at `made`, however its clock is off.
    const fn serves(made: i64, now: i64) -> bool {
        let (from, until) = validity(made);
        from + SKEW <= now + SETBACK && now + SKEW <= until
    }

    const fn step(self, now: i64) -> Step {
        let due = now - self.since >= PERIOD || !Self::serves(self.current, now);
        match (due, Self::serves(self.next, now)) {
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

/// The clock, in s since 1970.
pub(crate) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Why the server cannot show who it is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file with a certificate or a key cannot be read.
    #[error("{} cannot be read as PEM: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: pem::Error,
    },
    /// A file with a certificate for other names than those asked for.
    #[error("{} holds a certificate for other names", .0.display())]
    Names(PathBuf),
    /// A file without a certificate.
    #[error("{} holds no certificate", .0.display())]
    Empty(PathBuf),
    /// TLS does not take the certificate or the key.
    #[error("TLS does not take this certificate with this key: {0}")]
    Refused(#[from] rustls::Error),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Mint(#[from] rcgen::Error),
    /// The computer's clock is far off.
    #[error("the computer's clock shows a time that no certificate can have: {0}")]
    Clock(#[from] time::error::ComponentRange),
    /// What was made is no certificate.
    #[error("a certificate cannot be made: {0}")]
    Made(#[from] InvalidCertificate),
    /// The settings ask for what this program was built without.
    #[cfg(not(feature = "acme"))]
    #[error("this program was built without `--features acme`")]
    NoAcme,
    /// QUIC does not take the configuration.
    #[error("QUIC does not take this configuration: {0}")]
    Quic(#[from] NoInitialCipherSuite),
}

/// A certificate chain and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Identity {
    /// Reads a chain and its key from the PEM of two files, each with its name.
    ///
    /// # Errors
    /// If they hold something else.
    pub(crate) fn parse(
        (chain, certificates): (&Path, &[u8]),
        (key, secret): (&Path, &[u8]),
    ) -> Result<Self, IdentityError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |reason| IdentityError::Read { path, reason }
        };
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(fail(chain))?;
        if certificates.is_empty() {
            return Err(IdentityError::Empty(chain.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(secret).map_err(fail(key))?;
        Ok(Self { chain: certificates, key })
    }

    /// The chain with its key, as TLS shows it.
    ///
    /// # Errors
    /// If the key is not the certificate's.
    pub(crate) fn certified(self) -> Result<CertifiedKey, IdentityError> {
        Ok(CertifiedKey::from_der(self.chain, self.key, &provider())?)
    }

    /// Makes a certificate that signs itself: ECDSA on P-256, valid between two times in s
    /// since 1970.
    fn mint(names: Vec<String>, (from, until): (i64, i64)) -> Result<Self, IdentityError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "GPyS");
        params.not_before = OffsetDateTime::from_unix_timestamp(from)?;
        params.not_after = OffsetDateTime::from_unix_timestamp(until)?;
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Self { chain: vec![certificate.der().clone()], key })
    }

    /// Makes a certificate for HTTPS that lasts for this run of the server.
    ///
    /// # Errors
    /// If a name cannot be in a certificate.
    pub(crate) fn for_this_run(names: Vec<String>) -> Result<Self, IdentityError> {
        let now = unix_now();
        Self::mint(names, (now - SKEW, now - SKEW + RUN_VALID))
    }

    /// The SHA-256 of the certificate.
    fn hash(&self) -> Result<Hash, IdentityError> {
        let certificate = self.chain.first().map(|first| first.to_vec()).unwrap_or_default();
        Ok(*Certificate::from_der(certificate)?.hash().as_ref())
    }

    /// What QUIC runs with.
    ///
    /// # Errors
    /// If the key is not the certificate's.
    pub(crate) fn quic(self, max_frame: usize) -> Result<quinn::ServerConfig, IdentityError> {
        quic(self.single()?, max_frame)
    }

    /// This certificate, whoever asks.
    ///
    /// # Errors
    /// If the key is not the certificate's.
    pub(crate) fn single(self) -> Result<Arc<dyn ResolvesServerCert>, IdentityError> {
        Ok(Arc::new(SingleCertAndKey::from(self.certified()?)))
    }
}

/// What HTTPS runs with; `proves` tells whether `certificate` gives proofs to an authority, too.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(crate) fn https(
    certificate: Arc<dyn ResolvesServerCert>,
    proves: bool,
) -> Result<ServerConfig, IdentityError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if proves {
        config.alpn_protocols.push(PROOF.to_vec());
    }
    Ok(config)
}

/// What QUIC runs with.
///
/// # Errors
/// If TLS has no version in common with its cryptography.
pub(crate) fn quic(
    certificate: Arc<dyn ResolvesServerCert>,
    max_frame: usize,
) -> Result<quinn::ServerConfig, IdentityError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h3".to_vec()];
    Ok(quic_config(config, max_frame)?)
}

/// A file that cannot be read.
pub(crate) fn pem_error(path: &Path, error: io::Error) -> IdentityError {
    IdentityError::Read { path: path.to_owned(), reason: pem::Error::Io(error) }
}

/// The one provider of cryptography, named so that no other can become the process's default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The SHA-256 of a certificate.
pub(crate) type Hash = [u8; 32];

/// Hashes of the certificates that pages may expect: the current one and the next.
pub(crate) type Hashes = Arc<Mutex<Vec<Hash>>>;

/// The certificates of WebTransport, and when each is used.
#[derive(Debug)]
pub(crate) struct Rotation {
    times: Times,
    current: Identity,
    next: Identity,
    hashes: Hashes,
}

impl Rotation {
    /// Makes the first two certificates.
    ///
    /// # Errors
    /// If they cannot be made.
    pub(crate) fn start() -> Result<Self, IdentityError> {
        let times = Times::new(unix_now());
        let (current, next) = (Self::mint(times.current)?, Self::mint(times.next)?);
        let hashes = Arc::new(Mutex::new(vec![current.hash()?, next.hash()?]));
        Ok(Self { times, current, next, hashes })
    }

    fn mint(made: i64) -> Result<Identity, IdentityError> {
        Identity::mint(vec!["localhost".to_owned()], validity(made))
    }

    /// The hashes, always those of now.
    pub(crate) fn hashes(&self) -> Hashes {
        Arc::clone(&self.hashes)
    }

    /// The certificate to use now.
    pub(crate) fn current(&self) -> Identity {
        self.current.clone()
    }

    /// Takes the step that is due at `now`, and tells whether the current certificate is another.
    fn advance(&mut self, now: i64) -> Result<bool, IdentityError> {
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

    /// Replaces certificates as they age, for as long as the server runs. Connections that are
    /// there stay.
    pub(crate) async fn run(mut self, endpoint: quinn::Endpoint, max_frame: usize) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.turn(&endpoint, max_frame, unix_now()) {
                Ok(false) => {}
                Ok(true) => tracing::info!("WebTransport uses its next certificate"),
                Err(error) => {
                    tracing::error!(%error, "WebTransport's certificate could not be replaced");
                }
            }
        }
    }

    /// Lets the endpoint show the certificate of `now`, and tells whether that is another.
    fn turn(
        &mut self,
        endpoint: &quinn::Endpoint,
        max_frame: usize,
        now: i64,
    ) -> Result<bool, IdentityError> {
        let another = self.advance(now)?;
        if another {
            endpoint.set_server_config(Some(self.current().quic(max_frame)?));
        }
        Ok(another)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(made: i64, clock: i64) -> bool {
        let (from, until) = validity(made);
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
            // A page that was loaded up to a period ago knows the certificate in use.
            known.retain(|(loaded, _)| now - loaded < PERIOD);
            known.push((now, [times.current, times.next]));
            assert!(known.iter().all(|(_, hashes)| hashes.contains(&times.current)));
        }
        let (from, until) = validity(start);
        assert!(until - from <= 14 * DAY - HOUR);
    }

    #[test]
    fn a_clock_that_jumps_gets_new_certificates() {
        let times = Times::new(1_800_000_000);
        assert_eq!(times.step(1_800_000_000 - SETBACK), Step::Keep);
        assert_eq!(times.step(1_800_000_000 - SETBACK - 1), Step::Renew);
        assert_eq!(times.step(1_800_000_000 + PERIOD), Step::Advance);
        assert_eq!(times.step(1_800_000_000 + 30 * DAY), Step::Renew);
        let later = Times { next: times.current + PERIOD, ..times };
        assert_eq!(later.step(times.current + 12 * DAY), Step::Advance, "the next one is good");
    }

    #[tokio::test]
    async fn connections_outlive_the_certificate_that_they_began_with() {
        use crate::server::webtransport;
        use wtransport::endpoint::IncomingSessionFuture;
        use wtransport::tls::Sha256Digest;
        use wtransport::{ClientConfig, Connection, Endpoint};

        /// Opens a stream, and takes the one that comes back.
        async fn talk(session: &Connection) {
            session.open_uni().await.unwrap().await.unwrap().finish().await.unwrap();
            drop(session.accept_uni().await.unwrap());
        }

        let mut rotation = Rotation::start().unwrap();
        let hashes = rotation.hashes();
        let known = lock(&hashes).clone();
        let here = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = std::net::UdpSocket::bind(here).unwrap();
        let endpoint =
            webtransport::endpoint(socket, rotation.current().quic(1_000).unwrap()).unwrap();
        let url = format!("https://{}", endpoint.local_addr().unwrap());
        let serving = endpoint.clone();
        let server = tokio::spawn(async move {
            while let Some(incoming) = serving.accept().await {
                let request = IncomingSessionFuture::with_quic_incoming(incoming).await.unwrap();
                let session = request.accept().await.unwrap();
                tokio::spawn(async move {
                    while session.accept_uni().await.is_ok() {
                        let back = session.open_uni().await.unwrap();
                        back.await.unwrap().finish().await.unwrap();
                    }
                });
            }
        });
        // A page that knows what it was told before the first certificate was replaced.
        let visit = async || {
            let known = known.iter().copied().map(Sha256Digest::new);
            let config = ClientConfig::builder()
                .with_bind_address(here)
                .with_server_certificate_hashes(known);
            let client = Endpoint::client(config.build()).unwrap();
            let session = client.connect(&url).await.unwrap();
            let shown = session.peer_identity().unwrap().as_slice()[0].hash();
            talk(&session).await;
            (client, session, *shown.as_ref())
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
    fn an_advance_keeps_what_pages_know() {
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
        assert!(rotation.current().quic(1_000).is_ok());
    }
}
