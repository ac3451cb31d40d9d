//! Ordering of a certificate chain, and warnings about what browsers will reject in it.

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::terminal::quoted;

/// Descriptions of key types, by object identifier.
const KINDS: &[(&str, &str)] = &[
    ("1.2.840.10040.4.1", "a DSA key"),
    ("1.2.840.113549.1.1.10", "an RSA-PSS key"),
    ("1.3.101.113", "an Ed448 key"),
    ("1.3.132.0.10", "a key on the curve secp256k1"),
    ("1.3.132.0.35", "a key on the curve P-521"),
    ("1.3.36.3.3.2.8.1.1.7", "a key on the curve brainpoolP256r1"),
];
const ED25519: &str = "1.3.101.112";

/// A certificate with the fields that matter here.
#[derive(Clone, Debug)]
struct ChainLink {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    issuer_name: String,
    public_key: Vec<u8>,
    /// In s since 1970.
    valid: (i64, i64),
    is_authority: bool,
    has_names: bool,
    kind: String,
    is_ed25519: bool,
}

/// The distinct certificates of a file, in its order.
#[derive(Debug, Default)]
pub(super) struct Chain(Vec<ChainLink>);

impl Chain {
    /// Adds a certificate; `None` if the DER is not one.
    pub(super) fn add(&mut self, der: &CertificateDer<'static>) -> Option<()> {
        let (rest, facts) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let link = ChainLink {
            subject: facts.subject().as_raw().to_vec(),
            issuer: facts.issuer().as_raw().to_vec(),
            issuer_name: quoted(&facts.issuer().to_string()),
            public_key: facts.public_key().raw.to_vec(),
            valid: (
                facts.validity().not_before.timestamp(),
                facts.validity().not_after.timestamp(),
            ),
            is_authority: facts.is_ca(),
            has_names: matches!(facts.subject_alternative_name(), Ok(Some(_))),
            kind: kind(&facts),
            is_ed25519: facts.public_key().algorithm.algorithm.to_id_string() == ED25519,
            der: der.clone(),
        };
        if self.0.iter().all(|known| known.der != link.der) {
            self.0.push(link);
        }
        Some(())
    }

    /// Describes the type of key in the server's certificate.
    pub(super) fn key_kind(&self) -> String {
        let server = self.0.iter().find(|link| !link.is_authority).or_else(|| self.0.first());
        server.map_or_else(|| "a key".to_owned(), |link| link.kind.clone())
    }

    /// The index of the certificate with this key. If a renewed certificate shares the key, the
    /// one that is valid the longest wins.
    pub(super) fn leaf(&self, key: &SubjectPublicKeyInfoDer<'_>, now: i64) -> Option<usize> {
        let fits = self.0.iter().enumerate().filter(|(_, link)| link.public_key == key.as_ref());
        let leaf = fits.max_by_key(|(_, link)| (link.valid.0 <= now, link.valid.1));
        leaf.map(|(index, _)| index)
    }

    /// The chain that starts at this index, each certificate before its issuer, and warnings for
    /// the operator.
    pub(super) fn ordered(
        self,
        leaf: usize,
        file: &str,
        now: i64,
    ) -> (Vec<CertificateDer<'static>>, Vec<String>) {
        let before: Vec<_> = self.0.iter().map(|link| link.der.clone()).collect();
        let mut rest = self.0;
        let mut chain = vec![rest.remove(leaf)];
        let mut next = 0;
        while let Some(issuer) = chain.get(next).map(|link| link.issuer.clone()) {
            let (issuers, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|link| link.subject == issuer);
            chain.extend(issuers);
            rest = others;
            next += 1;
        }
        let mut notes = Vec::new();
        if !before
            .iter()
            .filter(|der| chain.iter().any(|link| link.der == **der))
            .eq(chain.iter().map(|link| &link.der))
        {
            notes.push(format!("the certificates in {file} are not in order; the server sends them in order, its own first"));
        }
        if !rest.is_empty() {
            notes.push(format!(
                "ignoring {} of the certificates in {file}, which are not part of the server's chain",
                rest.len()
            ));
        }
        notes.extend(warnings(&chain, file, now));
        (chain.into_iter().map(|link| link.der).collect(), notes)
    }
}

/// Warnings about what browsers will reject.
fn warnings(chain: &[ChainLink], file: &str, now: i64) -> Vec<String> {
    let mut notes = Vec::new();
    let (Some(leaf), Some(last)) = (chain.first(), chain.last()) else { return notes };
    for (at, link) in chain.iter().enumerate() {
        let which = if at == 0 { "the server's certificate" } else { "an authority's certificate" };
        if now > link.valid.1 {
            notes.push(format!("{which} in {file} expired on {}; renew it", day(link.valid.1)));
        } else if now < link.valid.0 {
            notes.push(format!(
                "{which} in {file} is not valid before {}; is this computer's clock right?",
                day(link.valid.0)
            ));
        }
    }
    if !leaf.has_names {
        notes.push(format!("the server's certificate in {file} names no host (subjectAltName), so browsers reject it; get one for the server's name"));
    }
    if leaf.is_ed25519 {
        notes.push(format!("the server's certificate in {file} has an Ed25519 key, which browsers reject; get one with an ECDSA key on P-256"));
    }
    if last.issuer != last.subject && !is_trusted(&last.issuer) {
        notes.push(format!("the chain in {file} ends with a certificate from {}, which this computer does not trust; if that is an intermediate authority, use the file with the whole chain, often called fullchain.pem", last.issuer_name));
    }
    notes
}

/// Whether this computer trusts an authority of this name.
fn is_trusted(name: &[u8]) -> bool {
    rustls_native_certs::load_native_certs().certs.iter().any(|root| {
        X509Certificate::from_der(root).is_ok_and(|(_, facts)| facts.subject().as_raw() == name)
    })
}

fn kind(facts: &X509Certificate<'_>) -> String {
    let algorithm = &facts.public_key().algorithm;
    if let Ok(PublicKey::RSA(key)) = facts.public_key().parsed() {
        return format!("a {}-bit RSA key", key.key_size());
    }
    let curve = algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let id = curve.unwrap_or_else(|| algorithm.algorithm.clone()).to_id_string();
    let known = KINDS.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("a key of type {id}"), |(_, name)| (*name).to_owned())
}

fn day(seconds: i64) -> String {
    let day = OffsetDateTime::from_unix_timestamp(seconds).map(OffsetDateTime::date);
    day.map_or_else(|_| seconds.to_string(), |day| day.to_string())
}
