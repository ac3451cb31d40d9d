//! A certificate from files, replaced while the server runs: connections that are there stay,
//! new ones are shown the new one.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::metrics::{Metrics, Reload};
use super::tls::{Identity, IdentityError, pem_error};

/// How often the files are looked at. They are two small files, and a certificate is replaced
/// weeks before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What the files hold, as bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bytes {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// The files of a certificate, and what was last found in them.
#[derive(Debug)]
pub(crate) struct Files {
    chain: PathBuf,
    key: PathBuf,
    /// None if they could not be read.
    found: Option<Bytes>,
    shown: Arc<Shown>,
}

/// The certificate that TLS shows now.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Files {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn load(chain: PathBuf, key: PathBuf) -> Result<Self, IdentityError> {
        let found = Self::read(&chain, &key)?;
        let identity = Identity::parse((&chain, &found.chain), (&key, &found.key))?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(identity.certified()?))));
        Ok(Self { chain, key, found: Some(found), shown })
    }

    /// What TLS shows, always the newest.
    pub(crate) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    fn read(chain: &PathBuf, key: &PathBuf) -> Result<Bytes, IdentityError> {
        let read = |path: &PathBuf| fs::read(path).map_err(|error| pem_error(path, error));
        Ok(Bytes { chain: read(chain)?, key: read(key)? })
    }

    /// Shows what is in the files now, and tells whether they have changed. What cannot be used
    /// changes nothing.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else; once, until it changes again.
    fn look(&mut self) -> Result<bool, IdentityError> {
        let found = match Self::read(&self.chain, &self.key) {
            Ok(found) => found,
            Err(_) if self.found.is_none() => return Ok(false),
            Err(error) => {
                self.found = None;
                return Err(error);
            }
        };
        if self.found.as_ref() == Some(&found) {
            return Ok(false);
        }
        let found = self.found.insert(found);
        let identity = Identity::parse((&self.chain, &found.chain), (&self.key, &found.key))?;
        let certified = Arc::new(identity.certified()?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(true)
    }

    /// Looks at the files now and then, and whenever it is told to, for as long as the server
    /// runs.
    pub(crate) async fn watch(mut self, now: Arc<Notify>, metrics: Arc<Metrics>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = now.notified() => {}
            }
            // The files are small and local; a thread of its own would be more work than they.
            match self.look() {
                Ok(false) => {}
                Ok(true) => {
                    metrics.reloaded(Reload::Done);
                    tracing::info!("the certificate's files have changed; the new one is shown");
                }
                Err(error) => {
                    metrics.reloaded(Reload::Failed);
                    tracing::error!(%error, "the certificate could not be replaced; the old stays");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::certs;

    #[test]
    fn files_that_change_are_shown_and_files_that_break_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let make = |force| {
            let args = certs::Args { dir: dir.path().to_owned(), names: Vec::new(), force };
            certs::run(&args).unwrap();
        };
        make(false);
        let (chain, key) = (dir.path().join(certs::LEAF), dir.path().join(certs::LEAF_KEY));
        let mut files = Files::load(chain, key.clone()).unwrap();
        let now = |files: &Files| {
            let shown = files.shown.0.read().unwrap();
            shown.cert.first().unwrap().to_vec()
        };
        let first = now(&files);
        assert!(!files.look().unwrap(), "nothing has changed");
        let old_key = fs::read(&key).unwrap();

        make(true);
        let new_key = fs::read(&key).unwrap();
        // A certificate that is replaced file by file is half one and half the other for a while.
        fs::write(&key, old_key).unwrap();
        assert!(matches!(files.look(), Err(IdentityError::Refused(_))));
        assert!(!files.look().unwrap(), "it is said once");
        assert_eq!(now(&files), first);
        fs::write(&key, new_key).unwrap();
        assert!(files.look().unwrap());
        assert_ne!(now(&files), first);

        fs::remove_file(&key).unwrap();
        assert!(matches!(files.look(), Err(IdentityError::Read { .. })));
        assert!(!files.look().unwrap(), "it is said once");
    }
}
