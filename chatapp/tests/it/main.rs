//! `chatapp doctor` and `chatapp admin`, as people call them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod admin;
mod doctor;
mod support;
