//! What the services must agree on: ids, the wire types, error codes, tokens, settings, logs and shutdown.
//!
//! Reading order: [`id`] → [`time`] → [`protocol`] → [`error`] → [`token`] → [`settings`] → [`telemetry`] → [`shutdown`].
//! Nothing here knows HTTP frameworks or the store.

pub mod error;
pub mod id;
pub mod protocol;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod time;
pub mod token;

pub use error::{ErrorCode, FieldProblem, Problem};
pub use id::{AttachmentId, EventId, InstanceId, MessageId, NotificationId, RoomId, SessionId, UserId};
pub use settings::Settings;
pub use time::Timestamp;
