//! A download over TCP that competes for the path.

use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::trial::Stage;

/// Bytes to write and to read at a time.
const PIECE: usize = 64 * 1024;

/// A running download; it ends on drop.
pub struct Bulk([JoinHandle<()>; 2]);

impl Bulk {
    /// Starts a download from the servers' end to the clients' end.
    ///
    /// # Errors
    /// If no socket can be had.
    pub fn start(stage: &Arc<Stage>) -> Result<Self> {
        let address = stage.place.server_address();
        let listening = stage.beside.spawn(TcpListener::bind((address, 0)));
        let listener = stage.beside.block_on(listening)??;
        let from = listener.local_addr()?;
        let sending = stage.beside.spawn(async move {
            if let Ok((mut stream, _)) = listener.accept().await {
                while stream.write_all(&[0; PIECE]).await.is_ok() {}
            }
        });
        let receiving = stage.behind.spawn(async move {
            if let Ok(mut stream) = TcpStream::connect(from).await {
                let mut piece = vec![0; PIECE];
                while stream.read(&mut piece).await.is_ok_and(|len| len > 0) {}
            }
        });
        Ok(Self([sending, receiving]))
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
