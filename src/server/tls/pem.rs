//! Certificates and keys as people have them in files, and in words what is wrong with these.
//!
//! A PEM reader skips what it does not know and stops at the first thing that is odd, without
//! saying where. So the text is split into its sections here; the library decodes them.

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
/// OBJECT IDENTIFIERs in DER: PKCS#7 signed data, and encryption with a password (PBES2).
const SIGNED_DATA: &[u8] = &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 2];
const PBES2: &[u8] = &[6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 5, 0x0D];

/// What is wrong with a file with a certificate or a key. Displayed, it names the file, what is
/// wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file} {}", .fault.words(.file))]
pub struct PemError {
    /// The file's name.
    pub file: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a file with a certificate or a key.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read.
    Read(io::Error),
    /// There is nothing in it.
    Empty,
    /// It is no PEM, but something else that is known.
    Form(Form),
    /// A section has no end, or another one begins within it.
    CutOff {
        /// What its first line calls it.
        label: String,
        /// That line's number.
        line: usize,
    },
    /// What a section holds is not what it is called.
    Damaged {
        /// What its first line calls it.
        label: String,
        /// That line's number.
        line: usize,
    },
    /// There is no certificate, but this.
    NoCertificate(String),
    /// There is no private key, but this.
    NoKey(String),
    /// This is the key's file, and the other one the certificate's.
    Swapped,
    /// The key can be read with a password only.
    Encrypted,
    /// TLS, or its cryptography here, does not know keys of this kind.
    Unsupported(String),
    /// The key is of none of the certificates in this file.
    OtherKey(String),
}

/// What certificates and keys are kept in beside PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A certificate in DER.
    Certificate,
    /// A private key in DER.
    Key,
    /// Both, locked with a password (.p12, .pfx).
    Pkcs12,
    /// Certificates (.p7b).
    Pkcs7,
    /// A key store of Java.
    Jks,
    /// Binary data of another kind.
    Binary,
    /// Text without a section.
    Text,
}

impl Fault {
    fn words(&self, file: &str) -> String {
        match self {
            Self::Read(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                format!("cannot be read: {error}; let the user read it as whom gpys runs")
            }
            Self::Read(error) => format!("cannot be read: {error}"),
            Self::Empty => "is empty; fetch or make it again".to_owned(),
            Self::Form(form) => form.words(file),
            Self::CutOff { label, line } => format!(
                "is cut off: -----BEGIN {label}----- in line {line} has no -----END {label}-----; \
                 copy the whole file again"
            ),
            Self::Damaged { label, line } => format!(
                "is damaged: what follows -----BEGIN {label}----- in line {line} is not that; copy \
                 the file again"
            ),
            Self::NoCertificate(instead) => format!(
                "holds {instead} and no certificate; take the file with -----BEGIN \
                 CERTIFICATE-----, often called fullchain.pem"
            ),
            Self::NoKey(instead) => format!(
                "holds {instead} and no private key; take the file with -----BEGIN PRIVATE \
                 KEY-----, often called privkey.pem"
            ),
            Self::Swapped => "holds the private key, and the file of the key holds the \
                 certificate; swap --cert and --key"
                .to_owned(),
            Self::Encrypted => format!(
                "holds a key that is locked with a password; unlock it into a file that only its \
                 owner can read: (umask 077; openssl pkey -in {file} -out {file}.unlocked)"
            ),
            Self::Unsupported(kind) => format!(
                "holds {kind}, which TLS cannot use here; get a certificate for a key that it can: \
                 openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
            ),
            Self::OtherKey(chain) => format!(
                "holds the key of another certificate than those in {chain}; take the two files \
                 that were made together"
            ),
        }
    }
}

impl Form {
    fn words(self, file: &str) -> String {
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
                    "is a key store of Java instead of PEM; turn it into PKCS#12: keytool \
                     -importkeystore -srckeystore {file} -destkeystore {file}.p12 -deststoretype \
                     PKCS12"
                );
            }
            Self::Binary => return "is neither a certificate nor a key in PEM".to_owned(),
            Self::Text => {
                return "is no PEM: there is no line that begins with -----BEGIN in it".to_owned();
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

/// A part of a PEM file.
struct Section {
    label: String,
    line: usize,
    /// Nothing if the library does not know the label.
    content: Option<(SectionKind, Vec<u8>)>,
    is_locked: bool,
}

/// Reads a chain and its key from two files, each with its name; it can be one file. The second
/// part is what the operator should know although it works, in whole sentences.
///
/// # Errors
/// If they cannot be used.
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
        let fault = if is_swapped { Fault::Swapped } else { Fault::NoCertificate(held(&chain)) };
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
        let is_locked = keys.iter().any(|section| section.is_locked);
        let fault = if is_locked { Fault::Encrypted } else { Fault::NoKey(held(&keys)) };
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
        self.is_locked || self.label.ends_with("PRIVATE KEY")
    }

    fn key(&self) -> Option<(PrivateKeyDer<'static>, &Self)> {
        let (kind, der) = self.content.as_ref().filter(|_| !self.is_locked)?;
        PrivateKeyDer::from_pem(*kind, der.clone()).map(|key| (key, self))
    }
}

/// What is in a file, in words.
fn held(sections: &[Section]) -> String {
    let words = |section: &Section| match section.label.as_str() {
        "CERTIFICATE" => "a certificate".to_owned(),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "a request for a certificate, to be sent to an authority,".to_owned()
        }
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "a public key".to_owned(),
        "OPENSSH PRIVATE KEY" => "a key of SSH".to_owned(),
        _ if section.is_key() => "a private key".to_owned(),
        label => label.to_owned(),
    };
    let mut all: Vec<_> = sections.iter().map(words).collect();
    all.dedup();
    quoted(&all.join(", "))
}

/// The sections of a PEM file, whatever is around and between them.
fn sections(bytes: &[u8]) -> Result<Vec<Section>, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Err(Fault::Empty);
    }
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode(bytes).0,
        None => String::from_utf8_lossy(bytes),
    };
    // Files that were joined have marks within, and those from variables of a shell \n for lines.
    let text = text.replace('\u{FEFF}', "").replace("\\n", "\n").replace("\r\n", "\n");
    let text = text.replace('\r', "\n");
    if !text.contains(BEGIN) {
        return Err(Fault::Form(Form::of(bytes)));
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
    let is_locked = label == "ENCRYPTED PRIVATE KEY"
        || (body.contains("Proc-Type:") && body.contains("ENCRYPTED"));
    // Labels of old programs.
    let kind = match label {
        "X509 CERTIFICATE" => "CERTIFICATE",
        label => label,
    };
    let lines: Vec<_> = body.lines().map(str::trim).filter(|line| !line.contains(':')).collect();
    let tidy = format!("{BEGIN}{kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"));
    let content = match <(SectionKind, Vec<u8>)>::pem_slice_iter(tidy.as_bytes()).next() {
        Some(Ok(content)) => Some(content),
        None => None,
        Some(Err(_)) if is_locked => None,
        Some(Err(_)) => return Err(Fault::Damaged { label: quoted(label), line }),
    };
    Ok(Section { label: label.to_owned(), line, content, is_locked })
}

/// Whether this is one value of DER, neither shorter nor longer than it says.
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
