//! A certificate from an authority that gives them out by itself (ACME, RFC 8555), got when the
//! server starts and renewed while it runs: connections that are there stay.
//!
//! The authority asks for a proof on port 443 of every name, as part of a TLS handshake
//! (TLS-ALPN-01, RFC 8737), which the listener of HTTPS answers: no further port is needed.

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

/// Where an authority expects them.
const PORT: u16 = 443;
/// How long an order may take. Authorities look from several places, one after another.
const ORDER: Duration = Duration::from_secs(300);
/// After how long a failed order is repeated the first time; twice as long each further time.
/// Let's Encrypt allows five failures an hour.
const AGAIN: Duration = Duration::from_secs(300);
/// The longest such time.
const SELDOM: Duration = Duration::from_secs(6 * 3_600);
/// How often the clock is read, in case the computer slept.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// The account's file.
const ACCOUNT: &str = "account.json";
/// The file with the key and the certificate's chain.
const CERTIFICATE: &str = "certificate.pem";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum AcmeError {
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    #[error("the authority offers no proof by TLS-ALPN-01 for {0}")]
    NoProof(String),
    #[error("the authority does not take the proof: {0}")]
    Refused(String),
    #[error("the authority is not done within {ORDER:?}")]
    Late,
    #[error("{} cannot be read or written: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    #[error("{} is not an account: {}", .0.display(), .1)]
    Account(PathBuf, serde_json::Error),
    #[error(transparent)]
    ServerCertificate(#[from] CertificateError),
    #[error("a proof cannot be made: {0}")]
    Mint(#[from] rcgen::Error),
}

/// The certificate that TLS shows now, and the proofs that the authority asks for.
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
        // Whoever asks for a proof asks for nothing else (RFC 8737, section 3).
        if hello.alpn().is_some_and(|mut offered| offered.any(|it| it == PROOF)) {
            return lock(&self.proofs).get(hello.server_name()?).cloned();
        }
        Some(Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// When a certificate is valid, in s since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// When it is to be renewed: when a third is left, as authorities advise.
    const fn renewal(self) -> i64 {
        self.until - (self.until - self.from) / 3
    }
}

/// Gets certificates and keeps them.
#[derive(Debug)]
pub(crate) struct Acme {
    settings: Settings,
    /// Where this authority's files are: another one's account and certificates are no use.
    dir: PathBuf,
    resolver: Arc<Resolver>,
    /// None if the certificate that is shown is not the authority's.
    validity: Option<Validity>,
}

impl Acme {
    /// Takes the certificate that was got earlier, if it is for the same names, or else one that
    /// nobody vouches for until the authority's is there.
    ///
    /// # Errors
    /// If neither can be had.
    pub(crate) fn load(settings: Settings) -> Result<Self, CertificateError> {
        let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
        let dir = settings.cache.join(settings.directory.chars().map(plain).collect::<String>());
        let path = dir.join(CERTIFICATE);
        let kept = fs::read(&path).ok().and_then(|pem| {
            let used = parse(&path, &pem, &settings.domains);
            used.inspect_err(|error| tracing::warn!(%error, "a kept certificate is not used")).ok()
        });
        let (certified, validity) = match kept {
            Some((certified, validity)) => (certified, Some(validity)),
            None => (ServerCertificate::for_this_run(settings.domains.clone())?.certified()?, None),
        };
        let shown = RwLock::new(Arc::new(certified));
        let resolver = Arc::new(Resolver { shown, proofs: Mutex::default() });
        Ok(Self { settings, dir, resolver, validity })
    }

    /// What TLS shows, always the newest.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.resolver.clone()
    }

    /// Gets and renews the certificate for as long as the server runs; `port` is where HTTPS
    /// listens.
    pub(crate) async fn watch(mut self, port: u16, metrics: Arc<Metrics>) {
        if port != PORT {
            tracing::warn!("the authority asks on port {PORT}: forward it to port {port}");
        }
        let mut again = AGAIN;
        loop {
            self.until_due().await;
            let names = self.settings.domains.join(", ");
            tracing::info!(names, "a certificate is ordered");
            let error = match timeout(ORDER, self.order()).await.unwrap_or(Err(AcmeError::Late)) {
                Ok(validity) => {
                    (self.validity, again) = (Some(validity), AGAIN);
                    metrics.reloaded(Reloaded::Certificate, Reload::Done);
                    tracing::info!(names, "a new certificate is shown");
                    if validity.renewal() <= unix_now() {
                        // A clock that is wrong must not order without end.
                        sleep(AGAIN).await;
                    }
                    continue;
                }
                Err(error) => error,
            };
            lock(&self.resolver.proofs).clear();
            tracing::error!(
                %error, names, again_s = again.as_secs(),
                "no certificate was got; check that every name leads here, that TCP port {PORT} \
                 is open to everybody, and that acme-cache can be written to"
            );
            metrics.reloaded(Reloaded::Certificate, Reload::Failed);
            sleep(again).await;
            again = (2 * again).min(SELDOM);
        }
    }

    /// Waits until a certificate is to be got.
    async fn until_due(&self) {
        while let Some(validity) = self.validity {
            let left = u64::try_from(validity.renewal() - unix_now()).unwrap_or(0);
            if left == 0 {
                return;
            }
            sleep(Duration::from_secs(left).min(LOOK_EVERY)).await;
        }
    }

    /// Gets a certificate, keeps it and shows it.
    async fn order(&self) -> Result<Validity, AcmeError> {
        let account = self.account().await?;
        let names: Vec<_> = self.settings.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        self.prove(&mut order).await?;
        let patience = RetryPolicy::new().timeout(ORDER);
        let refused = match order.poll_ready(&patience).await {
            Ok(OrderStatus::Ready) => None,
            Ok(_) => Some("it does not say why".to_owned()),
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

    /// Lays the proofs ready, and lets the authority look.
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

    /// The account at the authority: the one that is kept, or a new one.
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
            // Whoever sets acme-domain agrees, as its help says.
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

/// Why the authority refuses the proofs of an order, in its own words; may be empty.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    let mut said = Vec::new();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_ok() {
            let errors = authorization.challenges.iter().filter_map(|it| it.error.as_ref());
            said.extend(errors.map(ToString::to_string));
        }
    }
    said.join("; ")
}

/// The certificate that proves to the authority that a name leads here (RFC 8737, section 3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let secret = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let signing = any_ecdsa_type(&secret).map_err(CertificateError::from)?;
    // Whether key and certificate fit is not asked: no check knows the extension of a proof.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// Reads a key and a chain from one text, and when the certificate is valid; it must be for these
/// names.
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

/// Writes a file that only its owner can read, at once or not at all.
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
    fn a_certificate_is_renewed_when_a_third_is_left() {
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
    fn a_kept_certificate_is_used_for_its_names_and_is_the_owners() {
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
