//! Lost passwords and unverified addresses: letters are asked for, and the tokens in them are used.

use serde::Deserialize;
use shared::Timestamp;
use store::SecretKind;
use utoipa::ToSchema;

use super::{Accounts, Source, account_key, unless_sent};
use crate::{DomainError, Result, Viewer, letters, secret, validate::Check};

#[derive(Debug, Deserialize, ToSchema)]
pub struct ForgotPassword {
    /// The account's address.
    pub email: String,
}

#[derive(Deserialize, ToSchema)]
pub struct ResetPassword {
    /// As the letter has it.
    pub token: String,
    /// 8 to 128 characters; none of the most common.
    pub password: String,
}

#[derive(Deserialize, ToSchema)]
pub struct LetterToken {
    /// As the letter has it.
    pub token: String,
}

/// Whatever is wrong with a token: a wrong, used, ended or foreign one looks like any other.
fn refused() -> DomainError {
    DomainError::invalid("token", "not valid (any more); ask for another letter")
}

impl Accounts {
    /// Queues a letter with a token to choose another password with, to whoever has this address. Whether anybody has is
    /// looked up when the letter is written, so neither the answer nor its time tells. Letters are counted by the
    /// address, whether it is an account's or not.
    pub async fn forgot_password(&self, input: ForgotPassword, source: &Source) -> Result<()> {
        Check::default().email("email", &input.email).done()?;
        self.rates.reset(&source.network).await?;
        self.rates.letter(&account_key(&input.email)).await?;
        self.letters.reset_password(input.email).await
    }

    /// Puts a password in the place of one that was lost. The token is used up, all sessions of the account end, and its
    /// address is verified: who had the token has read the letter.
    pub async fn reset_password(&self, input: ResetPassword, source: &Source) -> Result<()> {
        Check::default().password("password", &input.password).done()?;
        self.rates.reset(&source.network).await?;
        let (user, secret) = letters::parse_token(&input.token).ok_or_else(refused)?;
        let hash = secret::hash(secret);
        // Looked for before the costly hash; taken after it, in one step with all the rest.
        let found = self.store.secrets.secret(user, &hash, Timestamp::now()).await?;
        if found.is_none_or(|found| found.kind != SecretKind::Reset) {
            return Err(refused());
        }
        let next = self.passwords.hash(input.password).await?;
        let ended = self.store.secrets.reset_password(user, &hash, &next, Timestamp::now()).await?;
        for session in ended.ok_or_else(refused)? {
            self.identity.forget_session(session).await;
        }
        // It is done, whether this works or not.
        unless_sent(self.rates.forget_wrong_passwords(&user.to_string()).await);
        unless_sent(self.letters.password_changed(user).await);
        Ok(())
    }

    /// Uses the token of a letter that asked whether the account's address is right. Needs no login: the letter may be
    /// read on another device.
    pub async fn verify_email(&self, input: &LetterToken, source: &Source) -> Result<()> {
        self.rates.reset(&source.network).await?;
        let (user, secret) = letters::parse_token(&input.token).ok_or_else(refused)?;
        let verified = self.store.secrets.verify_address(user, &secret::hash(secret), Timestamp::now()).await?;
        if verified { Ok(()) } else { Err(refused()) }
    }

    /// Queues the letter that asks whether the caller's address is right once more; nothing where that is known.
    pub async fn ask_for_verification(&self, viewer: &Viewer) -> Result<()> {
        let record = self.store.users.user(viewer.user).await?.ok_or(DomainError::UserNotFound)?;
        let Some(email) = record.email else {
            return Err(DomainError::Forbidden("this account has no e-mail address"));
        };
        if record.email_verified {
            return Ok(());
        }
        self.rates.letter(&account_key(&email)).await?;
        self.letters.verify_address(viewer.user).await
    }
}
