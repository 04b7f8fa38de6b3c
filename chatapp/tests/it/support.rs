//! Runs the binary: once, or as a server.

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// What came of running it.
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }

    /// It must have ended well.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }
}

fn command(dir: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatapp"));
    for (inherited, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHATAPP")) {
        command.env_remove(inherited);
    }
    for service in ["API", "CHAT", "PRESENCE", "NOTIFICATION"] {
        command.env(format!("CHATAPP__{service}__LISTEN"), "127.0.0.1:0");
    }
    command.env("CHATAPP__HTTP__ALLOWED_ORIGINS", "https://example.org").env("CHATAPP__HTTP__MAX_CONNECTIONS", "100");
    command.env("CHATAPP__HTTP__WORKERS", "1").env("CHATAPP__STORE__URL", "embedded:data");
    command.envs(environment.iter().copied()).current_dir(dir).stdin(Stdio::null());
    command
}

/// Runs it with these arguments, in `dir`, on the store `dir/data` unless the environment says otherwise.
pub fn run(dir: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let output = command(dir, environment).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A server that runs in `dir`; killed when it is dropped.
pub struct Serving {
    child: Child,
    /// Of the REST API.
    pub api: String,
    /// Open as long as it may write.
    _out: Lines<BufReader<ChildStdout>>,
}

impl Serving {
    pub fn start(dir: &Path) -> Self {
        let mut child = command(dir, &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The welcome is printed once all is bound.
        let api = lines.by_ref().map(Result::unwrap).find_map(|line| {
            let rest = line.trim_start().strip_prefix("REST")?.trim_start().to_owned();
            rest.split(' ').next().map(str::to_owned)
        });
        Self { child, api: api.unwrap(), _out: lines }
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
