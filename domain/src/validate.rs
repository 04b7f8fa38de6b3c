//! Rules of form for what people type. Each check names the field; all problems of one input are told together.

use email_address::{EmailAddress, Options};
use shared::FieldProblem;

use crate::{DomainError, Result, passwords};

/// Bytes of an idempotency key.
const MAX_KEY: usize = 128;

/// An idempotency key, where one is given, has 1 to 128 bytes.
pub fn check_key(field: &str, key: Option<&str>) -> Result<()> {
    match key {
        Some(key) if !(1..=MAX_KEY).contains(&key.len()) => {
            Err(DomainError::invalid(field, format!("use 1 to {MAX_KEY} bytes")))
        }
        _ => Ok(()),
    }
}

/// Collects problems of one input.
#[derive(Default)]
pub struct Check(Vec<FieldProblem>);

impl Check {
    fn add(&mut self, field: &str, problem: impl Into<String>) {
        self.0.push(FieldProblem { field: field.into(), problem: problem.into() });
    }

    /// `problem` unless `ok`.
    pub fn that(&mut self, ok: bool, field: &str, problem: impl Into<String>) -> &mut Self {
        if !ok {
            self.add(field, problem);
        }
        self
    }

    /// `[A-Za-z0-9_.-]{1,32}`; used for usernames and room handles.
    pub fn name(&mut self, field: &str, name: &str) -> &mut Self {
        let form = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        self.that((1..=32).contains(&name.len()) && form, field, "use 1 to 32 letters, digits and _ . -")
    }

    /// `min` to `max` characters without control characters; not only white space where `min` is above 0.
    pub fn line(&mut self, field: &str, text: &str, min: usize, max: usize) -> &mut Self {
        let chars = text.chars().count();
        self.that((min..=max).contains(&chars), field, format!("use {min} to {max} characters"));
        self.that(min == 0 || !text.trim().is_empty(), field, "must not be blank");
        self.that(!text.chars().any(char::is_control), field, "must not hold control characters")
    }

    /// Like [`line`](Self::line), where the field is given; line breaks are allowed.
    pub fn optional_text(&mut self, field: &str, text: Option<&str>, max: usize) -> &mut Self {
        match text {
            Some(text) => {
                self.that(text.chars().count() <= max, field, format!("use up to {max} characters"));
                let plain = !text.chars().any(|c| c.is_control() && c != '\n');
                self.that(plain, field, "must not hold control characters")
            }
            None => self,
        }
    }

    /// An address by RFC 5321's form, up to 254 characters.
    pub fn email(&mut self, field: &str, email: &str) -> &mut Self {
        // `Name <a@x.org>` is no address: beside `a@x.org` it would be another account's.
        let bare = Options::default().without_display_text();
        let ok = email.len() <= 254 && EmailAddress::parse_with_options(email, bare).is_ok();
        self.that(ok, field, "not an e-mail address")
    }

    /// A new password: 8 to 128 characters and none of the most common, as OWASP ASVS 5.0 asks; no rules of composition.
    pub fn password(&mut self, field: &str, password: &str) -> &mut Self {
        let fits = passwords::LENGTH.contains(&password.chars().count());
        self.that(fits, field, "use 8 to 128 characters");
        self.that(!fits || !passwords::is_common(password), field, "too many people use this one")
    }

    /// `Err(Invalid)` with everything that was found.
    pub fn done(&mut self) -> Result<()> {
        match std::mem::take(&mut self.0) {
            none if none.is_empty() => Ok(()),
            problems => Err(DomainError::Invalid(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(check: impl FnOnce(&mut Check) -> &mut Check) -> bool {
        check(&mut Check::default()).done().is_ok()
    }

    #[test]
    fn names() {
        for good in ["a", "Alice", "a.b_c-9", &"x".repeat(32)] {
            assert!(ok(|c| c.name("f", good)), "{good}");
        }
        for bad in ["", " ", "a b", "é", "a/b", "a\0", "{}", &"x".repeat(33)] {
            assert!(!ok(|c| c.name("f", bad)), "{bad}");
        }
    }

    #[test]
    fn texts_mails_and_passwords() {
        assert!(ok(|c| c.line("f", "Ünï cödé 🙂", 1, 64)));
        assert!(!ok(|c| c.line("f", "   ", 1, 64)));
        assert!(!ok(|c| c.line("f", "a\u{7}", 1, 64)));
        assert!(ok(|c| c.optional_text("f", Some("two\nlines"), 20)));
        assert!(ok(|c| c.email("f", "a.b+c@example.org")));
        for bad in ["", "a", "a@", "@b", "a b@c.de", "a@b\n.de", "A <a@b.de>", "<a@b.de>"] {
            assert!(!ok(|c| c.email("f", bad)), "{bad}");
        }
        assert!(ok(|c| c.password("f", "secure123")) && !ok(|c| c.password("f", "secure1")));
        assert!(!ok(|c| c.password("f", "12345678")));
        assert!(!ok(|c| c.password("f", &"x".repeat(129))));
    }

    #[test]
    fn all_problems_are_told_together() {
        let problems = Check::default().name("username", "").password("password", "x").done().unwrap_err();
        assert_eq!(problems.details().len(), 2);
    }
}
