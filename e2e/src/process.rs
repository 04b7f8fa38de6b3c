//! One process of the system.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Stdio, time::Duration};

use anyhow::Context;
use tokio::process::{Child, Command};

use crate::{binaries::binary, logs::Logs, wait::within};

/// How long a process may take until it listens.
const START: Duration = Duration::from_secs(30);
/// How long a process may take to end when it was asked to.
const END: Duration = Duration::from_secs(30);

/// A signal (POSIX) for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Term,
    Int,
    Kill,
    /// It holds its connections and does nothing, until `Continue`.
    Stop,
    Continue,
}

/// How a process ended.
#[derive(Debug)]
pub struct Exit {
    /// `None`: by a signal.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub output: String,
}

/// A running binary of the system. Dropping it kills it.
pub struct Process {
    child: Child,
    logs: Logs,
    name: String,
    /// Where each service in it listens.
    pub addresses: BTreeMap<String, SocketAddr>,
}

impl Process {
    /// Starts a binary and waits until it listens, as each service says in a line of its log. `services` says how many
    /// there are in it.
    pub async fn start(
        name: &str,
        program: &str,
        environment: &[(String, String)],
        directory: &Path,
        services: usize,
    ) -> anyhow::Result<Self> {
        let mut process = Self::spawn(name, program, &[], environment, directory).await?;
        let logs = process.logs.clone();
        let listening = async {
            while process.addresses.len() < services {
                let known = &process.addresses;
                let found = logs.wait_for(|line| listening(line).filter(|(service, _)| !known.contains_key(service)));
                match found.await {
                    Some((service, address)) => process.addresses.insert(service, address),
                    None => anyhow::bail!("{name} ended before it listened"),
                };
            }
            Ok(())
        };
        let started = within("the process listens", START, listening).await.and_then(|listening| listening);
        started.with_context(|| format!("{name} said:\n{}", logs.text()))?;
        Ok(process)
    }

    /// Starts a binary with nothing but `environment` of `CHATAPP…` variables.
    pub async fn spawn(
        name: &str,
        program: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(binary(program).await?);
        for (inherited, _) in std::env::vars_os() {
            if inherited.to_string_lossy().starts_with("CHATAPP") {
                command.env_remove(inherited);
            }
        }
        let environment = environment.iter().map(|(key, value)| (key, value));
        command.args(arguments).envs(environment).current_dir(directory).stdin(Stdio::null());
        Self::of(name, command)
    }

    fn of(name: &str, mut command: Command) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let logs = Logs::default();
        logs.follow(child.stdout.take().context("no standard output")?);
        logs.follow(child.stderr.take().context("no standard error")?);
        Ok(Self { child, logs, name: name.to_owned(), addresses: BTreeMap::new() })
    }

    /// As the kernel counts processes; `None` once it has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal.
    pub async fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().with_context(|| format!("{} has ended", self.name))?;
        let script = match signal {
            Signal::Term => format!("kill -TERM {id}"),
            Signal::Int => format!("kill -INT {id}"),
            Signal::Kill => format!("kill -KILL {id}"),
            Signal::Stop => format!("kill -STOP {id}"),
            Signal::Continue => format!("kill -CONT {id}"),
        };
        let status = Command::new("sh").args(["-c", &script]).status().await?;
        anyhow::ensure!(status.success(), "{script} failed");
        Ok(())
    }

    /// Waits for its end and gives all it wrote.
    pub async fn exit(&mut self) -> anyhow::Result<Exit> {
        let status = within("the process ends", END, self.child.wait()).await??;
        let output = within("its output ends", END, self.logs.to_end()).await?;
        Ok(Exit { code: status.code(), output })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test has failed: this is what it may be about")]
            {
                eprintln!("--- {} ---\n{}", self.name, self.logs.text());
            }
        }
    }
}

/// Reads a service's line `listening` (JSON log): its name and address.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let says = |field: &str| line[field].as_str();
    (says("message") == Some("listening")).then_some(())?;
    Some((says("service")?.to_owned(), says("address")?.parse().ok()?))
}
