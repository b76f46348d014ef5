//! What a running stack knows: its resources by their ARNs, its metrics, and what arrives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::deployment::alarms::AlarmRule;
use crate::deployment::metrics::{DataPoint, MetricId, Metrics};
use crate::deployment::pace::Pace;
use crate::deployment::rules::rules_of;
use crate::deployment::schedules::{Schedule, schedules_of};
use crate::deployment::sources::{QueueSource, StreamSource, queue_sources, stream_sources};
use crate::event_bridge::{BusEvent, Rule};
use crate::lambda::FunctionInvocation;
use crate::simulated_aws::SimulatedAws;
use crate::sqs::Message;
use crate::step_functions::Execution;
use crate::template::Rendered;

/// What arrives for a stack.
pub(super) struct Inbox {
    pub(super) bus_events: UnboundedReceiver<BusEvent>,
    pub(super) cloudtrail: UnboundedReceiver<Value>,
    pub(super) executions: UnboundedReceiver<Execution>,
    pub(super) invocations: UnboundedReceiver<FunctionInvocation>,
    /// The names of schedules that fire before their time.
    pub(super) fired: UnboundedReceiver<String>,
}

impl Inbox {
    /// Receives from now on what arrives at `aws`. Also returns the sender for schedules.
    pub(super) fn of(aws: &SimulatedAws) -> (Self, UnboundedSender<String>) {
        let (events, bus_events) = unbounded_channel();
        // A stack that no longer runs receives nothing.
        aws.on_bus_event(move |event: &BusEvent| drop(events.send(event.clone())));
        let (changes, cloudtrail) = unbounded_channel();
        aws.on_cloudtrail_event(move |event| drop(changes.send(event)));
        let (started, executions) = unbounded_channel();
        aws.on_execution_started(move |execution: &Execution| {
            drop(started.send(execution.clone()));
        });
        let (fire, fired) = unbounded_channel();
        let inbox = Self {
            bus_events,
            cloudtrail,
            executions,
            invocations: aws.invocations(),
            fired,
        };
        (inbox, fire)
    }
}

/// A stack that was created.
pub(super) struct DeployedStack {
    pub(super) aws: SimulatedAws,
    pub(super) rendered: Rendered,
    pub(super) pace: Pace,
    pub(super) rules: Vec<Rule>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) queue_sources: Vec<QueueSource>,
    pub(super) stream_sources: Vec<StreamSource>,
    /// The definitions of the state machines, by ARN.
    pub(super) definitions: BTreeMap<String, Value>,
    /// The roles of the functions: ARNs by name.
    pub(super) roles: BTreeMap<String, String>,
    /// The properties of the functions, by their names in the template.
    functions: BTreeMap<String, Value>,
    /// The functions' names in the template, by ARN.
    function_arns: BTreeMap<String, String>,
    queue_arns: BTreeSet<String>,
    alarms: Vec<AlarmRule>,
    metrics: RefCell<Metrics>,
    /// Lines with metrics that have yet to be recorded.
    pub(super) lines: UnboundedSender<String>,
    unread_lines: RefCell<UnboundedReceiver<String>>,
}

impl DeployedStack {
    pub(super) fn new(aws: SimulatedAws, rendered: Rendered, pace: Pace) -> Self {
        let functions: BTreeMap<_, _> = rendered
            .resources("AWS::Serverless::Function")
            .into_iter()
            .collect();
        let arns = functions
            .keys()
            .map(|name| (rendered.arn(name), name.clone()));
        let roles = functions.values().filter_map(|properties| {
            let arn = properties["Role"].as_str()?;
            Some((arn.rsplit('/').next()?.to_owned(), arn.to_owned()))
        });
        let queues = rendered.resources("AWS::SQS::Queue").into_iter();
        let state_machines = rendered.resources("AWS::Serverless::StateMachine");
        let definitions = state_machines
            .into_iter()
            .map(|(name, properties)| (rendered.arn(&name), properties["Definition"].clone()));
        let alarms = rendered.resources("AWS::CloudWatch::Alarm").into_iter();
        let alarms: Vec<_> = alarms
            .map(|(name, properties)| AlarmRule::new(rendered.name(&name), &properties))
            .collect();
        let range = alarms.iter().map(AlarmRule::range).max();
        let (lines, unread_lines) = unbounded_channel();
        Self {
            rules: rules_of(&rendered),
            schedules: schedules_of(&rendered),
            queue_sources: queue_sources(&rendered),
            stream_sources: stream_sources(&rendered),
            definitions: definitions.collect(),
            roles: roles.collect(),
            function_arns: arns.collect(),
            queue_arns: queues.map(|(name, _)| rendered.arn(&name)).collect(),
            functions,
            metrics: RefCell::new(Metrics::new(range.unwrap_or(Duration::ZERO))),
            alarms,
            lines,
            unread_lines: RefCell::new(unread_lines),
            aws,
            rendered,
            pace,
        }
    }

    /// The properties of a function, by its name in the template.
    ///
    /// # Panics
    /// If the stack has no such function.
    pub(super) fn properties(&self, function: &str) -> &Value {
        let properties = self.functions.get(function);
        properties.unwrap_or_else(|| panic!("the stack has no function {function}"))
    }

    /// The name in the template of the function with this ARN, which may have a version.
    pub(super) fn function_of(&self, arn: &str) -> Option<String> {
        let arn = arn.strip_suffix(":$LATEST").unwrap_or(arn);
        self.function_arns.get(arn).cloned()
    }

    pub(super) fn has_queue(&self, arn: &str) -> bool {
        self.queue_arns.contains(arn)
    }

    /// The variables in the template, and those that Lambda sets.
    pub(super) fn environment(&self, function: &str) -> BTreeMap<String, String> {
        let properties = self.properties(function);
        let variables = properties["Environment"]["Variables"].as_object();
        let own = variables.into_iter().flatten().map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), value)
        });
        let role = properties["Role"].as_str().unwrap_or_default();
        let role = role.rsplit('/').next().unwrap_or_default();
        let of_lambda = [
            ("AWS_REGION", self.rendered.stack().region.clone()),
            ("AWS_LAMBDA_FUNCTION_NAME", self.rendered.name(function)),
            ("AWS_ACCESS_KEY_ID", role.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
        ];
        let of_lambda = of_lambda.map(|(name, value)| (name.to_owned(), value));
        own.chain(of_lambda).collect()
    }
}

/// The queues of the stack, by ARN.
impl DeployedStack {
    pub(super) fn send(&self, queue_arn: &str, body: &str) {
        self.aws.send_message(name(queue_arn), body);
    }

    pub(super) fn receive(&self, queue_arn: &str, max: usize) -> Vec<Message> {
        self.aws.receive_messages(name(queue_arn), max)
    }

    pub(super) fn delete(&self, queue_arn: &str, message: &Message) {
        if let Some(receipt) = &message.receipt {
            self.aws.delete_message(name(queue_arn), receipt);
        }
    }
}

/// Metrics and alarms.
impl DeployedStack {
    pub(super) fn record(&self, metric: MetricId, at: SystemTime, value: f64) {
        self.metrics
            .borrow_mut()
            .record(metric, DataPoint { at, value });
    }

    pub(super) fn record_line(&self, line: &str) {
        self.metrics.borrow_mut().record_line(line);
    }

    /// Sets the states of the alarms.
    pub(super) fn evaluate_alarms(&self) {
        while let Ok(line) = self.unread_lines.borrow_mut().try_recv() {
            self.record_line(&line);
        }
        let now = self.aws.now();
        for arn in &self.queue_arns {
            let messages = self.aws.messages(name(arn)).into_iter();
            let visible = messages.filter(|message| message.visible_at <= now).count();
            let metric = ["AWS/SQS", "ApproximateNumberOfMessagesVisible"];
            let metric = MetricId::of_service(metric, "QueueName", name(arn));
            let visible = u32::try_from(visible).unwrap_or(u32::MAX);
            self.record(metric, now, f64::from(visible));
        }
        for alarm in &self.alarms {
            let state = alarm.evaluate(&self.metrics.borrow(), now);
            if let Some((state, reason)) = state {
                self.aws.set_alarm_state(&alarm.name, state, &reason);
            }
        }
    }
}

/// The name in the ARN of a queue.
fn name(queue_arn: &str) -> &str {
    queue_arn.rsplit(':').next().unwrap_or_default()
}
