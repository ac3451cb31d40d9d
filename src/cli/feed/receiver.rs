//! A gpsd that is listened to, and listened to again when it is gone.

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cli::feed::backoff::Backoff;
use crate::cli::feed::gpsd::{self, Fix, Said, WATCH};
use crate::cli::feed::notes::note;

/// Longest line of gpsd, in bytes; its own limit is a tenth of it.
const MAX_LINE: u64 = 100 * 1024;
/// The pauses between attempts to connect.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long a connection may take, and how long gpsd may be silent: a receiver reports each second,
/// and gpsd names its version at once.
const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(120);

/// Where a receiver is, the newest only.
#[derive(Debug)]
pub(super) struct Receiver(watch::Receiver<Option<Fix>>);

impl Receiver {
    /// Waits for a newer fix than the last; `None` if there will be none.
    pub(super) async fn next(&mut self) -> Option<Fix> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

/// Begins to listen to a gpsd. Needs a tokio runtime.
pub(super) fn attend(address: String) -> Receiver {
    let (tell, told) = watch::channel(None);
    tokio::spawn(async move {
        let mut pause = Backoff::new(RETRY.0, RETRY.1);
        while !tell.is_closed() {
            let mut heard = false;
            let ended = listen(&address, &tell, &mut heard).await;
            if heard {
                pause.done();
            }
            note(&format!("gpsd at {address}: {ended}; trying again"));
            tokio::time::sleep(pause.failed()).await;
        }
    });
    Receiver(told)
}

/// Listens until the connection is over. Returns why.
async fn listen(address: &str, tell: &watch::Sender<Option<Fix>>, heard: &mut bool) -> String {
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let mut stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return format!("{error}; check that it runs and listens there"),
        Err(_) => return "no connection; check the address and firewalls".to_owned(),
    };
    if let Err(error) = stream.write_all(WATCH.as_bytes()).await {
        return error.to_string();
    }
    let mut lines = BufReader::new(stream);
    let mut had_fix = true;
    loop {
        let line = match timeout(SILENCE, line(&mut lines)).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return "it closed the connection".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("silent for {} s", SILENCE.as_secs()),
        };
        match gpsd::read(&line) {
            Ok(Said::Fix(fix)) => {
                (*heard, had_fix) = (true, true);
                tell.send_replace(Some(fix));
            }
            Ok(Said::NoFix) if had_fix => {
                had_fix = false;
                note("the receiver has no fix yet");
            }
            Ok(Said::Error(message)) => note(&format!("gpsd says: {message}")),
            Ok(Said::NoFix | Said::Other) => {}
            Err(wrong) => return wrong,
        }
    }
}

/// A line; `None` at the end.
async fn line(lines: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let len = lines.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if len as u64 == MAX_LINE && !line.ends_with(b"\n") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long; this is no gpsd",
        ));
    }
    Ok((len > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut bytes: &[u8] = b"{}\nrest";
        assert_eq!(line(&mut bytes).await.unwrap().as_deref(), Some("{}\n"));
        assert_eq!(line(&mut bytes).await.unwrap().as_deref(), Some("rest"));
        assert_eq!(line(&mut bytes).await.unwrap(), None);
        let long = vec![b'x'; 200 * 1024];
        assert!(line(&mut long.as_slice()).await.is_err());
    }
}
