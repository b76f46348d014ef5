//! Runs `rerole` as an operator does, against the stack of the template in a simulated AWS on
//! loopback.

mod harness;

mod doctor;
mod index;
mod queues;
mod who;
