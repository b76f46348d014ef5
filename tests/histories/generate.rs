//! Draws a history from a seed. The shares are chosen so that each situation of `situations` occurs
//! in some hundred histories, and most histories have only a few kinds of trouble.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;
use rerole::indexer::reconciler::RECONCILE_RESERVE;
use rerole::rotate::slice::DEADLINE_RESERVE;

use crate::common::environment::{REGIONS, SECONDARY_INDEXES};
use crate::history::{
    Action, CallOf, Command, Effect, Fault, Function, History, Mode, NewAssociation, Quirk,
    Request, Rollback, ServiceName, Side, Step,
};
use crate::world::{CLUSTERS, NAMESPACES};

/// Roles that requests and people name.
const ROLES: usize = 4;
/// The first rotation is requested in this time. A calm rotation takes eight seconds, so half of
/// what happens is in the seconds around it.
const FOCUS_MS: Range<u64> = 4_000..12_000;
const AROUND_FOCUS_MS: u64 = 20_000;
/// A call whose connection broke arrives within this time, if at all. rerole assumes that no call
/// to EKS takes effect after its timeout of four seconds.
const LATE_MAX_MS: u64 = 3_800;
/// rerole assumes that EKS shows each change within ten seconds.
const LAG_MAX_MS: u64 = 9_500;
/// rerole assumes that secondary indexes show each change within a second.
const INDEX_LAG_MAX_MS: u64 = 900;
/// Most of the rest is in this time.
const BUSY_MS: u64 = 120_000;
/// Some of it is in this time.
const WHOLE_MS: u64 = 25 * 60_000;
/// The operations of each function, at whose calls something happens. Those at which most can go
/// wrong are named first, and drawn more often.
const ROTATE_OPERATIONS: [&str; 8] = [
    "TransactWriteItems",
    "UpdatePodIdentityAssociation",
    "UpdateItem",
    "StartExecution",
    "DescribePodIdentityAssociation",
    "GetItem",
    "Query",
    "PutItem",
];
const INDEXER_OPERATIONS: [&str; 12] = [
    "PutItem",
    "TransactWriteItems",
    "DescribePodIdentityAssociation",
    "UpdateItem",
    "GetItem",
    "Query",
    "ListPodIdentityAssociations",
    "DescribeCluster",
    "ListClusters",
    "Scan",
    "DeleteItem",
    "StartExecution",
];

/// The history of this seed.
pub fn generate(seed: u64) -> History {
    let mut draw = Draw(Rng::with_seed(seed));
    let associations: Vec<_> = (0..draw.0.usize(1..=7))
        .map(|_| draw.association())
        .collect();
    let mut steps = draw.requests();
    steps.extend(draw.steps_of_others(associations.len()));
    let (quirks, faults) = (draw.quirks(), draw.faults());
    // Last, so the rest of a history does not depend on it.
    steps.extend(draw.commands(&steps));
    steps.extend(draw.rollbacks());
    steps.sort_by_key(|step| step.at);
    History {
        seed,
        quirks,
        associations,
        steps,
        faults,
    }
}

struct Draw(Rng);

impl Draw {
    /// True in this share of cases.
    fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    /// A number up to `max`, small ones more often.
    fn skewed(&mut self, max: usize) -> usize {
        let share = self.0.f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small numbers"
        )]
        let drawn = (share * share * (max as f64 + 1.0)) as usize;
        drawn.min(max)
    }

    fn any<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.0.usize(0..choices.len())]
    }

    fn at(&mut self) -> u64 {
        match self.0.u32(0..10) {
            0..5 => self.0.u64(0..AROUND_FOCUS_MS),
            5..9 => self.0.u64(0..BUSY_MS),
            _ => self.0.u64(0..WHOLE_MS),
        }
    }

    /// Most things concern the roles of the first rotation.
    fn role(&mut self) -> usize {
        self.skewed(ROLES - 1)
    }

    /// The role of an association is most often the one that is replaced first.
    fn used_role(&mut self) -> usize {
        if self.chance(0.5) { 0 } else { self.role() }
    }

    fn association(&mut self) -> NewAssociation {
        NewAssociation {
            cluster: self.0.usize(0..CLUSTERS.len()),
            role: self.used_role(),
            target_role: self.chance(0.15).then(|| self.role()),
            owned_by_addon: self.chance(0.08),
        }
    }

    fn requests(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let count = 1 + self.skewed(3);
        for number in 0..u32::try_from(count).expect("a few") {
            let request = self.request(number);
            let at = if number == 0 {
                self.0.u64(FOCUS_MS)
            } else {
                self.at()
            };
            // The same event again, or an operator who asks again.
            let copies = self.skewed(2);
            for _ in 0..copies {
                let later = at + self.at();
                steps.push(Step {
                    at: later,
                    action: Action::Request(request.clone()),
                });
            }
            steps.push(Step {
                at,
                action: Action::Request(request),
            });
        }
        steps
    }

    fn request(&mut self, number: u32) -> Request {
        let (from, to) = if number == 0 {
            (0, 1)
        } else {
            let from = self.role();
            (from, (from + self.0.usize(1..ROLES)) % ROLES)
        };
        let scope = if self.chance(0.3) {
            self.scope()
        } else {
            BTreeMap::new()
        };
        let max_errors = *self.any(&["100%", "100%", "50%", "1", "0", "0"]);
        Request {
            // Sometimes the ID of another request.
            id: if self.chance(0.05) { 0 } else { number },
            from,
            to,
            dry_run: self.chance(0.12),
            scope,
            max_errors: max_errors.to_owned(),
            max_concurrency: self.chance(0.3).then(|| self.0.u32(1..=3)),
            reason: self.reason(),
        }
    }

    fn scope(&mut self) -> BTreeMap<String, Vec<String>> {
        let (name, entry) = match self.0.u32(0..4) {
            0 => ("regions", *self.any(&REGIONS)),
            1 => ("clusterNames", self.any(&CLUSTERS).1),
            2 => ("namespaces", *self.any(&NAMESPACES)),
            // Those whose numbers end like this.
            _ => ("serviceAccounts", *self.any(&["*0", "*1", "*2", "*3"])),
        };
        let exclusion = if self.chance(0.3) { "!" } else { "" };
        BTreeMap::from([(name.to_owned(), vec![format!("{exclusion}{entry}")])])
    }

    fn steps_of_others(&mut self, mut associations: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.skewed(9) {
            let at = self.at();
            let action = self.action(associations);
            if matches!(action, Action::Create(_)) {
                associations += 1;
            }
            steps.push(Step { at, action });
        }
        steps
    }

    /// Half of the histories have commands, most of them about the first rotation while it runs.
    fn commands(&mut self, others: &[Step]) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.chance(0.5) {
            return steps;
        }
        for _ in 0..=self.skewed(3) {
            let at = if self.chance(0.7) {
                self.0.u64(FOCUS_MS.start..AROUND_FOCUS_MS)
            } else {
                self.at()
            };
            let name = *self.any(&[
                "Pause", "Pause", "Resume", "Cancel", "Cancel", "Retry", "Change", "Freeze",
                "Unfreeze",
            ]);
            steps.push(self.command(name, at, others));
            // What is stopped is most often started again.
            let opposite = match name {
                "Pause" => "Resume",
                "Freeze" => "Unfreeze",
                "Cancel" => "Retry",
                _ => continue,
            };
            if self.chance(0.8) {
                let later = at + 500 + self.at();
                steps.push(self.command(opposite, later, others));
            }
        }
        steps
    }

    fn command(&mut self, name: &str, at: u64, others: &[Step]) -> Step {
        let is_of_stack = ["Freeze", "Unfreeze"].contains(&name);
        let id = u32::try_from(self.skewed(2)).expect("a few");
        let is_dry_run = |step: &Step| match &step.action {
            Action::Request(request) => request.id == id && request.dry_run,
            _ => false,
        };
        let dry_run = !is_of_stack && others.iter().any(is_dry_run) != self.chance(0.05);
        let is_change = name == "Change";
        let changes_concurrency = is_change && self.chance(0.5);
        let changes_errors = is_change && (!changes_concurrency || self.chance(0.5));
        let command = Command {
            name: name.to_owned(),
            id: (!is_of_stack).then_some(id),
            dry_run,
            max_errors: changes_errors.then(|| (*self.any(&["100%", "75%", "0"])).to_owned()),
            max_concurrency: changes_concurrency.then(|| self.0.u32(1..=3)),
            reason: self.reason(),
            expected_seq: self.chance(0.15).then(|| self.0.u64(1..5)),
            age_secs: if self.chance(0.05) { 1_000 } else { 0 },
            again_after: self.chance(0.2).then(|| self.0.u64(10..60_000)),
            ..Command::default()
        };
        Step {
            at,
            action: Action::Command(command),
        }
    }

    /// A third of the histories have a rollback, most often of the first rotation.
    fn rollbacks(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.chance(0.65) {
            return steps;
        }
        let id = u32::try_from(self.skewed(2)).expect("a few");
        for _ in 0..=self.skewed(2) {
            let at = FOCUS_MS.start + 2_000 + self.at();
            let command = Command {
                name: "Rollback".to_owned(),
                id: Some(id),
                rollback: Rollback {
                    dry_run: self.chance(0.15),
                    include_changed: self.chance(0.3),
                },
                reason: self.reason(),
                again_after: self.chance(0.2).then(|| self.0.u64(10..60_000)),
                ..Command::default()
            };
            steps.push(Step {
                at,
                action: Action::Command(command),
            });
            if self.chance(0.5) {
                continue;
            }
            // It is steered as soon as it runs.
            let name = *self.any(&["Pause", "Cancel", "Retry", "Change"]);
            let command = Command {
                name: name.to_owned(),
                id: Some(id),
                of_rollback: true,
                max_errors: (name == "Change").then(|| "100%".to_owned()),
                ..Command::default()
            };
            steps.push(Step {
                at: at + self.0.u64(100..15_000),
                action: Action::Command(command),
            });
        }
        steps
    }

    fn reason(&mut self) -> Option<String> {
        self.chance(0.5)
            .then(|| format!("CHG-{}", self.0.u32(1..=9)))
    }

    fn action(&mut self, associations: usize) -> Action {
        let association = self.0.usize(0..associations);
        let cluster = self.0.usize(0..CLUSTERS.len());
        match self.0.u32(0..100) {
            0..25 => Action::SetRole(association, self.role()),
            25..32 => {
                let role = self.chance(0.7).then(|| self.role());
                Action::SetTargetRole(association, role)
            }
            32..42 => Action::Delete(association),
            42..57 => Action::Create(self.association()),
            57..64 => Action::Recreate(association, self.role()),
            64..67 => Action::DeleteCluster(cluster),
            67..70 => Action::CreateCluster(cluster),
            70..73 => Action::Adopt(association),
            73..76 => Action::MoveByAddon(association, self.role()),
            76..81 => Action::BreakRole {
                role: self.role(),
                millis: self.0.u64(1_000..150_000),
            },
            81..87 => Action::Deny {
                cluster,
                millis: self.0.u64(1_000..600_000),
            },
            87..93 => Action::Reconcile(Mode::Full),
            _ => Action::Reconcile(Mode::ListOnly),
        }
    }

    fn quirks(&mut self) -> Vec<Quirk> {
        let mut quirks = Vec::new();
        let rate_per_sec = f64::from(self.0.u32(1..=20));
        let lag = |draw: &mut Self| draw.0.u64(100..LAG_MAX_MS);
        let all = [
            (
                0.4,
                Quirk::Throttle {
                    rate_per_sec,
                    burst: rate_per_sec,
                },
            ),
            (0.3, Quirk::BucketPerOperation),
            (0.1, Quirk::BareThrottle),
            (0.3, Quirk::DescribeLag(lag(self))),
            (0.3, Quirk::ListLag(lag(self))),
            (0.15, Quirk::Latency(self.0.u64(200..1_500))),
            (0.5, Quirk::EventDelay(self.0.u64(1_000..60_000))),
            (0.1, Quirk::LostEvents(0.3)),
            (0.2, Quirk::RepeatedEvents(0.3)),
            (0.2, Quirk::TransactionConflicts(0.1)),
            (0.15, Quirk::DynamoDbThrottles(0.05)),
            (0.2, Quirk::Unprocessed(0.3)),
            (0.15, Quirk::ReplayRefusals),
            (0.15, Quirk::RejectSameRole),
            (0.12, Quirk::EmptyIndex),
        ];
        for (share, quirk) in all {
            if self.chance(share) {
                quirks.push(quirk);
            }
        }
        for (function, reserve) in [
            (Function::Rotate, DEADLINE_RESERVE),
            (Function::Indexer, RECONCILE_RESERVE),
        ] {
            if self.chance(0.3) {
                // Every other one leaves so little time that the work is handed over.
                let more = if self.chance(0.5) { 20..40 } else { 40..150 };
                quirks.push(Quirk::Timeout {
                    function,
                    secs: reserve.as_secs() + self.0.u64(more),
                });
            }
        }
        for index in SECONDARY_INDEXES {
            if self.chance(0.15) {
                quirks.push(Quirk::IndexLag {
                    index: index.to_owned(),
                    millis: self.0.u64(50..INDEX_LAG_MAX_MS),
                });
            }
        }
        quirks
    }

    fn faults(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for _ in 0..self.skewed(4) {
            faults.push(self.failing_call());
        }
        for _ in 0..self.skewed(4) {
            let at = self.call();
            let side = *self.any(&[Side::Before, Side::After]);
            faults.push(if self.chance(0.6) {
                Fault::Death { at, side }
            } else {
                let secs = self.0.u64(5..240);
                Fault::Freeze { at, side, secs }
            });
        }
        if self.chance(0.2) {
            faults.push(self.outage());
        }
        if self.chance(0.1) {
            let (from, until) = self.interval(60_000);
            let rate_per_sec = self.0.f64();
            faults.push(Fault::Dip {
                from,
                until,
                rate_per_sec,
            });
        }
        faults
    }

    fn failing_call(&mut self) -> Fault {
        let at = self.call();
        let is_plain_write = ["PutItem", "UpdateItem"].contains(&at.operation.as_str());
        let effect = if is_plain_write && self.chance(0.3) {
            Effect::Conflict
        } else {
            self.effect()
        };
        Fault::Call { at, effect }
    }

    fn call(&mut self) -> CallOf {
        let (function, operations) = if self.chance(0.65) {
            (Function::Rotate, &ROTATE_OPERATIONS[..])
        } else {
            (Function::Indexer, &INDEXER_OPERATIONS[..])
        };
        let operation = if self.chance(0.7) {
            operations[self.skewed(operations.len() - 1)]
        } else {
            *self.any(operations)
        };
        // Few rotations are longer than an invocation.
        let nth_max = if operation == "StartExecution" { 1 } else { 15 };
        CallOf {
            function,
            operation: operation.to_owned(),
            nth: self.skewed(nth_max),
        }
    }

    fn effect(&mut self) -> Effect {
        match self.0.u32(0..9) {
            0 => Effect::LoseRequest,
            1 | 2 => Effect::LoseResponse,
            3 | 4 => Effect::ArriveLate(self.0.u64(10..LATE_MAX_MS)),
            5 => Effect::Delay(self.0.u64(100..20_000)),
            6 => Effect::DelayResponse(self.0.u64(100..20_000)),
            7 => Effect::Throttle,
            _ => Effect::ServerError,
        }
    }

    fn outage(&mut self) -> Fault {
        let (from, until) = self.interval(90_000);
        let service = *self.any(&[
            ServiceName::Eks,
            ServiceName::Eks,
            ServiceName::DynamoDb,
            ServiceName::StepFunctions,
        ]);
        let region = (service == ServiceName::Eks && self.chance(0.5))
            .then(|| (*self.any(&REGIONS)).to_owned());
        let effect = match self.0.u32(0..3) {
            0 => Effect::LoseRequest,
            1 => Effect::Throttle,
            _ => Effect::ServerError,
        };
        Fault::Outage {
            from,
            until,
            service,
            region,
            effect,
        }
    }

    fn interval(&mut self, len_max: u64) -> (u64, u64) {
        let from = self.at();
        (from, from + self.0.u64(1_000..len_max))
    }
}
