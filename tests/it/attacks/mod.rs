//! What an attacker may try, one test each, named after what the attacker wants. SECURITY.md
//! explains them. Who may put events and send messages is in `access/`, because the template
//! decides that; here, the attacker has got past it.

/// Random input for everything that parses what comes from outside.
mod fuzz;
/// Items that the attacker has written to the tables.
mod items;
/// What the attacker wants in the logs.
mod logs;
/// Messages in the indexer's queue.
mod messages;
/// Events and payloads for the rotate function.
mod requests;
