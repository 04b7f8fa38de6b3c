//! Whom a text names: `@name` and `@all`. Reading the text is pure; names are looked up in one step, and only where the
//! text holds an `@`. Who has blocked the author is not named by it.

use std::collections::HashMap;

use shared::{UserId, protocol::MessageType};
use store::Mentions;

use super::Messages;
use crate::Result;

/// Different names one message mentions at most; further ones are text.
const MAX_MENTIONS: usize = 50;
/// Spellings looked up for one message at most, each of them a read while it is not cached; further names are text. Names
/// have one each, unless dots or hyphens follow.
const MAX_SPELLINGS: usize = 100;
/// Letters of a name (see `validate::Check::name`).
const MAX_NAME: usize = 32;
/// Names everybody.
const ALL: &str = "all";

impl Messages {
    /// Whom a message of this author, kind and content names. Costs nothing without an `@`; else one look-up of all names
    /// at once and, where it names somebody, a read of who of them blocks the author. What is encrypted names nobody: it
    /// is not for the server to read.
    pub(super) async fn mentions(&self, author: UserId, kind: MessageType, content: &str) -> Result<Mentions> {
        if kind == MessageType::Encrypted || !content.contains('@') {
            return Ok(Mentions::default());
        }
        let found = find(content);
        let names = found.iter().flatten().filter(|name| *name != ALL).cloned();
        let ids = self.names.ids_of(names).await?;
        let mut mentions = choose(&found, &ids);
        let blockers = self.store.people.blocks_among(&mentions.users, &[author]).await?;
        mentions.users.retain(|user| !blockers.contains(&(*user, author)));
        Ok(mentions)
    }
}

/// The names a text may mention, each with the spellings it may have, folded, the longest first: `@bob.` is `bob.` if
/// there is one, else `bob`.
fn find(text: &str) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut looked_up = 0;
    let mut before = None;
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let before_at = rest[..at].chars().next_back().or(before);
        let after = &rest[at + 1..];
        let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
        let (word, then) = after.split_at(end);
        // `a@b.org` is an address, `x/@b` part of one; `@bob@b.org` is somebody elsewhere, `@bobé` somebody else.
        let starts = before_at.is_none_or(|c| !(c.is_alphanumeric() || "_-+@/".contains(c)));
        let ends = then.chars().next().is_none_or(|c| !(c.is_alphanumeric() || c == '@'));
        if starts && ends {
            let spellings = spellings(word);
            if !spellings.is_empty() && !found.contains(&spellings) {
                looked_up += spellings.len();
                if looked_up > MAX_SPELLINGS {
                    break;
                }
                found.push(spellings);
                if found.len() == MAX_MENTIONS {
                    break;
                }
            }
        }
        before = word.chars().next_back().or(Some('@'));
        rest = then;
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

/// As it is written, without one, two and three of the dots and hyphens it ends with, and without all of them.
fn spellings(word: &str) -> Vec<String> {
    let bare = word.trim_end_matches(['.', '-']);
    let shorter = (0..=3).map(|cut| word.len().saturating_sub(cut)).filter(|len| *len > bare.len());
    let lengths = shorter.chain([bare.len()]).filter(|len| (1..=MAX_NAME).contains(len));
    lengths.map(|len| word[..len].to_ascii_lowercase()).collect()
}

fn choose(found: &[Vec<String>], ids: &HashMap<String, UserId>) -> Mentions {
    let mut mentions = Mentions::default();
    for spellings in found {
        match spellings.iter().find(|name| *name == ALL || ids.contains_key(*name)) {
            Some(name) if name == ALL => mentions.all = true,
            Some(name) => {
                let user = ids[name];
                if !mentions.users.contains(&user) {
                    mentions.users.push(user);
                }
            }
            None => {}
        }
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom the text names, where these names are taken.
    fn named(text: &str, taken: &[&str]) -> Vec<String> {
        let ids: HashMap<String, UserId> = taken.iter().map(|name| ((*name).to_owned(), UserId::new())).collect();
        let mentions = choose(&find(text), &ids);
        let name = |user: &UserId| ids.iter().find(|(_, id)| *id == user).unwrap().0.clone();
        mentions.users.iter().map(name).chain(mentions.all.then(|| "ALL".to_owned())).collect()
    }

    #[test]
    fn a_name_after_an_at_is_a_mention_in_any_case() {
        let taken = ["bob", "a.b_c-9", "carol", "b"];
        for (text, expected) in [
            ("@bob", &["bob"][..]),
            ("hi @BoB and @carol!", &["bob", "carol"]),
            ("(@bob), \"@carol\": @bob", &["bob", "carol"]),
            ("hi.@bob", &["bob"]),
            ("@a.b_c-9", &["a.b_c-9"]),
            ("één@bob", &[]),
            ("@bob\n@carol", &["bob", "carol"]),
            ("@ bob @", &[]),
            ("@dave", &[]),
            ("日@bob", &[]),
            ("🙂@bob🙂", &["bob"]),
            ("@bob,@carol", &["bob", "carol"]),
        ] {
            assert_eq!(named(text, &taken), expected, "{text}");
        }
    }

    #[test]
    fn what_is_inside_a_word_or_an_address_is_none() {
        let taken = ["bob", "example.org", "example", "org"];
        for text in [
            "alice@bob",
            "alice_@bob",
            "a+@bob",
            "mail bob@example.org",
            "@bob@example.org",
            "https://example.org/@bob",
            "@@bob",
            "@bobé",
            "@bobby",
            "@bob_",
        ] {
            assert_eq!(named(text, &taken), [] as [String; 0], "{text}");
        }
    }

    #[test]
    fn dots_and_hyphens_at_the_end_belong_to_the_name_only_where_there_is_such_a_name() {
        assert_eq!(named("@bob.", &["bob"]), ["bob"]);
        assert_eq!(named("@bob...", &["bob"]), ["bob"]);
        assert_eq!(named("@bob--- so", &["bob"]), ["bob"]);
        assert_eq!(named("@bob....................................", &["bob"]), ["bob"]);
        assert_eq!(named("@bob.", &["bob", "bob."]), ["bob."]);
        assert_eq!(named("@bob..", &["bob", "bob."]), ["bob."]);
        assert_eq!(named("@bob", &["bob."]), [] as [String; 0]);
        assert_eq!(named("@bob.smith", &["bob"]), [] as [String; 0], "another name, not two words");
        assert_eq!(named("@..", &["."]), ["."]);
        assert_eq!(named("@-", &[]), [] as [String; 0]);
    }

    #[test]
    fn all_is_everybody_once() {
        assert_eq!(named("@all @All. @bob", &["bob"]), ["bob", "ALL"]);
        assert_eq!(named("@alls @al-l", &[]), [] as [String; 0]);
    }

    #[test]
    fn a_name_is_at_most_32_letters_and_a_message_names_at_most_50() {
        let longest = "x".repeat(32);
        assert_eq!(named(&format!("@{longest}"), &[&longest]), [longest.as_str()]);
        assert_eq!(named(&format!("@{longest}x"), &[&longest]), [] as [String; 0]);
        let names: Vec<String> = (0..60).map(|n| format!("n{n}")).collect();
        let taken: Vec<&str> = names.iter().map(String::as_str).collect();
        let text: String = names.iter().map(|name| format!("@{name} @{name} ")).collect();
        assert_eq!(named(&text, &taken), names[..50]);
    }

    #[test]
    fn looking_up_is_bounded_whatever_the_text() {
        let text: String = (0..2000).map(|n| format!("@{n}... ")).collect();
        let found = find(&text);
        assert_eq!((found.len(), found.iter().flatten().count()), (25, 100));
        let text: String = (0..2000).map(|n| format!("@{n}. ")).collect();
        assert_eq!(find(&text).len(), 50, "at the end of a sentence");
        find(&"@".repeat(8000));
        find(&"@.".repeat(4000));
    }
}
