//! The URL that chooses the store's engine. What is written of it holds no password.

use std::{fmt, path::PathBuf, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which engine keeps the state, and where.
#[derive(Clone)]
pub enum StoreUrl {
    /// A directory, for one process.
    Embedded(PathBuf),
    /// A Redis server, as redis-rs reads it; may hold a password.
    Redis(SecretString),
    /// Seed nodes of a Redis Cluster.
    RedisCluster(Vec<SecretString>),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Embedded("data".into())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            Self::Redis(_) => f.write_str("redis"),
            Self::RedisCluster(nodes) => write!(f, "redis+cluster of {} seeds", nodes.len()),
        }
    }
}

impl StoreUrl {
    /// `host:port` of the (first) server, to be looked up; `None`: the store is embedded.
    pub fn server(&self) -> Option<String> {
        let seed = match self {
            Self::Embedded(_) => return None,
            Self::Redis(url) => url,
            Self::RedisCluster(seeds) => seeds.first()?,
        };
        let url = url::Url::parse(seed.expose_secret()).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or(6379)))
    }
}

impl FromStr for StoreUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(dir) = text.strip_prefix("embedded:") {
            return if dir.is_empty() {
                Err("embedded: needs a directory".into())
            } else {
                Ok(Self::Embedded(dir.into()))
            };
        }
        if let Some(seeds) = text.strip_prefix("redis+cluster://") {
            let (user, hosts) = seeds.rsplit_once('@').map_or(("", seeds), |(u, h)| (u, h));
            let at = if user.is_empty() { "" } else { "@" };
            let nodes: Vec<String> = hosts.split(',').map(|h| format!("redis://{user}{at}{h}")).collect();
            for node in &nodes {
                check_redis(node)?;
            }
            return Ok(Self::RedisCluster(nodes.into_iter().map(Into::into).collect()));
        }
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            check_redis(text)?;
            return Ok(Self::Redis(text.into()));
        }
        Err("expected embedded:DIR, redis://HOST, rediss://HOST or redis+cluster://HOST,HOST".into())
    }
}

fn check_redis(text: &str) -> Result<(), String> {
    match url::Url::parse(text) {
        Ok(u) if u.host_str().is_some_and(|h| !h.is_empty()) => Ok(()),
        // The text itself is not repeated: it may hold a password.
        _ => Err("not a URL redis://[user:password@]host[:port][/db]".into()),
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for StoreUrl {
    /// As it is shown: without what may hold a password.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{self:?}"))
    }
}
