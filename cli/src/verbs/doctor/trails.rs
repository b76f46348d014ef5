//! Whether CloudTrail logs what changes in EKS, in each indexed region. Without a trail that logs
//! management events, no event tells the indexer of a change.

use aws_config::Region;
use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, EventSelector, ReadWriteType, Trail};
use futures_util::future::join_all;
use rerole::aws::call_error::call_error;
use rerole_core::call::{CallError, Operation};

use crate::stack::Stack;
use crate::verbs::doctor::finding::{Check, Finding};

const CHECK: Check = Check("trails");
const PERMISSIONS: &str =
    "cloudtrail:DescribeTrails, cloudtrail:GetTrailStatus and cloudtrail:GetEventSelectors";

/// Checks all indexed regions.
pub async fn check(stack: &Stack) -> Vec<Finding> {
    let regions = stack.index_regions();
    let looks = regions.iter().map(|region| logging_trail(stack, region));
    let looked = join_all(looks).await;
    let findings = regions
        .iter()
        .zip(looked)
        .map(|(region, looked)| match looked {
            Ok(Some(trail)) => CHECK.ok(format!("{trail} logs changes in {region}")),
            Ok(None) => CHECK
                .problem(format!(
                    "no trail logs management events in {region}, so changes in EKS are found late"
                ))
                .todo("create a trail that logs write-only management events of all regions"),
            Err(error) => CHECK.failed(PERMISSIONS, &error),
        });
    findings.collect()
}

/// Returns a trail that logs management events of the region, if there is one.
async fn logging_trail(stack: &Stack, region: &str) -> Result<Option<String>, CallError> {
    let operation = Operation::on("look at the trails of", &region);
    let config = aws_sdk_cloudtrail::config::Builder::from(&stack.sdk);
    let config = config.region(Region::new(region.to_owned()));
    let client = Client::from_conf(config.build());
    let described = client
        .describe_trails()
        .include_shadow_trails(true)
        .send()
        .await;
    let described = described.map_err(|error| call_error(operation, &error))?;
    let mut failed = None;
    for trail in described.trail_list.unwrap_or_default() {
        // One that may not be looked at, such as that of an organization, does not hide others.
        match logs(&client, &trail, operation).await {
            Ok(true) => return Ok(trail.name),
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(None), Err)
}

async fn logs(client: &Client, trail: &Trail, operation: Operation<'_>) -> Result<bool, CallError> {
    let arn = trail.trail_arn.clone().or_else(|| trail.name.clone());
    let arn = arn.unwrap_or_default();
    let status = client.get_trail_status().name(&arn).send().await;
    let status = status.map_err(|error| call_error(operation, &error))?;
    if status.is_logging != Some(true) {
        return Ok(false);
    }
    let selectors = client.get_event_selectors().trail_name(&arn).send().await;
    let selectors = selectors.map_err(|error| call_error(operation, &error))?;
    Ok(select_writes(&selectors))
}

/// Whether the trail has management events that change something.
fn select_writes(selectors: &GetEventSelectorsOutput) -> bool {
    let basic = selectors.event_selectors.iter().flatten();
    let advanced = selectors.advanced_event_selectors.iter().flatten();
    basic.into_iter().any(is_basic) || advanced.into_iter().any(is_advanced)
}

fn is_basic(selector: &EventSelector) -> bool {
    let writes = selector.read_write_type.as_ref();
    let has_writes = writes.is_none_or(|it| *it != ReadWriteType::ReadOnly);
    selector.include_management_events != Some(false) && has_writes
}

fn is_advanced(selector: &AdvancedEventSelector) -> bool {
    let equals = |field: &str, value: &str| {
        let fields = selector.field_selectors.iter();
        let mut fields = fields.filter(|it| it.field == field);
        fields.any(|it| it.equals.iter().flatten().any(|it| it == value))
    };
    let other_source = selector.field_selectors.iter().any(|it| {
        let sources = it.equals.as_deref().unwrap_or_default();
        let is_eks = |source: &String| source == "eks.amazonaws.com";
        it.field == "eventSource" && !sources.is_empty() && !sources.iter().any(is_eks)
    });
    equals("eventCategory", "Management") && !equals("readOnly", "true") && !other_source
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::AdvancedFieldSelector;

    use super::*;

    fn field(field: &str, value: &str) -> AdvancedFieldSelector {
        let selector = AdvancedFieldSelector::builder().field(field).equals(value);
        selector.build().unwrap()
    }

    #[test]
    fn a_trail_has_to_have_management_events_that_write() {
        let basic = |writes: ReadWriteType, management: Option<bool>| {
            let selector = EventSelector::builder().read_write_type(writes);
            selector.set_include_management_events(management).build()
        };
        for (selector, expected) in [
            (basic(ReadWriteType::All, Some(true)), true),
            (basic(ReadWriteType::WriteOnly, None), true),
            (basic(ReadWriteType::ReadOnly, Some(true)), false),
            (basic(ReadWriteType::All, Some(false)), false),
        ] {
            assert_eq!(is_basic(&selector), expected, "{selector:?}");
        }
        let management = || field("eventCategory", "Management");
        for (fields, expected) in [
            (vec![management()], true),
            (vec![management(), field("readOnly", "false")], true),
            (vec![management(), field("readOnly", "true")], false),
            (
                vec![management(), field("eventSource", "eks.amazonaws.com")],
                true,
            ),
            (
                vec![management(), field("eventSource", "ec2.amazonaws.com")],
                false,
            ),
            (vec![field("eventCategory", "Data")], false),
        ] {
            let selector = AdvancedEventSelector::builder().set_field_selectors(Some(fields));
            let selector = selector.build().unwrap();
            assert_eq!(is_advanced(&selector), expected, "{selector:?}");
        }
    }
}
