//! Certificates as a browser judges them.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::{CertificateError, Error};
use time::OffsetDateTime;
use wtransport::tls::Certificate;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::cli::doctor::record::Shown;
use crate::cli::doctor::report::Finding;

/// Longest validity of a certificate that browsers accept by its hash, in s: 14 days (W3C
/// WebTransport, "custom certificate requirements").
const LONGEST: i64 = 14 * 24 * 3_600;
/// Number of a certificate's names to list.
const NAMED: usize = 3;
const DAY: i64 = 24 * 3_600;

/// The facts in a certificate.
struct Facts {
    issuer: String,
    self_signed: bool,
    names: Vec<String>,
    /// Start and end of its validity, in s since 1970.
    from: i64,
    until: i64,
    is_ec: bool,
}

impl Facts {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, it) = X509Certificate::from_der(der).ok()?;
        let issuer = it.issuer();
        let by = issuer.iter_organization().chain(issuer.iter_common_name());
        let by: Vec<_> = by.filter_map(|part| part.as_str().ok()).collect();
        let names = it.subject_alternative_name().ok().flatten();
        let names = names.into_iter().flat_map(|names| &names.value.general_names);
        Some(Self {
            issuer: by.join(", "),
            self_signed: it.issuer() == it.subject(),
            names: names.filter_map(name).collect(),
            from: it.validity().not_before.timestamp(),
            until: it.validity().not_after.timestamp(),
            // 1.2.840.10045.2.1: id-ecPublicKey (RFC 5480).
            is_ec: it.public_key().algorithm.algorithm.to_id_string() == "1.2.840.10045.2.1",
        })
    }

    fn says(&self) -> String {
        let by = if self.self_signed { "itself" } else { &self.issuer };
        let more = self.names.len().saturating_sub(NAMED);
        let mut names = self.names[..self.names.len() - more].join(", ");
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
        format!("by {by}, for {names}, until {}", day(self.until))
    }

    /// The days left, if it should have been renewed by now. Authorities' own clients renew when a
    /// third of the validity is left.
    fn is_late(&self, now: i64) -> Option<i64> {
        let left = self.until - now;
        (left < (self.until - self.from) / 6).then_some(left / DAY)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => {
                <[u8; 16]>::try_from(bytes).ok().map(|it| std::net::Ipv6Addr::from(it).to_string())
            }
        },
        _ => None,
    }
}

fn day(time: i64) -> String {
    OffsetDateTime::from_unix_timestamp(time)
        .map_or_else(|_| "an unknown day".to_owned(), |time| time.date().to_string())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A fault of a certificate, and its remedy.
struct Fault {
    what: String,
    advice: String,
    /// Whether the only fault is that no known authority vouches for it.
    is_unknown: bool,
}

impl Shown {
    fn fault(&self, facts: Option<&Facts>, host: &str) -> Option<Fault> {
        let fault = |what: &str, advice: &str| {
            Some(Fault { what: what.to_owned(), advice: advice.to_owned(), is_unknown: false })
        };
        let Err(Error::InvalidCertificate(error)) = &self.judged else {
            return match &self.judged {
                Ok(()) => None,
                Err(error) => Some(Fault {
                    what: error.to_string(),
                    advice: "Run this on a computer with the usual root certificates (on Debian: \
                             apt install ca-certificates)."
                        .to_owned(),
                    is_unknown: true,
                }),
            };
        };
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => fault(
                "it has expired",
                "Renew it, and find out why automatic renewal failed; GPyS reads new files within \
                 10 s.",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                fault("it is not valid yet", "Set the clocks of this computer and the server.")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                fault(
                    &format!("it is not for {host}"),
                    "Open the server by a name in the certificate, or get one for this name.",
                )
            }
            CertificateError::UnknownIssuer => Some(self.unknown(facts)),
            error => fault(&error.to_string(), "Get another certificate."),
        }
    }

    fn unknown(&self, facts: Option<&Facts>) -> Fault {
        let is_alone = self.others == 0 && facts.is_some_and(|facts| !facts.self_signed);
        let (what, advice) = if is_alone {
            (
                "its chain is incomplete",
                "Give --cert the whole chain (certbot calls it fullchain.pem). If the authority is \
                 your own, make each device trust it.",
            )
        } else {
            (
                "no authority that this computer knows vouches for it",
                "Get one from a public authority (--cert, --key and --ca-signed), or, on your own \
                 network, make each device trust yours (gpys certs). If --acme-domain is set, \
                 the log says why there is none yet.",
            )
        };
        Fault { what: what.to_owned(), advice: advice.to_owned(), is_unknown: true }
    }

    /// Judges it as the certificate of a page at `host`; `vouched` is whether an authority can
    /// vouch for that host at all.
    pub(super) fn of_page(&self, host: &str, vouched: bool) -> Finding {
        let facts = Facts::read(&self.leaf);
        let says = facts.as_ref().map_or_else(|| "unreadable".to_owned(), Facts::says);
        let Some(fault) = self.fault(facts.as_ref(), host) else {
            return on_time(facts.as_ref(), says);
        };
        let says = format!("{}: {says}", fault.what);
        if vouched {
            return Finding::failure(says, fault.advice);
        }
        if fault.is_unknown {
            let advice =
                "Browsers warn once, and let the user continue; `gpys certs` avoids the warning.";
            return Finding::note(says, advice);
        }
        Finding::warning(says, fault.advice)
    }

    /// Judges it as a WebTransport certificate from an authority.
    pub(super) fn by_authority(&self, host: &str) -> Finding {
        let facts = Facts::read(&self.leaf);
        let says = facts.as_ref().map_or_else(|| "unreadable".to_owned(), Facts::says);
        match self.fault(facts.as_ref(), host) {
            None => on_time(facts.as_ref(), says),
            Some(fault) => Finding::failure(
                format!("certificate refused, {}: {says}", fault.what),
                format!(
                    "Browsers refuse it for WebTransport without asking. {} Or start the server \
                     without --ca-signed, so that pages know its certificates by their hash.",
                    fault.advice
                ),
            ),
        }
    }

    /// Judges it as a WebTransport certificate that a page knows by one of these hashes.
    pub(super) fn by_hash(&self, hashes: &[[u8; 32]]) -> Finding {
        let hash = Certificate::from_der(self.leaf.clone()).map(|it| *it.hash().as_ref());
        if !hash.is_ok_and(|hash| hashes.contains(&hash)) {
            return Finding::failure(
                format!(
                    "certificate refused: its hash is none of the {} in /config.json",
                    hashes.len()
                ),
                "HTTPS and UDP lead to different servers, or /config.json is stale: stop proxies \
                 from caching it, and send both to one server.",
            );
        }
        let Some(facts) = Facts::read(&self.leaf) else {
            return Finding::failure("the certificate cannot be read", "Update the server.");
        };
        let now = now();
        if !(facts.from..=facts.until).contains(&now) {
            return Finding::failure(
                format!("its hash is right, but it is valid only until {}", day(facts.until)),
                "Set the clocks of this computer and the server.",
            );
        }
        if facts.until - facts.from > LONGEST || !facts.is_ec {
            return Finding::failure(
                "its hash is right, but browsers accept no such certificate by its hash",
                "It must be ECDSA and valid for at most 14 days; update the server.",
            );
        }
        Finding::ok(format!("known by its hash, until {}", day(facts.until)))
    }
}

fn on_time(facts: Option<&Facts>, says: String) -> Finding {
    match facts.and_then(|facts| facts.is_late(now())) {
        Some(days) => Finding::warning(
            format!("{days} days are left: {says}"),
            "It should have been renewed by now; find out why it was not.",
        ),
        None => Finding::ok(says),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn shown(days: (i64, i64), judged: Result<(), Error>) -> Shown {
        let mut params = CertificateParams::new(vec!["gpys.example".to_owned()]).unwrap();
        let at = |day| OffsetDateTime::from_unix_timestamp(now() + day * DAY).unwrap();
        (params.not_before, params.not_after) = (at(days.0), at(days.1));
        let leaf = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        Shown { leaf, others: 0, judged }
    }

    fn says(finding: &Finding) -> (super::super::report::Verdict, &str) {
        (finding.verdict, &finding.says)
    }

    #[test]
    fn a_good_certificate_is_fine_until_renewal_is_late() {
        use crate::cli::doctor::report::Verdict::{Ok as Fine, Warning};
        let (verdict, words) = (shown((-30, 60), Ok(())), "for gpys.example, until 20");
        let finding = verdict.of_page("gpys.example", true);
        assert_eq!(finding.verdict, Fine);
        assert!(finding.says.contains(words), "{finding:?}");
        let late = shown((-80, 10), Ok(())).of_page("gpys.example", true);
        assert_eq!(late.verdict, Warning);
        assert!(late.says.starts_with("9 days are left") || late.says.starts_with("10 days"));
    }

    #[test]
    fn an_unknown_authority_is_a_note_for_private_hosts_and_a_failure_elsewhere() {
        use crate::cli::doctor::report::Verdict::{Failure, Note, Warning};
        let unknown = shown((-1, 12), Err(CertificateError::UnknownIssuer.into()));
        assert_eq!(unknown.of_page("127.0.0.1", false).verdict, Note);
        assert_eq!(unknown.of_page("gpys.example", true).verdict, Failure);
        assert_eq!(unknown.by_authority("127.0.0.1").verdict, Failure);
        let expired = shown((-30, -1), Err(CertificateError::Expired.into()));
        assert_eq!(expired.of_page("127.0.0.1", false).verdict, Warning);
        assert!(expired.of_page("gpys.example", true).says.starts_with("it has expired"));
    }

    #[test]
    fn a_hash_must_be_known_and_its_certificate_short_lived() {
        use crate::cli::doctor::report::Verdict::{Failure, Ok as Fine};
        let hash =
            |shown: &Shown| *Certificate::from_der(shown.leaf.clone()).unwrap().hash().as_ref();
        let unknown = || Err(CertificateError::UnknownIssuer.into());
        for (days, verdict, words) in [
            ((-1, 12), Fine, "known by its hash, until"),
            ((-1, 14), Failure, "its hash is right, but browsers"),
            ((-12, -1), Failure, "its hash is right, but it is valid only until"),
        ] {
            let shown = shown(days, unknown());
            let finding = shown.by_hash(&[[0; 32], hash(&shown)]);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.says.starts_with(words), "{finding:?}");
        }
        let finding = shown((-1, 12), unknown()).by_hash(&[[0; 32], [1; 32]]);
        assert_eq!(says(&finding).0, Failure);
        assert!(finding.says.contains("none of the 2"), "{finding:?}");
    }
}
