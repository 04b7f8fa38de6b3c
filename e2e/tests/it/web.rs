//! The web chat in a real browser: what people see and do. Windows are whole browsers of their own; whatever should come
//! is waited for as a condition of the page.

mod access;
mod browser;
mod chatting;
mod faults;
mod keyboard;
mod long;
