//! What `chatapp` does besides serving, as a library: the fault tests of the whole system are `chatapp verify` and
//! faults.

pub mod verify;
