//! Updates the roles of an association, and keeps the write window: the time in which an
//! observation justifies an update. Whether to update, and what follows from the result, is decided
//! by the caller.

use std::time::Duration;

use aws_sdk_eks::operation::RequestId;
use rerole_core::call::{CallError, ErrorClass, Operation};
use rerole_core::resource::{Association, RoleArn, RoleField};
use rerole_core::rotation::Update;
use tokio::time::{Instant, sleep_until};

use crate::aws::call_error::call_error;
use crate::aws::client_config::CONNECT_TIMEOUT;
use crate::aws::eks::response::{association, subject};
use crate::aws::eks::{EKS_CALL_TIMEOUT, Eks, Kind, Permit};

/// The write window: an update is sent at most this long after the response to the Describe that
/// justifies it (guarantee 2).
pub const OBSERVATION_AGE_MAX: Duration = Duration::from_secs(5);
/// The maximum age of an observation when `update_role` starts to send. From then on, only opening
/// a connection can delay the request.
const OBSERVATION_AGE_AT_SEND_MAX: Duration = OBSERVATION_AGE_MAX
    .checked_sub(CONNECT_TIMEOUT)
    .expect("a connection is opened within the write window");

/// The same, from when the Describe was sent. A process that stands still may take a response that
/// came minutes ago for a new one.
const REQUEST_AGE_AT_SEND_MAX: Duration =
    OBSERVATION_AGE_AT_SEND_MAX.saturating_add(EKS_CALL_TIMEOUT);

/// An association as EKS described it, with the times of the request and of the response.
#[derive(Debug, Clone)]
pub struct Observed {
    pub association: Association,
    sent_at: Instant,
    received_at: Instant,
}

/// The response of EKS to an update.
#[derive(Debug, Clone)]
pub struct Updated {
    pub association: Association,
    pub request_id: Option<String>,
}

/// Why an update has no usable response.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The observation was too old to justify a write. Nothing was sent, so the permit is unused.
    #[error("the observation is too old for an update; describe the association again")]
    Stale(Permit),
    /// EKS accepted the update, but its response cannot be parsed. The update most likely took
    /// effect.
    #[error(transparent)]
    Malformed(CallError),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Observed {
    /// Creates an observation from a response that has just been received, to a Describe that was
    /// sent at `sent_at`.
    pub(super) fn new(association: Association, sent_at: Instant) -> Self {
        Self {
            association,
            sent_at,
            received_at: Instant::now(),
        }
    }

    /// Returns how old what it shows may be, apart from the lag of EKS: the time since the Describe
    /// was sent.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.sent_at.elapsed()
    }

    /// Returns whether the observation is too old to justify a write.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.received_at.elapsed() > OBSERVATION_AGE_AT_SEND_MAX
            || self.sent_at.elapsed() > REQUEST_AGE_AT_SEND_MAX
    }
}

impl UpdateError {
    /// Returns whether EKS has certainly not processed the update.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        match self {
            Self::Stale(_) => true,
            Self::Call(error) => error.class == ErrorClass::Throttled,
            Self::Malformed(_) => false,
        }
    }
}

impl Eks {
    /// Waits for the permit of one update in this region. Returns `None` if there is none until
    /// `until`.
    pub async fn acquire_update(&self, region: &str, until: Instant) -> Option<Permit> {
        let region = self.regions.get(region);
        region.rate_limiter.acquire(Kind::Update, until).await
    }

    /// Sets the fields of `update` to `new_role`, and changes nothing else. `observed` is the
    /// Describe that justifies the update, and `permit` is one of the association's region.
    ///
    /// # The race
    ///
    /// EKS has no conditional update. An update takes effect whatever the association shows when it
    /// arrives. Suppose that a Describe shows the old role, then an operator moves the association
    /// to a third role, and then our update arrives. The update overwrites the operator's change,
    /// and its response looks as if nothing had happened. `decide` cannot prevent this, because it
    /// only knows the Describe.
    ///
    /// The race cannot be closed, but it can be kept short. Guarantee 2 says how short: an update
    /// is sent at most [`OBSERVATION_AGE_MAX`] after the response to its Describe. Four rules keep
    /// this bound:
    ///
    /// 1. The permit comes first, and the age is checked after it. In a region that is throttled
    ///    hard, the wait for a permit alone is longer than the window.
    /// 2. The age is checked here, immediately before the send, against a limit that leaves
    ///    [`CONNECT_TIMEOUT`] of the window. Opening a connection is the only step between this
    ///    check and the request on the wire, and it fails after that time.
    /// 3. For a stale observation, [`UpdateError::Stale`] returns the permit. The caller describes
    ///    again and sends with the same permit. If it waited for another permit, its next
    ///    observation would also be too old, and a slow region would never make progress.
    /// 4. One observation justifies one send. The SDK retries nothing (`region.rs`): a retry would
    ///    leave seconds later, on the same observation. After any error the caller describes again.
    ///
    /// A request that was sent may arrive although its connection broke, or its response may get
    /// lost. So an update without a response ends only after the timeout of its call, when it
    /// cannot take effect any more. The next Describe shows whether it did. If the Describe shows
    /// the old version, the next update has the same token, so EKS treats it as a repeat of the
    /// first. Another invocation that resumes the rotation sends nothing meanwhile, because a
    /// caller sends only while its lease outlives the call.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] if `observed` is too old, [`UpdateError::Malformed`] if EKS accepted
    /// the update and its response cannot be parsed, [`UpdateError::Call`] if the call failed.
    /// After a transient error, whether the update took effect is unknown. A throttled update did
    /// not take effect.
    pub async fn update_role(
        &self,
        permit: Permit,
        observed: &Observed,
        update: &Update,
        new_role: &RoleArn,
    ) -> Result<Updated, UpdateError> {
        if observed.is_stale() {
            return Err(UpdateError::Stale(permit));
        }
        let arn = &observed.association.association_arn;
        let subject = subject(arn);
        let operation = Operation::on("update association", &subject);
        let region = self.regions.get(arn.region());
        let new_value = |field| update.fields.contains(field).then(|| new_role.to_string());
        let call = region
            .client
            .update_pod_identity_association()
            .cluster_name(arn.cluster_name())
            .association_id(arn.association_id())
            .set_role_arn(new_value(RoleField::RoleArn))
            .set_target_role_arn(new_value(RoleField::TargetRoleArn))
            .client_request_token(update.token.as_str());
        let call = async {
            call.send()
                .await
                .map_err(|error| call_error(operation, &error))
        };
        let sent_at = Instant::now();
        let output = match permit.send(call).await {
            Err(error) if error.no_response => {
                sleep_until(sent_at + EKS_CALL_TIMEOUT).await;
                return Err(error.into());
            }
            result => result?,
        };
        Ok(Updated {
            association: association(arn, output.association(), operation)
                .map_err(UpdateError::Malformed)?,
            request_id: output.request_id().map(str::to_owned),
        })
    }
}
