//! Can Redis be written to, and is it configured as the store needs it?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::{Value, cmd};
use shared::Timestamp;

use super::Engine;
use crate::{Finding, Health, Result, StoreError};

/// Clocks may differ by so much: tokens, leases and grace times are compared with this process's.
const CLOCKS_APART: Duration = Duration::from_secs(2);
/// The settings that are looked at.
const SETTINGS: [&str; 4] = ["maxmemory-policy", "appendonly", "appendfsync", "min-replicas-to-write"];

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Settings from `CONFIG GET`, whichever form they come in.
pub(super) fn setting<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    match answer {
        Value::Map(pairs) => pairs.iter().find(|(key, _)| text(key) == Some(name)).and_then(|(_, v)| text(v)),
        Value::Array(flat) => flat.chunks_exact(2).find(|pair| text(&pair[0]) == Some(name)).and_then(|p| text(&p[1])),
        _ => None,
    }
}

/// A field of `INFO`.
pub(super) fn field<'a>(info: &'a Value, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    text(info)?.lines().find_map(value).map(str::trim)
}

/// What `TIME` answers, since 1970.
pub(super) fn time(answer: &Value) -> Option<Duration> {
    let Value::Array(parts) = answer else { return None };
    let [seconds, micros] = parts.as_slice() else { return None };
    let number = |value| text(value)?.parse::<u64>().ok();
    Some(Duration::from_secs(number(seconds)?) + Duration::from_micros(number(micros)?))
}

/// How far a clock is off that was read between two looks at our own.
fn apart(before: Duration, theirs: Duration, after: Duration) -> Duration {
    before.saturating_sub(theirs).max(theirs.saturating_sub(after))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Of one server's settings.
fn of_settings(answer: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(policy) = setting(answer, "maxmemory-policy").filter(|policy| *policy != "noeviction") {
        findings.push(Finding::error(
            format!("Redis evicts keys when memory is full (maxmemory-policy {policy})."),
            "Set maxmemory-policy noeviction.",
        ));
    }
    match (setting(answer, "appendonly"), setting(answer, "appendfsync")) {
        (Some("no"), _) => findings.push(Finding::warning(
            "Redis keeps no append-only file and loses writes when it stops.",
            "Set appendonly yes.",
        )),
        (_, Some("no")) => findings.push(Finding::warning(
            "Redis leaves it to the system when its append-only file reaches the disk (appendfsync no).",
            "Set appendfsync everysec, or always.",
        )),
        _ => {}
    }
    findings
}

fn of_version(info: &Value) -> Option<Finding> {
    let version = field(info, "redis_version")?;
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    (major < 7).then(|| Finding::error(format!("Redis is version {version}."), "Run version 7.0 or later."))
}

/// A failover loses less where a server without its replicas refuses writes.
fn of_replicas(settings: &[Value], replication: &[Value]) -> Option<Finding> {
    let replicas = |info| field(info, "connected_slaves").is_some_and(|count| count != "0");
    let any = settings.iter().any(|answer| setting(answer, "min-replicas-to-write") == Some("0"));
    (any && replication.iter().any(replicas)).then(|| {
        Finding::warning(
            "Redis has replicas and goes on writing without them: a failover may lose any number of writes.",
            "Set min-replicas-to-write 1, or store.wait_replicas.",
        )
    })
}

fn of_clock(apart: Duration) -> Option<Finding> {
    (apart > CLOCKS_APART).then(|| {
        Finding::warning(
            format!("The clocks of Redis and of this machine are {} s apart.", apart.as_secs()),
            "Let both follow the same time servers (NTP).",
        )
    })
}

impl Engine {
    /// Every master's answer; none when the account may not ask.
    async fn ask_if_allowed(&self, command: redis::Cmd) -> Result<Vec<Value>> {
        match self.connections.ask_masters("read the server's settings", command).await {
            Err(StoreError::Unexpected(error)) => {
                tracing::debug!(%error, "the server does not tell its settings");
                Ok(Vec::new())
            }
            other => other,
        }
    }
}

#[async_trait]
impl Health for Engine {
    async fn check(&self) -> Result<Vec<Finding>> {
        for answer in self.connections.ask_masters("ping", cmd("PING")).await? {
            tracing::trace!(?answer, "pinged");
        }
        let mut write = cmd("SET");
        write.arg(self.keys.health()).arg(Timestamp::now().as_millis()).arg("PX").arg(60_000);
        self.connections.ask::<String>("write a test value", &write).await?;

        let before = now();
        let times = self.ask_if_allowed(cmd("TIME")).await?;
        let after = now();
        let settings = self.ask_if_allowed(cmd("CONFIG").arg("GET").arg(&SETTINGS).to_owned()).await?;
        let servers = self.ask_if_allowed(cmd("INFO").arg("server").to_owned()).await?;
        let replication = self.ask_if_allowed(cmd("INFO").arg("replication").to_owned()).await?;

        let mut findings: Vec<Finding> = settings.iter().flat_map(of_settings).collect();
        findings.extend(servers.iter().filter_map(of_version));
        findings.extend(of_replicas(&settings, &replication));
        findings.extend(times.iter().filter_map(time).filter_map(|theirs| of_clock(apart(before, theirs, after))));
        findings.sort_unstable();
        findings.dedup();
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn config(pairs: &[(&str, &str)]) -> Value {
        Value::Map(pairs.iter().map(|(name, value)| (bulk(name), bulk(value))).collect())
    }

    #[test]
    fn settings_under_which_writes_are_lost_are_named() {
        let good = [("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "everysec")];
        assert_eq!(of_settings(&config(&good)), []);
        for (name, value, level) in [
            ("maxmemory-policy", "volatile-ttl", Level::Error),
            ("appendonly", "no", Level::Warning),
            ("appendfsync", "no", Level::Warning),
        ] {
            let pairs = good.map(|(key, was)| if key == name { (key, value) } else { (key, was) });
            let found = of_settings(&config(&pairs));
            assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), [level], "{name} {value}");
        }
    }

    #[test]
    fn old_versions_and_replicas_that_do_not_count_are_named() {
        assert_eq!(of_version(&bulk("# Server\r\nredis_version:7.0.15\r\n")), None);
        assert!(of_version(&bulk("redis_version:6.2.1\r\n")).unwrap().what.contains("6.2.1"));
        let (alone, followed) = (bulk("connected_slaves:0\r\n"), bulk("connected_slaves:2\r\n"));
        let (lax, strict) = (config(&[("min-replicas-to-write", "0")]), config(&[("min-replicas-to-write", "1")]));
        assert_eq!(of_replicas(std::slice::from_ref(&lax), &[alone]), None);
        assert_eq!(of_replicas(&[strict], std::slice::from_ref(&followed)), None);
        assert!(of_replicas(&[lax], &[followed]).is_some());
    }

    #[test]
    fn a_clock_is_off_by_what_the_asking_does_not_explain() {
        let at = Duration::from_secs;
        for (before, theirs, after, off) in [(10, 11, 12, 0), (10, 10, 10, 0), (10, 7, 12, 3), (10, 15, 12, 3)] {
            assert_eq!(apart(at(before), at(theirs), at(after)), at(off));
        }
        assert_eq!(time(&Value::Array(vec![bulk("7"), bulk("500000")])), Some(Duration::from_millis(7500)));
        assert!(of_clock(at(2)).is_none() && of_clock(at(3)).unwrap().what.contains("3 s"));
    }
}
