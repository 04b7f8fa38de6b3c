//! What letters say, as plain text and as HTML. Of what a user chose only the username stands in them, which has no room
//! for a message: anybody can sign up with a stranger's address.

use std::time::Duration;

use store::SecretKind;

use super::Mail;

/// A letter without its receiver.
pub struct Page {
    subject: String,
    /// Each as text and as HTML.
    paragraphs: Vec<(String, String)>,
    unsubscribe: Option<String>,
}

impl Page {
    pub fn to(self, to: String) -> Mail {
        let paragraphs = &self.paragraphs;
        let text = paragraphs.iter().map(|(text, _)| format!("{text}\n")).collect::<Vec<_>>().join("\n");
        let html: String = paragraphs.iter().map(|(_, html)| format!("<p>{html}</p>\n")).collect();
        let html =
            format!("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n{html}</body></html>\n");
        Mail { to, subject: self.subject, text, html, unsubscribe: self.unsubscribe, thread: None }
    }

    /// With a link, if there is one, to get no more of these.
    pub fn with_unsubscribe(mut self, link: Option<String>) -> Self {
        if let Some(link) = &link {
            let text = format!("Stop these e-mails:\n{link}");
            self.paragraphs.push((text, format!("<a href=\"{}\">Stop these e-mails</a>", escape(link))));
        }
        Self { unsubscribe: link, ..self }
    }

    fn of(subject: &str, paragraphs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { subject: subject.into(), paragraphs: paragraphs.into_iter().collect(), unsubscribe: None }
    }
}

/// The same in both.
fn plain(text: impl Into<String>) -> (String, String) {
    let text = text.into();
    let html = escape(&text).replace('\n', "<br>\n");
    (text, html)
}

pub fn with_token(kind: SecretKind, username: &str, lifetime: Duration, token: &str, link: Option<&str>) -> Page {
    let (subject, why, act, otherwise) = match kind {
        SecretKind::Reset => (
            "Choose a new password",
            format!("Somebody asked for a new password for the account {username}."),
            "Choose a new password",
            "If it was not you, do nothing: the password stays as it is.",
        ),
        SecretKind::Verify => (
            "Confirm your e-mail address",
            format!("This address was given for the account {username}."),
            "Confirm the address",
            "If it was not you, do nothing.",
        ),
    };
    let within = words(lifetime);
    let how = match link {
        Some(link) => (
            format!("{act} within {within}:\n{link}"),
            format!("<a href=\"{}\">{act}</a> within {within}.", escape(link)),
        ),
        None => (
            format!("{act} within {within}, with this code:\n{token}"),
            format!("{act} within {within}, with this code:<br>\n<code>{token}</code>"),
        ),
    };
    Page::of(subject, [plain(why), how, plain(otherwise)])
}

pub fn password_changed(username: &str) -> Page {
    let paragraphs = [
        plain(format!("The account {username} has a new password; its other logins have ended.")),
        plain("If it was not you, ask for a new password at once."),
    ];
    Page::of("Your password was changed", paragraphs)
}

pub fn notification(title: &str, body: &str) -> Page {
    Page::of(title, [plain(if body.is_empty() { title } else { body })])
}

/// What came in a room: who said what of the first messages, and how many there are. The room of two has no name.
pub fn unread(room: Option<&str>, lines: &[(String, String)], all: u64) -> Page {
    let count = if all == 1 { "1 new message".to_owned() } else { format!("{all} new messages") };
    let subject = match (room, lines) {
        (Some(room), _) => format!("{count} in {room}"),
        (None, [(author, _), ..]) => format!("{count} from {author}"),
        (None, []) => count,
    };
    let line = |(author, said): &(String, String)| {
        let (text, html) = plain(said.as_str());
        (format!("{author}:\n{text}"), format!("<b>{}</b><br>\n{html}", escape(author)))
    };
    let more = all - (lines.len() as u64).min(all);
    let more = (more > 0).then(|| plain(format!("and {more} more")));
    Page::of(&subject, lines.iter().map(line).chain(more))
}

/// `24 hours`, `30 minutes`, `1 minute`.
fn words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (count, unit) =
        if minutes >= 120 && minutes.is_multiple_of(60) { (minutes / 60, "hour") } else { (minutes, "minute") };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// As text or a quoted attribute of HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(page: Page) -> Mail {
        page.to("a@example.net".into())
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    #[test]
    fn a_letter_has_the_link_or_else_the_code_in_both_of_its_forms() {
        let link = "https://example.org/reset?a=1&token=T";
        let page = mail(with_token(SecretKind::Reset, "alice", minutes(30), "T", Some(link)));
        assert!(page.text.contains(&format!("within 30 minutes:\n{link}\n")), "{}", page.text);
        assert!(page.html.contains("<a href=\"https://example.org/reset?a=1&amp;token=T\">"), "{}", page.html);
        let page = mail(with_token(SecretKind::Verify, "alice", minutes(1440), "TOKEN", None));
        assert!(page.text.contains("within 24 hours, with this code:\nTOKEN\n"), "{}", page.text);
        assert!(page.html.contains("<code>TOKEN</code>"), "{}", page.html);
    }

    #[test]
    fn what_others_wrote_is_text_in_html() {
        let page = mail(notification("<b>", "a & \"b\"\n<script>"));
        assert!(page.html.contains("<p>a &amp; &quot;b&quot;<br>\n&lt;script&gt;</p>"), "{}", page.html);
        assert_eq!(page.text, "a & \"b\"\n<script>\n");
        assert_eq!(mail(notification("only a title", "")).text, "only a title\n");
        let lines = [("<Bob>".to_owned(), "a <b>\nc".to_owned()), ("Eve".into(), "&".into())];
        let page = mail(unread(Some("<Tea>"), &lines, 2));
        assert_eq!(page.subject, "2 new messages in <Tea>");
        assert_eq!(page.text, "<Bob>:\na <b>\nc\n\nEve:\n&\n");
        assert!(page.html.contains("<p><b>&lt;Bob&gt;</b><br>\na &lt;b&gt;<br>\nc</p>"), "{}", page.html);
    }

    #[test]
    fn a_mail_about_a_room_says_how_many_there_are_and_how_to_stop_it() {
        let lines = [("Eve".to_owned(), "hi".to_owned())];
        assert_eq!(mail(unread(None, &lines, 1)).subject, "1 new message from Eve");
        let page = mail(unread(None, &lines, 3).with_unsubscribe(Some("https://x/?a=1&b=2".into())));
        assert_eq!(page.subject, "3 new messages from Eve");
        assert_eq!(page.text, "Eve:\nhi\n\nand 2 more\n\nStop these e-mails:\nhttps://x/?a=1&b=2\n");
        assert!(page.html.contains("<a href=\"https://x/?a=1&amp;b=2\">"), "{}", page.html);
        assert_eq!(page.unsubscribe.as_deref(), Some("https://x/?a=1&b=2"));
    }

    #[test]
    fn times_are_told_in_words() {
        let told = [1, 30, 60, 90, 120, 1440].map(|count| words(minutes(count)));
        assert_eq!(told, ["1 minute", "30 minutes", "60 minutes", "90 minutes", "2 hours", "24 hours"]);
    }
}
