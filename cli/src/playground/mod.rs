//! `rerole playground`: the simulated AWS with the whole stack of `template.yaml` deployed in it,
//! on loopback and in one process. Every command of the CLI works there as in an account, and so
//! does the AWS CLI.

mod error;
pub mod flags;
mod functions;
mod roles;
#[cfg(test)]
mod tests;
pub mod tour;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use rerole_sim::deployment::{Deployment, Pace};
use rerole_sim::fleet::{Fleet, FleetSummary};
use rerole_sim::template::{Rendered, StackIdentity, parse_template};
use rerole_sim::{LoopbackServer, Options, Service, SimulatedAws, Throttle};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::exit::Exit;
use crate::failure::Failure;
pub use crate::playground::error::PlaygroundError;
use crate::playground::flags::{KeptCalls, PlaygroundFlags, PlaygroundOptions};
use crate::playground::functions::Handlers;
pub use crate::playground::functions::Responses;
use crate::playground::roles::RolesOfTour;
pub use crate::playground::tour::shell;
use crate::playground::tour::{NEW_ROLE, OLD_ROLE};
use crate::refusals::refuse;
use crate::stop_signals::StopSignals;
use crate::terminal::print;

/// What is deployed.
const TEMPLATE: &str = include_str!("../../../template.yaml");
const ACCOUNT: &str = "111122223333";
/// The region of the stack.
const REGION: &str = "us-east-1";
/// The regions of the fleet, whose index is complete.
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
const ROLE_PATH: &str = "/platform/";
/// The caller in a shell that the playground has pointed at itself.
const REQUESTERS: &str = "arn:aws:iam::111122223333:role/playground";
/// A tenth of what AWS takes.
const LATENCY: RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(12);
/// The schedules that make the metrics of the alarms which fire without data.
const FIRST_SCHEDULES: [&str; 2] = ["RotateFunctionCheckStalled", "IndexerFunctionResume"];

/// The simulated AWS with the stack in it.
pub struct Playground {
    pub fleet: FleetSummary,
    /// ARNs of the associations whose first update EKS refuses.
    pub refused: BTreeSet<String>,
    pub deployment: Deployment,
    handlers: Handlers,
    server: LoopbackServer,
}

/// Runs the playground until Ctrl-C, or as long as `--seconds` says.
///
/// # Errors
/// If a flag is invalid, or the port is in use.
pub async fn run(flags: &PlaygroundFlags) -> Result<Exit, Failure> {
    let options = PlaygroundOptions::try_from(flags)?;
    // Registered before the URL is printed, because its reader may send the signal at once.
    let mut signals = StopSignals::listen().map_err(Failure::Process)?;
    let playground = Playground::start(&options).await?;
    print(&format!("listening on {}", playground.url()))?;
    if !flags.quiet {
        let fleet = &playground.fleet;
        let contents = format!(
            "The stack rerole is deployed in {REGION}. {} of {} associations in {} clusters are on \
             the role {OLD_ROLE}.",
            fleet.rotating.len(),
            fleet.associations.len(),
            fleet.clusters.len()
        );
        print(&format!("{contents}\n{}", tour::text(&playground.url())))?;
    }
    let limit = flags.seconds.map(Duration::from_secs);
    let end = async {
        match limit {
            Some(limit) => tokio::select! {
                () = signals.wait() => {}
                () = sleep(limit) => {}
            },
            None => signals.wait().await,
        }
    };
    Box::pin(playground.run_until(end)).await;
    Ok(Exit::Done)
}

impl Playground {
    /// Builds the fleet and deploys the stack. Calls are answered from now on; the functions run in
    /// [`Playground::run_until`].
    ///
    /// # Errors
    /// If the port is in use.
    pub async fn start(options: &PlaygroundOptions) -> Result<Self, PlaygroundError> {
        let aws = SimulatedAws::new(simulation(options));
        let port = options.port;
        let server = aws.serve_on(port).await;
        let server = server.map_err(|error| PlaygroundError::Listen { port, error })?;
        let deployment = Deployment::new(
            &aws,
            stack(&server.url()),
            Pace {
                poll: Duration::from_millis(200),
                alarms: Duration::from_secs(2),
                ..Pace::default()
            },
        );
        let [index, ledger] = ["AssociationIndexTable", "RotationLedgerTable"]
            .map(|table| deployment.rendered().name(table));
        aws.complete_index(&ledger, &REGIONS);
        let plan = fleet(options);
        let fleet = plan.build(&aws, &index);
        let roles = RolesOfTour {
            account: ACCOUNT,
            old_role_arn: &plan.old_role,
            new_role_arn: &plan.new_role,
        };
        roles.create(&aws);
        let special = options.drifted + options.owned_by_addon;
        let movable = fleet.rotating.iter().skip(special);
        let refused: BTreeSet<_> = movable.take(options.refused).cloned().collect();
        refuse(&aws, &refused);
        for schedule in FIRST_SCHEDULES {
            deployment.fire_schedule(schedule);
        }
        Ok(Self {
            handlers: Handlers::of(&deployment, deployment.aws().time_source())?,
            fleet,
            refused,
            deployment,
            server,
        })
    }

    /// The URL of every service.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What the functions have responded to events from the bus.
    pub fn responses(&self) -> Responses {
        self.handlers.responses()
    }

    /// Runs the stack until `work` is done, and returns its output.
    pub async fn run_until<T>(self, work: impl Future<Output = T>) -> T {
        let Self {
            deployment,
            handlers,
            server,
            ..
        } = self;
        let local = LocalSet::new();
        let output = local.run_until(async {
            tokio::select! {
                never = deployment.run(handlers) => match never {},
                output = work => output,
            }
        });
        let output = output.await;
        drop(local);
        server.shutdown().await;
        output
    }
}

fn simulation(options: &PlaygroundOptions) -> Options {
    Options {
        seed: options.seed,
        account: ACCOUNT.to_owned(),
        // The commands run on the machine's clock.
        starts_at: SystemTime::now(),
        latency: LATENCY,
        throttle: options.throttle.map(|rate_per_sec| Throttle {
            rate_per_sec,
            burst: 2.0 * rate_per_sec,
        }),
        eks_latency: options.eks_latency.clone(),
        keep_log: options.calls != KeptCalls::None,
        log_only: (options.calls == KeptCalls::OfEks).then_some(Service::Eks),
        cloudtrail: true,
        role_path: ROLE_PATH.to_owned(),
        ..Options::default()
    }
}

fn stack(url: &str) -> Rendered {
    let identity = StackIdentity {
        name: "rerole".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
    };
    let parameters = [
        ("RolePath", ROLE_PATH),
        ("RequesterArns", REQUESTERS),
        ("IndexRegions", &REGIONS.join(",")),
        ("AwsEndpointUrl", url),
    ];
    Rendered::new(parse_template(TEMPLATE), identity, &parameters)
}

fn fleet(options: &PlaygroundOptions) -> Fleet {
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    Fleet {
        seed: options.seed,
        clusters: options.clusters,
        regions: REGIONS.map(str::to_owned).to_vec(),
        associations: options.associations,
        rotating: options.rotating,
        role_path: ROLE_PATH.to_owned(),
        old_role: role(OLD_ROLE),
        new_role: role(NEW_ROLE),
        drifted: options.drifted,
        owned_by_addon: options.owned_by_addon,
        ..Fleet::default()
    }
}
