//! Argon2id (RFC 9106) off the event loop, in a bounded pool; and which passwords are too common to keep.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::{Result, pool::Pool};

/// Characters of a password.
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;
/// Hashes that may wait for one that runs; more are refused as overload.
const WAITING: usize = 256;
/// What an unknown user's password is compared with, so that it takes as long as a known one's: of the same cost, and
/// nobody's, since it was not made from a password.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$srPC7poVQXdKlJkNXO7fSw$wfAvyGzaHNh7wnx/YlVmNhbjkNZ1F9Sp8rp52mKbMeU";

/// Is it among the 47,000 most common that are long enough, in this case or in lower case (OWASP ASVS 5.0 §6.2.4)?
pub fn is_common(password: &str) -> bool {
    let common = passwords::analyzer::is_common_password;
    common(password) || common(&password.to_lowercase())
}

pub struct Passwords {
    pool: Pool,
}

impl Passwords {
    /// At most `threads` hashes at once. Each takes about 20 ms and 19 MiB.
    pub fn new(threads: usize) -> Self {
        Self { pool: Pool::new("password hashes", threads, WAITING) }
    }

    /// The PHC string of a password, with a fresh salt.
    pub async fn hash(&self, password: String) -> Result<String> {
        let hash = self.pool.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|h| h.to_string()).map_err(|e| anyhow::anyhow!("hash a password: {e}"))
        });
        Ok(hash.await??)
    }

    /// Is it the password of `hash`? With no hash: `false`, after the same time. What is longer than a password can be
    /// is refused without hashing it, whoever's it would be.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        if password.chars().nth(*LENGTH.end()).is_some() {
            return Ok(false);
        }
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| DECOY.into());
        let right = self.pool.run(move || {
            let parsed = PasswordHash::new(&hash).map_err(|e| anyhow::anyhow!("read a password hash: {e}"))?;
            Ok::<_, anyhow::Error>(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        });
        Ok(right.await?? && known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_right() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
        let long = "x".repeat(129);
        let hash = passwords.hash(long.clone()).await.unwrap();
        assert!(!passwords.verify(long, Some(hash)).await.unwrap(), "no such password can have been set");
    }

    #[tokio::test]
    async fn the_decoy_costs_what_a_hash_costs() {
        let fresh = Passwords::new(1).hash("x".into()).await.unwrap();
        let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cost(&fresh), ["", "argon2id", "v=19", "m=19456,t=2,p=1"]);
        assert_eq!(cost(&fresh), cost(DECOY));
        assert_eq!(fresh.len(), DECOY.len());
        assert!(PasswordHash::new(DECOY).is_ok());
    }

    #[test]
    fn the_most_common_are_known_in_any_case_and_the_documented_example_is_not_among_them() {
        for common in ["password", "Password", "12345678", "qwertyuiop", "iloveyou1", "PASSWORD1"] {
            assert!(is_common(common), "{common}");
        }
        for other in ["secure123", "Secure123", "correct horse", "🦊🦊🦊🦊🦊🦊🦊🦊", ""] {
            assert!(!is_common(other), "{other}");
        }
    }
}
