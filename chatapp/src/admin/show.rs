//! Answers as people read them, or as JSON.

use domain::admin::{Answer, Listed, RoomDetails, RoomLine, SessionLine, Stats, UserDetails, UserLine};
use serde::Serialize;
use store::BackedUp;

/// Writes an answer to standard output.
#[expect(clippy::print_stdout, reason = "what the person asked for")]
pub fn print(answer: &Answer, json: bool) {
    if json {
        println!("{}", serde_json::to_string_pretty(answer).unwrap_or_default());
    } else {
        println!("{}", text(answer).join("\n"));
    }
}

/// One line for the person who asked.
#[expect(clippy::print_stderr, reason = "for the person who asked")]
pub fn complain(line: &str) {
    eprintln!("{line}");
}

fn text(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Users(users) => listed(users, user_line),
        Answer::User(user) => user_details(user),
        Answer::Rooms(rooms) => listed(rooms, room_line),
        Answer::Room(room) => room_details(room),
        Answer::Sessions(sessions) if sessions.is_empty() => vec!["none".into()],
        Answer::Sessions(sessions) => sessions.iter().map(session_line).collect(),
        Answer::Ended(sessions) => vec![format!("{} ended", sessions.len())],
        Answer::Deleted(id) => vec![format!("{id} is deleted")],
        Answer::Banned(id) => vec![format!("{id} is banned")],
        Answer::Unbanned(id) => vec![format!("{id} is not banned")],
        Answer::Granted(id) => vec![format!("{id} is an administrator")],
        Answer::Ungranted(id) => vec![format!("{id} is no administrator")],
        Answer::Stats(stats) => of_stats(stats),
        Answer::Keys(keys) if keys.is_empty() => vec!["none".into()],
        Answer::Keys(keys) => keys.iter().map(|key| format!("{}  {}  {}", key.id, key.created_at, key.name)).collect(),
        Answer::Created(made) => {
            vec![format!("{}  {}", made.about.id, made.about.name), format!("{}  (it is not shown again)", made.key)]
        }
        Answer::Revoked(id) => vec![format!("{id} is refused within 5 s")],
        Answer::Backup(BackedUp::Directory { path, pairs, bytes }) => {
            vec![format!("{}: {pairs} pairs, {bytes} bytes", path.display())]
        }
        Answer::Backup(BackedUp::Servers(servers)) => {
            servers.iter().map(|(server, file)| format!("{server}: {file}")).collect()
        }
    }
}

fn listed<T>(list: &Listed<T>, line: impl Fn(&T) -> String) -> Vec<String> {
    let mut lines: Vec<String> = list.items.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("none".into());
    }
    lines.extend(list.next_cursor.iter().map(|next| format!("more: --after {next}")));
    lines
}

fn user_line(user: &UserLine) -> String {
    let kind = if user.guest { "guest" } else { user.email.as_deref().unwrap_or("-") };
    let administrator = if user.administrator { "  administrator" } else { "" };
    let banned = user.banned_at.map(|at| format!("  banned {at}")).unwrap_or_default();
    format!("{}  {}  {}  {kind}{administrator}{banned}", user.id, user.created_at, user.username)
}

fn user_details(user: &UserDetails) -> Vec<String> {
    let seen = user.last_seen.map_or_else(|| "-".into(), |at| at.to_string());
    let mut lines = vec![
        user_line(&user.user),
        format!("status {}, last seen {seen}, {} connections", word(&user.status), user.connections),
        format!("{} contacts, {} rooms", user.contacts, user.rooms.len()),
    ];
    lines.extend(user.rooms.iter().map(|room| format!("  {room}")));
    lines
}

fn room_line(room: &RoomLine) -> String {
    let name = room.handle.as_ref().or(room.name.as_ref()).map_or("-", String::as_str);
    format!("{}  {}  {name}  {} members, {} messages", room.id, word(&room.kind), room.members, room.seq)
}

fn room_details(room: &RoomDetails) -> Vec<String> {
    let mut lines = vec![
        room_line(&room.room),
        format!("by {}, {} changes, messages up to {} removed by retention", room.created_by, room.rev, room.floor),
    ];
    let member = |member: &domain::admin::MemberLine| {
        format!("  {}  {}  {}  {}", member.id, member.joined_at, word(&member.role), member.username)
    };
    lines.extend(room.first_members.iter().map(member));
    lines
}

fn session_line(session: &SessionLine) -> String {
    let from = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let SessionLine { id, created_at, used_at, expires_at, .. } = session;
    let (address, agent) = (from(&session.address), from(&session.agent));
    format!("{id}  since {created_at}, used {used_at}, until {expires_at}  {address}  {agent}")
}

fn of_stats(stats: &Stats) -> Vec<String> {
    let mut lines = vec![format!("{} users", stats.users)];
    lines.extend(stats.instances.iter().map(|instance| {
        let (service, version) = (instance.service.as_str(), &instance.version);
        format!("{service:<12} {}  {}  {} connections  {version}", instance.id, instance.url, instance.connections)
    }));
    lines.extend(stats.findings.iter().map(|finding| format!("{}: {finding}", finding.level.as_str())));
    lines
}

/// A value whose JSON is one word.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
