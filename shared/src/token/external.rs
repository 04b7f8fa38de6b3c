//! Tokens of other products (`auth.external`): JWTs (RFC 7519) checked with their issuer's JWK set (RFC 7517) as RFC 8725
//! asks. The key says which algorithm it is for; what a token says of itself only has to agree.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Named, TokenError, check_times};
use crate::{Timestamp, settings::ExternalIssuer};

/// Longer ones are refused unread; products put much into theirs.
pub const MAX_TOKEN: usize = 8192;
/// Bytes of a JWK set.
pub const MAX_SET: usize = 256 * 1024;
/// Keys of a JWK set.
pub const MAX_KEYS: usize = 100;
/// Bytes of a key's id.
const MAX_KID: usize = 256;
/// Bytes of a subject (OpenID Connect Core 1.0 §2).
const MAX_SUBJECT: usize = 255;
/// Bits of an RSA key (RFC 7518 §3.3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The end of the year 9999: a time after it is none.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// An issuer's public keys that can be of use: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA.
pub struct KeySet(Vec<Key>);

struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// Why something is no key set.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("it has more than {MAX_SET} bytes")]
    TooLarge,
    #[error("it has more than {MAX_KEYS} keys")]
    TooMany,
    #[error("it is no JWK set: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// What a token that was checked says.
#[derive(Debug, Clone, PartialEq)]
pub struct HostClaims {
    /// The user, as the issuer calls them: 1 to 255 bytes.
    pub sub: String,
    /// Seconds since the epoch.
    pub nbf: i64,
    pub exp: i64,
    /// From the claim that the settings name.
    pub username: Option<String>,
    pub name: Option<String>,
    /// Only one that the issuer has verified.
    pub email: Option<String>,
}

/// The fields of a JWK that count (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Keys that cannot be used (of other kinds, for encryption, too short) are passed over.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if json.len() > MAX_SET {
            return Err(KeySetError::TooLarge);
        }
        let Set { keys } = serde_json::from_slice(json)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let jwks = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self(jwks.filter_map(|jwk| usable(&jwk)).collect()))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this id and algorithm; without an id only where there is no other.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| key.algorithm == algorithm);
        match kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    let (algorithm, name) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", None) => (Algorithm::RS256, "RS256"),
        ("EC", Some("P-256")) => (Algorithm::ES256, "ES256"),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA"),
        _ => return None,
    };
    let for_it = jwk.alg.as_deref().is_none_or(|alg| alg == name);
    let for_signatures = jwk.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
    let to_verify = jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let short_id = jwk.kid.as_ref().is_none_or(|kid| kid.len() <= MAX_KID);
    if !(for_it && for_signatures && to_verify && short_id) {
        return None;
    }
    let decoding = match algorithm {
        Algorithm::RS256 => {
            let (n, e) = (jwk.n.as_deref()?, jwk.e.as_deref()?);
            RSA_BITS.contains(&bits(n)?).then_some(())?;
            DecodingKey::from_rsa_components(n, e)
        }
        Algorithm::ES256 => DecodingKey::from_ec_components(jwk.x.as_deref()?, jwk.y.as_deref()?),
        _ => DecodingKey::from_ed_components(jwk.x.as_deref()?),
    };
    Some(Key { kid: jwk.kid.clone(), algorithm, decoding: decoding.ok()? })
}

/// How many bits a number has that is written as base64url.
fn bits(number: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(number).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let first = bytes.get(zeros)?;
    Some((bytes.len() - zeros) * 8 - first.leading_zeros() as usize)
}

fn part<T: DeserializeOwned>(token: &str, index: usize) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Who issued the token, as it says itself: nothing of it has been checked. `None`: it does not say.
pub fn peek_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Peeked {
        iss: String,
    }
    if token.len() > MAX_TOKEN {
        return None;
    }
    part::<Peeked>(token, 1).map(|peeked| peeked.iss)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    /// As of our own tokens: any is refused.
    #[serde(default)]
    crit: Named,
}

/// Is it an access token or, where its issuer does not say, any JWT? Whatever says to be something else is (RFC 8725
/// §3.11): a logout token, a refresh token.
fn may_be_access(typ: Option<&str>) -> bool {
    let typ = typ.map(str::to_ascii_lowercase);
    matches!(typ.as_deref(), None | Some("jwt" | "at+jwt" | "application/at+jwt"))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Said {
    iss: String,
    aud: Audience,
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    /// A security event (RFC 8417 §2.2), such as a logout: no access token, though it may have no `typ`.
    #[serde(default)]
    events: Named,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Checks signature, `iss`, `aud`, `exp`, `nbf` and kind. [`TokenError::UnknownKey`]: none of the keys is for it, and
/// nothing was checked yet.
pub fn verify(token: &str, keys: &KeySet, from: &ExternalIssuer) -> Result<HostClaims, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let Header { alg, typ, kid, crit } = part(token, 0).ok_or(TokenError::Malformed)?;
    let algorithm = match alg.as_str() {
        "RS256" => Algorithm::RS256,
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        _ => return Err(TokenError::Refused),
    };
    if crit.0 || !may_be_access(typ.as_deref()) || kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return Err(TokenError::Refused);
    }
    let key = keys.find(kid.as_deref(), algorithm).ok_or(TokenError::UnknownKey)?;
    let data = jsonwebtoken::decode::<Said>(token, &key.decoding, &signature_alone(key.algorithm));
    let said = data.map_err(|_| TokenError::Refused)?.claims;
    let for_us = match &said.aud {
        Audience::One(one) => *one == from.audience,
        Audience::Many(many) => many.contains(&from.audience),
    };
    if said.iss != from.issuer || !for_us || said.events.0 || !(1..=MAX_SUBJECT).contains(&said.sub.len()) {
        return Err(TokenError::Refused);
    }
    let (nbf, exp) = (seconds(said.nbf.unwrap_or(0.0))?, seconds(said.exp)?);
    check_times(nbf, exp, Timestamp::now())?;
    let text = |claim: &str| said.others.get(claim).and_then(Value::as_str).map(str::to_owned);
    // Some write it as a text.
    let verified = said.others.get("email_verified").is_some_and(|it| *it == true || *it == "true");
    Ok(HostClaims {
        nbf,
        exp,
        username: text(&from.username_claim),
        name: text("name"),
        email: text("email").filter(|_| verified),
        sub: said.sub,
    })
}

/// What the claims say is judged here, not there: it is more, and it is the same however a library changes.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    (rules.validate_exp, rules.validate_nbf, rules.validate_aud) = (false, false, false);
    rules.required_spec_claims.clear();
    rules
}

/// A NumericDate (RFC 7519 §2), which may have a fraction.
fn seconds(date: f64) -> Result<i64, TokenError> {
    if (0.0..=END_OF_TIME).contains(&date) { Ok(date as i64) } else { Err(TokenError::Refused) }
}

#[cfg(test)]
mod tests;
