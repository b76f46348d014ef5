//! The API of CloudTrail, as far as it tells which events are logged. The events themselves are in
//! `cloudtrail`, and they do not depend on trails.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::arn::Scope;
use crate::clock::since_epoch;
use crate::protocol::{ApiError, ApiRequest};

/// A trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Trail {
    pub name: String,
    pub logging: bool,
    /// It logs the events of every region, and is listed in every region.
    pub multi_region: bool,
    /// The members of `GetEventSelectors` beside the ARN: `EventSelectors` or
    /// `AdvancedEventSelectors`.
    pub selectors: Value,
}

impl Default for Trail {
    /// It logs the management events of all regions.
    fn default() -> Self {
        Self {
            name: "management-events".to_owned(),
            logging: true,
            multi_region: true,
            selectors: json!({
                "EventSelectors": [{
                    "ReadWriteType": "All",
                    "IncludeManagementEvents": true,
                    "DataResources": [],
                    "ExcludeManagementEventSources": [],
                }],
            }),
        }
    }
}

/// All trails.
#[derive(Default)]
pub(crate) struct Trails(Vec<TrailState>);

struct TrailState {
    trail: Trail,
    arn: String,
    account: String,
    home_region: String,
    created_at: SystemTime,
}

impl Trails {
    /// Creates the trail in its home region, or changes the one with the same ARN.
    pub(crate) fn put(&mut self, now: SystemTime, home: Scope<'_>, trail: Trail) -> String {
        let arn = home.arn("cloudtrail", &format!("trail/{}", trail.name));
        self.0.retain(|state| state.arn != arn);
        self.0.push(TrailState {
            arn: arn.clone(),
            account: home.account.to_owned(),
            home_region: home.region.to_owned(),
            created_at: now,
            trail,
        });
        arn
    }

    /// Responds to one request.
    pub(crate) fn respond(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "DescribeTrails" => Ok(self.describe(request)),
            "ListTrails" => {
                let own = self.0.iter().filter(|it| it.account == request.account);
                Ok(json!({ "Trails": own.map(TrailState::summary).collect::<Vec<_>>() }))
            }
            "GetTrailStatus" => Ok(self.trail(request, "Name")?.status()),
            "GetEventSelectors" => {
                let state = self.trail(request, "TrailName")?;
                let mut members = state.trail.selectors.clone();
                members["TrailARN"] = json!(state.arn);
                Ok(members)
            }
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    /// The trails of the region, and those of other regions that log its events.
    fn describe(&self, request: &ApiRequest) -> Value {
        let names = request.texts("trailNameList");
        let with_shadows = request.flag("includeShadowTrails").unwrap_or(true);
        let listed = self.0.iter().filter(|state| {
            let is_home = state.home_region == request.region;
            state.account == request.account
                && (is_home || state.trail.multi_region && with_shadows)
                && (names.is_empty() || names.iter().any(|name| state.is_named(name)))
        });
        json!({ "trailList": listed.map(TrailState::entry).collect::<Vec<_>>() })
    }

    /// The trail that this member names, by its ARN or by its name in the caller's region.
    fn trail(&self, request: &ApiRequest, member: &str) -> Result<&TrailState, ApiError> {
        let name = request.required(member)?;
        let mut trails = self.0.iter();
        let trail = trails.find(|state| {
            let is_home = state.home_region == request.region;
            state.account == request.account
                && (state.arn == name || is_home && state.trail.name == name)
        });
        trail.ok_or_else(|| {
            let message = format!("Unknown trail: {name} for the user: {}", request.account);
            ApiError::new("TrailNotFoundException", message)
        })
    }
}

impl TrailState {
    fn is_named(&self, name: &str) -> bool {
        self.arn == name || self.trail.name == name
    }

    fn summary(&self) -> Value {
        let Self {
            trail,
            arn,
            home_region,
            ..
        } = self;
        json!({ "TrailARN": arn, "Name": trail.name, "HomeRegion": home_region })
    }

    fn entry(&self) -> Value {
        let mut entry = self.summary();
        let selectors = &self.trail.selectors;
        let more = json!({
            "S3BucketName": format!("{}-logs", self.trail.name),
            "IncludeGlobalServiceEvents": true,
            "IsMultiRegionTrail": self.trail.multi_region,
            "LogFileValidationEnabled": true,
            "HasCustomEventSelectors": *selectors != Trail::default().selectors,
            "HasInsightSelectors": false,
            "IsOrganizationTrail": false,
        });
        let more = more.as_object().cloned().unwrap_or_default();
        entry
            .as_object_mut()
            .into_iter()
            .for_each(|it| it.extend(more.clone()));
        entry
    }

    fn status(&self) -> Value {
        let created = since_epoch(self.created_at).as_secs_f64();
        let stopped = (!self.trail.logging).then_some(created);
        json!({
            "IsLogging": self.trail.logging,
            "StartLoggingTime": created,
            "StopLoggingTime": stopped,
        })
    }
}
