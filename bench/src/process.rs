//! What processes cost, from /proc (proc(5)): CPU time and resident memory.

use std::{collections::HashMap, fs, time::Duration};

use serde::{Deserialize, Serialize};

/// What a group of processes has used up to now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time; in steps of 10 ms.
    pub cpu: Duration,
    /// Resident, in bytes.
    pub memory: u64,
}

/// Processes to watch, each with its children as they are now.
#[derive(Debug, Clone, Default)]
pub struct Processes(Vec<u32>);

impl Processes {
    /// `pids` and all below them.
    pub fn with_children(pids: &[u32]) -> Self {
        let mut all = pids.to_vec();
        if !pids.is_empty() {
            let children = children();
            let mut at = 0;
            while let Some(pid) = all.get(at) {
                let below = children.get(pid).into_iter().flatten();
                let new: Vec<u32> = below.filter(|child| !all.contains(child)).copied().collect();
                all.extend(new);
                at += 1;
            }
        }
        Self(all)
    }

    /// This process.
    pub fn own() -> Self {
        Self(vec![std::process::id()])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they have used; those that have ended count no more.
    pub fn usage(&self) -> Usage {
        let tick = 1e9 / rustix::param::clock_ticks_per_second() as f64;
        let mut usage = Usage::default();
        for pid in &self.0 {
            let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().as_deref().and_then(parse) else {
                continue;
            };
            usage.cpu += Duration::from_nanos((stat.ticks as f64 * tick) as u64);
            usage.memory += stat.pages * rustix::param::page_size() as u64;
        }
        usage
    }
}

/// The fields of /proc/PID/stat that count here.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    ticks: u64,
    pages: u64,
}

fn parse(stat: &str) -> Option<Stat> {
    // The name, in parentheses, may hold anything: what counts comes after the last one. The first there is field 3.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat { parent: u32::try_from(number(4)?).ok()?, ticks: number(14)? + number(15)?, pages: number(24)? })
}

fn children() -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(parse) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    children
}

/// The machine, since no figure means anything without it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
}

impl Machine {
    /// The one this runs on.
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
            // Those of the machine; this process may be bound to fewer.
            cores: info.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

/// Whether `pid` is a process now.
pub fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_move_the_fields() {
        let stat = "42 (a) b (c) S 7 1 1 0 -1 0 0 0 0 0 11 5 0 0 20 0 1 0 100 4096 250 0";
        assert_eq!(parse(stat), Some(Stat { parent: 7, ticks: 16, pages: 250 }));
        assert_eq!(parse("42"), None);
    }

    #[test]
    fn this_process_has_memory_and_its_children_are_found() {
        assert!(Processes::own().usage().memory > 100_000);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = Processes::with_children(&[std::process::id()]);
        assert!(found.0.contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn processes_that_are_gone_use_nothing() {
        assert_eq!(Processes(vec![u32::MAX]).usage(), Usage::default());
        assert!(!exists(u32::MAX) && exists(std::process::id()));
    }
}
