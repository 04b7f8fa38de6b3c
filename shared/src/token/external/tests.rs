//! RFC 8725 for other products' tokens, as far as it needs no service.

use std::sync::LazyLock;

use host_fixture::{AUDIENCE, Algorithm, Host, Key, hmac, merged, now};
use serde_json::json;

use super::*;
use crate::settings::KeysAt;

/// Making RSA keys takes long.
static HOST: LazyLock<Host> = LazyLock::new(|| Host::new("https://id.example"));

fn from() -> ExternalIssuer {
    let (issuer, audience) = (HOST.issuer.clone(), AUDIENCE.to_owned());
    ExternalIssuer { issuer, audience, keys: KeysAt::File("keys".into()), username_claim: "preferred_username".into() }
}

fn check(token: &str) -> Result<HostClaims, TokenError> {
    verify(token, &KeySet::parse(HOST.jwks().as_bytes()).unwrap(), &from())
}

/// A token of this header and claims, by the Ed25519 key.
fn with(header: Value, claims: Value) -> Result<HostClaims, TokenError> {
    check(&HOST.sign("ed", header, merged(HOST.claims("ann"), claims)))
}

#[test]
fn a_token_of_each_algorithm_says_who_it_is() {
    for kid in ["rs", "es", "ed"] {
        let more = json!({ "name": "Ann A.", "email": "ann@example.org", "email_verified": true, "nbf": now() });
        let claims = merged(HOST.claims("ann"), more);
        let token = HOST.sign(kid, json!({}), claims.clone());
        assert_eq!(peek_issuer(&token).as_deref(), Some(HOST.issuer.as_str()));
        let expected = HostClaims {
            sub: "ann".into(),
            nbf: claims["nbf"].as_i64().unwrap(),
            exp: claims["exp"].as_i64().unwrap(),
            username: Some("ann".into()),
            name: Some("Ann A.".into()),
            email: Some("ann@example.org".into()),
        };
        assert_eq!(check(&token), Ok(expected), "{kid}");
    }
}

#[test]
fn what_products_write_differently_is_taken() {
    for (header, claims) in [
        (json!({ "typ": null }), json!({})),
        (json!({ "typ": "at+jwt" }), json!({ "aud": ["other", AUDIENCE] })),
        (json!({ "typ": "application/AT+JWT" }), json!({ "exp": now() as f64 + 60.5 })),
        (json!({ "typ": "jwt" }), json!({ "preferred_username": null, "name": 7 })),
        (json!({ "jwk": { "kty": "oct", "k": "AAAA" }, "jku": "https://evil.example" }), json!({})),
    ] {
        assert!(with(header.clone(), claims.clone()).is_ok(), "{header} {claims}");
    }
    let email = |verified: Value| {
        with(json!({}), json!({ "email": "a@x.org", "email_verified": verified })).unwrap().email.is_some()
    };
    assert_eq!([json!(true), json!("true")].map(email), [true, true]);
    assert_eq!([json!(null), json!(false), json!(1), json!("yes")].map(email), [false; 4]);
}

#[test]
fn what_is_no_access_token_of_the_issuer_is_refused() {
    let now = now();
    for (header, claims) in [
        (json!({}), json!({ "iss": "https://other.example" })),
        (json!({}), json!({ "iss": null })),
        (json!({}), json!({ "iss": [HOST.issuer] })),
        (json!({}), json!({ "aud": "other" })),
        (json!({}), json!({ "aud": ["other"] })),
        (json!({}), json!({ "aud": null })),
        (json!({}), json!({ "sub": null })),
        (json!({}), json!({ "sub": "" })),
        (json!({}), json!({ "sub": "x".repeat(256) })),
        (json!({}), json!({ "sub": 7 })),
        (json!({}), json!({ "exp": null })),
        (json!({}), json!({ "exp": (now + 60).to_string() })),
        (json!({}), json!({ "exp": 1e308 })),
        (json!({}), json!({ "exp": -1 })),
        (json!({}), json!({ "nbf": now + 60 })),
        (json!({}), json!({ "nbf": now.to_string() })),
        (json!({}), json!({ "nbf": 1e308 })),
        (json!({}), json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } })),
        (json!({ "typ": "logout+jwt" }), json!({})),
        (json!({ "typ": "rt+jwt" }), json!({})),
        (json!({ "typ": "" }), json!({})),
        (json!({ "crit": ["exp"] }), json!({})),
        (json!({ "crit": null }), json!({})),
        (json!({ "alg": "none" }), json!({})),
        (json!({ "alg": "None" }), json!({})),
        (json!({ "alg": "HS256" }), json!({})),
        (json!({ "alg": "RS384" }), json!({})),
        (json!({ "kid": "k".repeat(257) }), json!({})),
    ] {
        // `merged` takes nulls out, and a null is what is to be seen.
        if header["crit"].is_null() && header.get("crit").is_some() {
            let header = json!({ "alg": "EdDSA", "kid": "ed", "crit": null });
            let token = HOST.key("ed").sign(&header, &HOST.claims("ann").to_string());
            assert_eq!(check(&token), Err(TokenError::Refused), "{header}");
            continue;
        }
        assert_eq!(with(header.clone(), claims.clone()), Err(TokenError::Refused), "{header} {claims}");
    }
    assert_eq!(with(json!({}), json!({ "exp": now - 60 })), Err(TokenError::Expired));
    let overflowing = HOST.claims("ann").to_string().replace(&(HOST.claims("ann")["exp"].to_string()), "6e999");
    assert!(check(&HOST.key("ed").sign(&HOST.header("ed"), &overflowing)).is_err());
    let long = with(json!({}), json!({ "x": "x".repeat(MAX_TOKEN) }));
    assert_eq!(long, Err(TokenError::Malformed));
    for odd in ["", ".", "..", "a.b.c", "null"] {
        assert_eq!(check(odd), Err(TokenError::Malformed), "{odd}");
        assert_eq!(peek_issuer(odd), None);
    }
}

#[test]
fn the_key_says_which_algorithm_it_is_for() {
    // The header names one key and the algorithm of another.
    for (kid, alg) in [("rs", "ES256"), ("es", "EdDSA"), ("ed", "RS256")] {
        let token = HOST.sign(kid, json!({ "alg": alg }), HOST.claims("ann"));
        assert_eq!(check(&token), Err(TokenError::UnknownKey), "{kid} {alg}");
    }
    let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "rs" });
    let public = HOST.key("rs").jwk()["n"].as_str().unwrap().to_owned();
    let secrets = [public.clone().into_bytes(), URL_SAFE_NO_PAD.decode(&public).unwrap(), HOST.jwks().into_bytes()];
    for secret in secrets {
        assert_eq!(check(&hmac(&header, &HOST.claims("ann"), &secret)), Err(TokenError::Refused));
        // Saying it is RS256 does not make an HMAC one.
        let lying = merged(header.clone(), json!({ "alg": "RS256" }));
        assert_eq!(check(&hmac(&lying, &HOST.claims("ann"), &secret)), Err(TokenError::Refused));
    }
    let stranger = Key::new("ed", Algorithm::EdDSA);
    let header = merged(HOST.header("ed"), json!({ "jwk": stranger.jwk() }));
    assert_eq!(check(&stranger.sign(&header, &HOST.claims("ann").to_string())), Err(TokenError::Refused));
}

#[test]
fn without_a_kid_there_must_be_no_choice() {
    let nameless = HOST.sign("ed", json!({ "kid": null }), HOST.claims("ann"));
    assert!(check(&nameless).is_ok(), "one key for EdDSA");
    let two = json!({ "keys": [HOST.key("ed").jwk(), Key::new("other", Algorithm::EdDSA).jwk()] }).to_string();
    let two = KeySet::parse(two.as_bytes()).unwrap();
    assert_eq!(verify(&nameless, &two, &from()), Err(TokenError::UnknownKey));
    assert!(verify(&HOST.token("ann"), &two, &from()).is_ok());
}

#[test]
fn of_a_key_set_what_can_be_used_is_taken() {
    let (rs, es) = (HOST.key("rs").jwk(), HOST.key("es").jwk());
    let short = URL_SAFE_NO_PAD.encode([255; 128]);
    for (jwk, usable) in [
        (rs.clone(), true),
        (merged(rs.clone(), json!({ "alg": null, "use": null })), true),
        (merged(rs.clone(), json!({ "alg": "RS512" })), false),
        (merged(rs.clone(), json!({ "use": "enc" })), false),
        (merged(rs.clone(), json!({ "key_ops": ["encrypt"] })), false),
        (merged(rs.clone(), json!({ "n": short })), false),
        (merged(rs.clone(), json!({ "n": format!("{}{short}", "A".repeat(172)) })), false),
        (merged(rs, json!({ "n": null })), false),
        (merged(es.clone(), json!({ "crv": "P-384" })), false),
        (merged(es, json!({ "kid": "k".repeat(257) })), false),
        (json!({ "kty": "oct", "k": "AAAA", "kid": "x" }), false),
        (json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA" }), false),
        (json!("key"), false),
    ] {
        let set = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        assert_eq!(set.len(), usize::from(usable), "{jwk}");
    }
}

#[test]
fn what_is_no_key_set_is_refused_however_large() {
    for bad in ["", "{", "[]", "{}", r#"{"keys": 7}"#, "<html>"] {
        assert!(matches!(KeySet::parse(bad.as_bytes()), Err(KeySetError::Malformed(_))), "{bad}");
    }
    let many = |count| json!({ "keys": vec![HOST.key("ed").jwk(); count] }).to_string();
    assert_eq!(KeySet::parse(many(MAX_KEYS).as_bytes()).unwrap().len(), MAX_KEYS);
    assert!(matches!(KeySet::parse(many(MAX_KEYS + 1).as_bytes()), Err(KeySetError::TooMany)));
    assert!(matches!(KeySet::parse(many(10_000).as_bytes()), Err(KeySetError::TooLarge)));
    assert!(KeySet::parse(b"{\"keys\": []}").unwrap().is_empty());
}
