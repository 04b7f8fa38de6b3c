//! The Messaging API: another spelling of accounts, rooms and messages. `docs/dialects.md` says how they correspond.

mod groups;
mod messages;
mod users;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Adds its routes, but for `GET /api/users/{id}/status`, which is the native one.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(users::register) // POST /api/users/register
        .service(users::log_in_user) // POST /api/users/login
        .service(groups::create_group) // POST /api/groups
        .service(groups::group_members) // GET /api/groups/{groupID}/members
        .service(groups::join_group) // POST /api/groups/{groupID}/join
        .service(groups::leave_group) // DELETE /api/groups/{groupID}/leave
        .service(messages::send_to) // POST /api/messages/send
        .service(messages::conversation) // GET /api/messages/history/{conversationID}
        .service(messages::unread_total) // GET /api/messages/unread
        .service(messages::unread_total_of) // GET /api/messages/unread/{userID}
        .service(messages::read_message); // PUT /api/messages/{messageID}/read
}

/// How every call answers that is not refused.
#[derive(Debug, Serialize, ToSchema)]
struct Answer<T> {
    success: bool,
    data: T,
}

impl<T> Answer<T> {
    fn of(data: T) -> Self {
        Self { success: true, data }
    }
}
