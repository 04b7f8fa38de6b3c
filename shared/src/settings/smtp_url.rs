//! The URL of the mail server. It may hold a password and is never shown.

use std::{fmt, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `smtp://` or `smtps://[user:password@]host[:port][/ehlo-name][?tls=required|opportunistic]`, user and password
/// percent-encoded.
#[derive(Clone)]
pub struct SmtpUrl(SecretString);

impl SmtpUrl {
    /// With its password.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Does what is sent, password and all, cross a network unencrypted, or may it? Not so to a server on this machine.
    pub fn is_open(&self) -> bool {
        let Ok(url) = url::Url::parse(self.expose()) else { return false };
        let host = url.host_str().unwrap_or_default();
        let here = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        url.scheme() == "smtp" && !here && url.query() != Some("tls=required")
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("smtp")
    }
}

impl FromStr for SmtpUrl {
    type Err = String;

    /// An error says nothing of what the URL holds.
    fn from_str(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).map_err(|e| format!("not a URL: {e}"))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host".into());
        }
        match (url.scheme(), url.query()) {
            ("smtps", None) | ("smtp", None | Some("tls=required" | "tls=opportunistic")) => {}
            ("smtp" | "smtps", _) => return Err("after ? only tls=required or tls=opportunistic of smtp://".into()),
            _ => return Err("use smtp://host, smtp://host?tls=required or smtps://host".into()),
        }
        match (url.username(), url.password()) {
            ("", None) => {}
            (user, Some(_)) if !user.is_empty() => {}
            _ => return Err("give user and password, or neither".into()),
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for SmtpUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let parsed = String::deserialize(d)?.parse();
        parsed.map_err(|e| serde::de::Error::custom(format!("notification.smtp_url: {e}")))
    }
}

impl Serialize for SmtpUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("smtp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_named_by_scheme_host_and_how_it_is_encrypted() {
        for (url, is_open) in [
            ("smtps://u:p%40w@mail.example", false),
            ("smtp://u:p@mail.example:587?tls=required", false),
            ("smtp://mail.example?tls=opportunistic", true),
            ("smtp://mail.example", true),
            ("smtp://localhost:2525", false),
            ("smtp://127.0.0.1/chat.example", false),
            ("smtp://[::1]", false),
        ] {
            assert_eq!(url.parse::<SmtpUrl>().unwrap().is_open(), is_open, "{url}");
        }
        for bad in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?tls=maybe",
            "smtps://mail.example?tls=required",
            "smtp://user-alone@mail.example",
            "smtp://:hunter2@mail.example",
        ] {
            let why = bad.parse::<SmtpUrl>().unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
        let url: SmtpUrl = "smtp://u:hunter2@mail.example".parse().unwrap();
        assert!(!format!("{url:?}{}", serde_json::to_string(&url).unwrap()).contains("hunter2"));
    }
}
