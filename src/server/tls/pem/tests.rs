//! Tests with real files: chains from rcgen, and other formats from `openssl`.

use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::SectionKind;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::*;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A change to a file's text.
type Change<'a> = &'a dyn Fn(&str) -> Vec<u8>;

/// A chain of PEM certificates, and the key of the first.
struct Material {
    leaf: String,
    middle: String,
    root: String,
    key: String,
}

fn params(name: &str, is_authority: bool, days: (i64, i64)) -> CertificateParams {
    let names = if is_authority { Vec::new() } else { vec!["localhost".to_owned()] };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let at = |days: i64| OffsetDateTime::from_unix_timestamp(NOW + days * DAY).unwrap();
    (params.not_before, params.not_after) = (at(days.0), at(days.1));
    params
}

fn make(days: (i64, i64)) -> Material {
    let long = (-1_000, 1_000);
    let root_key = KeyPair::generate().unwrap();
    let root = params("root", true, long).self_signed(&root_key).unwrap().pem();
    let root_issuer = Issuer::new(params("root", true, long), root_key);
    let middle_key = KeyPair::generate().unwrap();
    let middle = params("middle", true, long).signed_by(&middle_key, &root_issuer).unwrap().pem();
    let middle_issuer = Issuer::new(params("middle", true, long), middle_key);
    let key = KeyPair::generate().unwrap();
    let leaf = params("leaf", false, days).signed_by(&key, &middle_issuer).unwrap().pem();
    Material { leaf, middle, root, key: key.serialize_pem() }
}

fn good() -> Material {
    make((-10, 80))
}

impl Material {
    fn full(&self) -> String {
        format!("{}{}{}", self.leaf, self.middle, self.root)
    }
}

fn read(
    chain: impl AsRef<[u8]>,
    key: impl AsRef<[u8]>,
) -> Result<(CertifiedKey, Vec<String>), PemError> {
    let (chain, key) = (chain.as_ref(), key.as_ref());
    certified((Path::new("c.pem"), chain), (Path::new("k.pem"), key), NOW)
}

/// The certificates that TLS sends, and the warnings.
fn sent(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> (Vec<Vec<u8>>, Vec<String>) {
    let (certified, notes) = read(chain, key).unwrap();
    assert!(certified.keys_match().is_ok());
    (certified.cert.iter().map(|der| der.to_vec()).collect(), notes)
}

fn error(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> String {
    let words = read(chain, key).unwrap_err().to_string();
    assert!(!words.contains('['), "lists byte values: {words}");
    words
}

fn der(pem: &str) -> Vec<u8> {
    <(SectionKind, Vec<u8>)>::from_pem_slice(pem.as_bytes()).unwrap().1
}

/// Runs `openssl` in a directory and returns the file `out` that it writes.
fn openssl(dir: &TempDir, line: &str) -> Vec<u8> {
    let done = Command::new("openssl").args(line.split(' ')).current_dir(dir).output();
    let done = done.expect("these tests need the program `openssl`");
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(dir.path().join("out")).unwrap()
}

fn dir(made: &Material) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c"), made.full()).unwrap();
    std::fs::write(dir.path().join("k"), &made.key).unwrap();
    dir
}

#[test]
fn sends_a_chain_in_order_whatever_the_order_in_the_file() {
    let made = good();
    let Material { leaf, middle, root, key } = &made;
    let right: Vec<_> = [leaf, middle, root].map(|pem| der(pem)).to_vec();
    assert_eq!(sent(made.full(), key), (right.clone(), Vec::new()));
    for mixed in [[root, middle, leaf], [middle, leaf, root], [leaf, root, middle]] {
        let (certificates, notes) = sent(mixed.map(String::as_str).concat(), key);
        assert_eq!(certificates, right);
        assert!(notes.len() == 1 && notes[0].contains("c.pem are not in order"), "{notes:?}");
    }
    let (other, twice) = (good().leaf, format!("{leaf}{leaf}{middle}{root}"));
    assert_eq!(sent(twice, key), (right.clone(), Vec::new()));
    let (certificates, notes) = sent(format!("{other}{}", made.full()), key);
    assert_eq!(certificates, right);
    assert!(notes[0].starts_with("ignoring 1 of the certificates in c.pem"), "{notes:?}");
}

#[test]
fn tolerates_what_editors_and_shells_do_to_a_file() {
    let made = good();
    let right = sent(made.full(), &made.key);
    let utf16 = |text: &str| {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect::<Vec<_>>()
    };
    let indented = |text: &str| text.lines().map(|line| format!("  {line} \n")).collect::<String>();
    let changes: [(&str, Change<'_>); 9] = [
        ("a byte order mark", &|text| format!("\u{FEFF}{text}").into_bytes()),
        ("a byte order mark inside", &|text| {
            text.replace("-----BEGIN", "\u{FEFF}-----BEGIN").into_bytes()
        }),
        ("UTF-16", &utf16),
        ("Windows line ends", &|text| text.replace('\n', "\r\n").into_bytes()),
        ("old Mac line ends", &|text| text.replace('\n', "\r").into_bytes()),
        ("indentation", &|text| indented(text).into_bytes()),
        ("no line end before the end line", &|text| {
            text.replace("-----\n-----", "----------").trim().into()
        }),
        ("a shell variable", &|text| text.replace('\n', "\\n").into_bytes()),
        ("bag attributes", &|text| {
            format!("Bag Attributes\n  friendlyName: ž\n{text}").into_bytes()
        }),
    ];
    for (what, change) in changes {
        assert_eq!(sent(change(&made.full()), change(&made.key)), right, "{what}");
    }
    let both = format!("{}{}", made.key, made.full());
    assert_eq!(sent(&both, &both), right, "one file for both");
    let two_keys = format!("{}{}", good().key, made.key);
    assert_eq!(sent(made.full(), two_keys), right, "picks the matching key");
}

#[test]
fn an_encrypted_key_comes_with_the_command_to_decrypt_it() {
    let made = good();
    let dir = dir(&made);
    let new = openssl(&dir, "pkcs8 -topk8 -in k -passout pass:x -out out");
    let old = openssl(&dir, "ec -in k -aes128 -passout pass:x -out out");
    for encrypted in [new, old] {
        let words = error(made.full(), encrypted);
        assert!(
            words.starts_with("k.pem holds a key that is encrypted with a password"),
            "{words}"
        );
        assert!(words.contains("openssl pkey -in k.pem -out"), "{words}");
    }
}

#[test]
fn locates_the_fault_in_a_cut_or_damaged_file() {
    let made = good();
    let (full, key) = (made.full(), &made.key);
    let half = &full[..made.leaf.len() + 200];
    let line = made.leaf.lines().count() + 1;
    let words = error(half, key);
    let begin = format!("-----BEGIN CERTIFICATE----- on line {line} has no -----END");
    assert!(words.starts_with("c.pem is cut off: ") && words.contains(&begin), "{words}");
    assert!(error(&full, &key[..key.len() - 30]).starts_with("k.pem is cut off"));
    assert!(error("-----BEGIN CERT", key).starts_with("c.pem is cut off"));
    let without_end = full.replacen("-----END CERTIFICATE-----\n", "", 1);
    assert!(error(without_end, key).contains("on line 1 has no -----END"));

    let damaged = |words: String, file: &str| {
        assert!(
            words.starts_with(&format!("{file} is damaged")) && words.contains("on line 1"),
            "{words}"
        );
    };
    damaged(error(full.replacen("M", "*", 1), key), "c.pem");
    let lines: Vec<_> = made.leaf.lines().collect();
    damaged(error([&lines[..3], &lines[4..]].concat().join("\n"), key), "c.pem");
    let lines: Vec<_> = key.lines().collect();
    damaged(error(&full, [&lines[..2], &lines[3..]].concat().join("\n")), "k.pem");
    damaged(error(&full, key.replacen("M", "*", 1)), "k.pem");
}

#[test]
fn recognises_files_that_were_mixed_up() {
    let made = good();
    let (full, key) = (made.full(), &made.key);
    assert!(error(key, &full).contains("swap --cert and --key"));
    assert!(error(key, key).starts_with("c.pem holds a private key and no certificate"));
    assert!(error(&full, &full).starts_with("k.pem holds a certificate and no private key"));
    let other = error(&full, good().key);
    assert!(other.starts_with("k.pem holds a key that matches no certificate in c.pem"), "{other}");
    let params = CertificateParams::new(Vec::new()).unwrap();
    let request = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    assert!(error(request, key).starts_with("c.pem holds a certificate request"));
    let public = KeyPair::generate().unwrap().public_key_pem();
    assert!(error(&full, public).starts_with("k.pem holds a public key and no private key"));
    assert!(error("", key).starts_with("c.pem is empty"));
    assert!(error(&full, " \n").starts_with("k.pem is empty"));
    assert!(error("<html>", key).starts_with("c.pem is not PEM"));
    assert!(error([0_u8, 1, 2], key).starts_with("c.pem is neither"));
    assert!(error([0x30_u8, 0x82, 0xFF, 0xFF, 0, 0], key).starts_with("c.pem is neither"));
}

#[test]
fn other_formats_come_with_the_command_to_convert_them() {
    let made = good();
    let dir = dir(&made);
    let (full, key) = (made.full(), &made.key);
    assert!(
        error(der(&made.leaf), key).contains("openssl x509 -inform der -in c.pem -out c.pem.pem")
    );
    assert!(error(&full, der(key)).contains("openssl pkey -inform der -in k.pem"));
    let encrypted = openssl(&dir, "pkcs8 -topk8 -outform der -in k -passout pass:x -out out");
    assert!(error(&full, encrypted).contains("openssl pkey -inform der -in k.pem"));
    let both = openssl(&dir, "pkcs12 -export -in c -inkey k -passout pass:x -out out");
    for words in [error(&both, key), error(&full, &both)] {
        assert!(words.contains("is PKCS#12") && words.contains("openssl pkcs12 -in"), "{words}");
    }
    let p7b = openssl(&dir, "crl2pkcs7 -nocrl -certfile c -outform der -out out");
    assert!(error(p7b, key).contains("openssl pkcs7 -inform der -print_certs -in c.pem"));
    let p7b = openssl(&dir, "crl2pkcs7 -nocrl -certfile c -out out");
    assert!(error(p7b, key).contains("holds PKCS7 and no certificate"));
}

#[test]
fn names_the_type_of_a_key_that_tls_cannot_use() {
    let made = good();
    let dir = dir(&made);
    for (algorithm, name) in [
        ("EC -pkeyopt ec_paramgen_curve:secp256k1", "the curve secp256k1"),
        ("EC -pkeyopt ec_paramgen_curve:P-521", "the curve P-521"),
        ("RSA -pkeyopt rsa_keygen_bits:1024", "1024-bit RSA"),
        ("ED448", "Ed448"),
    ] {
        let key = openssl(&dir, &format!("genpkey -algorithm {algorithm} -out out"));
        std::fs::write(dir.path().join("odd"), &key).unwrap();
        let request = "req -x509 -new -key odd -subj /CN=localhost -days 9 -out out";
        let words = error(openssl(&dir, request), key);
        assert!(words.starts_with("k.pem holds a") && words.contains(name), "{words}");
        assert!(words.contains("openssl genpkey"), "{words}");
    }
}

#[test]
fn warns_of_what_browsers_reject_but_serves_it() {
    let note = |made: &Material, chain: &str| sent(chain, &made.key).1.join(" | ");
    let (ended, early, made) = (make((-90, -1)), make((2, 90)), good());
    let words = note(&ended, &ended.full());
    assert!(words.starts_with("the server's certificate in c.pem expired on 20"), "{words}");
    assert!(note(&early, &early.full()).contains("is not valid before"));
    let words = note(&made, &made.leaf);
    assert!(
        words.contains("ends with a certificate from CN=") && words.contains("fullchain.pem"),
        "{words}"
    );
    assert!(note(&made, &format!("{}{}", made.leaf, made.middle)).contains("CN=root"));
    let dir = dir(&made);
    let key = openssl(&dir, "genpkey -algorithm ED25519 -out out");
    std::fs::write(dir.path().join("odd"), &key).unwrap();
    let chain = openssl(&dir, "req -x509 -new -key odd -subj /CN=localhost -days 9 -out out");
    let words = read(chain, key).unwrap().1.join(" | ");
    assert!(words.contains("names no host") && words.contains("Ed25519"), "{words}");
}

#[test]
fn arbitrary_bytes_never_panic() {
    let made = good();
    let (full, key) = (made.full(), made.key.as_bytes());
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let mut bytes = [full.as_bytes(), key].concat();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..3) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at.max(1)),
                _ => drop(bytes.splice(at..at, *b"-----BEGIN ")),
            }
        }
        let _ = read(&bytes, &bytes);
        let der: Vec<u8> =
            std::iter::once(0x30).chain((0..rng.usize(..40)).map(|_| rng.u8(..))).collect();
        let _ = (read(&der, key), is_whole(&der));
    }
}
