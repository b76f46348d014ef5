//! What belongs to one region of EKS, made when it is first needed: a client, and the turnstiles in front of it. EKS throttles
//! the calls of an account in a region together; a stack has one account, so that a region is a rate domain.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_eks::Client;
use aws_sdk_eks::config::SharedHttpClient;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use serde::{Deserialize, Serialize};

use super::turnstile::Turnstile;
use super::{behavior_version, timeouts};
use crate::pacer::{Learnt, width};
use crate::settings::Settings;
use crate::time::Timestamp;

/// All of one call to EKS, which is sent once: throttles are the turnstile's business, and what else passes is the caller's,
/// who has to look at the association again before a write. EKS has been seen to take up to two seconds for an answer.
pub const EKS_CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// All regions.
#[derive(Debug)]
pub(super) struct Regions {
    template: ClientTemplate,
    by_name: Mutex<BTreeMap<String, Arc<Region>>>,
    pub(super) counter: CallCounter,
}

/// One region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) client: Client,
    pub(super) lists: Arc<Turnstile>,
    pub(super) looks: Arc<Turnstile>,
    pub(super) updates: Arc<Turnstile>,
}

/// What has been learnt of the paces of a region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Paces {
    /// Calls that say which clusters and associations there are: nobody promises that these are throttled with the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lists: Option<Pace>,
    /// Calls that describe an association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<Pace>,
    /// Calls that update an association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Pace>,
}

/// What has been learnt of one class of calls, and when.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    pub per_sec: Learnt,
    pub learnt_at: Timestamp,
}

impl Region {
    /// How many associations may be in work.
    pub(super) fn width(&self) -> usize {
        width(&self.looks.load(), &self.updates.load())
    }
}

impl Regions {
    pub(super) fn new(settings: &Settings, http_client: SharedHttpClient, clock: SharedTimeSource) -> Self {
        let counter = CallCounter::default();
        let template = ClientTemplate { settings: settings.clone(), http_client, clock, counter: counter.clone() };
        Self { template, by_name: Mutex::default(), counter }
    }

    pub(super) fn get(&self, name: &str) -> Arc<Region> {
        let mut regions = self.lock();
        if let Some(region) = regions.get(name) {
            return region.clone();
        }
        let region = Arc::new(self.template.region(self.template.client(name), Paces::default()));
        regions.insert(name.to_owned(), region.clone());
        region
    }

    /// The clients stay, and with them their connections.
    pub(super) fn forget_paces(&self) {
        for region in self.lock().values_mut() {
            *region = Arc::new(self.template.region(region.client.clone(), Paces::default()));
        }
    }

    pub(super) fn begin_paces(&self, name: &str, learnt: Paces) {
        let client = self.get(name).client.clone();
        let region = self.template.region(client, learnt);
        self.lock().insert(name.to_owned(), Arc::new(region));
    }

    pub(super) fn learnt_paces(&self) -> Vec<(String, Paces)> {
        let learnt_at = self.template.clock.now().into();
        let pace = |turnstile: &Turnstile| turnstile.learnt().map(|per_sec| Pace { per_sec, learnt_at });
        let paces = |region: &Region| Paces {
            lists: pace(&region.lists),
            looks: pace(&region.looks),
            updates: pace(&region.updates),
        };
        let regions = self.lock();
        let paces = regions.iter().map(|(name, region)| (name.clone(), paces(region)));
        paces.filter(|(_, paces)| *paces != Paces::default()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Region>>> {
        // The map is whole after every statement, so that a panic elsewhere leaves nothing to fear.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clients of all regions have in common.
#[derive(Debug)]
struct ClientTemplate {
    settings: Settings,
    http_client: SharedHttpClient,
    clock: SharedTimeSource,
    counter: CallCounter,
}

impl ClientTemplate {
    fn region(&self, client: Client, learnt: Paces) -> Region {
        let now = Timestamp::from(self.clock.now());
        let turnstile = |pace: Option<Pace>| {
            let learnt = pace.map(|Pace { per_sec, learnt_at }| (per_sec, now.since(learnt_at)));
            Arc::new(Turnstile::new(learnt))
        };
        Region {
            client,
            lists: turnstile(learnt.lists),
            looks: turnstile(learnt.looks),
            updates: turnstile(learnt.updates),
        }
    }

    fn client(&self, name: &str) -> Client {
        let mut config = aws_sdk_eks::Config::builder()
            .behavior_version(behavior_version())
            .region(aws_sdk_eks::config::Region::new(name.to_owned()))
            .credentials_provider(self.settings.credentials.clone())
            .http_client(self.http_client.clone())
            .time_source(self.clock.clone())
            .interceptor(self.counter.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(EKS_CALL_TIMEOUT, EKS_CALL_TIMEOUT));
        if let Some(url) = &self.settings.eks_endpoint {
            config = config.endpoint_url(url);
        }
        Client::from_conf(config.build())
    }
}

/// Counts answers at the wire.
#[derive(Debug, Clone, Default)]
pub(super) struct CallCounter {
    answered: Arc<AtomicU64>,
    throttled: Arc<AtomicU64>,
}

impl CallCounter {
    pub(super) fn take_answered(&self) -> u64 {
        self.answered.swap(0, Ordering::Relaxed)
    }

    pub(super) fn take_throttled(&self) -> u64 {
        self.throttled.swap(0, Ordering::Relaxed)
    }
}

impl Intercept for CallCounter {
    fn name(&self) -> &'static str {
        "CallCounter"
    }

    /// EKS answers a throttle with 429, whatever code comes with it.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if context.response().status().as_u16() == 429 {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
