//! Whether EKS's response to an update matches the request.

use crate::resource::{Association, RoleArn, RoleFields};

/// Returns how the response to an update contradicts the request, or an empty list if it does not.
/// Each item completes the sentence "the response …". The update changed `fields` to `new_role`,
/// and `before` is the observation that justified it.
///
/// The response must show the new role in these fields, a version no older than the observed one,
/// and no other change.
#[must_use]
pub fn contradictions(
    before: &Association,
    fields: RoleFields,
    new_role: &RoleArn,
    response: &Association,
) -> Vec<String> {
    let mut problems = Vec::new();
    for field in fields.iter() {
        let role = response.role_in(field).unwrap_or("none");
        if role != new_role.as_str() {
            problems.push(format!("has {} {role}", field.name()));
        }
    }
    if response.modified_at < before.modified_at {
        problems.push(format!(
            "has version {}, older than {}",
            response.modified_at, before.modified_at
        ));
    }
    let changed = before.fields_changed_besides(fields, response);
    if !changed.is_empty() {
        problems.push(format!("changes {}", changed.join(", ")));
    }
    problems
}
