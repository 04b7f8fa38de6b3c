//! E-mail, by the operator's SMTP server: letters about accounts, and notifications. What messages say is gathered: one mail
//! for what comes in a room within `notification.email_batch_seconds`.
//!
//! What it says is decided in `domain::letters`; here is how it is sent. The same job is the same mail, `Message-ID`
//! included, so that whoever keeps it can tell one that came twice.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use domain::{
    Domain, DomainError,
    letters::{Gathering, Mail, Written},
    notifications::EMAIL,
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{Error, PoolConfig},
};
use shared::settings;
use store::Job;
use tokio::sync::Semaphore;

use super::{Channel, Outcome};

/// Mails under way at the same time, each on a connection of its own.
const CONNECTIONS: u32 = 8;
/// For one step of a conversation with the server.
const STEP: Duration = Duration::from_secs(10);
/// A server that said "later" wants to be left alone for a while: with all attempts, a quarter of an hour in all, which
/// outlasts those that try who comes back (RFC 6647).
const LATER: Duration = Duration::from_secs(60);

pub struct Email {
    domain: Domain,
    /// None: no server is configured.
    server: Option<Arc<Server>>,
}

struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    connections: Arc<Semaphore>,
}

impl Email {
    /// Connects to nothing yet.
    pub fn new(domain: Domain) -> anyhow::Result<Self> {
        let server = Server::of(&domain.settings.notification)?.map(Arc::new);
        Ok(Self { domain, server })
    }

    async fn send(&self, job: &Job) -> domain::Result<Outcome> {
        let Some(server) = &self.server else {
            return Ok(Outcome::Suppressed { why: "no e-mail is sent here: notification.smtp_url is not set".into() });
        };
        if let Some(message) = job.message {
            return Ok(match self.domain.letters.gather(job, message).await? {
                Gathering::Into(into) => Outcome::Gathered { into },
                Gathering::Nothing(why) => Outcome::Suppressed { why: why.into() },
            });
        }
        let mail = match self.domain.letters.write(job).await? {
            Written::Mail(mail) => mail,
            Written::Nothing(why) => return Ok(Outcome::Suppressed { why: why.into() }),
        };
        let message = match message(&server.from, job, mail) {
            Ok(message) => message,
            Err(e) => return Ok(Outcome::Failed { why: format!("it cannot be written as an e-mail: {e:#}") }),
        };
        // Before the task: who is given up while they wait sends nothing later.
        let Ok(connection) = server.connections.clone().acquire_owned().await else {
            return Ok(Outcome::Retry { why: "stopping".into(), after: None });
        };
        let server = server.clone();
        // A task: a conversation that is broken off in the middle must not go back into the pool.
        let sent = tokio::spawn(async move {
            let _connection = connection;
            server.send(message).await
        });
        Ok(sent.await.context("sending an e-mail ended badly")?)
    }
}

impl Server {
    fn of(settings: &settings::Notification) -> anyhow::Result<Option<Self>> {
        let (Some(url), Some(from)) = (&settings.smtp_url, &settings.smtp_from) else { return Ok(None) };
        let from = from.parse().context("configuration: notification.smtp_from")?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
        let transport = transport.context("configuration: notification.smtp_url")?.timeout(Some(STEP));
        let transport = transport.pool_config(PoolConfig::new().max_size(CONNECTIONS)).build();
        Ok(Some(Self { transport, from, connections: Arc::new(Semaphore::new(CONNECTIONS as usize)) }))
    }

    async fn send(&self, message: Message) -> Outcome {
        match self.transport.send(message).await {
            Ok(answer) => {
                let said = answer.message().collect::<Vec<_>>().join(" ");
                Outcome::Delivered { detail: Some(format!("{} {said}", answer.code())) }
            }
            Err(e) => refused(&e),
        }
    }
}

fn refused(e: &Error) -> Outcome {
    let code = e.status().map(u16::from);
    let why = chain(e);
    match code {
        Some(code) => answered(code, why),
        None => Outcome::Retry { why, after: None },
    }
}

/// By the server's answer (RFC 5321 §4.2).
fn answered(code: u16, why: String) -> Outcome {
    match code {
        // It does not know us, or not like this (RFC 4954 §6): that is the operator's to repair, and no fault of the mail.
        421 | 530 | 534 | 535 | 538 => Outcome::Retry { why, after: None },
        500.. => Outcome::Failed { why },
        _ => Outcome::Retry { why, after: Some(LATER) },
    }
}

/// An error with its causes.
fn chain(e: &Error) -> String {
    let mut why = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(e) = cause {
        let text = e.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        cause = e.source();
    }
    why
}

/// No person answers it, and no program should (RFC 3834 §5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// A header as it stands, of ASCII alone.
fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

fn message(from: &Mailbox, job: &Job, mail: Mail) -> anyhow::Result<Message> {
    let to = Mailbox::new(None, mail.to.parse().context("the address")?);
    let created = u64::try_from(job.created_at.as_secs()).unwrap_or_default();
    let domain = from.email.domain();
    let mut message = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(mail.subject)
        .date(std::time::UNIX_EPOCH + Duration::from_secs(created))
        .message_id(Some(format!("<{}.{}@{domain}>", job.id, job.user)))
        .header(AutoSubmitted);
    if let Some(thread) = &mail.thread {
        // Of a mail that there never was: what answers the same is shown together.
        message = message.references(format!("<{thread}@{domain}>"));
    }
    if let Some(link) = &mail.unsubscribe {
        message = message.raw_header(raw("List-Unsubscribe", format!("<{link}>")));
        if link.starts_with("https:") {
            message = message.raw_header(raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()));
        }
    }
    Ok(message.multipart(MultiPart::alternative_plain_html(mail.text, mail.html))?)
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &'static str {
        EMAIL
    }

    /// Where no server is configured, only for those who ask for it, to be told so.
    fn is_for_all(&self) -> bool {
        self.server.is_some()
    }

    async fn deliver(&self, job: &Job, _: &str) -> Outcome {
        let outcome = match self.send(job).await {
            Ok(outcome) => outcome,
            Err(DomainError::Unavailable(_)) => Outcome::Retry { why: "the store is away".into(), after: None },
            Err(e) => {
                e.log();
                Outcome::Retry { why: "internal error".into(), after: None }
            }
        };
        if let Outcome::Failed { why } = &outcome {
            tracing::warn!(notification = %job.id, "an e-mail is not delivered: {why}");
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use shared::{NotificationId, Timestamp, UserId};

    use super::*;

    fn job() -> Job {
        Job {
            id: NotificationId::new(),
            user: UserId::new(),
            title: String::new(),
            body: String::new(),
            data: None,
            category: None,
            channels: None,
            collapse_key: None,
            expires_at: None,
            created_at: Timestamp::from_millis(1_760_000_000_123),
            message: None,
            after: 0,
            badge: None,
            letter: None,
            request_hash: None,
        }
    }

    fn written(job: &Job, to: &str, subject: &str) -> anyhow::Result<String> {
        let from = "Example <no-reply@example.org>".parse().unwrap();
        let (text, html) = ("one\r\n.\r\ntwo".into(), "<p>é</p>".into());
        let unsubscribe = Some("https://chat.example.org/stop?token=T".into());
        let (to, subject, thread) = (to.into(), subject.into(), Some("room.user".into()));
        let message = message(&from, job, Mail { to, subject, text, html, unsubscribe, thread })?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn a_mail_has_the_headers_that_machines_look_for_and_is_the_same_each_time() {
        let job = job();
        let mail = written(&job, "alice@example.net", "Hello").unwrap();
        let (headers, _) = mail.split_once("\r\n\r\n").unwrap();
        for header in [
            "From: Example <no-reply@example.org>",
            "To: alice@example.net",
            "Subject: Hello",
            "Date: Thu, 09 Oct 2025 08:53:20 +0000",
            &format!("Message-ID: <{}.{}@example.org>", job.id, job.user),
            "Auto-Submitted: auto-generated",
            "References: <room.user@example.org>",
            "List-Unsubscribe: <https://chat.example.org/stop?token=T>",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
            "MIME-Version: 1.0",
        ] {
            assert!(headers.lines().any(|line| line == header), "{header} in {headers}");
        }
    }

    #[test]
    fn nothing_that_is_given_becomes_a_header() {
        let mail = written(&job(), "alice@example.net", "é\r\nBcc: eve@example.net\r\n\r\nbody").unwrap();
        let (headers, _) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
        for to in ["alice@example.net\r\nBcc: eve@example.net", "alice@example.net, eve@example.net", "a <a@x.org>", ""]
        {
            assert!(written(&job(), to, "Hello").is_err(), "{to:?}");
        }
    }

    #[test]
    fn what_a_server_answers_says_whether_to_come_again() {
        let outcome = |code| match answered(code, "why".into()) {
            Outcome::Retry { after, .. } => format!("retry {}", after.unwrap_or_default().as_secs()),
            Outcome::Failed { .. } => "failed".into(),
            other => format!("{other:?}"),
        };
        for (code, expected) in [
            (421, "retry 0"),
            (450, "retry 60"),
            (451, "retry 60"),
            (452, "retry 60"),
            (535, "retry 0"),
            (530, "retry 0"),
            (550, "failed"),
            (552, "failed"),
            (554, "failed"),
        ] {
            assert_eq!(outcome(code), expected, "{code}");
        }
    }
}
