//! A certificate from an authority that gives them out by itself (ACME, RFC 8555), such as
//! Let's Encrypt.

use std::path::PathBuf;

use crate::config::reader::{Reader, parse_url};
use crate::config::sources::Given;

/// Where Let's Encrypt gives out certificates that browsers believe.
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Where Let's Encrypt gives out certificates that nobody believes, with generous limits.
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// Where certificates are kept unless another directory is named.
const CACHE: &str = "acme";

/// From whom a certificate is got, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names it is for; not empty.
    pub domains: Vec<String>,
    /// Where the authority may write to.
    pub email: Option<String>,
    /// Where the account and the certificate are kept.
    pub cache: PathBuf,
    /// The URL of the authority's directory.
    pub directory: String,
}

impl Acme {
    /// Checks what was given; `None` if no domain is.
    pub(super) fn read(given: &Given, reader: &mut Reader<'_>) -> Option<Self> {
        let words = "a name that browsers open, like gpys.example: no address, and no *";
        let mut domains: Vec<_> = given
            .all("acme-domain")
            .into_iter()
            .filter_map(|it| reader.read(Some(it), words, parse_domain))
            .collect();
        domains.sort_unstable();
        domains.dedup();
        let email =
            reader.read(given.one("acme-email"), "an address like me@example.org", |text| {
                let (name, host) = text.split_once('@')?;
                (!name.is_empty() && is_domain(host)).then(|| text.to_owned())
            });
        let directory = "production, staging (both of Let's Encrypt), or the URL of a directory";
        let directory = reader.read(given.one("acme-directory"), directory, |text| match text {
            "production" => Some(PRODUCTION.to_owned()),
            "staging" => Some(STAGING.to_owned()),
            url => parse_url(url).filter(|url| url.starts_with("https:")),
        });
        let cache = given.one("acme-cache").map(|(_, path, _)| PathBuf::from(path));
        let wanted = given.one("acme-domain").is_some();
        if !wanted {
            // A cache alone may wait for a domain, as a container's does.
            for name in ["acme-email", "acme-directory"] {
                if given.one(name).is_none() {
                    continue;
                }
                reader.wrong.push(format!("{name} is given without acme-domain"));
            }
        } else if ["cert", "key"].iter().any(|name| given.one(name).is_some())
            || given.one("ca-signed").is_some_and(|(_, value, _)| value == "true")
        {
            let both = "acme-domain is given beside cert, key or ca-signed: choose one of the two";
            reader.wrong.push(both.to_owned());
        } else if !cfg!(feature = "acme") {
            let missing = "acme-domain needs a program that is built with `--features acme`";
            reader.wrong.push(missing.to_owned());
        }
        let directory = directory.unwrap_or_else(|| PRODUCTION.to_owned());
        let cache = cache.unwrap_or_else(|| CACHE.into());
        wanted.then_some(Self { domains, email, cache, directory })
    }

    /// A setting as TOML; `None` if it is not set or not one of these.
    pub(super) fn value(&self, name: &str) -> Option<toml::Value> {
        match name {
            "acme-domain" => Some(self.domains.clone().into()),
            "acme-email" => self.email.clone().map(Into::into),
            "acme-cache" => Some(self.cache.display().to_string().into()),
            "acme-directory" => Some(self.directory.clone().into()),
            _ => None,
        }
    }
}

/// Whether this is a name that an authority could vouch for: labels with dots between, in lower
/// case, the last of which is no number.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        let plain =
            label.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let ends_well = name.rsplit_once('.').is_some_and(|(_, last)| last.parse::<u64>().is_err());
    name.len() <= 253 && ends_well && name.split('.').all(is_label)
}

fn parse_domain(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    is_domain(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError, Flags};

    fn load(toml: &str) -> Result<Config, ConfigError> {
        Config::load(&Flags::default(), |_| None, Some(("gpys.toml", toml)))
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (toml, words) in [
            ("acme-domain = \"192.0.2.7\"", "acme-domain in gpys.toml is \"192.0.2.7\""),
            ("acme-domain = [\"*.a.example\"]", "acme-domain in gpys.toml is \"*.a.example\""),
            ("acme-domain = \"localhost\"", "acme-domain in gpys.toml is \"localhost\""),
            ("acme-email = \"me@a.example\"", "acme-email is given without acme-domain"),
            ("acme-domain = \"a.example\"\nacme-email = \"me\"", "acme-email in gpys.toml"),
            ("acme-domain = \"a.example\"\nacme-directory = \"http://a.example\"", "directory in"),
            ("acme-domain = \"a.example\"\nca-signed = true", "choose one of the two"),
        ] {
            let error = load(toml).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    #[cfg(feature = "acme")]
    #[test]
    fn domains_are_read_and_printed() {
        use super::*;
        use crate::config::Certificate;
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
    fn a_program_without_it_says_so() {
        let error = load("acme-domain = \"a.example\"").unwrap_err().to_string();
        assert!(error.contains("--features acme"), "{error}");
    }
}
