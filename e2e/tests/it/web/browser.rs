//! A headless Chromium driven by chromedriver; `.ci/prerequisites` installs both.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use client::shared::RoomId;
use e2e::{Person, System, eventually};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, error::CmdError, wd::TimeoutConfiguration};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// How long anything may take that should come at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// Between finding a free port and taking it somebody else may take it.
const TRIES: usize = 10;
const STARTED: &str = "ChromeDriver was started successfully on port ";
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
];

/// Keys as WebDriver names them (W3C WebDriver, "Keyboard actions").
pub mod key {
    pub const TAB: &str = "\u{e004}";
    pub const ENTER: &str = "\u{e007}";
    pub const SHIFT: &str = "\u{e008}";
    pub const CONTROL: &str = "\u{e009}";
    pub const ESCAPE: &str = "\u{e00c}";
    pub const UP: &str = "\u{e013}";
    pub const RIGHT: &str = "\u{e014}";
}

/// A chromedriver of the test's own. With it, all its windows end.
pub struct Browser {
    port: u16,
    profiles: TempDir,
    _driver: Child,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Desktop,
    Phone,
}

/// A page of a browser with a profile of its own.
pub struct Window {
    pub driver: Client,
}

impl Browser {
    pub async fn start() -> Self {
        for _ in 0..TRIES {
            if let Some(started) = Self::try_to_start().await {
                return started;
            }
        }
        panic!("chromedriver found no port to listen at")
    }

    /// `None` where somebody else took the port that it had found.
    async fn try_to_start() -> Option<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver: .ci/prerequisites installs it (apt-get install chromium chromium-driver)");
        let mut lines = BufReader::new(driver.stdout.take()?).lines();
        let port = loop {
            let line = lines.next_line().await.ok()??;
            if let Some(port) = line.strip_prefix(STARTED) {
                break port.trim_end_matches('.').parse().ok()?;
            }
        };
        // A full pipe would hold it up.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Some(Self { port, profiles: tempfile::tempdir().ok()?, _driver: driver })
    }

    /// A new window at the page of `system`.
    pub async fn open(&self, system: &System, screen: Screen) -> Window {
        let profile = tempfile::tempdir_in(self.profiles.path()).unwrap().keep();
        let own = [format!("--user-data-dir={}", profile.display()), "--window-size=1280,800".into()];
        let arguments: Vec<String> = ARGUMENTS.iter().map(|one| one.to_string()).chain(own).collect();
        let mut options = json!({ "args": arguments });
        if screen == Screen::Phone {
            let metrics = json!({"width": 390, "height": 844, "pixelRatio": 2, "touch": true});
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = Map::from_iter([("goog:chromeOptions".into(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let driver = format!("http://127.0.0.1:{}", self.port);
        let driver = builder.capabilities(wanted).connect(&driver).await.expect("Chromium starts");
        driver.update_timeouts(TimeoutConfiguration::new(Some(SOON), None, None)).await.unwrap();
        let home = format!("http://{}/", system.first_address("api").unwrap());
        driver.goto(&home).await.unwrap();
        Window { driver }
    }

    /// A new window in which `person` is logged in and has their rooms.
    pub async fn open_as(&self, system: &System, person: &Person) -> Window {
        let window = self.open(system, Screen::Desktop).await;
        window.log_in(&person.name).await;
        window
    }
}

impl Drop for Browser {
    /// Asks it to end its windows and itself: killed, it would leave them running. A test that ends is not held up long.
    fn drop(&mut self) {
        let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port)) else { return };
        let asked = driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        if asked.and_then(|()| driver.set_read_timeout(Some(SOON))).is_ok() {
            // Until it is gone.
            let _ = driver.read_to_end(&mut Vec::new());
        }
    }
}

impl Window {
    pub async fn log_in(&self, name: &str) {
        self.fill("input[name=username]", name).await;
        self.fill("input[name=password]", "correct horse").await;
        self.keys(key::ENTER).await;
        self.until("the rooms are there", "document.querySelector('room-list .whoami')").await;
        self.until("it is online", "document.querySelector('.whoami .presence.online')").await;
    }

    /// Goes to a room by the list.
    pub async fn enter(&self, room: RoomId) {
        self.click(&format!("a[data-room='{room}']")).await;
        self.until(
            "the room is open",
            &format!("location.hash === '#/room/{room}' && document.querySelector('room-view textarea')"),
        )
        .await;
    }

    /// Says something in the room that is open.
    pub async fn say(&self, text: &str) {
        self.fill("room-view textarea", text).await;
        self.keys(key::ENTER).await;
    }

    /// Waits until a message with this text is shown, and then for its state, of one's own.
    pub async fn until_said(&self, text: &str, state: Option<&str>) {
        let state = state.map_or_else(String::new, |state| format!(" && row.querySelector('.state.{state}')"));
        let condition = format!(
            "[...document.querySelectorAll('li.message')].some((row) => row.querySelector('.text')?.textContent === {}{state})",
            json!(text)
        );
        self.until(&format!("{text} is shown{state}"), &condition).await;
    }

    /// Texts of the messages in the document, in order.
    pub async fn texts(&self) -> Vec<String> {
        let all = self
            .script("return [...document.querySelectorAll('li.message .text')].map((text) => text.textContent)")
            .await;
        serde_json::from_value(all).unwrap()
    }

    /// Waits until an expression of the page is true; gives what it is.
    pub async fn until(&self, what: &str, expression: &str) -> Value {
        let script = format!("const found = {expression}; return found instanceof Node ? true : found");
        let found = eventually(what, SOON, async || {
            let value = self.driver.execute(&script, vec![]).await.ok()?;
            let is_true =
                !matches!(&value, Value::Null | Value::Bool(false)) && value != json!(0) && value != json!("");
            is_true.then_some(value)
        });
        match found.await {
            Ok(value) => value,
            Err(error) => {
                let name = format!("failed-{}", what.chars().filter(char::is_ascii_alphanumeric).collect::<String>());
                self.picture(&name).await;
                panic!("{error}; see {name}.png")
            }
        }
    }

    pub async fn script(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap()
    }

    /// Runs a script that says itself when it is done, and what came of it.
    pub async fn script_async(&self, script: &str) -> Value {
        self.driver.execute_async(script, vec![]).await.unwrap()
    }

    /// The first element of this selector that is shown.
    pub async fn find(&self, selector: &str) -> Element {
        let found = eventually(selector, SOON, async || {
            for element in self.driver.find_all(Locator::Css(selector)).await.ok()? {
                if element.is_displayed().await.is_ok_and(|shown| shown) {
                    return Some(element);
                }
            }
            None
        });
        match found.await {
            Ok(found) => found,
            Err(error) => {
                self.picture("failed-find").await;
                panic!("{error}; see failed-find.png")
            }
        }
    }

    /// Clicks an element, also where it is drawn anew meanwhile.
    pub async fn click(&self, selector: &str) {
        let what = format!("a click on {selector}");
        let clicked = eventually(&what, SOON, async || self.find(selector).await.click().await.ok());
        clicked.await.unwrap();
    }

    /// Writes into a field, in place of what is there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses keys where the focus is.
    pub async fn keys(&self, keys: &str) {
        let element = self.driver.active_element().await.unwrap();
        element.send_keys(keys).await.unwrap();
    }

    /// A screenshot under `target/screenshots`.
    pub async fn picture(&self, name: &str) {
        let directory = target().join("screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let picture = self.driver.screenshot().await.unwrap();
        std::fs::write(directory.join(format!("{name}.png")), picture).unwrap();
    }

    /// As after closing the page and coming back.
    pub async fn reload(&self) -> Result<(), CmdError> {
        self.driver.refresh().await
    }
}

/// The target directory, in which this test was built.
pub fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).map(Path::to_owned).unwrap()
}
