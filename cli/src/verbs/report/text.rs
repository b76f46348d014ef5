//! Texts that documents in HTML and Markdown have in common: each fact of a report in words.

use crate::rotation::report_rows::ReportRow;
use crate::rotation::text::outcomes;
use crate::rotation::{RotationView, text};
use crate::stack::Origin;
use crate::verbs::report::data::{EventView, Report};
use crate::verbs::who::text::{may_be_deleted, verdict};
use crate::words;

/// What to do with the pods after a rollback.
pub const RESTART: &str = "A rollback does not change running pods: they keep the credentials of \
    the role that the rollback left until these expire, for up to 6 hours, or until they restart. \
    To end that now, restart the pods of these service accounts, for example with kubectl rollout \
    restart.";
/// How the IDs of a report lead to CloudTrail.
pub const CLOUDTRAIL: &str = "The request ID of an association is the requestID of the event \
    UpdatePodIdentityAssociation in CloudTrail, and its token is the clientRequestToken there. An \
    event ID of the request or of a command is the eventId of PutEvents, if the trail has the data \
    events of the bus. An invocation is the request ID in the log of the rotate function.";
/// What a digest is worth.
pub const DIGEST: &str = "The digest shows whether the data of this document were changed after it \
    was written. It is no signature: to prove who wrote it, keep the digest where they cannot \
    change it.";

/// The kind of rotation, with its ID.
pub fn title(rotation: &RotationView) -> String {
    format!("{} {}", text::kind(rotation), rotation.id)
}

/// The role that the rotation leaves, with the verdict about it.
pub fn old_role(report: &Report) -> String {
    let role = words::role(&report.old_role.role_arn).in_account(&report.stack.account);
    format!("Role {role}: {}", verdict(&report.old_role, report.as_of))
}

/// Whether the role that the rotation leaves may be deleted.
pub fn deletion(report: &Report) -> String {
    format!(
        "May it be deleted? {}",
        capitalized(may_be_deleted(report.old_role.verdict))
    )
}

/// If the rotation is not finished: that the report is not final.
pub fn unfinished(report: &Report) -> Option<String> {
    (!report.is_finished).then(|| {
        format!(
            "Not finished: this is as of {}, and rows and counts still change.",
            words::plain_time(report.as_of)
        )
    })
}

/// The heading over what did not move.
pub fn staying(report: &Report) -> &'static str {
    if report.rotation.dry_run {
        "What would not move"
    } else {
        "What did not move"
    }
}

/// What stands for the causes if there are none.
pub fn nothing_stays(report: &Report) -> &'static str {
    match (report.rows.is_empty(), report.rotation.dry_run) {
        (true, _) => "The rotation has no associations.",
        (false, false) => "Nothing: each association has moved.",
        (false, true) => "Nothing: each association would move.",
    }
}

/// How many associations have which outcome: the total first.
pub fn counts(rotation: &RotationView) -> Vec<(u64, &'static str)> {
    let counts = &rotation.counts;
    let mut all = vec![(counts.total, "in total")];
    all.extend(outcomes(counts));
    if counts.pending > 0 {
        all.push((counts.pending, "pending"));
    }
    all
}

/// Who asked for the rotation, when and for what, each with its name.
pub fn request(report: &Report) -> Vec<(&'static str, String)> {
    let Report {
        rotation, stack, ..
    } = report;
    let role = |arn: &str| words::role(arn).in_account(&stack.account);
    let requester = rotation.requested_by.as_deref().unwrap_or(words::UNNAMED);
    let reason = rotation
        .request_reason
        .as_deref()
        .unwrap_or("none is given");
    let mut facts = vec![
        ("Status", format!("{:?}", rotation.status)),
        ("From", role(&rotation.old_role_arn)),
        ("To", role(&rotation.new_role_arn)),
        ("Scope", text::scope(&rotation.scope)),
        ("Requested by", requester.to_owned()),
        ("Reason", reason.to_owned()),
        ("Limits", text::limits(rotation)),
        ("Started", words::plain_time(rotation.started_at)),
    ];
    if let Some(at) = rotation.finished_at {
        facts.push(("Finished", words::plain_time(at)));
    }
    if rotation.attempt > 1 {
        facts.push(("Attempt", rotation.attempt.to_string()));
    }
    if let Some(reason) = &rotation.reason {
        facts.push(("Ended because", reason.clone()));
    }
    facts.extend(event(&report.event));
    facts
}

fn event(event: &EventView) -> Vec<(&'static str, String)> {
    let facts = [
        ("Event", event.id.clone()),
        ("Event source", Some(event.source.clone())),
        ("Event account", event.account.clone()),
        ("Event region", event.region.clone()),
        ("Event time", event.time.map(words::plain_time)),
        ("Invocation", event.request_id.clone()),
    ];
    let facts = facts.into_iter();
    facts
        .filter_map(|(name, fact)| Some((name, fact?)))
        .collect()
}

/// The versions and the stack that the report comes from.
pub fn origin(report: &Report) -> String {
    let Origin {
        account,
        region,
        stack,
        version,
    } = &report.stack;
    let version = version.as_deref().unwrap_or("unknown");
    format!(
        "account {account}, region {region}, stack {stack} (version {version}), by rerole {}, as of \
         {} UTC",
        report.cli_version,
        words::plain_time(report.as_of)
    )
}

/// The roles of an association before and after: one role if it has not changed.
pub fn roles(row: &ReportRow, account: &str) -> String {
    let field = |before: Option<&String>, after: Option<&String>| {
        let role = |arn: &String| words::role(arn).in_account(account);
        match (before, after) {
            (Some(before), Some(after)) if before != after => {
                Some(format!("{} → {}", role(before), role(after)))
            }
            (before, after) => after.or(before).map(role),
        }
    };
    let own = field(row.role_before.as_ref(), row.role_after.as_ref());
    let target = field(
        row.target_role_before.as_ref(),
        row.target_role_after.as_ref(),
    );
    let target = target.map(|role| format!("target {role}"));
    own.into_iter().chain(target).collect::<Vec<_>>().join("; ")
}

/// The IDs of an association that CloudTrail has as well.
pub fn ids(row: &ReportRow) -> Vec<(&'static str, &str)> {
    let ids = [
        ("request", row.request_id.as_deref()),
        ("token", row.client_request_token.as_deref()),
    ];
    let ids = ids.into_iter();
    ids.filter_map(|(name, id)| Some((name, id?))).collect()
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}
