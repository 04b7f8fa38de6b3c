//! Which addresses are global: reachable by everybody alike, and so nothing that only this server can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Networks for special purposes that are not globally reachable, and multicast: the IANA special-purpose address
/// registries (RFC 6890 and its updates), RFC 5771, RFC 3879.
const NOT_GLOBAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// Within 2000::/3, beside which nothing is global unicast (RFC 4291 §2.4).
const NOT_GLOBAL_V6: [Ipv6Net; 4] = [
    // Protocol assignments with Teredo, ORCHID and benchmarking: none of it is a server's.
    v6(0x2001, 0, 23),
    v6(0x2001, 0xdb8, 32),
    // 6to4 and the documentation's second prefix.
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 3);
/// IPv4 by NAT64 (RFC 6052): as global as the address that is embedded.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(first: u16, second: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

/// Is this a global unicast address? An IPv4 address that is mapped or translated into IPv6 counts as itself.
pub fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => NOT_GLOBAL_V4.iter().all(|net| !net.contains(&v4)),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_global(v4.into()),
            None if NAT64.contains(&v6) => is_global(Ipv4Addr::from_bits(v6.to_bits() as u32).into()),
            None => GLOBAL_UNICAST.contains(&v6) && NOT_GLOBAL_V6.iter().all(|net| !net.contains(&v6)),
        },
    }
}
