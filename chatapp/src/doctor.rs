//! `chatapp doctor`: looks at the configuration, the store and the machine, and says what to change.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use domain::{
    doctor::{self, Finding, Level},
    identity::external::KeySource,
};
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};
use shared::{
    Settings,
    settings::{ExternalIssuer, FilesUrl, StoreUrl},
    token::external::KeySet,
};
use web::jwks::KeyReader;

use crate::deployment::Deployment;

/// How long a port in use has to say whose it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Checks the configuration, the store, the ports, the limit of open files and the disk, and says what to change. Run it
/// where the services run and as the user they run as; they may be running or not.
///
/// Exit status: 0 nothing to change, 1 warnings, 2 errors.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    deployment: Deployment,
    /// Print JSON: {findings: [{level, what, change}]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    findings: Vec<Finding>,
}

/// Looks, prints, and gives the exit status.
pub fn main(args: &DoctorArgs) -> ExitCode {
    let mut findings = match args.deployment.settings() {
        Ok(settings) => examine(&settings),
        // The text names the key and says what is expected.
        Err(e) => vec![Finding::error(format!("{e}."), "Correct it: docs/configuration.md lists every key.")],
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let worst = findings.first().map(|finding| finding.level);
    print(&Report { findings }, args.json);
    match worst {
        None | Some(Level::Note) => ExitCode::SUCCESS,
        Some(Level::Warning) => ExitCode::from(1),
        Some(Level::Error) => ExitCode::from(2),
    }
}

fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = doctor::of_settings(settings);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    findings.extend(doctor::of_open_files(settings, getrlimit(Resource::Nofile).maximum, cores));
    if let Some(dir) = doctor::data_directory(settings) {
        findings.extend(of_directory(dir));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            return vec![Finding::error(format!("No threads can be started: {e}."), "Raise the limit of processes.")];
        }
    };
    findings.extend(runtime.block_on(async {
        [of_ports(settings).await, of_store(settings).await, of_issuers(settings).await, of_files(settings).await]
            .concat()
    }));
    findings
}

fn of_directory(dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(metadata) = fs::metadata(dir) {
        findings.extend(doctor::of_directory(dir, metadata.permissions().mode()));
    }
    // Where it does not exist yet: the disk it will be on. The parent of a bare name is the working directory.
    let there = dir.ancestors().map(|dir| if dir.as_os_str().is_empty() { Path::new(".") } else { dir });
    if let Some(disk) = there.into_iter().find_map(|dir| rustix::fs::statvfs(dir).ok()) {
        findings.extend(doctor::of_disk(dir, disk.f_bavail.saturating_mul(disk.f_frsize)));
    }
    findings
}

async fn of_ports(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, address) in [
        ("api.listen", settings.api.listen),
        ("chat.listen", settings.chat.listen),
        ("presence.listen", settings.presence.listen),
        ("notification.listen", settings.notification.listen),
    ] {
        let Err(e) = TcpListener::bind(address) else { continue };
        findings.push(match (e.kind(), who_listens(address).await) {
            (io::ErrorKind::AddrInUse, Some(instance)) => {
                Finding::note(format!("{key} {address} is served by a running instance ({instance})."))
            }
            (io::ErrorKind::AddrInUse, None) => Finding::error(
                format!("{key} {address} is in use by another program."),
                format!("Stop it, or set {key} to another port."),
            ),
            _ => Finding::error(format!("Nobody can listen on {key} {address}: {e}."), format!("Change {key}.")),
        });
    }
    findings
}

/// What a service of this program says of itself at `/health`.
#[derive(Deserialize)]
struct Identity {
    instance: String,
}

async fn who_listens(listen: SocketAddr) -> Option<String> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let ask = http.get(format!("http://{}/health", SocketAddr::new(ip, listen.port())));
    Some(ask.send().await.ok()?.json::<Identity>().await.ok()?.instance)
}

/// Looks only where something is there already, or a server that others made: a directory comes with the first upload.
async fn of_files(settings: &Settings) -> Vec<Finding> {
    let place = settings.files_url();
    let is_to_be_made = matches!(&place, FilesUrl::Directory(dir) if !dir.exists());
    if !settings.attachments.enabled || is_to_be_made {
        return Vec::new();
    }
    let refusal = domain::files::check_place(place, &settings.attachments).await.err();
    let refusal = refusal.map(|e| format!("{:#}", anyhow::Error::new(e)));
    doctor::of_files(settings, refusal.as_deref()).into_iter().collect()
}

/// Other products' key sets, as the services read them.
async fn of_issuers(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ExternalIssuer { issuer, keys, .. } in &settings.auth.external {
        let read = async {
            let fetched = KeyReader::new()?.fetch(keys).await?;
            anyhow::Ok(KeySet::parse(&fetched.body)?)
        };
        findings.extend(match read.await {
            Ok(set) if set.is_empty() => Some(Finding::warning(
                format!("{keys} holds no key that can be used, so no token of {issuer} is taken."),
                "Publish an RSA key of 2048 bits or more, a P-256 key or an Ed25519 key.",
            )),
            Ok(_) => None,
            Err(e) => Some(Finding::error(
                format!("The keys of {issuer} cannot be read from {keys}: {e:#}."),
                "Correct auth.external, or what serves them: until then its tokens are answered 503.",
            )),
        });
    }
    findings
}

async fn of_store(settings: &Settings) -> Vec<Finding> {
    if let StoreUrl::Embedded(dir) = &settings.store.url {
        if !store::embedded::is_made(dir) {
            return vec![Finding::note(format!("{} holds no store yet; the first start makes it.", dir.display()))];
        }
        match store::embedded::is_in_use(dir) {
            Ok(true) => {
                let what =
                    format!("{} is in use by a running instance: its own /ready tells of the store.", dir.display());
                return vec![Finding::note(what)];
            }
            Ok(false) => {}
            Err(e) => {
                let what = format!("{} cannot be locked: {e}.", dir.display());
                return vec![Finding::error(what, "Run as the user who owns it.")];
            }
        }
    }
    match check_store(settings).await {
        Ok(findings) => findings,
        Err(e) => {
            let change = match &settings.store.url {
                StoreUrl::Embedded(_) => "Restore a backup (chatapp admin restore), or run the version that wrote it.",
                StoreUrl::Redis(_) | StoreUrl::RedisCluster(_) => "Start Redis, or correct store.url.",
            };
            vec![Finding::error(format!("The store cannot be used: {:#}.", anyhow::Error::new(e)), change)]
        }
    }
}

async fn check_store(settings: &Settings) -> store::Result<Vec<Finding>> {
    let store = store::open(&settings.store).await?;
    let checked = store.health.check().await;
    store.maintenance.close().await?;
    checked
}

#[expect(clippy::print_stdout, reason = "what the person asked for")]
fn print(report: &Report, json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(report).unwrap_or_default());
        return;
    }
    for Finding { level, what, change } in &report.findings {
        println!("{:<8} {what}", level.as_str());
        if !change.is_empty() {
            println!("         {change}");
        }
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    println!("{} errors, {} warnings", count(Level::Error), count(Level::Warning));
}
