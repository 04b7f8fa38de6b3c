//! `chatapp verify`: is the promise kept by this deployment? Real clients talk through real sockets that are cut at
//! random; then what each was told is compared with what is stored.
//!
//! Reading order: `ledger` (the judge).

pub mod breach;
pub mod ledger;
