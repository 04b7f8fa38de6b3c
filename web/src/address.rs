//! Where a request comes from, also through proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_http::{
    RequestHead,
    header::{HeaderName, USER_AGENT},
};
use actix_web::{HttpRequest, web::Data};
use domain::{Domain, accounts::Source};
use ipnet::IpNet;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of whoever asks. As long as a trusted proxy speaks, whom it got the request from: the last entry of
/// `X-Forwarded-For` that is not itself a trusted proxy's. What stands before that anybody can have written, and is not
/// read; where an entry is no address, the one after it counts. `None`: the connection has no address.
pub fn caller(head: &RequestHead, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut address = head.peer_addr?.ip().to_canonical();
    // Several headers are one list (RFC 9110 §5.3). As bytes: one odd entry must not hide the others.
    let lists: Vec<&[u8]> = head.headers().get_all(FORWARDED).map(|list| list.as_bytes()).collect();
    let mut entries = lists.iter().rev().flat_map(|list| list.rsplit(|byte| *byte == b','));
    while is_trusted(&address) {
        let Some(next) = entries.next().and_then(parse) else { break };
        address = next;
    }
    Some(address)
}

/// [`caller`] of a request to one of our servers, with the proxies its settings trust.
pub fn of(request: &HttpRequest) -> Option<IpAddr> {
    let domain = request.app_data::<Data<Domain>>();
    caller(request.head(), domain.map_or(&[], |domain| &domain.settings.http.trusted_proxies))
}

/// Where a request comes from, as rates and lists of logins have it.
pub fn source(head: &RequestHead, trusted: &[IpNet]) -> Source {
    let (address, network) = match caller(head, trusted) {
        Some(address) => (address.to_string(), network(address)),
        None => ("unknown".into(), "unknown".into()),
    };
    let agent = head.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
    Source { address, network, agent }
}

/// An address, as proxies write it: alone, in brackets, or with a port.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let plain = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    plain.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// What rates are counted by: an IPv4 address, or the /64 that whoever has one IPv6 address has.
pub fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use actix_http::test::TestRequest;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "2001:db8:1::/48"].iter().map(|net| net.parse().unwrap()).collect()
    }

    fn told(peer: &str, forwarded: &[&str]) -> String {
        let mut request = TestRequest::default();
        for value in forwarded {
            request.append_header(("X-Forwarded-For", *value));
        }
        let mut request = request.finish();
        request.head_mut().peer_addr = Some(SocketAddr::new(peer.parse().unwrap(), 1));
        caller(request.head(), &trusted()).unwrap().to_string()
    }

    #[test]
    fn the_caller_is_the_last_whom_a_trusted_proxy_names() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            // Not a proxy of ours: anybody can write a header.
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("2001:db8:1::5", &["2001:db8:2::1"], "2001:db8:2::1"),
            // What the caller wrote itself stands before what the proxy added.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1,10.0.0.2 , 10.0.0.3"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            // An entry that is none: the last good one.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
            ("10.0.0.1", &["[2001:db8:2::1]"], "2001:db8:2::1"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(told(peer, forwarded), *expected, "{peer} {forwarded:?}");
        }
        let mut request = TestRequest::default().finish();
        request.head_mut().peer_addr = None;
        assert_eq!(caller(request.head(), &trusted()), None);
    }

    #[test]
    fn rates_are_counted_by_a_network_of_one_holder() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network(address.parse().unwrap()), expected);
        }
    }
}
