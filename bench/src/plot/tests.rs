//! The data of the pictures, and that they are drawn.

use super::*;
use crate::report::{Connect, Messages, Server, Setup};

fn run(workload: &str, users: usize, cost: f64) -> Report {
    let curve = vec![(0.0, 1.0), (50.0, 2.0), (90.0, 3.0), (99.0, 8.0), (100.0, 20.0)];
    let latency = Latency { p50: 2.0, p90: 3.0, p99: 8.0, p999: 20.0, max: 20.0, samples: 1000, curve };
    Report {
        workload: workload.to_owned(),
        setup: Setup { users, rate: Some(50.0), ..Setup::default() },
        messages: Some(Messages { delivery_ms: Some(latency), ..Messages::default() }),
        connect: Some(Connect { server_bytes_each: Some(12_000.0), ..Connect::default() }),
        server: Some(Server { cpu_us_per_delivery: Some(cost), ..Server::default() }),
        ..Report::default()
    }
}

#[test]
fn percentiles_stand_at_their_number_of_nines_and_the_worst_at_that_of_all_samples() {
    let curves = percentiles(&[run("fanout", 10, 1.0)], |r| r.messages.as_ref()?.delivery_ms.as_ref());
    assert_eq!(curves[0].name, "fanout: 10 users, 50/s");
    let nines: Vec<f64> = curves[0].points.iter().map(|(nines, _)| (nines * 100.0).round() / 100.0).collect();
    assert_eq!(nines, [0.0, 0.3, 1.0, 2.0, 3.0]);
    assert_eq!([0.0, 1.0, 2.0, 3.0, 4.0].map(|n| percentile(&n)), ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
}

#[test]
fn cost_is_the_median_of_runs_with_as_many_connections() {
    let runs: Vec<_> =
        [(10, 9.0), (20, 4.0), (10, 1.0), (10, 2.0)].map(|(users, cost)| run("rooms", users, cost)).into();
    let cost: Cost = |r| r.server.as_ref()?.cpu_us_per_delivery;
    let curves = against_connections(&runs, cost);
    assert_eq!(curves, [Curve { name: "rooms".into(), points: vec![(10.0, 2.0), (20.0, 4.0)] }]);
    assert!(against_connections(&runs[2..], cost).is_empty());
}

#[test]
fn pictures_are_drawn_of_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    draw(&[run("fanout", 10, 1.0), run("fanout", 100, 1.5)], directory.path()).unwrap();
    let mut files: Vec<_> =
        directory.path().read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["cost.svg", "delivery.svg", "memory.svg"]);
    let picture = std::fs::read_to_string(directory.path().join("delivery.svg")).unwrap();
    assert!(picture.contains("99.9 %") && picture.contains("fanout: 100 users"), "{picture}");
}
