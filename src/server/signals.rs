//! Ctrl-C and SIGTERM: the first stops kindly, the second at once.

use std::io;

use super::Server;

/// Hears that the program is to stop.
#[derive(Debug)]
pub struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    /// Begins to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let terminate = signal(SignalKind::terminate())?;
            Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for a signal.
    async fn heard(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
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
    pub async fn run(&mut self, server: Server) -> io::Result<()> {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = server.run(async {
            // A sender that is gone says the same.
            let _ = stopped.await;
        });
        let signals = async {
            self.heard().await;
            tracing::info!("stopping; a second signal stops at once");
            let _ = stop.send(());
            self.heard().await;
        };
        tokio::select! {
            served = served => served,
            () = signals => Ok(()),
        }
    }
}
