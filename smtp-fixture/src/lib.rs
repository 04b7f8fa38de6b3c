//! A mail server for tests that nobody here wrote: Python's aiosmtpd (`receiver.py`) on a free port, which ends with the
//! test however that ends. It panics where it fails: it is for tests alone.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

const RECEIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/receiver.py");
/// With the libraries of receivers, which `.ci/prerequisites` installs.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/receivers/bin/python");
/// A mail comes much sooner, or never.
const PATIENCE: Duration = Duration::from_secs(30);
/// More mails than any test sends.
const MAILS: usize = 1024;

/// What a server insists on, and says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Its answers to the first mails, in turn; 250 to all others.
    pub answers: &'a [&'a str],
    /// User and password.
    pub login: Option<(&'a str, &'a str)>,
    /// Certificate and key (PEM): nothing goes without STARTTLS.
    pub tls: Option<(&'a Path, &'a Path)>,
}

/// A mail as it was received, parsed.
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// What the server said to it.
    pub answer: String,
    pub encrypted: bool,
    /// Who was logged in.
    pub user: Option<String>,
    /// Of the envelope.
    pub sender: String,
    pub receivers: Vec<String>,
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
    /// Where it is not as RFC 5322 and 2045 ask.
    pub defects: Vec<String>,
}

impl Mail {
    /// The one header of this name.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next().unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    /// The token of a letter: the last thing in its text that can be one.
    pub fn token(&self) -> &str {
        let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let mut words = self.text.split(|c| !is_of_token(c));
        words.rfind(|word| word.len() == 36 + 1 + 43).unwrap_or_else(|| panic!("no token: {}", self.text))
    }
}

/// A running mail server.
#[derive(Debug)]
pub struct Receiver {
    pub port: u16,
    child: Child,
    mails: Mutex<mpsc::Receiver<Mail>>,
}

impl Receiver {
    pub fn start(options: Options) -> Self {
        assert!(Path::new(PYTHON).exists(), "the receivers are not installed; run .ci/prerequisites");
        let options = json!({ "answers": options.answers, "login": options.login, "tls": options.tls });
        let mut child = Command::new(PYTHON)
            .args(["-W", "ignore", RECEIVER, &options.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("the mail server does not start").unwrap().parse().unwrap();
        let (received, mails) = mpsc::channel(MAILS);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody waits for it any more.
                let _ = received.blocking_send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { port, child, mails: Mutex::new(mails) }
    }

    /// The next mail it was given, whatever it said to that.
    pub async fn next(&self) -> Mail {
        let mut mails = self.mails.lock().await;
        tokio::time::timeout(PATIENCE, mails.recv()).await.expect("no mail came").expect("the mail server ended")
    }

    /// A mail that it was given and that was not asked for.
    pub async fn left_over(&self) -> Option<Mail> {
        self.mails.lock().await.try_recv().ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
