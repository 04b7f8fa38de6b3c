//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), made and checked as RFC 8725 asks.
//!
//! Each api-server signs with a key of its own; whoever validates finds the public key by the token's `kid`
//! (domain::identity does the look-up). One algorithm, so there is nothing to confuse. Other products' tokens are
//! [`external`].

pub mod external;

use std::sync::LazyLock;

use aws_lc_rs::{
    error::Unspecified,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

use crate::{SessionId, Timestamp, UserId};

/// Issuer of our own tokens.
pub const ISSUER: &str = "chatapp";
/// Audience of our own tokens.
pub const AUDIENCE: &str = "chatapp";
/// `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TYPE: &str = "at+jwt";
/// Longer ones are refused unread.
pub const MAX_TOKEN: usize = 4096;
/// Clocks may differ by this much, in seconds.
const LEEWAY: u64 = 5;

/// Key id: 22 characters of base64url (16 random bytes); anything else is refused before any look-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kid(String);

impl Kid {
    /// `None` unless it is exactly of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let ok = text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        ok.then(|| Self(text.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    /// The login session: revoking it ends all its tokens.
    pub sid: SessionId,
    /// Seconds since the epoch.
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    /// Space-separated (RFC 8693 §4.2); `notify` allows `POST /notify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The user's name, which never changes (OpenID Connect Core 1.0 §5.1). Without it whoever validates looks it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// Goes with the name: is it a guest's?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
}

/// Why a token is refused. The caller is told no more than that it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("malformed token")]
    Malformed,
    #[error("unknown key")]
    UnknownKey,
    #[error("token refused")]
    Refused,
    #[error("token expired")]
    Expired,
}

/// A public key in the form it is kept in the store and shown in the JWKS (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub kid: Kid,
    /// The key, base64url.
    pub x: String,
}

impl PublicKey {
    /// The JWK of it.
    pub fn to_jwk(&self) -> serde_json::Value {
        serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": self.x })
    }
}

/// The private half; lives only in the process that made it.
pub struct SigningKey {
    public: PublicKey,
    encoding: EncodingKey,
}

impl SigningKey {
    /// A fresh key pair. Fails only when the system has no randomness.
    pub fn generate() -> Result<Self, Unspecified> {
        let pair = Ed25519KeyPair::generate()?;
        let pkcs8 = pair.to_pkcs8()?;
        let kid = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        Ok(Self {
            public: PublicKey { kid: Kid(kid), x: URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) },
            encoding: EncodingKey::from_ed_der(pkcs8.as_ref()),
        })
    }

    /// The half to publish.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs an access token for `user` that ends at `expires`.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ACCESS_TYPE.into());
        header.kid = Some(self.public.kid.0.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}

/// What is looked at of a header before its key is looked up.
#[derive(Deserialize)]
struct Peeked {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// RFC 7515 §4.1.11. We understand no extension, so any is refused.
    #[serde(default)]
    crit: Named,
}

/// Is the field there, whatever it holds?
#[derive(Default)]
struct Named(bool);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// Reads the `kid` of a token without trusting anything; cheap for tokens that cannot be ours.
pub fn peek_kid(token: &str) -> Result<Kid, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header: Option<Peeked> = header.and_then(|header| serde_json::from_slice(&header).ok());
    let Some(header) = header else { return Err(TokenError::Malformed) };
    if header.alg != "EdDSA" || header.typ.as_deref() != Some(ACCESS_TYPE) || header.crit.0 {
        return Err(TokenError::Refused);
    }
    header.kid.as_deref().and_then(Kid::parse).ok_or(TokenError::Refused)
}

static RULES: LazyLock<Validation> = LazyLock::new(|| {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY;
    rules
});

/// Checks signature, `iss`, `aud`, `exp`, `nbf` with the key the `kid` led to. `typ` was checked by [`peek_kid`].
pub fn verify(token: &str, key: &PublicKey) -> Result<Claims, TokenError> {
    let decoding = DecodingKey::from_ed_components(&key.x).map_err(|_| TokenError::UnknownKey)?;
    match jsonwebtoken::decode::<Claims>(token, &decoding, &RULES) {
        Ok(data) => Ok(data.claims),
        Err(e) if matches!(e.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature) => Err(TokenError::Expired),
        Err(_) => Err(TokenError::Refused),
    }
}

/// Is it time for claims that were verified before? As [`verify`] decides it.
pub fn check_times(nbf: i64, exp: i64, now: Timestamp) -> Result<(), TokenError> {
    let now = now.as_secs();
    if exp < now - LEEWAY as i64 {
        return Err(TokenError::Expired);
    }
    if nbf > now + LEEWAY as i64 { Err(TokenError::Refused) } else { Ok(()) }
}

/// Until when a token that ends at `exp` is taken. As [`check_times`] decides it.
pub fn taken_until(exp: i64) -> Timestamp {
    Timestamp::from_millis(exp.saturating_add(LEEWAY as i64).saturating_mul(1000))
}

/// Claims of an access token for this user and session, valid from now.
pub fn access_claims(user: UserId, session: SessionId, lifetime: std::time::Duration) -> Claims {
    let now = Timestamp::now();
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: user,
        sid: session,
        iat: now.as_secs(),
        nbf: now.as_secs(),
        exp: now.after(lifetime).as_secs(),
        scope: None,
        preferred_username: None,
        guest: false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate().unwrap()
    }

    fn claims() -> Claims {
        access_claims(UserId::new(), SessionId::new(), Duration::from_secs(60))
    }

    fn check(token: &str, key: &SigningKey) -> Result<Claims, TokenError> {
        let kid = peek_kid(token)?;
        if kid != key.public().kid {
            return Err(TokenError::UnknownKey);
        }
        verify(token, key.public())
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let (key, claims) = (key(), claims());
        assert_eq!(check(&key.sign(&claims).unwrap(), &key), Ok(claims));
    }

    #[test]
    fn claims_that_are_not_right_are_refused() {
        let key = key();
        let refused = |change: fn(&mut Claims)| {
            let mut c = claims();
            change(&mut c);
            check(&key.sign(&c).unwrap(), &key)
        };
        assert_eq!(refused(|c| c.exp -= 120), Err(TokenError::Expired));
        assert_eq!(refused(|c| c.nbf += 120), Err(TokenError::Refused));
        assert_eq!(refused(|c| c.iss = "other".into()), Err(TokenError::Refused));
        assert_eq!(refused(|c| c.aud = "other".into()), Err(TokenError::Refused));
    }

    #[test]
    fn the_times_of_a_token_are_judged_the_same_when_it_is_seen_again() {
        let (key, now) = (key(), Timestamp::now());
        let at = |nbf: i64, exp: i64| {
            let c = Claims { nbf: now.as_secs() + nbf, exp: now.as_secs() + exp, ..claims() };
            let first = check(&key.sign(&c).unwrap(), &key).map(drop);
            (first, check_times(c.nbf, c.exp, Timestamp::now()))
        };
        // A second or two away from the edge: the clock runs on between the two.
        for (nbf, exp) in [(0, 60), (-60, -3), (-60, -9), (-60, -3600), (3, 60), (9, 60), (3600, 7200)] {
            let (first, again) = at(nbf, exp);
            assert_eq!(first, again, "{nbf} {exp}");
            assert_eq!(first.is_ok(), exp > -5 && nbf < 5, "{nbf} {exp}");
        }
    }

    #[test]
    fn another_key_algorithm_type_or_kid_is_refused() {
        let (key, other) = (key(), key());
        let token = other.sign(&claims()).unwrap();
        assert_eq!(verify(&token, key.public()), Err(TokenError::Refused), "signed by another key");
        assert_eq!(peek_kid(&"x".repeat(1 << 20)), Err(TokenError::Malformed));
        let forge = |header: serde_json::Value| {
            let good = key.sign(&claims()).unwrap();
            let rest = good.split_once('.').unwrap().1;
            format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
        };
        let kid = key.public().kid.as_str();
        for header in [
            serde_json::json!({"alg": "none", "typ": "at+jwt", "kid": kid}),
            serde_json::json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "typ": "JWT", "kid": kid}),
            serde_json::json!({"alg": "EdDSA", "typ": "at+jwt"}),
            serde_json::json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "../../etc/passwd"}),
            serde_json::json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["exp"]}),
        ] {
            assert!(peek_kid(&forge(header.clone())).is_err(), "{header}");
        }
        let altered = forge(serde_json::json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid}));
        assert_eq!(check(&altered, &key), Err(TokenError::Refused), "the header is signed too");
    }
}
