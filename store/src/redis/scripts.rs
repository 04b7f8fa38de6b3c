//! The engine's Lua scripts: each is one atomic step in one hash tag, with all its keys and channels in `KEYS`.

use std::sync::LazyLock;

use redis::{Cmd, Script, ToRedisArgs};

/// Entries of a script's page: what one step of Redis' only thread may cost the others.
pub(super) const MAX_PAGE: usize = 1000;
/// Index entries that one script removes of what is deleted or kept no longer.
pub(super) const ENTRIES_A_STEP: usize = 1000;

macro_rules! scripts {
    ($($name:ident = $file:literal $(with page of $page:literal)?;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            let pages: &[&str] = &[$(include_str!(concat!("scripts/", $page, ".lua")))?];
            Script::new(&composed(include_str!(concat!("scripts/", $file, ".lua")), pages))
        });)*
        #[cfg(test)]
        const SOURCES: &[(&str, &str)] = &[$(($file, include_str!(concat!("scripts/", $file, ".lua")))),*];
    };
}

/// A script that begins with others as its function `page`, under its own declaration.
fn composed(own: &str, pages: &[&str]) -> String {
    let Some((declaration, body)) = own.split_once('\n') else { return own.to_owned() };
    let page = |page: &&str| match page.split_once('\n') {
        Some((_, page)) => format!("local function page()\n{page}end\n"),
        None => String::new(),
    };
    format!("{declaration}\n{}{body}", pages.iter().map(page).collect::<String>())
}

scripts! {
    CREATE_ROOM = "create_room";
    VOID_ROOM = "void_room";
    VOID_MEMBER = "void_member";
    JOIN = "join";
    LEAVE = "leave";
    SET_ROLE = "set_role";
    UNBAN = "unban";
    UPDATE_ROOM = "update_room";
    PUT_INVITE = "put_invite";
    REMOVE_INVITE = "remove_invite";
    SALT = "salt";
    DELETE_ROOM = "delete_room";
    END_ROOM = "end_room";
    BEGIN_JOIN = "begin_join";
    APPLY_MEMBERSHIP = "apply_membership";
    CLOSE_ACCOUNT = "close_account";
    CLEAR_USER = "clear_user";
    APPEND = "append";
    EDIT_MESSAGE = "edit_message";
    DELETE_MESSAGE = "delete_message";
    REACT = "react";
    REPLIES = "replies";
    TRIM = "trim";
    PUT_UPLOAD = "put_upload";
    CLAIM_UPLOADS = "claim_uploads";
    RELEASE_UPLOADS = "release_uploads";
    DROP_UPLOADS = "drop_uploads";
    HISTORY = "history";
    CHANGES = "changes";
    VIEW = "view";
    BRIEF = "brief" with page of "history";
    MARK = "mark";
    TAKE_DUE = "take_due";
    CONCLUDE = "conclude";
    PUT_OUTCOMES = "put_outcomes";
    COMPARE_AND_SET = "compare_and_set";
    BAN_ACCOUNT = "ban_account";
    CREATE_SESSION = "create_session";
    ROTATE_REFRESH = "rotate_refresh";
    END_SESSIONS = "end_sessions";
    PUT_DEVICE = "put_device";
    CHANGE_PASSWORD = "change_password" with page of "end_sessions";
    PUT_SECRET = "put_secret";
    TAKE_SECRET = "take_secret" with page of "end_sessions";
    TAKE_TICKET = "take_ticket";
    REMOVE_DEVICE = "remove_device";
    SET_CHOSEN = "set_chosen";
    SET_LAST_SEEN_FOR = "set_last_seen_for";
    PUBLISH_PRESENCE = "publish_presence";
    TAKE_PRESENCE_DUE = "take_presence_due";
    CLAIM_LEASE = "claim_lease";
    ENQUEUE = "enqueue";
    CLAIM_JOBS = "claim_jobs";
    SETTLE_JOB = "settle_job";
    GATHER_MAIL = "gather_mail";
    SEAL_MAIL = "seal_mail";
    PUT_REACH = "put_reach";
    ADD_TO_INBOX = "add_to_inbox";
    PUT_SUBSCRIPTION = "put_subscription";
    INBOX = "inbox";
    USER_CHANGES = "user_changes";
    NOTE_USER_CHANGE = "note_user_change";
    CHANGE_PEOPLE = "change_people";
    CHANGE_REQUESTS = "change_requests";
    NOTE_WRITTEN = "note_written";
    SET_BLOCKED = "set_blocked";
    TYPING = "typing";
    MARK_INBOX_READ = "mark_inbox_read";
    PUT_NOTIFY_SETTINGS = "put_notify_settings";
    REGISTER = "register";
    ASK_TO_DRAIN = "ask_to_drain";
    DRAINING = "draining";
    INSTANCES = "instances";
    TAKE_TOKENS = "take_tokens";
    GIVE_BACK_TOKENS = "give_back_tokens";
}

/// A script with its keys and arguments.
pub(super) struct Call {
    pub(super) script: &'static Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(super) fn new(script: &'static LazyLock<Script>) -> Self {
        Self { script, keys: Vec::new(), args: Vec::new() }
    }

    pub(super) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    pub(super) fn keys<const N: usize>(mut self, keys: [String; N]) -> Self {
        self.keys.extend(keys);
        self
    }

    pub(super) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    /// The command that runs it, if the server knows the script already.
    pub(super) fn command(&self) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash()).arg(self.keys.len()).arg(&self.keys).arg(&self.args);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_declares_its_engine_so_that_a_cluster_refuses_foreign_slots() {
        for (name, source) in SOURCES {
            assert!(source.starts_with("#!lua"), "{name}.lua");
            assert!(!source.contains("allow-cross-slot-keys"), "{name}.lua");
        }
    }

    #[test]
    fn every_script_in_the_directory_is_used() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/redis/scripts");
        for entry in std::fs::read_dir(directory).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(SOURCES.iter().any(|(name, _)| file == format!("{name}.lua")), "{file}");
        }
    }
}
