//! Certificate and key files as people really have them, with errors that name the problem.
//!
//! A PEM reader skips unknown sections and stops at the first oddity without saying where. So this
//! module splits the text into sections itself; the library decodes each one.

use std::io;
use std::path::Path;

use encoding_rs::Encoding;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::terminal::{self, quoted};
use crate::tls::chain::Chain;
use crate::tls::provider;

const BEGIN: &str = "-----BEGIN ";
/// Object identifiers in DER: PKCS#7 signed data, and password-based encryption (PBES2).
const SIGNED_DATA: &[u8] = &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
const PBES2: &[u8] = &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 5, 0x0D];

/// An unusable certificate or key file. Its message names the file, the fault and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{file} {}", .fault.message(.file))]
pub struct PemError {
    /// The file's name.
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A fault of a certificate or key file.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Read(io::Error),
    /// It is empty.
    Empty,
    /// It is not PEM but another known format.
    Format(Format),
    /// A section has no end, or another one begins within it.
    CutOff {
        /// The section's label.
        label: String,
        /// The line number of its first line.
        line: usize,
    },
    /// The content of a section does not match its label.
    Damaged {
        /// The section's label.
        label: String,
        /// The line number of its first line.
        line: usize,
    },
    /// It holds this instead of a certificate.
    NoCertificate(String),
    /// It holds this instead of a private key.
    NoKey(String),
    /// This is the key file, and the other one the certificate file.
    Swapped,
    /// The key is encrypted with a password.
    Encrypted,
    /// TLS, or its cryptography here, does not support this type of key.
    Unsupported(String),
    /// The key matches no certificate in this file.
    OtherKey(String),
}

/// Formats of certificates and keys other than PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A certificate in DER.
    Certificate,
    /// A private key in DER.
    Key,
    /// PKCS#12: both, encrypted with a password (.p12, .pfx).
    Pkcs12,
    /// PKCS#7: certificates (.p7b).
    Pkcs7,
    /// A Java key store.
    Jks,
    /// Other binary data.
    Binary,
    /// Text without a PEM section.
    Text,
}

impl Fault {
    fn message(&self, file: &str) -> String {
        match self {
            Self::Read(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                format!("cannot be read: {error}; make it readable for the user that runs gpys")
            }
            Self::Read(error) => format!("cannot be read: {error}"),
            Self::Empty => "is empty; fetch it or create it again".to_owned(),
            Self::Format(format) => format.message(file),
            Self::CutOff { label, line } => format!(
                "is cut off: -----BEGIN {label}----- on line {line} has no -----END {label}-----; \
                 copy the whole file again"
            ),
            Self::Damaged { label, line } => format!(
                "is damaged: the content after -----BEGIN {label}----- on line {line} is invalid; \
                 copy the file again"
            ),
            Self::NoCertificate(instead) => format!(
                "holds {instead} and no certificate; use the file with -----BEGIN \
                 CERTIFICATE-----, often called fullchain.pem"
            ),
            Self::NoKey(instead) => format!(
                "holds {instead} and no private key; use the file with -----BEGIN PRIVATE \
                 KEY-----, often called privkey.pem"
            ),
            Self::Swapped => "holds the private key, and the key file holds the certificate; swap \
                 --cert and --key"
                .to_owned(),
            Self::Encrypted => format!(
                "holds a key that is encrypted with a password; decrypt it into a file that only \
                 its owner can read: (umask 077; openssl pkey -in {file} -out {file}.unlocked)"
            ),
            Self::Unsupported(kind) => format!(
                "holds {kind}, which TLS cannot use here; get a certificate for a key of another \
                 type: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            ),
            Self::OtherKey(chain) => format!(
                "holds a key that matches no certificate in {chain}; use the two files that were \
                 issued together"
            ),
        }
    }
}

impl Format {
    fn message(self, file: &str) -> String {
        let (what, command) = match self {
            Self::Certificate => ("a certificate in binary form (DER)", "x509 -inform der -in"),
            Self::Key => ("a private key in binary form (DER)", "pkey -inform der -in"),
            Self::Pkcs7 => ("PKCS#7 (.p7b)", "pkcs7 -inform der -print_certs -in"),
            Self::Pkcs12 => {
                return format!(
                    "is PKCS#12 (.p12, .pfx) instead of PEM; split it: openssl pkcs12 -in {file} \
                     -nokeys -out cert.pem; openssl pkcs12 -in {file} -nocerts -noenc -out key.pem"
                );
            }
            Self::Jks => {
                return format!(
                    "is a Java key store instead of PEM; convert it to PKCS#12: keytool \
                     -importkeystore -srckeystore {file} -destkeystore {file}.p12 -deststoretype \
                     PKCS12"
                );
            }
            Self::Binary => return "is neither a certificate nor a key in PEM".to_owned(),
            Self::Text => {
                return "is not PEM: no line begins with -----BEGIN".to_owned();
            }
        };
        format!("is {what} instead of PEM; convert it: openssl {command} {file} -out {file}.pem")
    }

    fn of(bytes: &[u8]) -> Self {
        let has = |part: &[u8]| bytes.windows(part.len()).take(64).any(|window| window == part);
        let first = bytes.first().copied().unwrap_or_default();
        if bytes.starts_with(&[0xFE, 0xED, 0xFE, 0xED]) {
            Self::Jks
        } else if first != 0x30 {
            let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
            if is_text { Self::Text } else { Self::Binary }
        } else if has(SIGNED_DATA) {
            Self::Pkcs7
        } else if X509Certificate::from_der(bytes).is_ok() {
            Self::Certificate
        } else if bytes
            .get(2..)
            .is_some_and(|rest| rest.windows(4).take(5).any(|window| window == [2, 1, 3, 0x30]))
        {
            Self::Pkcs12
        } else if PrivateKeyDer::try_from(bytes).is_ok() || has(PBES2) {
            Self::Key
        } else if std::str::from_utf8(bytes).is_ok() {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

/// A section of a PEM file.
struct Section {
    label: String,
    line: usize,
    /// `None` if the library does not know the label.
    content: Option<(SectionKind, Vec<u8>)>,
    is_encrypted: bool,
}

/// Parses a chain and its key from two files, which may be the same one. Also returns warnings
/// for the operator, as whole sentences.
///
/// # Errors
/// If the files cannot be used.
pub fn certified(
    (chain_path, chain): (&Path, &[u8]),
    (key_path, key): (&Path, &[u8]),
    now: i64,
) -> Result<(CertifiedKey, Vec<String>), PemError> {
    let fail = |path: &Path, fault| PemError { file: terminal::file(path), fault };
    let chain = sections(chain).map_err(|fault| fail(chain_path, fault))?;
    let keys = sections(key).map_err(|fault| fail(key_path, fault))?;
    let certificates: Vec<_> = chain.iter().filter_map(Section::certificate).collect();
    if certificates.is_empty() {
        let is_swapped = chain.iter().any(Section::is_key)
            && keys.iter().any(|section| section.certificate().is_some());
        let fault =
            if is_swapped { Fault::Swapped } else { Fault::NoCertificate(contents(&chain)) };
        return Err(fail(chain_path, fault));
    }
    let chain_name = terminal::file(chain_path);
    let mut parsed = Chain::default();
    for (der, line) in certificates {
        let damaged = || Fault::Damaged { label: "CERTIFICATE".to_owned(), line };
        parsed.add(&der).ok_or_else(|| fail(chain_path, damaged()))?;
    }
    let candidates: Vec<_> = keys.iter().filter_map(Section::key).collect();
    if candidates.is_empty() {
        let is_encrypted = keys.iter().any(|section| section.is_encrypted);
        let fault = if is_encrypted { Fault::Encrypted } else { Fault::NoKey(contents(&keys)) };
        return Err(fail(key_path, fault));
    }
    let mut fault = Fault::OtherKey(chain_name.clone());
    for (key, section) in candidates {
        if !is_whole(key.secret_der()) {
            fault = Fault::Damaged { label: section.label.clone(), line: section.line };
            continue;
        }
        let Ok(key) = provider().key_provider.load_private_key(key) else {
            fault = Fault::Unsupported(parsed.key_kind());
            continue;
        };
        if let Some(leaf) = key.public_key().and_then(|public| parsed.leaf(&public, now)) {
            let (chain, notes) = parsed.ordered(leaf, &chain_name, now);
            return Ok((CertifiedKey::new(chain, key), notes));
        }
    }
    Err(fail(key_path, fault))
}

impl Section {
    fn certificate(&self) -> Option<(CertificateDer<'static>, usize)> {
        match &self.content {
            Some((SectionKind::Certificate, der)) => Some((der.clone().into(), self.line)),
            _ => None,
        }
    }

    fn is_key(&self) -> bool {
        self.is_encrypted || self.label.ends_with("PRIVATE KEY")
    }

    fn key(&self) -> Option<(PrivateKeyDer<'static>, &Self)> {
        let (kind, der) = self.content.as_ref().filter(|_| !self.is_encrypted)?;
        PrivateKeyDer::from_pem(*kind, der.clone()).map(|key| (key, self))
    }
}

/// Describes what a file holds.
fn contents(sections: &[Section]) -> String {
    let name = |section: &Section| match section.label.as_str() {
        "CERTIFICATE" => "a certificate".to_owned(),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "a certificate request, to be sent to an authority,".to_owned()
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "a public key".to_owned(),
        "OPENSSH PRIVATE KEY" => "an SSH key".to_owned(),
        _ if section.is_key() => "a private key".to_owned(),
        label => label.to_owned(),
    };
    let mut all: Vec<_> = sections.iter().map(name).collect();
    all.dedup();
    quoted(&all.join(", "))
}

/// Splits a PEM file into its sections and ignores whatever surrounds them.
fn sections(bytes: &[u8]) -> Result<Vec<Section>, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Err(Fault::Empty);
    }
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode(bytes).0,
        None => String::from_utf8_lossy(bytes),
    };
    // Joined files have byte order marks inside, and files from shell variables a literal \n.
    let text = text.replace('\u{FEFF}', "").replace("\\n", "\n").replace("\r\n", "\n");
    let text = text.replace('\r', "\n");
    if !text.contains(BEGIN) {
        return Err(Fault::Format(Format::of(bytes)));
    }
    let mut sections = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find(BEGIN).map(|begin| at + begin) {
        let line = 1 + text[..begin].matches('\n').count();
        let rest = &text[begin + BEGIN.len()..];
        let label = rest.split("-----").next().unwrap_or_default();
        let label = if label.contains('\n') { "" } else { label };
        let cut = || Fault::CutOff { label: quoted(label), line };
        let end = format!("-----END {label}-----");
        let length = rest.find(&end).ok_or_else(cut)?;
        let body = rest[..length].get(label.len() + 5..).ok_or_else(cut)?;
        if body.contains(BEGIN) {
            return Err(cut());
        }
        sections.push(section(label, line, body)?);
        at = begin + BEGIN.len() + length + end.len();
    }
    Ok(sections)
}

fn section(label: &str, line: usize, body: &str) -> Result<Section, Fault> {
    let is_encrypted = label == "ENCRYPTED PRIVATE KEY"
        || (body.contains("Proc-Type:") && body.contains("ENCRYPTED"));
    // A label that old programs write.
    let kind = match label {
        "X509 CERTIFICATE" => "CERTIFICATE",
        label => label,
    };
    let lines: Vec<_> = body.lines().map(str::trim).filter(|line| !line.contains(':')).collect();
    let tidy = format!("{BEGIN}{kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"));
    let content = match <(SectionKind, Vec<u8>)>::pem_slice_iter(tidy.as_bytes()).next() {
        Some(Ok(content)) => Some(content),
        None => None,
        Some(Err(_)) if is_encrypted => None,
        Some(Err(_)) => return Err(Fault::Damaged { label: quoted(label), line }),
    };
    Ok(Section { label: label.to_owned(), line, content, is_encrypted })
}

/// Whether this is one DER value of exactly the length that it declares.
fn is_whole(der: &[u8]) -> bool {
    let Some((&[0x30, first], rest)) = der.split_first_chunk() else { return false };
    let (length, rest) = match usize::from(first) {
        length @ ..0x80 => (length, rest),
        more => {
            let Some((length, rest)) = rest.split_at_checked(more - 0x80) else { return false };
            (
                length.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(256) + usize::from(byte)),
                rest,
            )
        }
    };
    rest.len() == length
}

#[cfg(test)]
mod tests;
