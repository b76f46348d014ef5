//! The events that EKS calls leave, and the calls that leave none.

/// Which calls leave events, and where the events go.
mod delivery;
/// What an event consists of.
mod form;

use aws_sdk_eks::Client;
use rerole_sim::Options;

use crate::harness::{TOKEN, code_of, update};

fn with_cloudtrail() -> Options {
    Options {
        cloudtrail: true,
        ..Options::default()
    }
}

/// Updates the role of the association `<cluster>/<id>`, and returns the error code. The token is
/// fixed: the SDK would draw one at random.
async fn update_role(client: &Client, subject: &str, role: &str) -> String {
    let update = update(client, subject).client_request_token(TOKEN);
    code_of(update.role_arn(role).send().await)
}
