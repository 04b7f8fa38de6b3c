//! Changing what was said: editing, reacting, deleting. Each is one change of the room's log.

use shared::{
    MessageId,
    protocol::{
        Message,
        command::{EditMessage, React},
    },
};
use store::{Edit, Reacting, StoreError};

use super::Messages;
use crate::{
    DomainError, Result, Viewer,
    rooms::{actor, governing::TRIES, roles::Act},
};

/// Bytes of an emoji: a sequence of several people with skin tones takes about 40.
const MAX_EMOJI: usize = 64;

impl Messages {
    /// Gives a message another content, and gives the message as it is now. Only its author may.
    pub async fn edit(&self, viewer: &Viewer, input: EditMessage) -> Result<Message> {
        // Whether it may be blank is known once the message is.
        self.check_content(&input.content, true)?;
        let (message, _) = self.visible(viewer, input.message_id).await?;
        if message.author != viewer.user {
            return Err(DomainError::Forbidden("only its author may edit a message"));
        }
        self.check_content(&input.content, !message.attachments.is_empty())?;
        self.rates.message(viewer.user).await?;
        let mentions = self.mentions(viewer.user, message.kind, &input.content).await?;
        let edit = Edit { id: input.message_id, by: actor(viewer), content: input.content, mentions };
        let message = match self.store.log.edit_message(&edit).await {
            Ok(message) => message,
            Err(e) => return Err(no_message(e.into())),
        };
        self.show_one(viewer, message).await
    }

    /// Gives a message an emoji, or takes it back; gives how many have given it now. Doing it twice is doing it once.
    pub async fn react(&self, viewer: &Viewer, input: React) -> Result<u64> {
        check_emoji(&input.emoji)?;
        self.visible(viewer, input.message_id).await?;
        self.rates.message(viewer.user).await?;
        let React { message_id, emoji, add } = input;
        match self.store.log.react(&Reacting { id: message_id, by: actor(viewer), emoji, add }).await {
            Ok(count) => Ok(count),
            Err(e) => Err(no_message(e.into())),
        }
    }

    /// Removes a message's content: its author may, and in rooms that are not direct the owner and admins. Doing it twice is doing it once.
    pub async fn delete(&self, viewer: &Viewer, id: MessageId) -> Result<()> {
        for _ in 0..TRIES {
            let (message, access) = self.visible(viewer, id).await?;
            let anothers = message.author != viewer.user;
            if anothers {
                access.require(Act::DeleteMessage)?;
            }
            let by_role = anothers.then_some(access.membership.role);
            match self.store.log.delete_message(id, &actor(viewer), by_role).await {
                Ok(_) => return Ok(()),
                Err(StoreError::RolesChanged) => {}
                Err(e) => return Err(no_message(e.into())),
            }
        }
        Err(StoreError::RolesChanged.into())
    }
}

/// Who left just now finds no message, like whoever is no member.
fn no_message(e: DomainError) -> DomainError {
    match e {
        DomainError::NotAMember | DomainError::RoomNotFound => DomainError::MessageNotFound,
        other => other,
    }
}

/// Anything short without spaces: which sequences are emojis changes with every version of Unicode.
fn check_emoji(emoji: &str) -> Result<()> {
    if !(1..=MAX_EMOJI).contains(&emoji.len()) {
        return Err(DomainError::invalid("emoji", format!("use 1 to {MAX_EMOJI} bytes")));
    }
    if emoji.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(DomainError::invalid("emoji", "must not hold white space or control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_short_and_without_spaces() {
        for good in ["👍", "👩🏽‍❤️‍💋‍👨🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", ":tea:", "+1", "/", &"x".repeat(64)]
        {
            assert!(check_emoji(good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "\u{a0}", "\n", "\u{0}", "\u{7f}", "\u{2028}", &"x".repeat(65), &"é".repeat(33)] {
            assert!(check_emoji(bad).is_err(), "{bad:?}");
        }
    }
}
