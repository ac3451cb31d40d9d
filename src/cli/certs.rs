//! `gpys certs`: a certificate authority of one's own, and a certificate for this computer.
//!
//! A device that trusts the authority opens the pages without a warning.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use gpys_server::addresses::names;
use gpys_server::clock::unix_now;
pub use gpys_server::config::{LEAF, LEAF_KEY};
use gpys_server::tls::pem::PemError;

/// The certificate that devices trust.
const CA: &str = "ca.pem";
/// Its key, which can vouch for any site: it never leaves this computer.
const CA_KEY: &str = "ca.key";
/// The name of every authority that this program makes.
const CA_NAME: &str = "GPyS local authority";
/// How long the authority is valid.
const CA_VALID: Duration = Duration::days(3_650);
/// How long the server's certificate is valid; Apple's systems take no more than 825 days.
const LEAF_VALID: Duration = Duration::days(800);
/// How far clocks may be off.
const SKEW: Duration = Duration::days(1);

/// Options of `gpys certs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub dir: PathBuf,
    /// A further name or address of this computer; may be given several times.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Replace the server's certificate. The authority stays, so that devices need not trust
    /// another; delete ca.pem and ca.key to get a new one.
    #[arg(long)]
    pub force: bool,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// They are there already.
    #[error("{} is there already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// One file of a pair is missing.
    #[error("{} is there, but {} is not: delete it, or put the other back", .0.display(), .1.display())]
    Half(PathBuf, PathBuf),
    /// A file cannot be read or written.
    #[error("{} cannot be read or written: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The authority's files cannot be used.
    #[error(transparent)]
    Authority(#[from] PemError),
    /// The authority is another one than this program makes.
    #[error("{} was not made by `gpys certs`; name another directory with --dir", .0.display())]
    Foreign(PathBuf),
    /// A certificate cannot be made: an odd name.
    #[error("the certificate cannot be made: {0}")]
    Mint(#[from] rcgen::Error),
}

/// Makes what is missing, and returns the words that tell what to do with it.
///
/// # Errors
/// If the certificate is there already, or a file cannot be written.
pub fn run(args: &Args) -> Result<String, CertsError> {
    let at = |name: &str| args.dir.join(name);
    for path in [at(LEAF), at(LEAF_KEY)] {
        if path.exists() && !args.force {
            return Err(CertsError::Exists(path));
        }
    }
    fs::create_dir_all(&args.dir).map_err(|error| CertsError::File(args.dir.clone(), error))?;
    let (ca_pem, ca_key) = authority(&at(CA), &at(CA_KEY))?;
    // What signs is the key; of the certificate only the name counts, which is always the same.
    let issuer = Issuer::new(ca_params(), ca_key);

    let mut names = names();
    names.extend(args.names.iter().cloned());
    names.sort_unstable();
    names.dedup();
    let mut params = params("GPyS on this computer", LEAF_VALID);
    params.subject_alt_names = CertificateParams::new(names.clone())?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &issuer)?;
    write(&at(LEAF_KEY), &key.serialize_pem(), true)?;
    write(&at(LEAF), &format!("{}{ca_pem}", leaf.pem()), false)?;
    Ok(words(&args.dir, &at(CA), &names))
}

/// The authority's certificate and key: those that are there, or new ones.
fn authority(pem: &Path, key: &Path) -> Result<(String, KeyPair), CertsError> {
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|e| CertsError::File(path.to_owned(), e));
    match (pem.exists(), key.exists()) {
        (true, true) => {
            let (text, secret) = (read(pem)?, read(key)?);
            let files = ((pem, text.as_bytes()), (key, secret.as_bytes()));
            let (certified, _) = gpys_server::tls::pem::certified(files.0, files.1, unix_now())?;
            let is_ours = certified.end_entity_cert().is_ok_and(|it| is_ours(it));
            if !is_ours {
                return Err(CertsError::Foreign(pem.to_owned()));
            }
            Ok((text, KeyPair::from_pem(&secret)?))
        }
        (true, false) => Err(CertsError::Half(pem.to_owned(), key.to_owned())),
        (false, true) => Err(CertsError::Half(key.to_owned(), pem.to_owned())),
        (false, false) => {
            let pair = KeyPair::generate()?;
            let certificate = ca_params().self_signed(&pair)?.pem();
            write(key, &pair.serialize_pem(), true)?;
            write(pem, &certificate, false)?;
            Ok((certificate, pair))
        }
    }
}

/// Whether an authority has the name that its certificates will give.
fn is_ours(authority: &[u8]) -> bool {
    X509Certificate::from_der(authority).is_ok_and(|(_, facts)| {
        let mut names = facts.subject().iter_common_name();
        names.next().and_then(|name| name.as_str().ok()) == Some(CA_NAME)
    })
}

fn ca_params() -> CertificateParams {
    let mut params = params(CA_NAME, CA_VALID);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(name: &str, valid: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - SKEW;
    params.not_after = params.not_before + valid;
    params
}

/// Writes a file; a secret one can be read by its owner only, from its first byte on.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), CertsError> {
    let fail = |error| CertsError::File(path.to_owned(), error);
    // The mode counts when a file is made, so an old one has to go.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    let mut file = options.open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

fn words(dir: &Path, ca: &Path, names: &[String]) -> String {
    let (dir, ca, names) = (dir.display(), ca.display(), names.join(", "));
    format!(
        "\
The server's certificate is in {dir}/, for
  {names}.
`gpys serve` uses it from there. To end the warnings, let each device trust {ca}
(only this file; the .key files are secret):

  macOS     open {ca}, add it to the login keychain, then open its entry there and
            choose Trust > Always Trust
  Windows   certutil -user -addstore Root {ca}
  Linux     Debian, Ubuntu: sudo cp {ca} /usr/local/share/ca-certificates/gpys.crt
            && sudo update-ca-certificates
            Fedora: sudo trust anchor {ca}
            Chromium has a list of its own: Settings > Privacy and security > Security
            > Manage certificates > Local certificates > Import
  iOS       send the file to the device and open it, install the profile in Settings >
            General > VPN & Device Management, then switch it on in Settings > General >
            About > Certificate Trust Settings
  Android   Settings > Security > Encryption & credentials > Install a certificate > CA
  Firefox   Settings > Privacy & Security > View Certificates > Authorities > Import

Whoever has ca.key can pretend to be any site to these devices. Delete it if in doubt.
"
    )
}

#[cfg(test)]
mod tests {
    use gpys_server::tls::pem::certified;

    use super::*;

    fn args(dir: &Path, force: bool) -> Args {
        Args { dir: dir.to_owned(), names: vec!["gpys.example".to_owned()], force }
    }

    #[test]
    fn certificates_are_made_once_and_the_authority_stays() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("certs");
        let told = run(&args(&dir, false)).unwrap();
        assert!(told.contains("gpys.example"), "{told}");
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let (ca, leaf) = (read(CA), read(LEAF));
        let (chain, key) = (dir.join(LEAF), dir.join(LEAF_KEY));
        let (chain_bytes, key_bytes) = (fs::read(&chain).unwrap(), fs::read(&key).unwrap());
        certified((&chain, &chain_bytes), (&key, &key_bytes), unix_now()).unwrap();

        assert!(matches!(run(&args(&dir, false)), Err(CertsError::Exists(_))));
        assert_eq!(read(LEAF), leaf);
        run(&args(&dir, true)).unwrap();
        assert_eq!(read(CA), ca, "devices trust it already");
        assert_ne!(read(LEAF), leaf);

        let (key, authority) = (read(CA_KEY), read(CA));
        fs::write(dir.join(CA_KEY), &key[..key.len() / 2]).unwrap();
        let error = run(&args(&dir, true)).unwrap_err().to_string();
        assert!(error.contains("ca.key is cut off"), "{error}");
        fs::write(dir.join(CA_KEY), read(LEAF_KEY)).unwrap();
        assert!(matches!(run(&args(&dir, true)), Err(CertsError::Authority(_))));
        fs::write(dir.join(CA), read(LEAF)).unwrap();
        assert!(matches!(run(&args(&dir, true)), Err(CertsError::Foreign(_))));
        fs::write(dir.join(CA), authority).unwrap();

        fs::remove_file(dir.join(CA_KEY)).unwrap();
        assert!(matches!(run(&args(&dir, true)), Err(CertsError::Half(..))));
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        run(&args(root.path(), false)).unwrap();
        for name in [CA_KEY, LEAF_KEY] {
            let mode = fs::metadata(root.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let names = vec!["näme".to_owned()];
        let args = Args { dir: root.path().to_owned(), names, force: false };
        assert!(matches!(run(&args), Err(CertsError::Mint(_))));
    }
}
