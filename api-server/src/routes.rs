//! The whole URL table of api-server. `/health`, `/ready`, `/metrics` and `/openapi.json` come with every service.

mod accounts;
mod admin;
mod attachments;
mod avatars;
mod docs;
mod invites;
mod members;
mod messages;
mod messaging;
mod notifications;
mod operator;
mod page;
mod people;
mod presence;
mod push;
mod reactions;
mod receipts;
mod recovery;
mod registry;
mod resources;
mod rooms;
mod sessions;
mod users;

use std::sync::Arc;

use actix_web::web::Data;
use shared::settings;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{directory::Directory, gateway::Gateway};

/// Adds every route; called once in each worker.
pub(crate) fn configure(cfg: &mut ServiceConfig, api: &settings::Api, directory: &Arc<Directory>, gateway: &Gateway) {
    cfg.app_data(Data::from(directory.clone())).app_data(Data::new(gateway.clone()));

    configure_accounts(cfg);
    configure_dialects(cfg); // before the native paths that look alike

    cfg.service(users::search) // GET /api/users
        .service(users::get_user) // GET /api/users/{id}
        .service(users::status) // GET /api/users/{id}/status
        .service(people::contacts) // GET /api/contacts
        .service(people::add_contact) // PUT /api/contacts/{userId}
        .service(people::remove_contact) // DELETE /api/contacts/{userId}
        .service(people::requests) // GET /api/contacts/requests
        .service(people::drop_request) // DELETE /api/contacts/requests/{userId}
        .service(people::blocks) // GET /api/blocks
        .service(people::block) // PUT /api/blocks/{userId}
        .service(people::unblock); // DELETE /api/blocks/{userId}

    cfg.service(rooms::create) // POST /api/rooms
        .service(rooms::mine) // GET /api/rooms
        .service(rooms::public) // GET /api/rooms/public, before /api/rooms/{id}
        .service(rooms::get_room) // GET /api/rooms/{id}
        .service(rooms::patch_room) // PATCH /api/rooms/{id}
        .service(rooms::delete_room) // DELETE /api/rooms/{id}
        .service(rooms::join) // POST /api/rooms/{id}/join
        .service(rooms::leave) // DELETE /api/rooms/{id}/leave
        .service(rooms::open_direct) // PUT /api/direct/{userId}
        .service(receipts::mark_read) // PUT /api/rooms/{id}/read
        .service(receipts::mark_delivered) // PUT /api/rooms/{id}/delivered
        .service(receipts::receipts) // GET /api/rooms/{id}/receipts
        .service(receipts::unread); // GET /api/unread

    cfg.service(members::members) // GET /api/rooms/{id}/members
        .service(members::set_role) // PUT /api/rooms/{id}/members/{userId}
        .service(members::remove_member) // DELETE /api/rooms/{id}/members/{userId}
        .service(members::bans) // GET /api/rooms/{id}/bans
        .service(members::ban) // PUT /api/rooms/{id}/bans/{userId}
        .service(members::unban) // DELETE /api/rooms/{id}/bans/{userId}
        .service(invites::invite) // POST /api/rooms/{id}/invites
        .service(invites::invites) // GET /api/rooms/{id}/invites
        .service(invites::withdraw) // DELETE /api/rooms/{id}/invites/{inviteId}
        .service(invites::redeem); // POST /api/invites/{code}

    cfg.service(messages::history) // GET /api/rooms/{id}/messages
        .service(messages::send) // POST /api/rooms/{id}/messages
        .service(messages::get_message) // GET /api/messages/{id}
        .service(messages::edit_message) // PATCH /api/messages/{id}
        .service(messages::delete_message) // DELETE /api/messages/{id}
        .service(messages::replies) // GET /api/messages/{id}/replies
        .service(messages::search_messages) // GET /api/rooms/{id}/search
        .service(reactions::give) // PUT /api/messages/{id}/reactions/{emoji}
        .service(reactions::take_back) // DELETE /api/messages/{id}/reactions/{emoji}
        .service(receipts::delivery); // GET /api/messages/{id}/delivery

    configure_files(cfg);

    cfg.service(registry::least_loaded); // GET /api/registry/{service}

    cfg.service(presence::seen) // GET /api/presence
        .service(presence::mine) // GET /api/presence/me
        .service(presence::set_mine); // PUT /api/presence/me

    configure_notifications(cfg);

    admin::configure(cfg);

    cfg.map(docs::configure); // GET /docs
    cfg.map(operator::configure); // GET /operator, and its files

    if api.web_chat {
        cfg.map(page::configure); // GET /, and its files
    }
}

/// The caller's own account and logins.
fn configure_accounts(cfg: &mut ServiceConfig) {
    cfg.service(accounts::sign_up) // POST /api/signup
        .service(accounts::log_in) // POST /api/login
        .service(accounts::guest) // POST /api/guest
        .service(accounts::refresh) // POST /api/token/refresh
        .service(accounts::log_out) // POST /api/logout
        .service(accounts::change_password) // POST /api/password
        .service(recovery::forgot_password) // POST /api/password/forgot
        .service(recovery::reset_password) // POST /api/password/reset
        .service(recovery::verify_email) // POST /api/email/verify
        .service(recovery::ask_for_verification) // POST /api/email/verification
        .service(sessions::sessions) // GET /api/sessions
        .service(sessions::revoke) // DELETE /api/sessions/{id}
        .service(sessions::ws_ticket) // POST /api/ws-ticket
        .service(accounts::profile) // GET /api/profile
        .service(accounts::patch_profile) // PATCH /api/profile
        .service(accounts::delete_account) // DELETE /api/profile
        .service(accounts::jwks); // GET /.well-known/jwks.json
}

/// Notifications, and where they are pushed to.
fn configure_notifications(cfg: &mut ServiceConfig) {
    cfg.service(notifications::notify) // POST /notify
        .service(notifications::notify_state) // GET /notify/{id}
        .service(notifications::inbox) // GET /api/notifications
        .service(notifications::mark_all_read) // PUT /api/notifications/read-all
        .service(notifications::mark_read) // PUT /api/notifications/{id}/read
        .service(notifications::settings) // GET /api/notifications/settings
        .service(notifications::set_settings) // PUT /api/notifications/settings
        .service(notifications::ask_unsubscribe) // GET /api/notifications/unsubscribe
        .service(notifications::unsubscribe) // POST /api/notifications/unsubscribe
        .service(push::vapid_key) // GET /api/push/vapid-key
        .service(push::subscribe) // POST /api/push/subscriptions
        .service(push::subscriptions) // GET /api/push/subscriptions
        .service(push::unsubscribe); // DELETE /api/push/subscriptions
}

/// Other spellings of what the native calls do.
fn configure_dialects(cfg: &mut ServiceConfig) {
    messaging::configure(cfg);
    cfg.service(resources::list_resources) // GET /resources
        .service(resources::add_resource) // POST /resources
        .service(resources::remove_resource); // DELETE /resources/{id}
}

/// Attachments and avatars.
fn configure_files(cfg: &mut ServiceConfig) {
    cfg.service(attachments::upload) // POST /api/attachments
        .service(attachments::own) // GET /api/attachments/{id}
        .service(attachments::own_thumbnail) // GET /api/attachments/{id}/thumbnail
        .service(attachments::of_message) // GET /api/messages/{id}/attachments/{attachmentId}
        .service(attachments::thumbnail) // GET /api/messages/{id}/attachments/{attachmentId}/thumbnail
        .service(avatars::set) // PUT /api/profile/avatar
        .service(avatars::remove) // DELETE /api/profile/avatar
        .service(avatars::get_avatar); // GET /api/avatars/{user}/{file}
}
