//! The EKS client of each region and its rate limiter, made when the region is first used. EKS
//! throttles each account in each region. A stack has one account, so it has one rate limiter for
//! each region.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_eks::Client;
use aws_sdk_eks::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{Intercept, context};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use rerole_core::call::{ErrorClass, Failure};
use rerole_core::pacer::{LearnedRate, Rate};
use rerole_core::timestamp::Timestamp;

use crate::aws::client_config::{Timeouts, behavior_version};
use crate::aws::eks::RateLimiter;
use crate::settings::Settings;

/// The limit for one call to EKS. EKS has been seen to take up to two seconds to respond. The SDK
/// sends each call once: a throttled call is left to the rate limiter, and any other failed call to
/// the caller, because a write needs a new Describe first.
pub const EKS_CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// The regions that this process has used.
#[derive(Debug)]
pub(super) struct Regions {
    template: ClientTemplate,
    by_name: Mutex<BTreeMap<String, Arc<Region>>>,
    pub(super) counter: CallCounter,
}

/// The client and the rate limiter of one region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) client: Client,
    pub(super) rate_limiter: Arc<RateLimiter>,
    /// The responses that the client has received.
    responses: Arc<Responses>,
}

/// The calls of one region, for the log.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionCalls {
    pub region: String,
    /// Calls that got a response.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
    /// The learned rate. `None` if EKS has throttled no call.
    pub rate: Option<Rate>,
}

impl Regions {
    pub(super) fn new(
        settings: &Settings,
        http_client: SharedHttpClient,
        clock: SharedTimeSource,
    ) -> Self {
        let counter = CallCounter::default();
        let template = ClientTemplate {
            settings: settings.clone(),
            http_client,
            clock,
            counter: counter.clone(),
        };
        Self {
            template,
            by_name: Mutex::default(),
            counter,
        }
    }

    pub(super) fn get(&self, name: &str) -> Arc<Region> {
        let mut regions = self.lock();
        if let Some(region) = regions.get(name) {
            return region.clone();
        }
        let region = Arc::new(self.template.region(name));
        regions.insert(name.to_owned(), region.clone());
        region
    }

    /// Replaces the rate limiters. The clients stay, so their connections also do.
    pub(super) fn reset_rates(&self) {
        for region in self.lock().values_mut() {
            *region = Arc::new(self.template.with_new_limiter(region, None));
        }
    }

    pub(super) fn seed_rate(&self, name: &str, learned: LearnedRate) {
        let region = self
            .template
            .with_new_limiter(&self.get(name), Some(learned));
        self.lock().insert(name.to_owned(), Arc::new(region));
    }

    pub(super) fn learned_rates(&self) -> Vec<(String, LearnedRate)> {
        let learned_at = self.template.clock.now().into();
        let learned = |(name, region): (&String, &Arc<Region>)| {
            let rate = LearnedRate {
                per_sec: region.rate_limiter.learned()?,
                learned_at,
            };
            Some((name.clone(), rate))
        };
        self.lock().iter().filter_map(learned).collect()
    }

    pub(super) fn take_calls_by_region(&self) -> Vec<RegionCalls> {
        let calls = |(name, region): (&String, &Arc<Region>)| RegionCalls {
            region: name.clone(),
            calls: region.responses.all.swap(0, Ordering::Relaxed),
            throttled: region.responses.throttled.swap(0, Ordering::Relaxed),
            rate: region.rate_limiter.learned(),
        };
        self.lock().iter().map(calls).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Region>>> {
        // Each statement leaves the map consistent, so it stays usable if another thread panicked.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts responses as they arrive, before the SDK parses them.
#[derive(Debug, Clone, Default)]
pub(super) struct CallCounter {
    of_all_regions: Arc<Responses>,
    of_region: Arc<Responses>,
}

/// Counts of responses since they were last taken.
#[derive(Debug, Default)]
struct Responses {
    all: AtomicU64,
    throttled: AtomicU64,
}

impl CallCounter {
    /// Returns a counter that counts the responses of a region also by themselves.
    fn of_region(&self, of_region: Arc<Responses>) -> Self {
        Self {
            of_all_regions: self.of_all_regions.clone(),
            of_region,
        }
    }

    pub(super) fn take_responses(&self) -> u64 {
        self.of_all_regions.all.swap(0, Ordering::Relaxed)
    }

    pub(super) fn take_throttled(&self) -> u64 {
        self.of_all_regions.throttled.swap(0, Ordering::Relaxed)
    }
}

impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    /// Counts the response. The error code says whether it is a throttle, whatever its status, or
    /// the status if there is no code.
    fn read_before_deserialization(
        &self,
        context: &context::BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        // The code can be followed by a URL, as in the other services with this protocol.
        let code = response.headers().get("x-amzn-errortype");
        let failure = Failure {
            code: code.and_then(|code| code.split(':').next()),
            status: Some(response.status().as_u16()),
            message: None,
        };
        let is_throttled =
            !response.status().is_success() && ErrorClass::of(failure) == ErrorClass::Throttled;
        for counts in [&self.of_all_regions, &self.of_region] {
            counts.all.fetch_add(1, Ordering::Relaxed);
            let throttled = u64::from(is_throttled);
            counts.throttled.fetch_add(throttled, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The configuration that the clients of all regions share.
#[derive(Debug)]
struct ClientTemplate {
    settings: Settings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
    counter: CallCounter,
}

impl ClientTemplate {
    fn region(&self, name: &str) -> Region {
        let responses = Arc::<Responses>::default();
        Region {
            client: self.client(name, self.counter.of_region(responses.clone())),
            rate_limiter: Arc::new(self.rate_limiter(None)),
            responses,
        }
    }

    /// Returns the region with another rate limiter. Its client and its counts stay.
    fn with_new_limiter(&self, region: &Region, learned: Option<LearnedRate>) -> Region {
        Region {
            client: region.client.clone(),
            rate_limiter: Arc::new(self.rate_limiter(learned)),
            responses: region.responses.clone(),
        }
    }

    fn rate_limiter(&self, learned: Option<LearnedRate>) -> RateLimiter {
        let now = Timestamp::from(self.clock.now());
        let learned = learned.map(|rate| (rate.per_sec, now.since(rate.learned_at)));
        RateLimiter::new(learned, self.settings.rate_share)
    }

    fn client(&self, name: &str, counter: CallCounter) -> Client {
        let timeouts = Timeouts {
            attempt: EKS_CALL_TIMEOUT,
            operation: EKS_CALL_TIMEOUT,
        };
        let mut config = aws_sdk_eks::Config::builder()
            .behavior_version(behavior_version())
            .region(aws_sdk_eks::config::Region::new(name.to_owned()))
            .credentials_provider(self.settings.clients.credentials.clone())
            .http_client(self.http_client.clone())
            .time_source(self.clock.clone())
            .interceptor(counter)
            .use_fips(self.settings.clients.endpoints.use_fips)
            .use_dual_stack(self.settings.clients.endpoints.use_dual_stack)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.into());
        config.set_endpoint_url(self.settings.clients.endpoints.eks(name));
        Client::from_conf(config.build())
    }
}
