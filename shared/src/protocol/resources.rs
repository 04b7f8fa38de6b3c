//! The spelling of Resources, which is the same in REST and on its socket.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::object::Message;
use crate::{MessageId, Timestamp, UserId};

/// What somebody said in the lobby.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    pub id: MessageId,
    /// Who said it.
    #[serde(rename = "clientID")]
    pub client_id: UserId,
    /// A text; or JSON, where an object or array was sent.
    pub content: Value,
    pub timestamp: Timestamp,
}

impl From<Message> for Resource {
    fn from(message: Message) -> Self {
        let Message { id, user_id, content, timestamp, .. } = message;
        let json = content.starts_with(['{', '[']).then(|| serde_json::from_str(&content).ok()).flatten();
        Self { id, client_id: user_id, content: json.unwrap_or(Value::String(content)), timestamp }
    }
}

/// What is said by this text: of `{"message": TEXT}` and `{"content": TEXT}`, also with a `type` beside it, the text in
/// it; else what was sent, as it is.
pub fn content_of(text: &str) -> String {
    let object = text.trim_start().starts_with('{').then(|| serde_json::from_str::<Map<String, Value>>(text).ok());
    let Some(mut object) = object.flatten() else { return text.trim().to_owned() };
    object.remove("type");
    let mut fields = object.into_iter();
    match (fields.next(), fields.next()) {
        (Some((key, Value::String(said))), None) if key == "message" || key == "content" => said,
        _ => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_the_text_or_what_was_sent() {
        for (sent, said) in [
            ("hello", "hello"),
            (" hello\n", "hello"),
            (r#"{"message":"hello"}"#, "hello"),
            (r#"{"type":"message","content":"hello"}"#, "hello"),
            (r#"{"content":"hello","x":1}"#, r#"{"content":"hello","x":1}"#),
            (r#"{"content":7}"#, r#"{"content":7}"#),
            ("{}", "{}"),
            ("[1,2]", "[1,2]"),
            ("{not json", "{not json"),
            ("", ""),
        ] {
            assert_eq!(content_of(sent), said, "{sent}");
        }
    }
}
