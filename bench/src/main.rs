//! `bench`: loads a deployment of ChatApp by its public addresses and says what came of it.

fn main() {}
