//! What users want to be told of.

use shared::{RoomId, UserId};
use store::{DoNotDisturb, NotifySettings, Reach, RoomLevel};

use crate::engine::Fixture;

pub async fn settings_are_kept_and_replaced_as_a_whole(s: &Fixture) {
    let (user, other) = (UserId::new(), UserId::new());
    assert_eq!(s.notify_preferences.notify_settings(user).await.unwrap(), NotifySettings::default());
    let (tea, work) = (RoomId::new(), RoomId::new());
    let quiet = DoNotDisturb { from: 1320, to: 420, time_zone: "Europe/Berlin".into() };
    let first = NotifySettings {
        reach: Reach { off: ["webpush".to_owned()].into(), quiet: Some(quiet) },
        rooms: [(tea, RoomLevel::Muted), (work, RoomLevel::Mentions)].into(),
    };
    let second = NotifySettings { reach: Reach::default(), rooms: [(work, RoomLevel::Muted)].into() };
    for settings in [&first, &second, &first] {
        s.notify_preferences.put_notify_settings(user, settings).await.unwrap();
        assert_eq!(&s.notify_preferences.notify_settings(user).await.unwrap(), settings);
        assert_eq!(s.notify_preferences.reach(user).await.unwrap(), settings.reach);
    }
    assert_eq!(s.notify_preferences.notify_settings(other).await.unwrap(), NotifySettings::default());
    assert_eq!(s.notify_preferences.reach(other).await.unwrap(), Reach::default());
}

pub async fn what_users_want_of_a_room_is_read_together(s: &Fixture) {
    let (alice, bob, eve) = (UserId::new(), UserId::new(), UserId::new());
    let (tea, work) = (RoomId::new(), RoomId::new());
    for (user, level) in [(alice, RoomLevel::Muted), (eve, RoomLevel::Mentions)] {
        let settings = NotifySettings { reach: Reach::default(), rooms: [(tea, level)].into() };
        s.notify_preferences.put_notify_settings(user, &settings).await.unwrap();
    }
    let all = [eve, bob, alice, eve];
    let levels = s.notify_preferences.room_levels(tea, &all).await.unwrap();
    assert_eq!(levels, [RoomLevel::Mentions, RoomLevel::All, RoomLevel::Muted, RoomLevel::Mentions]);
    assert_eq!(s.notify_preferences.room_levels(work, &all).await.unwrap(), [RoomLevel::All; 4]);
    assert_eq!(s.notify_preferences.room_levels(tea, &[]).await.unwrap(), []);
}
