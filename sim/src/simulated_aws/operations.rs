//! Stacks, alarms and trails, as tests set them up.

use crate::cloudformation::Stack;
use crate::cloudwatch::{Alarm, AlarmState};
use crate::simulated_aws::SimulatedAws;
use crate::sync::lock;
use crate::trails::Trail;

impl SimulatedAws {
    /// Creates a stack, or updates the one with the same name. Returns its ID.
    pub fn create_stack(&self, stack: Stack) -> String {
        let (now, scope) = (self.now(), self.scope());
        let resource = format!("stack/{}/{}", stack.name, self.resource_id());
        let id = scope.arn("cloudformation", &resource);
        self.with(&self.pipeline.services.cloudformation, |stacks| {
            stacks.put(now, id, stack)
        })
    }

    /// Sets the status of the stack with this name, for example to `UPDATE_IN_PROGRESS`.
    ///
    /// # Panics
    /// If the stack does not exist.
    pub fn set_stack_status(&self, name: &str, status: &str) {
        let now = self.now();
        self.with(&self.pipeline.services.cloudformation, |stacks| {
            stacks.set_status(now, name, status);
        });
    }

    /// Creates an alarm, or replaces the one with the same name. Returns its ARN.
    pub fn create_alarm(&self, alarm: Alarm) -> String {
        let (now, scope) = (self.now(), self.scope());
        self.with(&self.pipeline.services.cloudwatch, |alarms| {
            alarms.create(now, scope, alarm)
        })
    }

    /// Sets the state of the alarm with this name.
    ///
    /// # Panics
    /// If the alarm does not exist.
    pub fn set_alarm_state(&self, name: &str, state: AlarmState, reason: &str) {
        let now = self.now();
        let set = self.with(&self.pipeline.services.cloudwatch, |alarms| {
            alarms.set_state(now, name, state, reason)
        });
        set.unwrap_or_else(|| panic!("a test sets alarms that exist, not {name}"));
    }

    /// All alarms of the region, by name.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.with(&self.pipeline.services.cloudwatch, |alarms| alarms.alarms())
    }

    /// Creates a trail whose home is the region, or changes the one with the same name. Returns
    /// its ARN.
    pub fn create_trail(&self, trail: Trail) -> String {
        let (now, scope) = (self.now(), self.scope());
        lock(&self.pipeline.services.trails).put(now, scope, trail)
    }
}
