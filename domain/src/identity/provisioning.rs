//! A user of another product who is seen here for the first time gets an account, in the same call.
//!
//! It is theirs by issuer and subject alone: no name and no address ever makes it another's, or another's theirs. What
//! the token says of them is a beginning; from then on the profile is theirs to change here.

use shared::{Timestamp, UserId, token::external::HostClaims};
use store::{ExternalId, StoreError, UserRecord};

use super::Identity;
use crate::{DomainError, Result, validate::Check};

/// Bytes of a username, at most.
const MAX_NAME: usize = 32;
/// Characters of a display name, at most.
const MAX_DISPLAY: usize = 64;
/// Names with something random at their end that are tried.
const RANDOM_NAMES: usize = 3;

impl Identity {
    /// Whose account it is that this user of another product has here. Where it was made before and is gone, so is this
    /// user: they are not made again.
    pub(super) async fn provisioned(&self, external: &ExternalId, claims: &HostClaims) -> Result<UserId> {
        if let Some(user) = self.store.users.user_id_by_external(external).await? {
            return Ok(user);
        }
        let mut email = claims.email.clone().filter(|email| is_address(email));
        for username in names(claims.username.as_deref().unwrap_or_default(), external) {
            loop {
                let record = record(claims, username.clone(), email.clone());
                match self.store.users.provision_user(&record, external).await {
                    Ok(user) => {
                        self.names.taken(&username).await;
                        return Ok(user);
                    }
                    Err(StoreError::UsernameTaken) => break,
                    // It is that account's alone: knowing an address is no claim to it.
                    Err(StoreError::EmailTaken) if email.is_some() => email = None,
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Err(DomainError::Unavailable(anyhow::anyhow!("no free name was found for a user of another product")))
    }
}

fn record(claims: &HostClaims, username: String, email: Option<String>) -> UserRecord {
    UserRecord {
        id: UserId::new(),
        display_name: claims.name.as_deref().and_then(display_name).unwrap_or_else(|| username.clone()),
        username,
        email_verified: email.is_some(),
        email,
        password_hash: None,
        avatar_url: None,
        bio: None,
        created_at: Timestamp::now(),
        guest: false,
        administrator: false,
        banned_at: None,
    }
}

fn is_address(email: &str) -> bool {
    Check::default().email("email", email).done().is_ok()
}

/// As much of what the issuer calls them as a display name may have.
fn display_name(name: &str) -> Option<String> {
    let plain: String = name.chars().filter(|c| !c.is_control()).collect();
    let short: String = plain.trim().chars().take(MAX_DISPLAY).collect();
    let name = short.trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The names to be tried, in order: what the claim says or, of an address or anything else, what can stand in a name;
/// then with a part of the hash, which is the same in every try; then with something random, which nobody can take
/// beforehand.
fn names(claim: &str, external: &ExternalId) -> impl Iterator<Item = String> {
    let local = claim.split_once('@').map_or(claim, |(local, _)| local);
    let letters = local.chars().map(|c| if c == ' ' { '.' } else { c });
    let plain: String = letters.filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c)).take(MAX_NAME).collect();
    let plain = if plain.chars().any(|c| c.is_ascii_alphanumeric()) { plain } else { "user".into() };
    let base: String = plain.chars().take(MAX_NAME - 9).collect();
    let marked = format!("{base}-{:02x}{:02x}{:02x}", external[0], external[1], external[2]);
    let random = (0..RANDOM_NAMES).map(move |_| format!("{base}-{:08x}", rand::random::<u32>()));
    [plain, marked].into_iter().chain(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_whatever_the_claim_says() {
        for (claim, first) in [
            ("ann", "ann"),
            ("Ann.B-c_9", "Ann.B-c_9"),
            ("ann@example.org", "ann"),
            ("Ann Example", "Ann.Example"),
            ("Žofie", "ofie"),
            ("安", "user"),
            ("...", "user"),
            ("", "user"),
            ("a\r\nGET", "aGET"),
            (&"x".repeat(99), &"x".repeat(32)),
        ] {
            let names: Vec<String> = names(claim, &[171; 32]).collect();
            assert_eq!(names[0], first, "{claim}");
            assert_eq!(names.len(), 5);
            assert!(names[1].ends_with("-ababab") && names[2] != names[3], "{names:?}");
            for name in names {
                Check::default().name("username", &name).done().unwrap();
            }
        }
    }

    #[test]
    fn a_display_name_is_a_short_line() {
        assert_eq!(display_name(" Ann\r\n A. "), Some("Ann A.".into()));
        assert_eq!(display_name(&"é".repeat(70)).unwrap().chars().count(), 64);
        assert_eq!(display_name("\u{7}  \n"), None);
    }
}
