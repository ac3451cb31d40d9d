//! A certificate from an ACME authority (RFC 8555), ordered when the server starts and renewed
//! while it runs. Open connections are unaffected.
//!
//! The authority validates each name in a TLS handshake on port 443 (TLS-ALPN-01, RFC 8737). The
//! HTTPS listener answers it, so no further port is needed.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{sleep, timeout};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::Acme as Settings;
use crate::lock::lock;
use crate::metrics::{Metrics, Reload, Reloaded};
use crate::tls::{CertificateError, PROOF, ServerCertificate, unix_now};

/// The port on which an authority validates names.
const PORT: u16 = 443;
/// How long an order may take. Authorities validate from several places, one after another.
const ORDER: Duration = Duration::from_secs(300);
/// Delay before the first retry of a failed order; it doubles with each further one. Let's Encrypt
/// allows five failures an hour.
const RETRY: Duration = Duration::from_secs(300);
/// The longest such delay.
const MAX_RETRY: Duration = Duration::from_secs(6 * 3_600);
/// How often the clock is checked; one long sleep would overshoot if the machine is suspended.
const CHECK_EVERY: Duration = Duration::from_secs(600);
/// The file of the account.
const ACCOUNT: &str = "account.json";
/// The file of the key and the certificate chain.
const CERTIFICATE: &str = "certificate.pem";

/// An error in ordering a certificate.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority offers no TLS-ALPN-01 challenge for {0}")]
    NoProof(String),
    #[error("the authority rejected the proof: {0}")]
    Refused(String),
    #[error("the authority did not finish within {ORDER:?}")]
    Late,
    #[error("cannot read or write {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    #[error("{} is not an ACME account: {}", .0.display(), .1)]
    Account(PathBuf, serde_json::Error),
    #[error(transparent)]
    ServerCertificate(#[from] CertificateError),
    #[error("cannot generate a proof: {0}")]
    Mint(#[from] rcgen::Error),
}

/// A resolver of the current certificate, and of the proofs that the authority requests.
#[derive(Debug)]
struct Resolver {
    shown: RwLock<Arc<CertifiedKey>>,
    proofs: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Resolver {
    fn show(&self, certified: CertifiedKey) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A validation handshake offers no other protocol (RFC 8737, section 3).
        if hello.alpn().is_some_and(|mut offered| offered.any(|it| it == PROOF)) {
            return lock(&self.proofs).get(hello.server_name()?).cloned();
        }
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The validity period of a certificate, in s since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// When to renew: when a third of the period is left, as authorities advise.
    const fn renewal(self) -> i64 {
        self.until - (self.until - self.from) / 3
    }
}

/// The ACME client, which orders certificates and stores them.
#[derive(Debug)]
pub(crate) struct Acme {
    settings: Settings,
    /// The directory of this authority's files; those of another authority are of no use.
    dir: PathBuf,
    resolver: Arc<Resolver>,
    /// `None` if the certificate in use is not the authority's.
    validity: Option<Validity>,
}

impl Acme {
    /// Loads the stored certificate if it is for the same names; otherwise generates a self-signed
    /// one to use until the authority's arrives.
    ///
    /// # Errors
    /// If no certificate can be generated.
    pub(crate) fn load(settings: Settings) -> Result<Self, CertificateError> {
        let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
        let dir = settings.cache.join(settings.directory.chars().map(plain).collect::<String>());
        let path = dir.join(CERTIFICATE);
        let stored = fs::read(&path).ok().and_then(|pem| {
            let used = parse(&path, &pem, &settings.domains);
            used.inspect_err(|error| tracing::warn!(%error, "ignoring the stored certificate")).ok()
        });
        let (certified, validity) = match stored {
            Some((certified, validity)) => (certified, Some(validity)),
            None => (ServerCertificate::for_this_run(settings.domains.clone())?.certified()?, None),
        };
        let shown = RwLock::new(Arc::new(certified));
        let resolver = Arc::new(Resolver { shown, proofs: Mutex::default() });
        Ok(Self { settings, dir, resolver, validity })
    }

    /// The resolver of the newest certificate.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.resolver.clone()
    }

    /// Orders and renews the certificate for as long as the server runs; `port` is that of HTTPS.
    pub(crate) async fn watch(mut self, port: u16, metrics: Arc<Metrics>) {
        if port != PORT {
            tracing::warn!(
                "the authority validates names on port {PORT}: forward it to port {port}"
            );
        }
        let mut retry = RETRY;
        loop {
            self.until_due().await;
            let names = self.settings.domains.join(", ");
            tracing::info!(names, "ordering a certificate");
            let error = match timeout(ORDER, self.order()).await.unwrap_or(Err(AcmeError::Late)) {
                Ok(validity) => {
                    (self.validity, retry) = (Some(validity), RETRY);
                    metrics.reloaded(Reloaded::Certificate, Reload::Done);
                    tracing::info!(names, "now using a new certificate");
                    if validity.renewal() <= unix_now() {
                        // With a wrong clock, do not order certificates in a loop.
                        sleep(RETRY).await;
                    }
                    continue;
                }
                Err(error) => error,
            };
            lock(&self.resolver.proofs).clear();
            tracing::error!(
                %error, names, retry_s = retry.as_secs(),
                "cannot get a certificate; check that every name resolves to this server, that \
                 TCP port {PORT} is open to the internet, and that acme-cache is writable"
            );
            metrics.reloaded(Reloaded::Certificate, Reload::Failed);
            sleep(retry).await;
            retry = (2 * retry).min(MAX_RETRY);
        }
    }

    /// Waits until an order is due.
    async fn until_due(&self) {
        while let Some(validity) = self.validity {
            let left = u64::try_from(validity.renewal() - unix_now()).unwrap_or(0);
            if left == 0 {
                return;
            }
            sleep(Duration::from_secs(left).min(CHECK_EVERY)).await;
        }
    }

    /// Orders a certificate, stores it and puts it to use.
    async fn order(&self) -> Result<Validity, AcmeError> {
        let account = self.account().await?;
        let names: Vec<_> = self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        self.prove(&mut order).await?;
        let patience = RetryPolicy::new().timeout(ORDER);
        let refused = match order.poll_ready(&patience).await {
            Ok(OrderStatus::Ready) => None,
            Ok(_) => Some("no reason given".to_owned()),
            Err(instant_acme::Error::Api(problem)) => Some(problem.to_string()),
            Err(error) => return Err(error.into()),
        };
        if let Some(why) = refused {
            let details = refusal(&mut order).await;
            return Err(AcmeError::Refused(if details.is_empty() { why } else { details }));
        }
        lock(&self.resolver.proofs).clear();
        let key = order.finalize().await?;
        let pem = key + &order.poll_certificate(&patience).await?;
        let path = self.dir.join(CERTIFICATE);
        let (certified, validity) = parse(&path, pem.as_bytes(), &self.settings.domains)?;
        write(&path, pem.as_bytes())?;
        self.resolver.show(certified);
        Ok(validity)
    }

    /// Prepares the proofs and lets the authority validate them.
    async fn prove(&self, order: &mut Order) -> Result<(), AcmeError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
                return Err(AcmeError::NoProof(name));
            };
            let proof = proof(&name, challenge.key_authorization().digest().as_ref())?;
            lock(&self.resolver.proofs).insert(name, Arc::new(proof));
            challenge.set_ready().await?;
        }
        Ok(())
    }

    /// The account at the authority: the stored one, or a new one.
    async fn account(&self) -> Result<Account, AcmeError> {
        let path = self.dir.join(ACCOUNT);
        match fs::read(&path) {
            Ok(text) => {
                let wrong = |error| AcmeError::Account(path.clone(), error);
                let credentials = serde_json::from_slice(&text).map_err(wrong)?;
                return Ok(Account::builder()?.from_credentials(credentials).await?);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AcmeError::File(path, error));
            }
            Err(_) => {}
        }
        let contact: Vec<_> =
            self.settings.email.iter().map(|email| format!("mailto:{email}")).collect();
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            // Setting acme-domain is the agreement, as its help text says.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.settings.directory.clone();
        let (account, credentials) = Account::builder()?.create(&wanted, directory, None).await?;
        let text = serde_json::to_vec(&credentials);
        write(&path, &text.map_err(|error| AcmeError::Account(path.clone(), error))?)?;
        Ok(account)
    }
}

/// The authority's own reasons for rejecting the proofs of an order; may be empty.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    let mut reasons = Vec::new();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_ok() {
            let errors = authorization.challenges.iter().filter_map(|it| it.error.as_ref());
            reasons.extend(errors.map(ToString::to_string));
        }
    }
    reasons.join("; ")
}

/// The certificate that proves control of a name to the authority (RFC 8737, section 3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let secret = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let signing = any_ecdsa_type(&secret).map_err(CertificateError::from)?;
    // Built directly, because rustls's check of key and certificate rejects a proof's extension.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// Parses a key and a chain for exactly these names from one file; also returns the period of
/// validity.
fn parse(
    path: &Path,
    pem: &[u8],
    names: &[String],
) -> Result<(CertifiedKey, Validity), CertificateError> {
    let (certified, _) = crate::tls::pem::certified((path, pem), (path, pem), unix_now())?;
    let wrong = || CertificateError::Empty(path.to_owned());
    let leaf = certified.cert.first().ok_or_else(wrong)?;
    let (_, facts) = X509Certificate::from_der(leaf).map_err(|_| wrong())?;
    let alternative = facts.subject_alternative_name().map_err(|_| wrong())?.ok_or_else(wrong)?;
    let names_of = &alternative.value.general_names;
    let has = names_of.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    let has: BTreeSet<_> = has.collect();
    if has != names.iter().map(String::as_str).collect::<BTreeSet<_>>() {
        return Err(CertificateError::Names(path.to_owned()));
    }
    let valid = facts.validity();
    let validity =
        Validity { from: valid.not_before.timestamp(), until: valid.not_after.timestamp() };
    Ok((certified, validity))
}

/// Writes a file atomically, readable by its owner only.
fn write(path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
    let fail = |error| AcmeError::File(path.to_owned(), error);
    let new = path.with_extension("new");
    if let Some(dir) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(fail)?;
    }
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    fs::rename(&new, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600;

    #[test]
    fn renews_when_a_third_of_the_validity_is_left() {
        let validity = Validity { from: 0, until: 90 * DAY };
        assert_eq!(validity.renewal(), 60 * DAY);
    }

    fn settings(cache: &Path, names: &[&str]) -> Settings {
        Settings {
            domains: names.iter().map(|&name| name.to_owned()).collect(),
            email: None,
            cache: cache.to_owned(),
            directory: "https://acme.example/directory".to_owned(),
        }
    }

    #[test]
    fn uses_a_stored_certificate_for_its_names_and_keeps_it_private() {
        let cache = tempfile::tempdir().unwrap();
        let names = vec!["a.example".to_owned(), "b.example".to_owned()];
        let first = Acme::load(settings(cache.path(), &["a.example", "b.example"])).unwrap();
        assert_eq!(first.validity, None);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let path = first.dir.join(CERTIFICATE);
        write(&path, (key.serialize_pem() + &certificate.pem()).as_bytes()).unwrap();
        #[cfg(unix)]
        for (path, mode) in [(&path, 0o600), (&first.dir, 0o700)] {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }

        let again = Acme::load(settings(cache.path(), &["a.example", "b.example"])).unwrap();
        assert!(again.validity.is_some());
        let shown = again.resolver.shown.read().unwrap().cert[0].to_vec();
        assert_eq!(shown, certificate.der().to_vec());
        // Other names, or another authority, need another certificate.
        let fewer = Acme::load(settings(cache.path(), &["a.example"])).unwrap();
        assert_eq!(fewer.validity, None);
        let mut elsewhere = settings(cache.path(), &["a.example", "b.example"]);
        elsewhere.directory.push('2');
        assert_eq!(Acme::load(elsewhere).unwrap().validity, None);
    }
}
