//! What the tests of other crates rely on.

use super::*;

fn get(redis: &Redis) -> String {
    redis.command(&["GET", "key"]).unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    for kind in [Kind::Node, Kind::Cluster] {
        let mut redis = Redis::start(kind, Append::Always);
        redis.command(&["SET", "key", "kept"]).unwrap();
        redis.kill();
        assert!(redis.command(&["PING"]).is_err(), "{kind:?}");
        redis.restart();
        assert!(get(&redis).contains("kept"), "{kind:?}");
    }
}

#[test]
fn an_orderly_stop_writes_everything_down() {
    let mut redis = Redis::start(Kind::Node, Append::EverySecond);
    redis.command(&["SET", "key", "kept"]).unwrap();
    redis.stop();
    redis.restart();
    assert!(get(&redis).contains("kept"));
}

#[test]
fn without_an_append_only_file_a_restart_begins_empty() {
    let mut redis = Redis::start(Kind::Node, Append::Never);
    redis.command(&["SET", "key", "lost"]).unwrap();
    redis.kill();
    redis.restart();
    assert!(get(&redis).starts_with("$-1"));
}

#[test]
fn a_stopped_server_goes_on_and_is_killed_like_any_other() {
    let mut redis = Redis::start(Kind::Node, Append::Never);
    redis.signal("STOP");
    redis.signal("CONT");
    assert!(redis.command(&["PING"]).unwrap().starts_with("+PONG"));
    redis.signal("STOP");
    redis.kill();
    assert!(redis.command(&["PING"]).is_err());
}

#[test]
fn a_replica_has_what_its_primary_has_and_is_counted_on() {
    for kind in [Kind::Node, Kind::Cluster] {
        let primary = Redis::start(kind, Append::Never);
        primary.command(&["SET", "key", "copied"]).unwrap();
        let replica = primary.start_replica();
        assert!(replica.command(&["INFO", "replication"]).unwrap().contains("master_link_status:up"), "{kind:?}");
        assert!(primary.command(&["WAIT", "1", "1"]).unwrap().starts_with(":1"), "{kind:?}");
        assert!(replica.command(&["DBSIZE"]).unwrap().starts_with(":1"), "{kind:?}");
    }
}

#[test]
fn a_dropped_server_is_gone_with_its_directory() {
    let redis = Redis::start(Kind::Node, Append::Always);
    let (port, directory) = (redis.port(), redis.directory.path().to_owned());
    assert!(directory.exists());
    drop(redis);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(!directory.exists());
}

#[test]
fn a_server_ends_with_the_pipe_of_its_watchdog_as_when_the_test_process_dies() {
    let mut redis = Redis::start(Kind::Node, Append::Always);
    let mut running = redis.running.take().unwrap();
    drop(running.watchdog.stdin.take());
    running.watchdog.wait().unwrap();
    assert!(running.log.wait_for_end(DEADLINE));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).is_err());
    assert!(!redis.directory.path().exists());
}
