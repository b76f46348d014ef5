//! A template, deployed in the simulated AWS, and what then happens by itself: rules pass events
//! on, Lambda retries, mappings read queues and streams, executions are played, schedules fire, and
//! alarms change their states. The code of the functions is the caller's.
//!
//! Deliberately not here: IAM, and what a deployment changes in a stack that exists.

mod alarms;
mod events;
mod functions;
mod invoking;
mod metrics;
mod pace;
mod polling;
mod resources;
mod routing;
mod rules;
mod runner;
mod schedules;
mod sources;
mod stack;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use tokio::sync::mpsc::UnboundedSender;

pub use functions::{FunctionCall, Functions};
pub use pace::Pace;

use crate::deployment::runner::Runner;
use crate::deployment::stack::{DeployedStack, Inbox};
use crate::simulated_aws::SimulatedAws;
use crate::template::Rendered;

/// A stack in the simulated AWS.
pub struct Deployment {
    stack: Rc<DeployedStack>,
    /// What has arrived, until the stack runs.
    inbox: RefCell<Option<Inbox>>,
    fired: UnboundedSender<String>,
}

impl Deployment {
    /// Creates the resources of a template in the region of its stack. From now on, this `aws`
    /// passes its events to the stack.
    ///
    /// # Panics
    /// If the template has something that cannot be deployed here.
    pub fn new(aws: &SimulatedAws, rendered: Rendered, pace: Pace) -> Self {
        let aws = aws.in_region(&rendered.stack().region);
        resources::create(&aws, &rendered);
        let (inbox, fired) = Inbox::of(&aws);
        Self {
            stack: Rc::new(DeployedStack::new(aws, rendered, pace)),
            inbox: RefCell::new(Some(inbox)),
            fired,
        }
    }

    /// The simulated AWS, in the region of the stack.
    pub fn aws(&self) -> &SimulatedAws {
        &self.stack.aws
    }

    /// The template as it was rendered.
    pub fn rendered(&self) -> &Rendered {
        &self.stack.rendered
    }

    /// The environment variables of a function, by its name in the template: its own, and those
    /// that Lambda sets. The access key is the name of its role, so its calls are those of the
    /// role.
    pub fn environment(&self, function: &str) -> BTreeMap<String, String> {
        self.stack.environment(function)
    }

    /// Returns where the lines of the functions' logs go, in which the functions write metrics. The
    /// alarms watch these metrics.
    pub fn metrics_sink(&self) -> UnboundedSender<String> {
        self.stack.lines.clone()
    }

    /// Fires a schedule as if its time had come. `name` is that of its rule: the function's and the
    /// event's name.
    ///
    /// # Panics
    /// The stack, when it runs, if there is no such schedule.
    pub fn fire_schedule(&self, name: &str) {
        // The receiver lives as long as the stack runs, or has yet to run.
        let _ = self.fired.send(name.to_owned());
    }

    /// Runs the stack with this code, until the future is dropped. It must be polled in a
    /// `tokio::task::LocalSet`.
    ///
    /// # Panics
    /// If the stack has run before.
    pub async fn run(&self, functions: impl Functions) -> Infallible {
        let inbox = self.inbox.borrow_mut().take();
        let inbox = inbox.expect("a stack runs once");
        let runner = Runner::new(Rc::clone(&self.stack), functions);
        runner.run(inbox).await
    }
}
