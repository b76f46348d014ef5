//! Runs `rerole` as an operator does, against the whole stack in the playground: screens, JSON,
//! permissions, and failures.

mod harness;
mod pty;
mod redact;

mod failures;
mod live;
mod permissions;
mod report;
mod schema;
mod screens;
mod terminal;
