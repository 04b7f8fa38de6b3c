//! `/presence`: what was set and watched outlives a connection.

use client::{OwnStatus, Presence, shared::UserId};
use serde_json::json;

use crate::support::{Server, options, within};

#[tokio::test]
async fn after_a_reconnect_the_status_is_set_and_the_users_are_watched_again() {
    let server = Server::start().await;
    let url = server.url();
    let (mut peer, client) = tokio::join!(server.welcome(), within(Presence::connect_with(&url, "secret", options())));
    assert_eq!(peer.path, "/presence");
    let (presence, _events) = client.unwrap();
    let (bob, carol) = (UserId::new(), UserId::new());
    let script = async {
        let set = peer.expect("SET_STATUS").await;
        assert_eq!(set["payload"], json!({ "status": "busy", "text": "in a call" }));
        peer.reply(&set, "STATUS_SET", json!({ "status": "busy", "text": "in a call" })).await;
        let watch = peer.expect("SUBSCRIBE").await;
        assert_eq!(watch["payload"], json!({ "userIds": [bob, carol] }));
        let users = json!([{ "userId": bob, "username": "bob", "status": "online", "devices": 1 }]);
        peer.reply(&watch, "PRESENCE_SNAPSHOT", json!({ "users": users })).await;
        let unwatch = peer.expect("UNSUBSCRIBE").await;
        peer.reply(&unwatch, "UNSUBSCRIBED", json!({ "userIds": [carol] })).await;

        peer.close(1012).await;
        let mut peer = server.welcome().await;
        assert_eq!(peer.expect("SET_STATUS").await["payload"], set["payload"]);
        assert_eq!(peer.expect("SUBSCRIBE").await["payload"], json!({ "userIds": [bob] }));
        peer
    };
    let calls = async {
        presence.set_status(OwnStatus::Busy, Some("in a call")).await.unwrap();
        let snapshot = presence.subscribe(&[bob, carol]).await.unwrap();
        assert_eq!((snapshot.len(), snapshot[0].username.as_str()), (1, "bob"));
        presence.unsubscribe(&[carol]).await.unwrap();
    };
    tokio::join!(within(calls), within(script));
}
