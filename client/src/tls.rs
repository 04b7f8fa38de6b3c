//! How `wss` is spoken: with the certificates this machine trusts, which the REST calls go by too.

use std::sync::{Arc, LazyLock};

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt;
use tokio_tungstenite::Connector;

/// Read once: it may be many files.
static CONFIG: LazyLock<Result<Arc<ClientConfig>, rustls::Error>> =
    LazyLock::new(|| ClientConfig::with_platform_verifier().map(Arc::new));

/// For tokio-tungstenite; an error where the certificates cannot be read.
pub fn connector() -> Result<Connector, rustls::Error> {
    CONFIG.clone().map(Connector::Rustls)
}
