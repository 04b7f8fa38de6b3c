//! What users want to be told of.

use shared::{RoomId, UserId};
use store::{DoNotDisturb, NotifySettings, Reach, RoomLevel};

use crate::{engine::Fixture, support::at_once};

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

pub async fn a_channel_is_switched_off_and_nothing_else_changes(s: &Fixture) {
    let (user, other, tea) = (UserId::new(), UserId::new(), RoomId::new());
    let quiet = DoNotDisturb { from: 1320, to: 420, time_zone: "Europe/Berlin".into() };
    let reach = Reach { off: ["webpush".to_owned()].into(), quiet: Some(quiet) };
    let mut settings = NotifySettings { reach, rooms: [(tea, RoomLevel::Muted)].into() };
    s.notify_preferences.put_notify_settings(user, &settings).await.unwrap();
    let names = ["email", "fcm", "apns", "email"];
    at_once(names.map(|name| {
        let preferences = s.notify_preferences.clone();
        async move { preferences.switch_off(user, name).await.unwrap() }
    }))
    .await;
    settings.reach.off.extend(names.map(String::from));
    assert_eq!(s.notify_preferences.notify_settings(user).await.unwrap(), settings);
    s.notify_preferences.switch_off(other, "email").await.unwrap();
    let reach = Reach { off: ["email".to_owned()].into(), quiet: None };
    assert_eq!(s.notify_preferences.reach(other).await.unwrap(), reach, "who had set nothing");
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
