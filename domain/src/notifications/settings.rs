//! What a user wants to be told of, how, and when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};
use shared::{RoomId, Timestamp};
use store::{DoNotDisturb, NotifySettings, Reach, RoomLevel};
use utoipa::ToSchema;

use super::{CHANNELS, INBOX, Notifications};
use crate::{Result, Viewer, validate::Check};

/// Rooms that may be named: as many as a user may be in.
const MAX_ROOMS: usize = 1000;
const MINUTES_OF_A_DAY: u16 = 24 * 60;

/// The whole of it: what is not named is as it is by default, on and told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Preferences {
    /// `false` switches a channel off. The inbox has no switch.
    pub channels: BTreeMap<String, bool>,
    /// By the room's id.
    pub rooms: BTreeMap<String, RoomPreferences>,
    /// Hours of each day in which nothing but the inbox is told; what comes is told when they end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnd: Option<Hours>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomPreferences {
    /// Nothing of this room is told, mentions neither.
    pub muted: bool,
    /// Only messages that mention the user, or everybody.
    pub mentions_only: bool,
}

/// By the clock of a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hours {
    /// `HH:MM`
    pub from: String,
    /// `HH:MM`; before `from`: of the next day.
    pub to: String,
    /// As `Europe/Berlin` (IANA).
    pub time_zone: String,
}

/// What a user's settings let a channel do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// The user has switched it off.
    Off,
    /// Not before then.
    Held(Timestamp),
}

/// May a channel reach a user now? Pure.
pub fn gate(reach: &Reach, channel: &str, now: Timestamp) -> Gate {
    if channel == INBOX {
        return Gate::Open;
    }
    if reach.off.contains(channel) {
        return Gate::Off;
    }
    match reach.quiet.as_ref().and_then(|quiet| quiet_until(quiet, now)) {
        Some(end) => Gate::Held(end),
        None => Gate::Open,
    }
}

/// When the quiet hours end that `now` is within. A zone that is no longer known has none.
fn quiet_until(quiet: &DoNotDisturb, now: Timestamp) -> Option<Timestamp> {
    let zone = TimeZone::get(&quiet.time_zone).ok()?;
    let here = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(zone);
    let minute = u16::try_from(here.hour()).ok()? * 60 + u16::try_from(here.minute()).ok()?;
    let within = match quiet.from <= quiet.to {
        true => (quiet.from..quiet.to).contains(&minute),
        false => minute >= quiet.from || minute < quiet.to,
    };
    if !within {
        return None;
    }
    let day = if minute < quiet.to { here.date() } else { here.date().tomorrow().ok()? };
    // Where the clock is put forward over it, it is the first moment after; where back, the earlier of the two.
    let end = day.to_datetime(time(quiet.to)?).to_zoned(here.time_zone().clone()).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()).max(now))
}

fn time(minutes: u16) -> Option<Time> {
    Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()
}

impl Notifications {
    pub async fn preferences(&self, viewer: &Viewer) -> Result<Preferences> {
        let settings = self.store.notify_preferences.notify_settings(viewer.user).await?;
        Ok(to_preferences(settings))
    }

    /// Replaces all of it. The user's devices are told, where it is not as before.
    pub async fn set_preferences(&self, viewer: &Viewer, input: &Preferences) -> Result<Preferences> {
        let settings = from_preferences(input)?;
        self.store.notify_preferences.put_notify_settings(viewer.user, &settings).await?;
        Ok(to_preferences(settings))
    }
}

fn from_preferences(input: &Preferences) -> Result<NotifySettings> {
    let mut check = Check::default();
    let switchable: Vec<&str> = CHANNELS.into_iter().filter(|channel| *channel != INBOX).collect();
    let known = input.channels.keys().all(|channel| switchable.contains(&channel.as_str()));
    check.that(known, "channels", format!("use some of {}", switchable.join(", ")));
    check.that(input.rooms.len() <= MAX_ROOMS, "rooms", format!("name up to {MAX_ROOMS} rooms"));
    let rooms: Option<BTreeMap<RoomId, RoomPreferences>> =
        input.rooms.iter().map(|(room, level)| Some((room.parse().ok()?, *level))).collect();
    check.that(rooms.is_some(), "rooms", "a key is no id of a room");
    let quiet = input.dnd.as_ref().map(|hours| {
        let (from, to) = (minutes(&hours.from), minutes(&hours.to));
        check.that(from.is_some(), "dnd.from", "use HH:MM").that(to.is_some(), "dnd.to", "use HH:MM");
        check.that(from.is_none() || from != to, "dnd.to", "must be another time than from");
        let zone = TimeZone::get(&hours.time_zone).is_ok();
        check.that(zone, "dnd.timeZone", "no time zone of this name; use one like Europe/Berlin");
        let time_zone = hours.time_zone.clone();
        DoNotDisturb { from: from.unwrap_or_default(), to: to.unwrap_or_default(), time_zone }
    });
    check.done()?;
    let level = |(room, preferences): (RoomId, RoomPreferences)| {
        let level = match preferences {
            RoomPreferences { muted: true, .. } => RoomLevel::Muted,
            RoomPreferences { mentions_only: true, .. } => RoomLevel::Mentions,
            _ => return None,
        };
        Some((room, level))
    };
    let off: BTreeSet<String> = input.channels.iter().filter(|(_, on)| !**on).map(|(name, _)| name.clone()).collect();
    let rooms = rooms.unwrap_or_default().into_iter().filter_map(level).collect();
    Ok(NotifySettings { reach: Reach { off, quiet }, rooms })
}

fn to_preferences(settings: NotifySettings) -> Preferences {
    let channels = CHANNELS.into_iter().filter(|channel| *channel != INBOX);
    let channels = channels.map(|channel| (channel.to_owned(), !settings.reach.off.contains(channel))).collect();
    let room = |(room, level): (RoomId, RoomLevel)| {
        let preferences =
            RoomPreferences { muted: level == RoomLevel::Muted, mentions_only: level == RoomLevel::Mentions };
        (room.to_string(), preferences)
    };
    let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let hours =
        |quiet: DoNotDisturb| Hours { from: clock(quiet.from), to: clock(quiet.to), time_zone: quiet.time_zone };
    Preferences {
        channels,
        rooms: settings.rooms.into_iter().map(room).collect(),
        dnd: settings.reach.quiet.map(hours),
    }
}

/// `HH:MM` as minutes after midnight.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| (digits.len() == 2 && !digits.starts_with('+')).then(|| digits.parse::<u16>().ok())?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    (minute < 60).then_some(hour * 60 + minute).filter(|minutes| *minutes < MINUTES_OF_A_DAY)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DomainError, notifications::WEB_PUSH};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_comes_in_quiet_hours_is_held_until_they_end_by_the_users_clock() {
        let berlin = |from, to| DoNotDisturb { from, to, time_zone: "Europe/Berlin".into() };
        let (night, nap) = (berlin(22 * 60, 7 * 60), berlin(13 * 60, 14 * 60 + 30));
        let cases = [
            // In winter Berlin is one hour ahead of UTC.
            (&night, "2026-01-10T20:59:59Z", None),
            (&night, "2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
            (&night, "2026-01-11T03:00:00Z", Some("2026-01-11T06:00:00Z")),
            (&night, "2026-01-11T06:00:00Z", None),
            (&nap, "2026-01-11T12:30:00Z", Some("2026-01-11T13:30:00Z")),
            (&nap, "2026-01-11T13:30:00Z", None),
            // In summer two. In the night to 29 March the clock is put forward, to 25 October back.
            (&night, "2026-03-28T22:00:00Z", Some("2026-03-29T05:00:00Z")),
            (&night, "2026-10-24T21:00:00Z", Some("2026-10-25T06:00:00Z")),
            // It ends at a time which is not there: when the clock has been put forward over it.
            (&berlin(60, 150), "2026-03-29T00:30:00Z", Some("2026-03-29T01:30:00Z")),
        ];
        for (quiet, now, until) in cases {
            let reach = Reach { quiet: Some(quiet.clone()), ..Reach::default() };
            let expected = until.map_or(Gate::Open, |until| Gate::Held(at(until)));
            assert_eq!(gate(&reach, WEB_PUSH, at(now)), expected, "{quiet:?} {now}");
            assert_eq!(gate(&reach, INBOX, at(now)), Gate::Open, "the inbox makes no noise");
        }
    }

    #[test]
    fn a_channel_is_on_unless_it_is_switched_off() {
        let now = at("2026-01-10T12:00:00Z");
        let reach = Reach { off: [WEB_PUSH.to_owned()].into(), quiet: None };
        assert_eq!(gate(&reach, WEB_PUSH, now), Gate::Off);
        assert_eq!(gate(&reach, "webhook", now), Gate::Open);
        assert_eq!(gate(&Reach::default(), WEB_PUSH, now), Gate::Open);
        let gone = DoNotDisturb { from: 0, to: 1439, time_zone: "Mars/Olympus".into() };
        assert_eq!(gate(&Reach { quiet: Some(gone), ..Reach::default() }, WEB_PUSH, now), Gate::Open);
    }

    fn read(input: Value) -> std::result::Result<Value, Vec<String>> {
        let settings = from_preferences(&serde_json::from_value(input).unwrap());
        let told = |error: DomainError| error.details().iter().map(|problem| problem.field.clone()).collect();
        settings.map(|settings| serde_json::to_value(to_preferences(settings)).unwrap()).map_err(told)
    }

    #[test]
    fn preferences_are_kept_as_they_were_given() {
        let room = RoomId::new();
        let given = json!({
            "channels": { "webpush": false, "webhook": true },
            "rooms": { room.to_string(): { "muted": false, "mentionsOnly": true } },
            "dnd": { "from": "22:00", "to": "07:05", "timeZone": "Europe/Berlin" },
        });
        let mut shown = read(given.clone()).unwrap();
        let channels = shown["channels"].take();
        assert_eq!((&channels["webpush"], &channels["webhook"]), (&json!(false), &json!(true)));
        assert_eq!((&shown["rooms"], &shown["dnd"]), (&given["rooms"], &given["dnd"]));
        let none = read(json!({ "rooms": { room.to_string(): {} } })).unwrap();
        assert_eq!((&none["rooms"], none.get("dnd")), (&json!({}), None), "what is as usual is not kept");
    }

    #[test]
    fn bad_preferences_name_the_field() {
        let hours = |from: &str, to: &str, zone: &str| json!({ "dnd": { "from": from, "to": to, "timeZone": zone } });
        let cases = [
            (json!({ "channels": { "telegram": true } }), "channels"),
            (json!({ "channels": { "inbox": false } }), "channels"),
            (json!({ "rooms": { "lobby": { "muted": true } } }), "rooms"),
            (hours("24:00", "07:00", "UTC"), "dnd.from"),
            (hours("7:00", "08:00", "UTC"), "dnd.from"),
            (hours("+7:00", "08:00", "UTC"), "dnd.from"),
            (hours("07:00", "08:60", "UTC"), "dnd.to"),
            (hours("07:00", "07:00", "UTC"), "dnd.to"),
            (hours("07:00", "08:00", "Mars/Olympus"), "dnd.timeZone"),
            (hours("07:00", "08:00", ""), "dnd.timeZone"),
        ];
        for (input, field) in cases {
            assert_eq!(read(input.clone()), Err(vec![field.to_owned()]), "{input}");
        }
    }
}
