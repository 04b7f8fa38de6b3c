//! URLs that users give, and that this server is to call. Whoever can make a server send requests can reach what only
//! the server can reach (server-side request forgery), so: https alone, no credentials, and no address that is not
//! global, however it is spelt. A name is looked up when it is called, by who calls it, and held to [`is_global`] then.

use std::net::IpAddr;

use url::{Host, Url};

use super::is_global;

/// Characters of a URL.
const MAX_URL: usize = 2048;

/// Why a URL is not called. Shown to whoever gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    #[error("not a URL of up to {MAX_URL} characters")]
    NoUrl,
    #[error("use https")]
    Scheme,
    #[error("leave out user and password")]
    Credentials,
    #[error("the address is not a public one")]
    Private,
}

/// The URL, if it is one that may be called. With `private` (`notification.allow_private_targets`) http and any address
/// may be.
pub fn target(text: &str, private: bool) -> Result<Url, BadTarget> {
    if text.len() > MAX_URL {
        return Err(BadTarget::NoUrl);
    }
    // By the WHATWG's URL standard: `0x7f.1` and `2130706433` become the address they stand for here.
    let url = Url::parse(text).map_err(|_| BadTarget::NoUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if private => {}
        _ => return Err(BadTarget::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadTarget::Credentials);
    }
    let address = match url.host() {
        None => return Err(BadTarget::NoUrl),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
    };
    match address {
        Some(address) if !private && !is_global(address) => Err(BadTarget::Private),
        _ => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_urls_may_be_called() {
        let good = [
            "https://push.example.com/x?y=1",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]:8443/",
            "https://MÜLLER.example/",
            "https://[64:ff9b::101:101]/",
        ];
        for url in good {
            assert!(target(url, false).is_ok(), "{url}");
        }
        use BadTarget::{Credentials, NoUrl, Private, Scheme};
        let bad = [
            ("http://push.example.com/", Scheme),
            ("ftp://push.example.com/", Scheme),
            ("file:///etc/passwd", Scheme),
            ("javascript:alert(1)", Scheme),
            ("https://user:pw@push.example.com/", Credentials),
            ("https://user@push.example.com/", Credentials),
            ("push.example.com", NoUrl),
            ("https://", NoUrl),
            ("", NoUrl),
            ("https://127.0.0.1/", Private),
            ("https://127.1/", Private),
            ("https://0x7f.1/", Private),
            ("https://0177.0.0.1/", Private),
            ("https://2130706433/", Private),
            ("https://0x7f000001/", Private),
            ("https://①②⑦.⓪.⓪.①/", Private),
            ("https://127.0.0.1./", Private),
            ("https://0/", Private),
            ("https://10.1.2.3/", Private),
            ("https://172.31.255.255/", Private),
            ("https://192.168.0.1/", Private),
            ("https://169.254.169.254/latest/meta-data/", Private),
            ("https://100.64.0.1/", Private),
            ("https://192.0.0.1/", Private),
            ("https://198.19.255.255/", Private),
            ("https://255.255.255.255/", Private),
            ("https://224.0.0.1/", Private),
            ("https://[::1]/", Private),
            ("https://[::]/", Private),
            ("https://[::ffff:127.0.0.1]/", Private),
            ("https://[::ffff:7f00:1]/", Private),
            ("https://[::127.0.0.1]/", Private),
            ("https://[64:ff9b::7f00:1]/", Private),
            ("https://[64:ff9b:1::1]/", Private),
            ("https://[2002:7f00:1::]/", Private),
            ("https://[2001::1]/", Private),
            ("https://[fe80::1]/", Private),
            ("https://[fec0::1]/", Private),
            ("https://[fd00::1]/", Private),
            ("https://[ff02::1]/", Private),
            ("https://[2001:db8::1]/", Private),
        ];
        for (url, why) in bad {
            assert_eq!(target(url, false), Err(why), "{url}");
        }
        assert_eq!(target(&format!("https://a.example/{}", "x".repeat(MAX_URL)), false), Err(NoUrl));
    }

    #[test]
    fn private_targets_may_be_allowed() {
        for url in ["http://127.0.0.1:9/", "https://[::1]/", "http://push.internal/"] {
            assert!(target(url, true).is_ok(), "{url}");
        }
        assert_eq!(target("file:///etc/passwd", true), Err(BadTarget::Scheme));
        assert_eq!(target("http://user@10.0.0.1/", true), Err(BadTarget::Credentials));
    }
}
