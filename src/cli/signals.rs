//! Signals to the program, and its notifications to a service manager.
//!
//! The first Ctrl-C or SIGTERM stops the server gracefully, the second at once. SIGHUP reloads the
//! certificate and the access keys. The service manager learns when the server is ready and when
//! it stops.

use std::io;

use gpys_server::{Reloader, Server};

/// The signals that stop the program or reload its files.
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
    /// Starts listening for signals. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system refuses.
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

    /// Waits for a signal to stop; meanwhile passes on those to reload.
    async fn stop(&mut self, reloader: &Reloader) {
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

    /// Runs the server until a signal stops it; a second signal does not wait for clients.
    ///
    /// # Errors
    /// If a socket fails before the first connection.
    pub(crate) async fn run(&mut self, server: Server) -> io::Result<()> {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let reloader = server.reloader();
        let served = server.run(async {
            // A dropped sender means the same.
            let _ = stopped.await;
        });
        let signals = async {
            notify(State::Ready);
            self.stop(&reloader).await;
            notify(State::Stopping);
            tracing::info!("stopping; a second signal stops at once");
            let _ = stop.send(());
            self.stop(&reloader).await;
        };
        tokio::select! {
            served = served => served,
            () = signals => Ok(()),
        }
    }
}

/// A state to report to the service manager.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The ports are open.
    Ready,
    /// Clients are being told to reconnect.
    Stopping,
}

/// Notifies the service manager, if it asks for that (`NOTIFY_SOCKET`).
fn notify(state: State) {
    #[cfg(target_os = "linux")]
    {
        let state = match state {
            State::Ready => sd_notify::NotifyState::Ready,
            State::Stopping => sd_notify::NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = state;
}
