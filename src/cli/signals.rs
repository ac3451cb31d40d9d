//! What the system says to the program, and what the program says to it.
//!
//! Ctrl-C and SIGTERM: the first stops kindly, the second at once. SIGHUP reads the files of
//! the certificate and of access keys again. A service manager is told when the server is ready and when it stops.

use std::io;

use gpys_server::{Reloader, Server};

/// Hears that the program is to stop.
#[derive(Debug)]
pub(crate) struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Stop {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(crate) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let terminate = signal(SignalKind::terminate())?;
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self { terminate, interrupt, hangup: signal(SignalKind::hangup())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for a signal to stop; one to read the certificate again is passed on meanwhile.
    async fn heard(&mut self, reloader: &Reloader) {
        #[cfg(unix)]
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reloader.now(),
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs the server until a signal stops it; a second signal does not wait for anybody.
    ///
    /// # Errors
    /// If a socket is gone before the first connection.
    pub(crate) async fn run(&mut self, server: Server) -> io::Result<()> {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let reloader = server.reloader();
        let served = server.run(async {
            // A sender that is gone says the same.
            let _ = stopped.await;
        });
        let signals = async {
            tell(State::Ready);
            self.heard(&reloader).await;
            tell(State::Stopping);
            tracing::info!("stopping; a second signal stops at once");
            let _ = stop.send(());
            self.heard(&reloader).await;
        };
        tokio::select! {
            served = served => served,
            () = signals => Ok(()),
        }
    }
}

/// What a service manager is told.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The ports are open.
    Ready,
    /// Everybody is being told to come back.
    Stopping,
}

/// Tells the service manager, if there is one that wants to know (`NOTIFY_SOCKET`).
fn tell(state: State) {
    #[cfg(target_os = "linux")]
    {
        let state = match state {
            State::Ready => sd_notify::NotifyState::Ready,
            State::Stopping => sd_notify::NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}
