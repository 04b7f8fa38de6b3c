//! Where the binaries are: beside this test's own executable, built once for each test run, so that no test runs
//! against yesterday's code.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context;
use tokio::{process::Command, sync::OnceCell};

/// Set this to use the binaries as they are, where there is no cargo or they were built before.
const PREBUILT: &str = "CHATAPP_E2E_PREBUILT";

/// The packages that are binaries of the system, each named like its package.
const BINARIES: [&str; 5] = ["chatapp", "api-server", "chat-server", "presence-server", "notification-server"];

/// The path of a binary, built if need be.
pub async fn binary(name: &str) -> anyhow::Result<PathBuf> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let directory = BUILT.get_or_try_init(build).await?;
    let path = directory.join(name);
    anyhow::ensure!(path.is_file(), "{} is missing; build it with: cargo build -p {name}", path.display());
    Ok(path)
}

/// Builds all binaries in the profile of this test; gives their directory.
async fn build() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find the test's own executable")?;
    // target/<profile>/deps/it-0123456789abcdef
    let directory = own.parent().and_then(Path::parent).context("the test stands in no target directory")?;
    if std::env::var_os(PREBUILT).is_none() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.arg("build").args(BINARIES.iter().flat_map(|name| ["-p", name]));
        match directory.file_name().and_then(|profile| profile.to_str()) {
            Some("debug") | None => {}
            Some(profile) => drop(command.args(["--profile", profile])),
        }
        let target = directory.parent().context("no target directory")?;
        command.arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = command.stdin(Stdio::null()).output().await.context("run cargo build")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "cargo build failed (set {PREBUILT} to not build):\n{errors}");
    }
    Ok(directory.to_owned())
}
