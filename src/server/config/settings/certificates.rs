//! The certificate of HTTPS.

use std::path::PathBuf;

use crate::config::acme::{parse_directory, parse_domain, parse_email};
use crate::config::certificate::Certificate;
use crate::config::parse::{file, put, switch};
use crate::config::print::{list, path, text};
use crate::config::setting::{Setting, Takes};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "cert",
        takes: Takes::One("FILE"),
        help: "The certificate, followed by those of its authorities, as PEM",
        absent: Some("the one that `gpys certs` made in certs/, or else one for this run"),
        read: |draft, text| put(&mut draft.cert, file(text).map(Some)),
        print: |config| match &config.certificate {
            Certificate::Files { chain, .. } => Some(path(chain)),
            Certificate::Acme(_) | Certificate::ThisRun => None,
        },
    },
    Setting {
        name: "key",
        takes: Takes::One("FILE"),
        help: "The certificate's private key, as PEM",
        absent: None,
        read: |draft, text| put(&mut draft.key, file(text).map(Some)),
        print: |config| match &config.certificate {
            Certificate::Files { key, .. } => Some(path(key)),
            Certificate::Acme(_) | Certificate::ThisRun => None,
        },
    },
    Setting {
        name: "ca-signed",
        takes: Takes::Switch,
        help: "The certificate is from a CA that every browser trusts, so WebTransport uses it as \
               well. Otherwise WebTransport uses certificates of its own, which pages know by \
               their hash",
        absent: None,
        read: |draft, text| put(&mut draft.ca_signed, switch(text)),
        print: |config| {
            let public = matches!(config.certificate, Certificate::Files { public: true, .. });
            Some(public.into())
        },
    },
    Setting {
        name: "acme-domain",
        takes: Takes::Many("NAME"),
        help: "Obtain a certificate for this name from Let's Encrypt (implies agreement to its \
               terms), and renew it. The name must resolve to this server, and TCP port 443 must \
               be open to the Internet",
        absent: None,
        read: |draft, text| {
            draft.acme.domains.push(parse_domain(text)?);
            Ok(())
        },
        print: |config| config.certificate.acme().map(|acme| list(&acme.domains)),
    },
    Setting {
        name: "acme-email",
        takes: Takes::One("ADDRESS"),
        help: "Where the authority may report problems with the certificate",
        absent: None,
        read: |draft, text| put(&mut draft.acme.email, parse_email(text).map(Some)),
        print: |config| config.certificate.acme()?.email.as_ref().map(text),
    },
    Setting {
        name: "acme-cache",
        takes: Takes::One("DIR"),
        help: "Keep the account and the certificate in this directory",
        absent: Some("acme"),
        read: |draft, text| put(&mut draft.acme.cache, Ok(PathBuf::from(text))),
        print: |config| config.certificate.acme().map(|acme| path(&acme.cache)),
    },
    Setting {
        name: "acme-directory",
        takes: Takes::One("URL"),
        help: "Use another authority: the URL of its directory, or staging for Let's Encrypt's \
               test authority",
        absent: Some("production"),
        read: |draft, text| put(&mut draft.acme.directory, parse_directory(text)),
        print: |config| config.certificate.acme().map(|acme| text(&acme.directory)),
    },
];
