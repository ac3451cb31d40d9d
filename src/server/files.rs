//! Files that may be replaced while the server runs: certificates and access keys. Open
//! connections are unaffected; new ones use the new content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::{Metrics, Reload, Reloaded};

/// How often the files are checked. They are small and few, and certificates are replaced weeks
/// before they expire.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// A file's path and its bytes.
pub(crate) type File<'a> = (&'a Path, &'a [u8]);

/// A value parsed from `N` files.
pub(crate) trait Content<const N: usize>: Sized + Send + Sync + 'static {
    /// The error for files that cannot be used.
    type Error: std::error::Error + Send;
    /// The kind under which reloads are counted and logged.
    const KIND: Reloaded;

    /// Parses the files, in the order in which their paths were given.
    ///
    /// # Errors
    /// If the files are invalid.
    fn parse(files: [File<'_>; N]) -> Result<Self, Self::Error>;

    /// The error for a file that cannot be read.
    fn unreadable(path: &Path, error: io::Error) -> Self::Error;
}

/// Watched files and their last content.
#[derive(Debug)]
pub(crate) struct Files<T, const N: usize> {
    paths: [PathBuf; N],
    /// The bytes last read; `None` if reading failed.
    found: Option<[Vec<u8>; N]>,
    shown: Arc<Shown<T>>,
}

/// The current value of watched files.
#[derive(Debug)]
pub(crate) struct Shown<T>(RwLock<Arc<T>>);

impl<T> Shown<T> {
    pub(super) fn new(content: T) -> Self {
        Self(RwLock::new(Arc::new(content)))
    }

    /// The newest value.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Content<N>, const N: usize> Files<T, N> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// If a file cannot be read or is invalid.
    pub(crate) fn load(paths: [PathBuf; N]) -> Result<Self, T::Error> {
        let found = Self::read(&paths)?;
        let shown = Arc::new(Shown::new(Self::parse(&paths, &found)?));
        Ok(Self { paths, found: Some(found), shown })
    }

    /// A handle to the newest value.
    pub(crate) fn shown(&self) -> Arc<Shown<T>> {
        Arc::clone(&self.shown)
    }

    fn read(paths: &[PathBuf; N]) -> Result<[Vec<u8>; N], T::Error> {
        let mut found = [const { Vec::new() }; N];
        for (path, bytes) in paths.iter().zip(&mut found) {
            *bytes = fs::read(path).map_err(|error| T::unreadable(path, error))?;
        }
        Ok(found)
    }

    fn parse(paths: &[PathBuf; N], found: &[Vec<u8>; N]) -> Result<T, T::Error> {
        T::parse(std::array::from_fn(|i| (paths[i].as_path(), found[i].as_slice())))
    }

    /// Reads the files again and returns whether their value changed. Invalid files change nothing.
    ///
    /// # Errors
    /// If a file cannot be read or is invalid; reported once, until the files change again.
    fn check(&mut self) -> Result<bool, T::Error> {
        let found = match Self::read(&self.paths) {
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
        let content = Arc::new(Self::parse(&self.paths, self.found.insert(found))?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = content;
        Ok(true)
    }
}

/// Files with any kind of content.
pub(crate) trait Watched: Send {
    /// Reads the files again; counts and logs a change.
    fn reload(&mut self, metrics: &Metrics);
}

impl<T: Content<N>, const N: usize> Watched for Files<T, N> {
    fn reload(&mut self, metrics: &Metrics) {
        let what = T::KIND.name();
        match self.check() {
            Ok(false) => {}
            Ok(true) => {
                metrics.reloaded(T::KIND, Reload::Done);
                tracing::info!("the {what} has changed; using the new one");
            }
            Err(error) => {
                metrics.reloaded(T::KIND, Reload::Failed);
                tracing::error!(%error, "cannot reload the {what}; keeping the old one");
            }
        }
    }
}

/// Reloads the files at intervals, and at each notification, for as long as the server runs.
pub(crate) async fn watch(
    mut files: Vec<Box<dyn Watched>>,
    now: Arc<Notify>,
    metrics: Arc<Metrics>,
) {
    let mut checks = interval(CHECK_EVERY);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = checks.tick() => {}
            () = now.notified() => {}
        }
        // The files are small and local, so reading them on another thread would cost more.
        files.iter_mut().for_each(|files| files.reload(&metrics));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::sign::CertifiedKey;

    use crate::tls::pem::Fault;

    #[test]
    fn uses_changed_files_unless_they_are_broken() {
        let dir = tempfile::tempdir().unwrap();
        let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
        let make = || {
            let pair = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            fs::write(&chain, params.self_signed(&pair).unwrap().pem()).unwrap();
            fs::write(&key, pair.serialize_pem()).unwrap();
        };
        make();
        let mut files = Files::<CertifiedKey, 2>::load([chain.clone(), key.clone()]).unwrap();
        let now = |files: &Files<CertifiedKey, 2>| files.shown.get().cert.first().unwrap().to_vec();
        let first = now(&files);
        assert!(!files.check().unwrap(), "nothing has changed");
        let old_key = fs::read(&key).unwrap();

        make();
        let new_key = fs::read(&key).unwrap();
        // While a certificate is replaced file by file, the pair does not match for a moment.
        fs::write(&key, old_key).unwrap();
        assert!(matches!(files.check().unwrap_err().fault, Fault::OtherKey(_)));
        assert!(!files.check().unwrap(), "reported once");
        assert_eq!(now(&files), first);
        fs::write(&key, new_key).unwrap();
        assert!(files.check().unwrap());
        assert_ne!(now(&files), first);

        fs::write(
            &key,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----",
        )
        .unwrap();
        assert!(matches!(files.check().unwrap_err().fault, Fault::Encrypted));
        fs::remove_file(&key).unwrap();
        assert!(matches!(files.check().unwrap_err().fault, Fault::Read(_)));
        assert!(!files.check().unwrap(), "reported once");
    }
}
