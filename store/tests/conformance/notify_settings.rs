//! What users want to be told of.

use shared::{RoomId, UserId, protocol::Position};
use store::{DoNotDisturb, NotifySettings, Reach, RoomLevel, Topic, UserChangeBody};

use crate::{
    engine::Fixture,
    support::{at_once, follow, user_change, user_log},
};

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
    let log = user_log(&s.store, user, Position::BEGINNING).await;
    assert_eq!(log.len(), 4, "it is told to all devices, once for each that was on");
    let mut told = follow(&s.store, &[Topic::User(other)]).await;
    s.notify_preferences.switch_off(other, "email").await.unwrap();
    assert_eq!(user_change(&mut told).await, (other, UserChangeBody::NotifySettings));
    let reach = Reach { off: ["email".to_owned()].into(), quiet: None };
    assert_eq!(s.notify_preferences.reach(other).await.unwrap(), reach, "who had set nothing");
}

pub async fn settings_that_change_are_told_to_all_devices_and_others_are_not(s: &Fixture) {
    let user = UserId::new();
    let far = s.elsewhere().await;
    let mut told = follow(&far, &[Topic::User(user)]).await;
    let (tea, work) = (RoomId::new(), RoomId::new());
    let put = async |settings: &NotifySettings| s.notify_preferences.put_notify_settings(user, settings).await.unwrap();
    put(&NotifySettings::default()).await;
    let muted = NotifySettings { rooms: [(tea, RoomLevel::Muted)].into(), ..NotifySettings::default() };
    let other_room = NotifySettings { rooms: [(work, RoomLevel::Muted)].into(), ..NotifySettings::default() };
    let mentions = NotifySettings { rooms: [(work, RoomLevel::Mentions)].into(), ..NotifySettings::default() };
    let off = Reach { off: ["webpush".to_owned()].into(), quiet: None };
    let reach = NotifySettings { reach: off, rooms: mentions.rooms.clone() };
    let fewer = NotifySettings { rooms: [].into(), ..reach.clone() };
    let changes = [&muted, &other_room, &mentions, &reach, &fewer, &NotifySettings::default()];
    for settings in changes {
        put(settings).await;
        put(settings).await;
        assert_eq!(&s.notify_preferences.notify_settings(user).await.unwrap(), settings);
    }
    for _ in changes {
        assert_eq!(user_change(&mut told).await, (user, UserChangeBody::NotifySettings));
    }
    assert!(told.try_recv().is_none(), "what is as it was is no change");
    let log = user_log(&s.store, user, Position::BEGINNING).await;
    assert_eq!(log.len(), changes.len());
    assert!(log.iter().all(|change| change.body == UserChangeBody::NotifySettings));
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
