//! What `chatapp` does besides serving, as a library: `verify` (the fault tests of the whole system are it and faults),
//! [`doctor`] and [`admin`].

pub mod admin;
pub mod deployment;
pub mod doctor;
pub mod verify;
