//! How a command reaches the deployment: through the process that has an embedded store open, or straight on the store.

use std::{io, path::Path};

use anyhow::{Context, bail, ensure};
use domain::admin::{Admin, Answer, Command};
use shared::{Settings, settings::StoreUrl};
use tokio::net::UnixStream;

use super::socket;

/// Gives the answer of the running process, or opens the store itself.
pub async fn ask(settings: &Settings, command: Command) -> anyhow::Result<Answer> {
    if let StoreUrl::Embedded(dir) = &settings.store.url {
        let path = socket::path(dir)?;
        match UnixStream::connect(&path).await {
            Ok(_) => return over(&path, &command).await,
            Err(e) if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&e.kind()) => {}
            Err(e) => return Err(e).with_context(|| format!("connect to {}", path.display())),
        }
        ensure!(store::embedded::is_made(dir), "{} holds no store", dir.display());
        if store::embedded::is_in_use(dir)? {
            bail!("{} is in use by a process that does not answer at {}", dir.display(), path.display());
        }
    }
    let store = store::open(&settings.store).await.map_err(anyhow::Error::new)?;
    let answer = Admin::new(store.clone()).run(command).await;
    store.maintenance.close().await.map_err(anyhow::Error::new)?;
    answer.map_err(anyhow::Error::new)
}

/// No time limit: a backup takes as long as it takes.
async fn over(path: &Path, command: &Command) -> anyhow::Result<Answer> {
    let http = reqwest::Client::builder().unix_socket(path).no_proxy().build()?;
    let answer = http.post("http://admin/").json(command).send().await.context("ask the running process")?;
    if !answer.status().is_success() {
        bail!("{}", answer.text().await.context("read why it was refused")?);
    }
    answer.json().await.context("read the answer (is the running process of another version?)")
}
