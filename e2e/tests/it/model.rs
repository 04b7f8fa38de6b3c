//! Random histories of several users, each with two devices, over two chat-servers (or one process with the embedded
//! store): whatever happened, once all is quiet each device's state, built from events, is that of a fresh client.
//!
//! `PROPTEST_CASES` says how many; a failing one is shrunk and printed with its seed (`PROPTEST_RNG_SEED` repeats it).

mod action;
mod device;
mod world;

use e2e::System;
use proptest::{
    collection::vec,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};

use self::{action::action, world::World};

/// Histories tried where nobody says how many.
const CASES: u32 = 8;
/// Actions of one history.
const LONGEST: usize = 40;
/// A case that fails is shrunk by running it again: enough to drop most of its actions.
const SHRINKS: u32 = 24;

#[test]
fn every_device_shows_what_a_fresh_client_shows_on_the_embedded_store() {
    agree(async || System::embedded().await.unwrap(), &["chatapp"]);
}

#[test]
fn every_device_shows_what_a_fresh_client_shows_over_two_chat_servers_and_redis() {
    agree(async || System::over_redis(2).await.unwrap(), &["chat-0", "chat-1"]);
}

fn agree(start: impl AsyncFnOnce() -> System, servers: &'static [&'static str]) {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { CASES };
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fresh_seed(),
    };
    println!("PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let system = runtime.block_on(start());
    // One system for all histories; each has users and rooms of its own.
    let system = tokio::sync::Mutex::new(system);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: SHRINKS,
        ..default
    };
    let outcome = TestRunner::new(config).run(&vec(action(), 1..LONGEST), |actions| {
        runtime.block_on(async {
            let mut system = system.lock().await;
            let mut world = World::new(&mut system, servers).await;
            for action in actions {
                world.perform(action).await;
            }
            let outcome = world.agrees().await;
            if let Err(why) = &outcome {
                // Before it is made smaller, which takes its time.
                println!("PROPTEST_RNG_SEED={seed}: {why}");
            }
            outcome
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, actions)) => panic!("PROPTEST_RNG_SEED={seed}: {why}\nafter {actions:#?}"),
        Err(error) => panic!("PROPTEST_RNG_SEED={seed}: {error}"),
    }
}

fn fresh_seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
