//! A host product for tests: it signs tokens of its own, right ones and any others, and serves its keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its keys fails")]

mod server;

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use jsonwebtoken::Algorithm;
use jsonwebtoken::{EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

pub use self::server::KeyServer;

/// What its tokens say as `aud`.
pub const AUDIENCE: &str = "chat";

/// Bytes before the RSAPrivateKey in its PrivateKeyInfo (RFC 5208 §5), for keys of 2,048 bits.
const PKCS8_BEFORE_RSA: usize = 26;

/// A key pair of the host's.
pub struct Key {
    pub kid: String,
    pub algorithm: Algorithm,
    encoding: EncodingKey,
}

impl Key {
    /// For RS256, ES256 or EdDSA.
    pub fn new(kid: &str, algorithm: Algorithm) -> Self {
        let encoding = match algorithm {
            Algorithm::RS256 => {
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                // PKCS#1 is wanted: what PKCS#8 puts before it is of one length for keys of one size.
                EncodingKey::from_rsa_der(&pair.as_der().unwrap().as_ref()[PKCS8_BEFORE_RSA..])
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
                EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref())
            }
            _ => EncodingKey::from_ed_der(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap().as_ref()),
        };
        Self { kid: kid.into(), algorithm, encoding }
    }

    /// The public half (RFC 7517).
    pub fn jwk(&self) -> Value {
        let jwk = serde_json::to_value(Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap()).unwrap();
        merged(jwk, json!({ "kid": self.kid, "use": "sig" }))
    }

    /// `RS256`, as headers and keys spell it.
    pub fn alg(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// Signs whatever it is given.
    pub fn sign(&self, header: &Value, claims: &str) -> String {
        signed(header, claims, self.algorithm, &self.encoding)
    }
}

/// A token whose signature is an HMAC with this secret, whatever its header says.
pub fn hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    signed(header, &claims.to_string(), Algorithm::HS256, &EncodingKey::from_secret(secret))
}

fn signed(header: &Value, claims: &str, algorithm: Algorithm, key: &EncodingKey) -> String {
    let text = [header.to_string(), claims.to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), key, algorithm).unwrap();
    format!("{text}.{signature}")
}

/// With these fields in place of those; null takes one out.
pub fn merged(mut whole: Value, changes: Value) -> Value {
    let fields = whole.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    whole
}

/// Seconds since the epoch.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// A product that has users of its own.
pub struct Host {
    pub issuer: String,
    pub keys: Vec<Key>,
}

impl Host {
    /// With one key of each algorithm, `rs`, `es` and `ed`.
    pub fn new(issuer: &str) -> Self {
        let keys = [("rs", Algorithm::RS256), ("es", Algorithm::ES256), ("ed", Algorithm::EdDSA)];
        Self { issuer: issuer.into(), keys: keys.map(|(kid, algorithm)| Key::new(kid, algorithm)).into() }
    }

    /// Its public keys (RFC 7517 §5).
    pub fn jwks(&self) -> String {
        json!({ "keys": self.keys.iter().map(Key::jwk).collect::<Vec<_>>() }).to_string()
    }

    pub fn key(&self, kid: &str) -> &Key {
        self.keys.iter().find(|key| key.kid == kid).unwrap()
    }

    /// What a token of this user says that is good for ten minutes.
    pub fn claims(&self, sub: &str) -> Value {
        let now = now();
        json!({ "iss": self.issuer, "aud": AUDIENCE, "sub": sub, "iat": now, "exp": now + 600,
            "preferred_username": sub })
    }

    pub fn header(&self, kid: &str) -> Value {
        json!({ "alg": self.key(kid).alg(), "typ": "JWT", "kid": kid })
    }

    /// A good token of this user.
    pub fn token(&self, sub: &str) -> String {
        self.with(sub, json!({}))
    }

    /// One with other claims.
    pub fn with(&self, sub: &str, claims: Value) -> String {
        self.sign("ed", json!({}), merged(self.claims(sub), claims))
    }

    /// One that ends in so many seconds.
    pub fn ending(&self, sub: &str, seconds: i64) -> String {
        self.with(sub, json!({ "exp": now() + seconds }))
    }

    /// Signed by the key of this id, with other fields in the header.
    pub fn sign(&self, kid: &str, header: Value, claims: Value) -> String {
        self.key(kid).sign(&merged(self.header(kid), header), &claims.to_string())
    }
}
