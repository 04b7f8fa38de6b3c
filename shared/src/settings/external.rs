//! Other products whose tokens are taken: `auth.external`. In a file a list of tables; as a text, JSON.

use std::{collections::HashSet, fmt, net::IpAddr, path::PathBuf};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use url::{Host, Url};

use crate::token::ISSUER;

/// Who issues tokens that are taken as ours are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Spelt", into = "Spelt")]
pub struct ExternalIssuer {
    /// What their tokens say as `iss`.
    pub issuer: String,
    /// What their tokens say as `aud`, alone or among others.
    pub audience: String,
    pub keys: KeysAt,
    /// The claim that holds a name for a user seen for the first time.
    pub username_claim: String,
}

/// Where an issuer's public keys are: a JWK set (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysAt {
    /// `https`, or `http` of this machine.
    Url(Url),
    File(PathBuf),
}

impl fmt::Display for KeysAt {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// As it is written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Spelt {
    issuer: String,
    audience: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_file: Option<PathBuf>,
    #[serde(default = "preferred_username")]
    username_claim: String,
}

fn preferred_username() -> String {
    "preferred_username".into()
}

impl TryFrom<Spelt> for ExternalIssuer {
    type Error = String;

    fn try_from(spelt: Spelt) -> Result<Self, String> {
        let Spelt { issuer, audience, jwks_url, jwks_file, username_claim } = spelt;
        if [&issuer, &audience, &username_claim].iter().any(|text| text.is_empty()) {
            return Err("issuer, audience and username_claim must not be empty".into());
        }
        if issuer == ISSUER {
            return Err(format!("issuer {ISSUER:?} is our own"));
        }
        let keys = match (jwks_url, jwks_file) {
            (Some(url), None) => KeysAt::Url(key_url(&url)?),
            (None, Some(file)) => KeysAt::File(file),
            _ => return Err(format!("issuer {issuer:?} needs either jwks_url or jwks_file")),
        };
        Ok(Self { issuer, audience, keys, username_claim })
    }
}

impl From<ExternalIssuer> for Spelt {
    fn from(issuer: ExternalIssuer) -> Self {
        let ExternalIssuer { issuer, audience, keys, username_claim } = issuer;
        let (jwks_url, jwks_file) = match keys {
            KeysAt::Url(url) => (Some(url.into()), None),
            KeysAt::File(path) => (None, Some(path)),
        };
        Self { issuer, audience, jwks_url, jwks_file, username_claim }
    }
}

/// Who can change what comes over the wire makes tokens.
fn key_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("jwks_url {text:?}: {e}"))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(format!("jwks_url {text:?}: use https")),
    }
}

/// A list, or the text of one in JSON.
pub(super) fn issuers<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<ExternalIssuer>, D::Error> {
    struct Issuers;
    impl<'de> Visitor<'de> for Issuers {
        type Value = Vec<ExternalIssuer>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of {issuer, audience, jwks_url or jwks_file}, or its JSON")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            serde_json::from_str(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    d.deserialize_any(Issuers)
}

/// The issuer that is there twice: its tokens would be judged by whichever comes first.
pub(super) fn doubled(issuers: &[ExternalIssuer]) -> Option<&str> {
    let mut seen = HashSet::new();
    issuers.iter().map(|issuer| issuer.issuer.as_str()).find(|issuer| !seen.insert(*issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ExternalIssuer, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn an_issuer_has_its_keys_in_one_place_that_can_be_trusted() {
        let with = |rest: &str| read(&format!(r#"{{"issuer": "https://id.example", "audience": "chat"{rest}}}"#));
        let good = with(r#", "jwks_url": "https://id.example/keys""#).unwrap();
        assert_eq!(good.keys.to_string(), "https://id.example/keys");
        assert_eq!(good.username_claim, "preferred_username");
        for here in ["http://127.0.0.1:8080/k", "http://localhost/k", "http://[::1]/k"] {
            assert!(with(&format!(r#", "jwks_url": "{here}""#)).is_ok(), "{here}");
        }
        assert!(matches!(with(r#", "jwks_file": "/k.json""#).unwrap().keys, KeysAt::File(_)));
        for (bad, says) in [
            ("", "either jwks_url or jwks_file"),
            (r#", "jwks_file": "k", "jwks_url": "https://id.example/k""#, "either jwks_url or jwks_file"),
            (r#", "jwks_url": "http://id.example/k""#, "use https"),
            (r#", "jwks_url": "http://localhost.example/k""#, "use https"),
            (r#", "jwks_url": "file:///etc/passwd""#, "use https"),
            (r#", "jwks_url": "keys""#, "relative URL"),
            (r#", "jwks_uri": "https://id.example/k""#, "jwks_uri"),
            (r#", "jwks_file": "k", "username_claim": """#, "must not be empty"),
        ] {
            let line = with(bad).unwrap_err();
            assert!(line.contains(says), "{bad}: {line}");
        }
        let own = read(r#"{"issuer": "chatapp", "audience": "x", "jwks_file": "k"}"#).unwrap_err();
        assert!(own.contains("our own"), "{own}");
    }
}
