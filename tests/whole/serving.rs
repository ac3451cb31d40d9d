//! The real server, on the network in virtual time.

use std::path::PathBuf;
use std::sync::OnceLock;

use gpys::client::Config as ClientConfig;
use gpys::server::config::Config;
use gpys::server::{Census, Server, Udp};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::network::{Network, SERVER};

/// Files that every server reads.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A certificate whose signatures are all of one length, unlike those of the default kind, so that
/// no packet's length depends on chance; and the secret behind identities, which thus survive a
/// restart.
fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let files = Files { dir: tempfile::tempdir().unwrap() };
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = CertificateParams::new(vec![SERVER.ip().to_string()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(files.path("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(files.path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(files.path("secret"), [7; 32]).unwrap();
        files
    })
}

/// A running server.
pub struct Serving {
    pub census: Census,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    /// Starts a server in place of the one before.
    pub fn start(network: &Network, seed: u64) -> Self {
        let path = |name: &str| files().path(name).display().to_string();
        let settings = [
            ("listen", "127.0.0.1:0".to_owned()),
            ("cert", path("cert.pem")),
            ("key", path("key.pem")),
            ("ca-signed", "true".to_owned()),
            ("identity-secret", path("secret")),
        ];
        let pairs = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let config = Config::from_pairs(pairs).unwrap();
        let udp = Udp { socket: network.serve(), seed: seed_bytes(seed) };
        let server = Server::builder(config).bind_over(udp).unwrap();
        let (stop, stopped) = oneshot::channel();
        let census = server.census();
        let served = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { census, stop, served }
    }

    /// Tells the server to stop, and waits until it has.
    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

/// The server's `/config.json`, as clients that do not ask for it know it.
pub fn client_config() -> ClientConfig {
    serde_json::from_value(json!({
        "protocol": gpys::proto::wire::VERSION,
        "webtransport": format!("https://{SERVER}/wt"),
        "websocket": format!("wss://{SERVER}/ws"),
        "venue": null,
    }))
    .unwrap()
}

/// Spreads a seed over QUIC's 32 bytes.
pub fn seed_bytes(seed: u64) -> [u8; 32] {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::array::from_fn(|_| rng.u8(..))
}
