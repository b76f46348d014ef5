//! The members of `LookupEvents`: what is asked for, and pages.
//!
//! A token continues the list as it was found: events that arrive later are not on its pages.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::protocol::{ApiError, ApiRequest};

/// The longest page, and the default.
const PAGE_MAX: u64 = 50;
/// Older events are not in the history.
const AGE_MAX: Duration = Duration::from_hours(90 * 24);
/// So many lists are kept for their tokens: more than any test reads side by side.
const SNAPSHOTS_MAX: usize = 64;

/// Whether the request is for the event history.
pub(crate) fn is_lookup(request: &ApiRequest) -> bool {
    request.operation == "LookupEvents"
}

/// What a request is about, as in `Call::subject`.
pub(crate) fn subject(request: &ApiRequest) -> String {
    let value = &request.parameters["LookupAttributes"][0]["AttributeValue"];
    value.as_str().unwrap_or_default().to_owned()
}

/// What a request asks for.
pub(super) struct Lookup {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    /// Key and value; any event without them.
    attribute: Option<(String, String)>,
}

impl Lookup {
    pub(super) fn parse(now: SystemTime, request: &ApiRequest) -> Result<Self, ApiError> {
        let from = time(request, "StartTime");
        let until = time(request, "EndTime").unwrap_or(now);
        if from.is_some_and(|from| from > until) {
            let message = "The start time must be before the end time.";
            return Err(ApiError::new("InvalidTimeRangeException", message));
        }
        let oldest = now - AGE_MAX;
        let attributes = request.parameters["LookupAttributes"].as_array();
        let attribute = match attributes.map_or(&[][..], Vec::as_slice) {
            [] => None,
            [attribute] => Some(parse_attribute(attribute)?),
            _ => return Err(invalid_attributes("You can specify only one attribute.")),
        };
        Ok(Self {
            from: from.unwrap_or(oldest).max(oldest),
            until,
            attribute,
        })
    }

    /// Whether an event with this role among its resources is wanted; `None` if the lookup does not
    /// ask for a role.
    pub(super) fn is_about_role(&self, role_arn: &str) -> Option<bool> {
        let (key, value) = self.attribute.as_ref()?;
        let asks_for_role = key == "ResourceName" && value.contains(":role/");
        asks_for_role.then(|| value == role_arn)
    }

    /// Whether the lookup asks for events with this entry.
    pub(super) fn accepts(&self, entry: &Value) -> bool {
        let Some((key, value)) = &self.attribute else {
            return true;
        };
        match key.as_str() {
            "ResourceName" | "ResourceType" => {
                let resources = entry["Resources"].as_array().into_iter().flatten();
                let mut values = resources.map(|resource| &resource[key.as_str()]);
                values.any(|own| own == value.as_str())
            }
            _ => entry[key.as_str()] == value.as_str(),
        }
    }
}

fn parse_attribute(attribute: &Value) -> Result<(String, String), ApiError> {
    const KEYS: [&str; 8] = [
        "AccessKeyId",
        "EventId",
        "EventName",
        "EventSource",
        "ReadOnly",
        "ResourceName",
        "ResourceType",
        "Username",
    ];
    let member = |name: &str| attribute[name].as_str().map(str::to_owned);
    let pair = member("AttributeKey").zip(member("AttributeValue"));
    let pair = pair.filter(|(key, _)| KEYS.contains(&key.as_str()));
    pair.ok_or_else(|| invalid_attributes("The lookup attribute is not valid."))
}

fn invalid_attributes(message: &str) -> ApiError {
    ApiError::new("InvalidLookupAttributesException", message)
}

/// A time, which JSON has as seconds.
fn time(request: &ApiRequest, member: &str) -> Option<SystemTime> {
    let secs = request.parameters.get(member)?.as_f64()?;
    let since_epoch = Duration::try_from_secs_f64(secs).ok()?;
    Some(SystemTime::UNIX_EPOCH + since_epoch)
}

/// How many events a page has.
pub(super) fn limit(request: &ApiRequest) -> Result<usize, ApiError> {
    let limit = &request.parameters["MaxResults"];
    let valid = match limit {
        Value::Null => Some(PAGE_MAX),
        limit => limit.as_u64().filter(|it| (1..=PAGE_MAX).contains(it)),
    };
    let valid = valid.and_then(|limit| usize::try_from(limit).ok());
    valid.ok_or_else(|| {
        let message = format!("MaxResults must be from 1 to {PAGE_MAX}, not {limit}.");
        ApiError::new("InvalidMaxResultsException", message)
    })
}

pub(super) fn response(entries: Vec<Value>, next: Option<String>) -> Value {
    json!({ "Events": entries, "NextToken": next })
}

/// The lists that lookups have found, oldest first.
pub(super) struct Snapshots<T> {
    /// How many were forgotten.
    forgotten: usize,
    kept: VecDeque<Vec<T>>,
}

impl<T> Default for Snapshots<T> {
    fn default() -> Self {
        Self {
            forgotten: 0,
            kept: VecDeque::new(),
        }
    }
}

impl<T> Snapshots<T> {
    /// Keeps a list. Returns its number.
    pub(super) fn keep(&mut self, found: Vec<T>) -> usize {
        if self.kept.len() == SNAPSHOTS_MAX {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(found);
        self.forgotten + self.kept.len() - 1
    }

    /// The number of the list that a token continues, and where.
    pub(super) fn resume(&self, token: &str) -> Result<(usize, usize), ApiError> {
        let parts = token.split_once('.');
        let numbers = parts.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let is_kept = |(snapshot, _): &(usize, usize)| {
            let position = snapshot.checked_sub(self.forgotten);
            position.is_some_and(|position| position < self.kept.len())
        };
        numbers.filter(is_kept).ok_or_else(|| {
            let message = format!("The token is not valid: {token}");
            ApiError::new("InvalidNextTokenException", message)
        })
    }

    /// Up to `limit` events of the list from this position on, and the token of the next ones.
    pub(super) fn page(
        &self,
        snapshot: usize,
        from: usize,
        limit: usize,
    ) -> (&[T], Option<String>) {
        let all = &self.kept[snapshot - self.forgotten];
        let from = from.min(all.len());
        let until = all.len().min(from + limit);
        let next = (until < all.len()).then(|| format!("{snapshot}.{until}"));
        (&all[from..until], next)
    }
}
