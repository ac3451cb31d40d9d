//! The HTTPS certificate, from whichever source the settings name.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

use crate::addresses;
use crate::config::Certificate;
use crate::files::Files;
use crate::tls::acme::Acme;
use crate::tls::{CertificateError, ServerCertificate, https};

/// The HTTPS certificate, with the source that renews it.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The certificate that browsers get.
    pub(crate) https: Arc<dyn ResolvesServerCert>,
    /// Whether it was issued by a public authority.
    pub(crate) is_public: bool,
    /// The files that it was read from, if any.
    pub(crate) files: Option<Files<CertifiedKey, 2>>,
    /// The authority that issues it, if any.
    pub(crate) acme: Option<Acme>,
    domains: Vec<String>,
}

impl Certificates {
    /// Reads the files, loads the authority's stored certificate, or generates one for this run.
    ///
    /// # Errors
    /// If the certificate cannot be used, or none can be generated.
    pub(crate) fn new(certificate: &Certificate) -> Result<Self, CertificateError> {
        let this = |https, is_public| Self {
            https,
            is_public,
            files: None,
            acme: None,
            domains: Vec::new(),
        };
        match certificate {
            Certificate::Files { chain, key, public } => {
                let files = Files::<CertifiedKey, 2>::load([chain.clone(), key.clone()])?;
                let this = this(files.shown(), *public);
                Ok(Self { files: Some(files), ..this })
            }
            Certificate::Acme(settings) => {
                let acme = Acme::load(settings.clone())?;
                let domains = settings.domains.clone();
                let this = this(acme.resolver(), true);
                Ok(Self { acme: Some(acme), domains, ..this })
            }
            Certificate::ThisRun => {
                let certificate = ServerCertificate::for_this_run(addresses::names())?;
                Ok(this(certificate.single()?, false))
            }
        }
    }

    /// Whether it was generated for this run of the server.
    pub(crate) const fn is_for_this_run(&self) -> bool {
        self.files.is_none() && self.acme.is_none()
    }

    /// The names for which an authority issues it; empty for other sources.
    pub(crate) fn domains(&self) -> &[String] {
        &self.domains
    }

    /// The TLS configuration of HTTPS.
    ///
    /// # Errors
    /// If the cryptography provider supports no version of TLS.
    pub(crate) fn tls(&self) -> Result<ServerConfig, CertificateError> {
        https(Arc::clone(&self.https), self.acme.is_some())
    }
}
