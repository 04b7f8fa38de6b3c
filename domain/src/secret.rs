//! Secrets made here and kept as hashes: refresh tokens and tickets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Characters of a secret.
pub const LENGTH: usize = 43;

/// 256 random bits, base64url.
pub fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// A secret has 256 random bits, so a plain hash keeps it (no slow hash needed).
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
