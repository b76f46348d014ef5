//! In place of `iam`, in a build without IAM's client.

use rerole_core::resource::RoleArn;

use crate::drain::facts::RoleFacts;
use crate::stack::Stack;

/// Returns that nothing was read.
#[expect(clippy::unused_async, reason = "the reads that it replaces call AWS")]
pub async fn read(_stack: &Stack, _role: &RoleArn, _target_roles: &[String]) -> RoleFacts {
    RoleFacts {
        unread: vec![
            "when it was last used: this build of rerole cannot ask IAM: feature `evidence`"
                .to_owned(),
        ],
        ..RoleFacts::default()
    }
}
