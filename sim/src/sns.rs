//! SNS, as far as topics and their subscriptions. Nothing is published.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::arn::Scope;
use crate::protocol::{ApiError, ApiRequest, Paging};

const PAGES: Paging = Paging {
    limit: "",
    token: "NextToken",
    default: 100,
};

/// A subscription to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `email`, `lambda`, `https` or another.
    pub protocol: String,
    pub endpoint: String,
    /// Whether the endpoint has confirmed it. Until then it has no ARN, and receives nothing.
    pub confirmed: bool,
}

/// The topics of an account in a region, by ARN, and their subscriptions.
#[derive(Default)]
pub(crate) struct Topics(BTreeMap<String, Vec<SubscriptionState>>);

struct SubscriptionState {
    subscription: Subscription,
    id: String,
}

impl Topics {
    pub(crate) fn create(&mut self, scope: Scope<'_>, name: &str) -> String {
        let arn = scope.arn("sns", name);
        self.0.entry(arn.clone()).or_default();
        arn
    }

    /// Subscribes to a topic. The ARN of the subscription ends with `id`.
    ///
    /// # Panics
    /// If the topic does not exist.
    pub(crate) fn subscribe(&mut self, topic_arn: &str, id: String, subscription: Subscription) {
        let topic = self.0.get_mut(topic_arn);
        let topic =
            topic.unwrap_or_else(|| panic!("a test subscribes to topics that exist: {topic_arn}"));
        topic.push(SubscriptionState { subscription, id });
    }

    /// Responds to one request.
    pub(crate) fn respond(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        match request.operation.as_str() {
            "ListSubscriptionsByTopic" => self.list_subscriptions(request),
            operation => Err(ApiError::not_simulated(operation)),
        }
    }

    fn list_subscriptions(&self, request: &ApiRequest) -> Result<Value, ApiError> {
        let topic_arn = request.required("TopicArn")?;
        let Some(subscriptions) = self.0.get(topic_arn) else {
            return Err(ApiError::with_status(
                404,
                "NotFound",
                "Topic does not exist",
            ));
        };
        let entries = subscriptions.iter().map(|state| {
            let Subscription {
                protocol,
                endpoint,
                confirmed,
            } = &state.subscription;
            let arn = if *confirmed {
                format!("{topic_arn}:{}", state.id)
            } else {
                "PendingConfirmation".to_owned()
            };
            json!({
                "SubscriptionArn": arn,
                "Owner": request.account,
                "Protocol": protocol,
                "Endpoint": endpoint,
                "TopicArn": topic_arn,
            })
        });
        let (subscriptions, next) = PAGES.page(request, entries.collect())?;
        Ok(json!({ "Subscriptions": subscriptions, "NextToken": next }))
    }
}
