//! What each step of the demo does, and the commands with which an operator would do it.

use crate::demo::scene::{CONCURRENCY, Request};

pub const REPEAT: &str = "\n4. Put the same request on the bus again. A finished rotation \
                               stays as it is.\n";

/// What the first step does.
pub fn request(request: &Request) -> String {
    let id = &request.rotation_id;
    let name = |arn: &str| {
        let name = arn.split_once(":role/").map_or(arn, |(_, name)| name);
        name.to_owned()
    };
    let (old, new) = (name(&request.old_role_arn), name(&request.new_role_arn));
    format!(
        "\n1. Request the rotation, one association at a time, so there is time to pause it. A \
         rule passes\n   the event to the function.\n\n     \
         rerole rotate --from {old} --to {new} --id {id} \\\n         --max-concurrency 1\n"
    )
}

/// What the second step does.
pub fn pause(request: &Request) -> String {
    format!(
        "\n2. Pause it. The slice that works on it notices with the next renewal of its lease, \
         every 4 s:\n   updates in flight finish, and no other is sent.\n\n     \
         rerole pause {} --reason INC-7\n",
        request.rotation_id
    )
}

/// What the third step does.
pub fn resume(request: &Request) -> String {
    let id = &request.rotation_id;
    format!(
        "\n3. Allow {CONCURRENCY} at a time, and resume. The state machine continues where the \
         rotation stopped.\n   An association on a third role is described again, ten seconds \
         later: until then, EKS may not\n   show an update of the first slice.\n\n     \
         rerole change {id} --max-concurrency {CONCURRENCY}\n     rerole resume {id}\n"
    )
}

/// What the last step does.
pub fn roll_back(request: &Request) -> String {
    format!(
        "\n5. Roll it back: what the rotation has moved gets its old role again, and nothing else \
         is\n   written.\n\n     rerole rollback {} --reason INC-8\n",
        request.rotation_id
    )
}

#[cfg(test)]
#[allow(
    clippy::needless_raw_string_hashes,
    reason = "`UPDATE_EXPECT=1 cargo test` writes raw strings"
)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn each_step_names_the_command_of_an_operator() {
        let of = Request {
            rotation_id: "app-2026".to_owned(),
            old_role_arn: "arn:aws:iam::111122223333:role/platform/app-2025".to_owned(),
            new_role_arn: "arn:aws:iam::111122223333:role/platform/app-2026".to_owned(),
        };
        let steps = [request, pause, resume, roll_back].map(|step| step(&of));
        expect![[r"

            1. Request the rotation, one association at a time, so there is time to pause it. A rule passes
               the event to the function.

                 rerole rotate --from platform/app-2025 --to platform/app-2026 --id app-2026 \
                     --max-concurrency 1

            2. Pause it. The slice that works on it notices with the next renewal of its lease, every 4 s:
               updates in flight finish, and no other is sent.

                 rerole pause app-2026 --reason INC-7

            3. Allow 64 at a time, and resume. The state machine continues where the rotation stopped.
               An association on a third role is described again, ten seconds later: until then, EKS may not
               show an update of the first slice.

                 rerole change app-2026 --max-concurrency 64
                 rerole resume app-2026

            5. Roll it back: what the rotation has moved gets its old role again, and nothing else is
               written.

                 rerole rollback app-2026 --reason INC-8
        "]].assert_eq(&steps.concat());
    }
}
