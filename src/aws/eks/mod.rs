//! EKS: the clients of all regions, and the calls that describe, list and update associations.
//!
//! Every call takes a permit from a rate limiter of its region before it is sent, and is sent once:
//! the SDK retries no call to EKS. Whether an association may be updated is decided elsewhere.

mod associations;
mod clusters;
mod rate_limiter;
mod read;
mod region;
mod response;
mod update;

pub use clusters::DescribedCluster;
pub use rate_limiter::{Kind, Permit, RateLimiter};
pub use read::none_if_not_found;
pub use region::{EKS_CALL_TIMEOUT, RegionCalls};
pub use update::{OBSERVATION_AGE_MAX, Observed, UpdateError, Updated};

use aws_sdk_eks::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use rerole_core::pacer::LearnedRate;

use crate::aws::eks::region::Regions;
use crate::aws::page::{Page, PageLimit};
use crate::settings::Settings;

/// The EKS clients and rate limiters of all regions.
#[derive(Debug)]
pub struct Eks {
    regions: Regions,
}

/// By default, EKS allows 100 clusters in a region, and it lists up to 100 on a page.
pub const CLUSTER_PAGES: PageLimit = PageLimit {
    list: "the clusters of a region",
    pages_max: 1_000,
};
/// EKS allows 5,000 associations in a cluster, and lists up to 100 on a page.
pub const ASSOCIATION_PAGES: PageLimit = PageLimit {
    list: "the associations of a cluster",
    pages_max: 1_000,
};

/// One page of names or IDs. EKS names the start of a page by a token.
pub type NamePage = Page<String, String>;

impl Eks {
    #[must_use]
    pub fn new(
        settings: &Settings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
    ) -> Self {
        Self {
            regions: Regions::new(settings, http_client, clock),
        }
    }

    /// Replaces the pacers of all regions. A slice starts with new ones, because the rates that an
    /// earlier slice measured in this process may be out of date.
    pub fn reset_rates(&self) {
        self.regions.reset_rates();
    }

    /// Replaces the region's pacer with one that starts at the learned rate.
    pub fn seed_rate(&self, region: &str, learned: LearnedRate) {
        self.regions.seed_rate(region, learned);
    }

    /// Returns the learned rates, by region.
    #[must_use]
    pub fn learned_rates(&self) -> Vec<(String, LearnedRate)> {
        self.regions.learned_rates()
    }

    /// Returns how many associations of the region should be in flight: enough to use its rate, and
    /// few enough that their calls do not queue.
    #[must_use]
    pub fn concurrency(&self, region: &str) -> usize {
        self.regions.get(region).rate_limiter.load().concurrency()
    }

    /// Returns how many calls were throttled since this was last called.
    pub fn take_throttled_calls(&self) -> u64 {
        self.regions.counter.take_throttled()
    }

    /// Returns how many calls got a response since this was last called.
    pub fn take_calls(&self) -> u64 {
        self.regions.counter.take_responses()
    }

    /// Returns the calls of each region since this was last called.
    pub fn take_calls_by_region(&self) -> Vec<RegionCalls> {
        self.regions.take_calls_by_region()
    }
}
