//! Certificates from an authority that issues them automatically (ACME, RFC 8555), such as
//! Let's Encrypt.

use std::path::PathBuf;

use http::Uri;

use crate::config::parse::{Wrong, expect};

/// Let's Encrypt's authority, which browsers trust.
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Let's Encrypt's test authority, which no browser trusts; its limits are generous.
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// The directory for certificates if no other is named.
const CACHE: &str = "acme";

/// The ACME authority to obtain a certificate from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names in the certificate; not empty.
    pub domains: Vec<String>,
    /// Where the authority may report problems.
    pub email: Option<String>,
    /// The directory of the account and the certificate.
    pub cache: PathBuf,
    /// The URL of the authority's directory.
    pub directory: String,
}

impl Default for Acme {
    /// Let's Encrypt, without names.
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            email: None,
            cache: CACHE.into(),
            directory: PRODUCTION.to_owned(),
        }
    }
}

/// Whether an authority could certify this name: labels in lower case with dots between, the last
/// of which is not a number.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain =
            label.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let ends_well = name.rsplit_once('.').is_some_and(|(_, last)| last.parse::<u64>().is_err());
    name.len() <= 253 && ends_well && name.split('.').all(is_label)
}

pub(super) fn parse_domain(text: &str) -> Result<String, Wrong> {
    let name = text.to_ascii_lowercase();
    let kind = "a name that browsers can open, such as gpys.example; not an address, and without *";
    expect(kind, is_domain(&name).then_some(name))
}

pub(super) fn parse_email(text: &str) -> Result<String, Wrong> {
    let is_address =
        text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_domain(host));
    expect("an address such as me@example.org", is_address.then(|| text.to_owned()))
}

pub(super) fn parse_directory(text: &str) -> Result<String, Wrong> {
    match text {
        "production" => Ok(PRODUCTION.to_owned()),
        "staging" => Ok(STAGING.to_owned()),
        url => {
            let is_url = url.starts_with("https:")
                && url.parse().is_ok_and(|uri: Uri| uri.authority().is_some());
            let kind = "production or staging (both of Let's Encrypt), or the URL of a directory";
            expect(kind, is_url.then(|| url.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::load::ConfigError;
    use crate::config::model::Config;
    use crate::config::sources::Sources;

    fn load(toml: &str) -> Result<Config, ConfigError> {
        Config::load(&Sources::default().file("gpys.toml", toml))
    }

    #[test]
    fn rejects_what_no_authority_can_certify() {
        for (toml, words) in [
            ("acme-domain = \"192.0.2.7\"", "acme-domain in gpys.toml is \"192.0.2.7\""),
            ("acme-domain = [\"*.a.example\"]", "acme-domain in gpys.toml is \"*.a.example\""),
            ("acme-domain = \"localhost\"", "acme-domain in gpys.toml is \"localhost\""),
            ("acme-email = \"me@a.example\"", "acme-email is set without acme-domain"),
            ("acme-domain = \"a.example\"\nacme-email = \"me\"", "acme-email in gpys.toml"),
            ("acme-domain = \"a.example\"\nacme-directory = \"http://a.example\"", "directory in"),
            ("acme-domain = \"a.example\"\nca-signed = true", "use one or the other"),
        ] {
            let error = load(toml).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[cfg(feature = "acme")]
    #[test]
    fn reads_and_prints_domains() {
        use super::*;
        use crate::config::certificate::Certificate;
        let toml = "acme-domain = [\"B.example\", \"a.example\", \"a.example\"]\n\
            acme-directory = \"staging\"\n";
        let config = load(toml).unwrap();
        let Certificate::Acme(acme) = &config.certificate else { panic!("{config:?}") };
        assert_eq!(acme.domains, ["a.example", "b.example"]);
        assert_eq!((acme.directory.as_str(), acme.cache.to_str()), (STAGING, Some("acme")));
        assert_eq!(load(&config.to_toml()).unwrap(), config);
        let Certificate::Acme(acme) = load("acme-domain = \"a.example\"").unwrap().certificate
        else {
            panic!("another certificate")
        };
        assert_eq!(acme.directory, PRODUCTION);
    }

    #[cfg(not(feature = "acme"))]
    #[test]
    fn rejects_domains_when_built_without_acme() {
        let error = load("acme-domain = \"a.example\"").unwrap_err().to_string();
        assert!(error.contains("--features acme"), "{error}");
    }
}
