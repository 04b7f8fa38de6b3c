//! Which deployment a command is about: its settings.

use std::path::PathBuf;

use shared::{
    Settings,
    settings::{SettingsError, StoreUrl},
};

/// Options of every command that reads the settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Deployment {
    /// Directory of the embedded store (default: data; overrides store.url)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// TOML file of settings (default: chatapp.toml, if there is one)
    #[arg(long, value_name = "FILE", env = "CHATAPP_CONFIG")]
    pub config: Option<PathBuf>,
}

impl Deployment {
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(dir) = &self.data_dir {
            settings.store.url = StoreUrl::Embedded(dir.clone());
        }
        Ok(settings)
    }
}
