//! Carries learned rates from one invocation to the next: both functions save the rates of the
//! regions that they called, and log their calls. An error here never stops a slice, because rates
//! can be learned again. How a rate is learned is in `rerole_core::pacer`.

use futures_util::future::join_all;
use rerole_core::pacer::Rate;
use tracing::{debug, info, warn};

use crate::aws::Aws;

impl Aws {
    /// Starts the pacers of these regions at the rates that earlier invocations learned.
    pub async fn seed_rates(&self, regions: impl IntoIterator<Item = &str>) {
        let seeds = regions.into_iter().map(async |region| {
            match self.ledger.rates().read(region).await {
                Ok(None) => {}
                Ok(Some(rate)) => {
                    debug!(region, ?rate, "learned rate read");
                    self.eks.seed_rate(region, rate);
                }
                Err(error) => {
                    warn!(region, %error, "could not read the learned rate, it is learned again");
                }
            }
        });
        join_all(seeds).await;
    }

    /// Saves the rates that this slice has learned, and logs how many calls it has made, by region.
    pub async fn save_rates(&self) {
        self.log_calls();
        let rates = self.eks.learned_rates();
        let saves = rates.iter().map(async |(region, rate)| {
            if let Err(error) = self.ledger.rates().save(region, *rate).await {
                warn!(region, %error, "could not save the learned rate");
            }
        });
        join_all(saves).await;
    }

    /// Logs the calls of each region, for the dashboard. Metrics with the region as a dimension
    /// would cost money for each region.
    fn log_calls(&self) {
        for of_region in self.eks.take_calls_by_region() {
            if of_region.calls > 0 {
                info!(
                    region = of_region.region,
                    calls = of_region.calls,
                    throttledCalls = of_region.throttled,
                    ratePerSec = of_region.rate.map(Rate::per_sec),
                    "calls to EKS"
                );
            }
        }
    }
}
