//! What an operator should change before it hurts, as far as it follows from the settings and the machine. Pure:
//! whoever asks looks at the machine first.

use std::path::Path;

use shared::{
    Settings,
    settings::{SmtpUrl, StoreUrl},
};
pub use store::{Finding, Level};

/// Files a process has open beside its sockets.
const OTHER_FILES: u64 = 256;
/// Less free disk than this is an error: a full one refuses every write.
const DISK_LOW: u64 = 256 << 20;
/// Less than this is worth a warning.
const DISK_SCARCE: u64 = 2 << 30;

/// Of the settings alone.
pub fn of_settings(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let listening = [
        ("chat", settings.chat.listen, &settings.chat.public_url),
        ("presence", settings.presence.listen, &settings.presence.public_url),
        ("notification", settings.notification.listen, &settings.notification.public_url),
    ];
    for (section, listen, url) in listening {
        if listen.ip().is_unspecified() && url.is_none() {
            findings.push(Finding::warning(
                format!(
                    "{section}.listen is {listen}, and the registry tells no address that clients can be sure to reach."
                ),
                format!("Set {section}.public_url to the address under which this instance is reached."),
            ));
        }
    }
    if settings.http.allowed_origins.iter().any(|origin| origin == "*") {
        findings.push(Finding::warning(
            "http.allowed_origins is *: the pages of every site may connect.",
            "Set it to the origins of your pages, as https://example.org.",
        ));
    }
    if settings.notification.smtp_url.as_ref().is_some_and(SmtpUrl::is_open) {
        findings.push(Finding::warning(
            "notification.smtp_url: letters, and the password of the mail server, may cross the network unencrypted.",
            "Use smtps://…, or smtp://…?tls=required.",
        ));
    }
    if !settings.limits.enabled {
        findings.push(Finding::warning(
            "limits.enabled is false: nobody is held to a rate.",
            "Set it to true; false is for benchmarks.",
        ));
    }
    findings
}

/// `limit`: how many files a process may open at most, `None` without end. `cores`: what `http.workers` 0 stands for.
pub fn of_open_files(settings: &Settings, limit: Option<u64>, cores: usize) -> Option<Finding> {
    let workers = if settings.http.workers == 0 { cores } else { settings.http.workers } as u64;
    let connections = workers.saturating_mul(settings.http.max_connections as u64);
    let needed = connections.saturating_add(OTHER_FILES);
    let limit = limit.filter(|limit| *limit < needed)?;
    let fitting = limit.saturating_sub(OTHER_FILES) / workers.max(1);
    Some(Finding::warning(
        format!("A process may open {limit} files, but a service takes up to {connections} connections."),
        format!(
            "Raise the hard limit to {needed} (ulimit -Hn, LimitNOFILE=, nofile), or set http.max_connections to {fitting}."
        ),
    ))
}

/// `free`: bytes left on the disk of the data directory.
pub fn of_disk(dir: &Path, free: u64) -> Option<Finding> {
    let what = format!("{} MiB are free on the disk of {}.", free >> 20, dir.display());
    let change = "Free some, or move the directory to another disk while the server is stopped.";
    match free {
        ..DISK_LOW => Some(Finding::error(what, change)),
        DISK_LOW..DISK_SCARCE => Some(Finding::warning(what, change)),
        _ => None,
    }
}

/// `mode`: permissions of the data directory.
pub fn of_directory(dir: &Path, mode: u32) -> Option<Finding> {
    let open = mode & 0o077 != 0;
    open.then(|| {
        Finding::warning(
            format!("{} can be entered by others (mode {:o}): it holds all messages.", dir.display(), mode & 0o777),
            format!("chmod 700 {}", dir.display()),
        )
    })
}

/// `refusal`: what came of writing a file where attachments and avatars are kept.
pub fn of_files(settings: &Settings, refusal: Option<&str>) -> Option<Finding> {
    let place = settings.files_url();
    refusal.map(|refusal| {
        Finding::error(
            format!("Files cannot be kept in {place}: {refusal}."),
            "Make it writable for this user, or correct attachments.url; attachments.enabled = false takes no files.",
        )
    })
}

/// Where an embedded store keeps its files.
pub fn data_directory(settings: &Settings) -> Option<&Path> {
    match &settings.store.url {
        StoreUrl::Embedded(dir) => Some(dir),
        StoreUrl::Redis(_) | StoreUrl::RedisCluster(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe() -> Settings {
        let mut settings = Settings::default();
        settings.http.allowed_origins = vec!["https://example.org".into()];
        settings
    }

    fn whats(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.what.split(' ').next().unwrap()).collect()
    }

    #[test]
    fn settings_that_hurt_are_named_and_others_are_not() {
        assert_eq!(of_settings(&safe()), []);
        assert_eq!(whats(&of_settings(&Settings::default())), ["http.allowed_origins"]);
        let mut settings = safe();
        settings.chat.listen = "0.0.0.0:3001".parse().unwrap();
        settings.presence.listen = "[::]:3002".parse().unwrap();
        settings.presence.public_url = Some("wss://example.org".into());
        settings.limits.enabled = false;
        settings.notification.smtp_url = Some("smtp://u:hunter2@mail.example".parse().unwrap());
        let found = of_settings(&settings);
        assert_eq!(whats(&found), ["chat.listen", "notification.smtp_url:", "limits.enabled"]);
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
    }

    #[test]
    fn a_limit_of_files_must_hold_all_connections() {
        let mut settings = safe();
        settings.http.max_connections = 1000;
        assert_eq!(of_open_files(&settings, None, 8), None);
        assert_eq!(of_open_files(&settings, Some(8256), 8), None);
        let found = of_open_files(&settings, Some(4256), 8).unwrap();
        assert!(found.change.contains("to 8256 ") && found.change.ends_with("http.max_connections to 500."), "{found}");
        settings.http.workers = 1;
        assert_eq!(of_open_files(&settings, Some(4256), 8), None);
    }

    #[test]
    fn a_place_that_takes_no_files_is_an_error() {
        assert_eq!(of_files(&safe(), None), None);
        let found = of_files(&safe(), Some("it is full")).unwrap();
        assert!(found.level == Level::Error && found.what.contains("file:data/attachments: it is full"), "{found}");
    }

    #[test]
    fn little_disk_is_a_warning_and_hardly_any_an_error() {
        let level = |free| of_disk(Path::new("/x"), free).map(|finding| finding.level);
        assert_eq!([100 << 20, 1 << 30, 5 << 30].map(level), [Some(Level::Error), Some(Level::Warning), None]);
        assert!(of_directory(Path::new("/x"), 0o40700).is_none());
        assert!(of_directory(Path::new("/x"), 0o40750).unwrap().what.contains("750"));
    }
}
