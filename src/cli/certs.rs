//! `gpys certs`: a local certificate authority, and a certificate for this computer.
//!
//! A device that trusts the authority opens the page without a warning.

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

/// The authority's certificate, which devices trust.
const CA: &str = "ca.pem";
/// The authority's key, which can certify any site: it never leaves this computer.
const CA_KEY: &str = "ca.key";
/// The name of every authority that this program creates.
const CA_NAME: &str = "GPyS local authority";
/// Lifetime of the authority.
const CA_VALID: Duration = Duration::days(3_650);
/// Lifetime of the server's certificate; Apple's systems accept at most 825 days.
const LEAF_VALID: Duration = Duration::days(800);
/// How far a device's clock may be behind.
const SKEW: Duration = Duration::days(1);

/// Options of `gpys certs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Directory for the files.
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub dir: PathBuf,
    /// Another name or address of this computer (repeatable).
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Replace the server's certificate but keep the authority, which devices already trust.
    /// Delete ca.pem and ca.key to replace that as well.
    #[arg(long)]
    pub force: bool,
}

/// Why `gpys certs` failed.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// The certificate already exists.
    #[error("{} already exists; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// One file of the authority is missing.
    #[error("{} exists, but {} does not; delete the first or restore the second", .0.display(), .1.display())]
    Half(PathBuf, PathBuf),
    /// A file cannot be read or written.
    #[error("cannot read or write {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The authority's files are invalid.
    #[error(transparent)]
    Authority(#[from] PemError),
    /// Another program created the authority.
    #[error("{} is not from `gpys certs`; choose another directory with --dir", .0.display())]
    Foreign(PathBuf),
    /// The certificate cannot be created, because of an invalid name.
    #[error("cannot create the certificate: {0}")]
    Mint(#[from] rcgen::Error),
}

/// Creates the files that are missing, and returns instructions for them.
///
/// # Errors
/// If the certificate already exists, or a file cannot be written.
pub fn run(args: &Args) -> Result<String, CertsError> {
    let at = |name: &str| args.dir.join(name);
    for path in [at(LEAF), at(LEAF_KEY)] {
        if path.exists() && !args.force {
            return Err(CertsError::Exists(path));
        }
    }
    fs::create_dir_all(&args.dir).map_err(|error| CertsError::File(args.dir.clone(), error))?;
    let (ca_pem, ca_key) = authority(&at(CA), &at(CA_KEY))?;
    // The key signs. Only the name of the authority's certificate matters, and it is constant.
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
    Ok(instructions(&args.dir, &at(CA), &names))
}

/// Reads the authority's certificate and key, or creates them.
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

/// Whether an authority has the name that its certificates state.
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

/// Writes a file. Only its owner can read a secret one, from its first byte on.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), CertsError> {
    let fail = |error| CertsError::File(path.to_owned(), error);
    // The mode applies when a file is created, so remove an old one.
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

fn instructions(dir: &Path, ca: &Path, names: &[String]) -> String {
    let (dir, ca, names) = (dir.display(), ca.display(), names.join(", "));
    format!(
        "\
The server's certificate is in {dir}/, for
  {names}.
`gpys serve` uses it from there. To end the warnings, make each device trust {ca}
(only this file; the .key files are secret):

  macOS     open {ca}, add it to the login keychain, then open its entry there and
            choose Trust > Always Trust
  Windows   certutil -user -addstore Root {ca}
  Linux     Debian, Ubuntu: sudo cp {ca} /usr/local/share/ca-certificates/gpys.crt
            && sudo update-ca-certificates
            Fedora: sudo trust anchor {ca}
            Chromium has its own list: Settings > Privacy and security > Security
            > Manage certificates > Local certificates > Import
  iOS       send the file to the device and open it, install the profile in Settings >
            General > VPN & Device Management, then switch it on in Settings > General >
            About > Certificate Trust Settings
  Android   Settings > Security > Encryption & credentials > Install a certificate > CA
  Firefox   Settings > Privacy & Security > View Certificates > Authorities > Import

Anyone who has ca.key can impersonate any site to these devices. If in doubt, delete it.
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
    fn replaces_the_certificate_only_by_force_and_keeps_the_authority() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("certs");
        let text = run(&args(&dir, false)).unwrap();
        assert!(text.contains("gpys.example"), "{text}");
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let (ca, leaf) = (read(CA), read(LEAF));
        let (chain, key) = (dir.join(LEAF), dir.join(LEAF_KEY));
        let (chain_bytes, key_bytes) = (fs::read(&chain).unwrap(), fs::read(&key).unwrap());
        certified((&chain, &chain_bytes), (&key, &key_bytes), unix_now()).unwrap();

        assert!(matches!(run(&args(&dir, false)), Err(CertsError::Exists(_))));
        assert_eq!(read(LEAF), leaf);
        run(&args(&dir, true)).unwrap();
        assert_eq!(read(CA), ca, "devices already trust it");
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
    fn only_the_owner_can_read_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        run(&args(root.path(), false)).unwrap();
        for name in [CA_KEY, LEAF_KEY] {
            let mode = fs::metadata(root.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn rejects_an_invalid_name() {
        let root = tempfile::tempdir().unwrap();
        let names = vec!["näme".to_owned()];
        let args = Args { dir: root.path().to_owned(), names, force: false };
        assert!(matches!(run(&args), Err(CertsError::Mint(_))));
    }
}
