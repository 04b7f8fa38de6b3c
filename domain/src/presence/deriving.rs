//! What others are to be shown. Pure: the rules of presence are in this file.

use std::time::Duration;

use shared::{Timestamp, protocol::Status};
use store::{ChosenStatus, Device, PresenceState, Published};

/// How time changes what is shown.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For so long after a connection ended nobody is shown less present than before.
    pub grace: Duration,
    /// After so long without looking at any device, a user is away.
    pub away: Duration,
}

/// Is the user looking at one of their devices? Connections whose client never says count as looked at while none of
/// them says: beside one that does, they know nothing.
pub fn is_looking(devices: &[Device]) -> bool {
    match devices.iter().all(|device| device.focused.is_none()) {
        true => !devices.is_empty(),
        false => devices.iter().any(|device| device.focused == Some(true)),
    }
}

/// The user looks at no device: when the one they left last was left.
fn looked_away(devices: &[Device]) -> Option<Timestamp> {
    if is_looking(devices) {
        return None;
    }
    devices.iter().filter(|device| device.focused == Some(false)).map(|device| device.since).max()
}

/// What others are to be shown. Of several devices the most present counts.
pub fn derive(state: &PresenceState, now: Timestamp, times: Times) -> Published {
    let in_grace = state.left.is_some_and(|left| now < left.after(times.grace));
    if state.devices.is_empty() {
        // Just gone: as before, until the grace has passed. Whoever was hidden stays hidden.
        return if in_grace { state.published.clone() } else { Published::default() };
    }
    let away = looked_away(&state.devices).is_some_and(|since| since.after(times.away) <= now);
    let status = match state.chosen {
        ChosenStatus::Invisible => return Published::default(),
        // A device they looked at is just gone, and may be back.
        ChosenStatus::Online if away && in_grace && state.published.status == Status::Online => Status::Online,
        ChosenStatus::Online if away => Status::Away,
        ChosenStatus::Online => Status::Online,
        ChosenStatus::Away => Status::Away,
        ChosenStatus::Busy => Status::Busy,
    };
    Published { status, text: state.text.clone() }
}

/// When [`derive()`] may give something else by time alone, whatever the user chooses until then.
pub fn next_change(state: &PresenceState, now: Timestamp, times: Times) -> Option<Timestamp> {
    let grace = state.left.map(|left| left.after(times.grace));
    let away = looked_away(&state.devices).map(|since| since.after(times.away));
    grace.into_iter().chain(away).filter(|at| *at > now).min()
}

#[cfg(test)]
mod tests {
    use shared::InstanceId;
    use store::SocketKind;

    use super::*;

    const TIMES: Times = Times { grace: Duration::from_secs(5), away: Duration::from_secs(600) };
    const NOW: Timestamp = at(10_000);

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    /// A connection whose focus is this, for so many seconds.
    fn device(focused: Option<bool>, seconds: i64) -> Device {
        let since = at(10_000 - seconds);
        Device { instance: InstanceId::new(), connection: 1, kind: SocketKind::Chat, focused, since }
    }

    fn state(devices: Vec<Device>, chosen: ChosenStatus) -> PresenceState {
        PresenceState { devices, chosen, ..PresenceState::default() }
    }

    #[test]
    fn the_most_present_device_wins_and_nobody_is_away_before_their_time() {
        use Status::{Away, Busy, Offline, Online};
        let (unknown, focused) = (|| device(None, 9000), || device(Some(true), 9000));
        let unfocused = |seconds| device(Some(false), seconds);
        let cases = [
            (vec![unknown()], [Online, Away, Busy, Offline], None, "a client that never says"),
            (vec![unknown(), unknown()], [Online, Away, Busy, Offline], None, "two of them"),
            (vec![focused()], [Online, Away, Busy, Offline], None, "looking, for however long"),
            (vec![unfocused(599)], [Online, Away, Busy, Offline], Some(10_001), "not looking, not for long"),
            (vec![unfocused(600)], [Away, Away, Busy, Offline], None, "not looking for long"),
            (vec![unfocused(9000), unfocused(10)], [Online, Away, Busy, Offline], Some(10_590), "the later one counts"),
            (vec![unfocused(9000), unfocused(700)], [Away, Away, Busy, Offline], None, "away from both"),
            (vec![unfocused(9000), focused()], [Online, Away, Busy, Offline], None, "looking at another"),
            (vec![unfocused(9000), unknown()], [Away, Away, Busy, Offline], None, "the other knows nothing"),
            (vec![unfocused(10), unknown()], [Online, Away, Busy, Offline], Some(10_590), "nor keeps it from passing"),
            (vec![unknown(), focused()], [Online, Away, Busy, Offline], None, "looking at one"),
            (vec![], [Offline; 4], None, "not connected"),
        ];
        let all = [ChosenStatus::Online, ChosenStatus::Away, ChosenStatus::Busy, ChosenStatus::Invisible];
        for (devices, expected, next, why) in cases {
            for (chosen, expected) in all.into_iter().zip(expected) {
                let state = state(devices.clone(), chosen);
                assert_eq!(derive(&state, NOW, TIMES).status, expected, "{why}, chose {chosen:?}");
                assert_eq!(next_change(&state, NOW, TIMES), next.map(at), "{why}, chose {chosen:?}");
            }
        }
    }

    #[test]
    fn who_is_looking() {
        let cases = [
            (vec![], false),
            (vec![None], true),
            (vec![None, None], true),
            (vec![Some(true)], true),
            (vec![Some(false)], false),
            (vec![Some(false), Some(true)], true),
            (vec![Some(false), None], false),
            (vec![Some(true), None], true),
        ];
        for (focus, looking) in cases {
            let devices: Vec<Device> = focus.iter().map(|focused| device(*focused, 0)).collect();
            assert_eq!(is_looking(&devices), looking, "{focus:?}");
        }
    }

    #[test]
    fn invisible_shows_not_even_the_text() {
        let text = Some("here".to_owned());
        let hidden = PresenceState { text: text.clone(), ..state(vec![device(None, 0)], ChosenStatus::Invisible) };
        assert_eq!(derive(&hidden, NOW, TIMES), Published::default());
        let shown = PresenceState { chosen: ChosenStatus::Busy, ..hidden };
        assert_eq!(derive(&shown, NOW, TIMES), Published { status: Status::Busy, text });
    }

    #[test]
    fn who_just_left_stays_as_they_were_until_the_grace_has_passed() {
        let published = Published { status: Status::Busy, text: Some("meeting".into()) };
        let gone = PresenceState { left: Some(NOW), published: published.clone(), ..PresenceState::default() };
        let later = NOW.after(TIMES.grace);
        assert_eq!(derive(&gone, later.before(Duration::from_millis(1)), TIMES), published);
        assert_eq!(next_change(&gone, NOW, TIMES), Some(later));
        assert_eq!(derive(&gone, later, TIMES), Published::default());
        assert_eq!(next_change(&gone, later, TIMES), None);
    }

    #[test]
    fn a_reload_beside_an_idle_device_does_not_flicker() {
        let online = Published { status: Status::Online, text: None };
        let idle = state(vec![device(Some(false), 9000)], ChosenStatus::Online);
        let reloading = PresenceState { left: Some(NOW), published: online, ..idle };
        assert_eq!(derive(&reloading, NOW, TIMES).status, Status::Online);
        assert_eq!(next_change(&reloading, NOW, TIMES), Some(NOW.after(TIMES.grace)));
        assert_eq!(derive(&reloading, NOW.after(TIMES.grace), TIMES).status, Status::Away);
        let away = PresenceState { published: Published { status: Status::Away, text: None }, ..reloading };
        assert_eq!(derive(&away, NOW, TIMES).status, Status::Away, "the grace makes nobody more present");
    }
}
