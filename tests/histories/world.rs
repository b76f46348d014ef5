//! The simulated AWS of one history, with its tables, clusters and associations. The names of
//! everything are derived from the numbers in the history.

use std::cell::RefCell;
use std::time::Duration;

use aws_sdk_eks::Client;
use aws_sdk_eks::config::{BehaviorVersion, Credentials, Region};
use rerole_sim::{Buckets, Options, SameRoleUpdates, SimulatedAws, Throttle};

use crate::common::environment::{BUS, INDEX, LEDGER, REGIONS};
use crate::history::{History, NewAssociation, Quirk};

/// Region and name of each cluster.
pub const CLUSTERS: [(&str, &str); 3] = [
    (REGIONS[0], "alpha"),
    (REGIONS[1], "beta"),
    (REGIONS[1], "gamma"),
];
/// The access key of everyone who is not a function of the stack.
pub const PERSON: &str = "person";
/// The namespaces of the associations with even and with odd numbers.
pub const NAMESPACES: [&str; 2] = ["apps", "jobs"];
const ADDON: &str = "arn:aws:eks:us-east-1:111122223333:addon/any/agent/1";

/// The simulated AWS, and which association each number in the history is.
pub struct World {
    pub aws: SimulatedAws,
    /// By their numbers: the service account, and the ARN unless it does not exist.
    associations: RefCell<Vec<Known>>,
}

/// What is known of an association by its number.
#[derive(Debug, Clone)]
pub struct Known {
    pub cluster: usize,
    pub namespace: &'static str,
    pub service_account: String,
    pub arn: Option<String>,
}

impl Known {
    /// The association with this number before it is created.
    fn new(number: usize, cluster: usize) -> Self {
        Self {
            cluster,
            namespace: NAMESPACES[number % NAMESPACES.len()],
            service_account: format!("app-{number}"),
            arn: None,
        }
    }
}

impl World {
    pub fn new(history: &History) -> Self {
        fastrand::seed(history.seed);
        let aws = SimulatedAws::new(options(history));
        aws.create_tables(INDEX, LEDGER);
        aws.create_event_bus(BUS);
        for (region, name) in CLUSTERS {
            aws.eks(|eks| eks.create_cluster(region, name));
        }
        let world = Self {
            aws,
            associations: RefCell::default(),
        };
        let is_indexed = !history.quirks.contains(&Quirk::EmptyIndex);
        if is_indexed {
            world.aws.complete_index(LEDGER, &REGIONS);
        }
        for new in &history.associations {
            let arn = world.associate(new);
            if is_indexed {
                world.aws.index_association(INDEX, &arn);
            }
        }
        // What is there at first is not new to any read.
        world.aws.eks(rerole_sim::EksState::catch_up);
        world
    }

    /// Creates an association that exists before the history.
    fn associate(&self, new: &NewAssociation) -> String {
        let number = self.add(new.cluster);
        let known = self.known(number);
        let (region, cluster) = CLUSTERS[new.cluster];
        let arn = self.aws.eks(|eks| {
            let (namespace, account) = (known.namespace, &known.service_account);
            let arn = eks.associate(region, cluster, namespace, account, &role(new.role));
            if let Some(target) = new.target_role {
                eks.set_target_role(&arn, Some(&role(target)));
            }
            let yesterday = eks.association(&arn).map(|it| it.created_at - DAY);
            eks.edit(&arn, |association| {
                let at = yesterday.expect("it was just created");
                (association.created_at, association.modified_at) = (at, at);
            });
            if new.owned_by_addon {
                eks.set_owner(&arn, Some(ADDON));
            }
            arn
        });
        self.set_arn(number, Some(arn.clone()));
        arn
    }

    /// Adds an association that does not exist yet. Returns its number.
    pub fn add(&self, cluster: usize) -> usize {
        let mut associations = self.associations.borrow_mut();
        let number = associations.len();
        associations.push(Known::new(number, cluster));
        number
    }

    /// The association with this number. A shortened history may name one that does not exist.
    pub fn known(&self, number: usize) -> Known {
        let associations = self.associations.borrow();
        let known = associations.get(number).cloned();
        known.unwrap_or_else(|| Known::new(number, 0))
    }

    pub fn set_arn(&self, number: usize, arn: Option<String>) {
        if let Some(known) = self.associations.borrow_mut().get_mut(number) {
            known.arn = arn;
        }
    }

    /// The EKS client of a person or of a tool that is not rerole.
    pub fn client(&self, region: &str) -> Client {
        let config = aws_sdk_eks::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(PERSON, "test", None, None, "test"))
            .http_client(self.aws.http_client())
            .time_source(self.aws.time_source())
            .build();
        Client::from_conf(config)
    }

    /// The longest time that a call takes, without faults.
    pub fn latency(&self) -> Duration {
        *self.aws.options().latency.end()
    }
}

const DAY: Duration = Duration::from_hours(24);

/// The ARN of a role, by its number.
pub fn role(number: usize) -> String {
    format!("arn:aws:iam::111122223333:role/platform/app-{number}")
}

/// Makes an add-on the owner.
pub fn adopt(aws: &SimulatedAws, arn: &str) {
    aws.eks(|eks| {
        if eks.association(arn).is_some() {
            eks.set_owner(arn, Some(ADDON));
        }
    });
}

fn options(history: &History) -> Options {
    let mut options = Options {
        seed: history.seed,
        cloudtrail: true,
        ledger_stream: true,
        refused_event_share: 0.2,
        ..Options::default()
    };
    for quirk in &history.quirks {
        apply(quirk, &mut options);
    }
    options
}

fn apply(quirk: &Quirk, options: &mut Options) {
    let up_to = |millis: u64| Duration::ZERO..=Duration::from_millis(millis);
    match *quirk {
        Quirk::Throttle {
            rate_per_sec,
            burst,
        } => {
            options.throttle = Some(Throttle {
                rate_per_sec,
                burst,
            });
        }
        Quirk::BucketPerOperation => options.buckets = Buckets::PerOperation,
        Quirk::BareThrottle => options.bare_throttle = true,
        Quirk::DescribeLag(lag) => options.describe_lag = up_to(lag),
        Quirk::ListLag(lag) => options.list_lag = up_to(lag),
        Quirk::IndexLag { ref index, millis } => {
            let lag = Duration::from_millis(millis);
            options.index_lag.insert(index.clone(), lag);
        }
        Quirk::Latency(longest) => {
            options.latency = *options.latency.start()..=Duration::from_millis(longest);
        }
        Quirk::TransactionConflicts(share) => options.transaction_conflict_share = share,
        Quirk::DynamoDbThrottles(share) => options.dynamodb_throttle_share = share,
        Quirk::Unprocessed(share) => options.unprocessed_share = share,
        Quirk::ReplayRefusals => options.replay_refusals = true,
        Quirk::RejectSameRole => options.same_role_updates = SameRoleUpdates::Rejected,
        // These concern what calls the functions.
        Quirk::EventDelay(_)
        | Quirk::LostEvents(_)
        | Quirk::RepeatedEvents(_)
        | Quirk::Timeout { .. }
        | Quirk::EmptyIndex => {}
    }
}
