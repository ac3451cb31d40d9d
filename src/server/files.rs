//! What is read from files and replaced while the server runs: certificates and access keys.
//! Connections that are there stay, new ones meet the new content.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::{Metrics, Reload, Reloaded};

/// How often the files are looked at. They are small and few, and a certificate is replaced weeks
/// before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A file's name and what was read from it.
pub(crate) type File<'a> = (&'a Path, &'a [u8]);

/// What `N` files hold, once understood.
pub(crate) trait Content<const N: usize>: Sized + Send + Sync + 'static {
    /// Why files are not this.
    type Error: std::error::Error + Send;
    /// What it is counted and logged as.
    const KIND: Reloaded;

    /// Understands the files, in the order in which they were named.
    ///
    /// # Errors
    /// If they hold something else.
    fn parse(files: [File<'_>; N]) -> Result<Self, Self::Error>;

    /// The error for a file that cannot be read.
    fn unreadable(path: &Path, error: io::Error) -> Self::Error;
}

/// Files, and what was last found in them.
#[derive(Debug)]
pub(crate) struct Files<T, const N: usize> {
    paths: [PathBuf; N],
    /// None if they could not be read.
    found: Option<[Vec<u8>; N]>,
    shown: Arc<Shown<T>>,
}

/// What counts now.
#[derive(Debug)]
pub(crate) struct Shown<T>(RwLock<Arc<T>>);

impl<T> Shown<T> {
    pub(super) fn new(content: T) -> Self {
        Self(RwLock::new(Arc::new(content)))
    }

    /// The newest content.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Content<N>, const N: usize> Files<T, N> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub(crate) fn load(paths: [PathBuf; N]) -> Result<Self, T::Error> {
        let found = Self::read(&paths)?;
        let shown = Arc::new(Shown::new(Self::parse(&paths, &found)?));
        Ok(Self { paths, found: Some(found), shown })
    }

    /// What counts, always the newest.
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

    /// Shows what is in the files now, and tells whether they have changed. What cannot be used
    /// changes nothing.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else; once, until it changes again.
    fn look(&mut self) -> Result<bool, T::Error> {
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

/// Files of any content.
pub(crate) trait Watched: Send {
    /// Looks at the files; tells the operator if they have changed.
    fn look_and_tell(&mut self, metrics: &Metrics);
}

impl<T: Content<N>, const N: usize> Watched for Files<T, N> {
    fn look_and_tell(&mut self, metrics: &Metrics) {
        let what = T::KIND.words();
        match self.look() {
            Ok(false) => {}
            Ok(true) => {
                metrics.reloaded(T::KIND, Reload::Done);
                tracing::info!("the {what} has changed; the new one counts from now on");
            }
            Err(error) => {
                metrics.reloaded(T::KIND, Reload::Failed);
                tracing::error!(%error, "the {what} could not be replaced; the old one stays");
            }
        }
    }
}

/// Looks at the files now and then, and whenever it is told to, for as long as the server runs.
pub(crate) async fn watch(
    mut files: Vec<Box<dyn Watched>>,
    now: Arc<Notify>,
    metrics: Arc<Metrics>,
) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = now.notified() => {}
        }
        // The files are small and local; a thread of its own would be more work than they.
        files.iter_mut().for_each(|files| files.look_and_tell(&metrics));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::sign::CertifiedKey;

    use crate::tls::pem::Fault;

    #[test]
    fn files_that_change_are_shown_and_files_that_break_are_not() {
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
        assert!(!files.look().unwrap(), "nothing has changed");
        let old_key = fs::read(&key).unwrap();

        make();
        let new_key = fs::read(&key).unwrap();
        // A certificate that is replaced file by file is half one and half the other for a while.
        fs::write(&key, old_key).unwrap();
        assert!(matches!(files.look().unwrap_err().fault, Fault::OtherKey(_)));
        assert!(!files.look().unwrap(), "it is said once");
        assert_eq!(now(&files), first);
        fs::write(&key, new_key).unwrap();
        assert!(files.look().unwrap());
        assert_ne!(now(&files), first);

        fs::write(
            &key,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----",
        )
        .unwrap();
        assert!(matches!(files.look().unwrap_err().fault, Fault::Encrypted));
        fs::remove_file(&key).unwrap();
        assert!(matches!(files.look().unwrap_err().fault, Fault::Read(_)));
        assert!(!files.look().unwrap(), "it is said once");
    }
}
