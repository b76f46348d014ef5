//! What CloudTrail tells of changes, taken in from the queue. An event only says where to look: EKS is asked, and what it
//! shows is stored. So events may come late, twice and in any order.

use std::collections::BTreeMap;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::cluster::{ClusterWalk, Purpose, WalkError, bury_cluster, tried};
use super::returns::ReturnWatch;
use super::run::Mode;
use crate::arn::AssociationArn;
use crate::aws::Aws;
use crate::aws::entries::{SHOWN_WITHIN, Stored};
use crate::aws::error::CallError;
use crate::returned::MadeBy;
use crate::time::Timestamp;
use crate::trail::{EventName, Reading, Subject, TrailEvent, read};

/// Takes in messages, and looks at what they are about.
#[derive(Debug)]
pub struct Follower<'a> {
    aws: &'a Aws,
    returns: &'a ReturnWatch<'a>,
    /// Associations of a cluster in work at once.
    width: usize,
    ends_at: Instant,
}

/// What one association's events ask for.
#[derive(Debug, Default)]
struct Asked {
    /// The messages that ask.
    message_ids: Vec<String>,
    /// What they say.
    events: Vec<TrailEvent>,
}

impl From<CallError> for FollowError {
    fn from(error: CallError) -> Self {
        Self::Walk(error.into())
    }
}

impl Asked {
    /// Whether one of the events is so young that EKS may not show yet what it tells of.
    fn is_recent(&self, now: Timestamp) -> bool {
        self.events.iter().filter_map(|event| event.at).any(|at| now.since(at) < SHOWN_WITHIN)
    }

    fn is_deleted(&self) -> bool {
        self.events.iter().any(|event| event.event_name == EventName::DeletePodIdentityAssociation)
    }

    /// Who made this version, where one of the events is the one that did.
    fn made_by(&self, modified_at: Timestamp) -> MadeBy {
        let event = self.events.iter().find(|event| event.made(modified_at));
        event.map_or_else(MadeBy::default, |event| MadeBy {
            caller_arn: event.caller.clone(),
            user_agent: event.user_agent.clone(),
        })
    }
}

/// Why a message has to come again.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("EKS still shows what was deleted")]
    StillShown,
    #[error("EKS does not show the change yet")]
    NotYetShown,
    #[error("the association was seen to be gone a moment ago")]
    Buried,
    #[error("{0}")]
    Trouble(String),
    #[error(transparent)]
    Walk(#[from] WalkError),
}

impl<'a> Follower<'a> {
    #[must_use]
    pub fn new(aws: &'a Aws, returns: &'a ReturnWatch<'a>, width: usize, ends_at: Instant) -> Self {
        Self { aws, returns, width, ends_at }
    }

    /// Takes in a batch. The messages that are named in the answer have to come again; after a few times they end in the
    /// dead-letter queue.
    pub async fn follow(&self, batch: SqsEvent) -> SqsBatchResponse {
        let mut failed = SqsBatchResponse::default();
        let mut associations: BTreeMap<AssociationArn, Asked> = BTreeMap::new();
        let mut clusters: Vec<(String, TrailEvent)> = Vec::new();
        for message in batch.records {
            let message_id = message.message_id.clone().unwrap_or_default();
            match trail_event(&message) {
                Ok(None) => {}
                Ok(Some(event)) => match event.subject.clone() {
                    Subject::Association(arn) => {
                        let asked = associations.entry(arn).or_default();
                        asked.message_ids.push(message_id);
                        asked.events.push(event);
                    }
                    Subject::AssociationsOf(_) | Subject::DeletedCluster(_) => clusters.push((message_id, event)),
                },
                Err(problem) => {
                    error!(message_id, problem, "a message that does not say what it is about");
                    failed.add_failure(message_id);
                }
            }
        }
        // Each association once, however many of the messages are about it.
        for (arn, asked) in associations {
            if let Err(error) = self.association(&arn, &asked).await {
                warn!(association = %arn, %error, "the association's messages have to come again");
                asked.message_ids.into_iter().for_each(|id| failed.add_failure(id));
            }
        }
        for (message_id, event) in clusters {
            if let Err(error) = self.cluster(&event).await {
                warn!(subject = ?event.subject, %error, "the message has to come again");
                failed.add_failure(message_id);
            }
        }
        failed
    }

    async fn association(&self, arn: &AssociationArn, asked: &Asked) -> Result<(), FollowError> {
        let is_deleted = asked.is_deleted();
        let seen = tried(self.ends_at, |until| self.aws.eks.describe(arn, until)).await?;
        let now = self.aws.now();
        let Some(seen) = seen.map(|seen| seen.association) else {
            // Deleted since, unless it was made so lately that EKS does not show it yet.
            if !is_deleted && asked.is_recent(now) {
                return Err(FollowError::NotYetShown);
            }
            let changed = self.aws.index.bury(arn, now).await?;
            info!(association = %arn, changed, "followed an event: the association is gone");
            return Ok(());
        };
        // An id is never used again, so that this is the view from before the delete.
        if is_deleted {
            return Err(FollowError::StillShown);
        }
        if asked.events.iter().any(|event| event.made_version.is_some_and(|version| version > seen.modified_at)) {
            return Err(FollowError::NotYetShown);
        }
        let made_by = asked.made_by(seen.modified_at);
        self.aws.index.note_cluster(arn.region(), &arn.cluster_arn()).await?;
        // Before it is stored: what dies in between comes again.
        let arrivals = self.returns.look_at(&seen, &made_by).await?;
        let stored = self.aws.index.store(&seen, now).await?;
        if stored == Stored::Buried {
            return Err(FollowError::Buried);
        }
        self.returns.arrived(arrivals, &seen, &made_by).await?;
        info!(association = %arn, ?stored, "followed an event");
        Ok(())
    }

    /// A cluster that was deleted, or one of whose associations an event names no more closely.
    async fn cluster(&self, event: &TrailEvent) -> Result<(), FollowError> {
        let (Subject::AssociationsOf(cluster) | Subject::DeletedCluster(cluster)) = &event.subject else {
            return Ok(());
        };
        let described =
            tried(self.ends_at, |until| self.aws.eks.describe_cluster(&cluster.region, &cluster.cluster_name, until))
                .await?;
        match described {
            None => {
                let removed = bury_cluster(self.aws, cluster, self.ends_at).await?;
                info!(cluster = cluster.cluster_arn, removed, "followed an event: the cluster is gone");
                return Ok(());
            }
            Some(described) if described.is_being_deleted => return Err(FollowError::StillShown),
            // What was deleted has been made anew since, or the event is about one of its associations.
            Some(_) => {}
        }
        let walk = ClusterWalk::open(
            self.aws,
            Purpose::Heal(self.returns),
            cluster.clone(),
            Mode::Shallow,
            None,
            self.width,
            self.ends_at,
        )
        .await?;
        let Some(mut walk) = walk else { return Ok(()) };
        while walk.step().await?.is_some() {}
        if let Some(problem) = walk.take_troubles().into_iter().next() {
            return Err(FollowError::Trouble(problem));
        }
        info!(cluster = cluster.cluster_arn, "followed an event: the cluster's list was held against the index");
        Ok(())
    }
}

/// The event in a message; `None` where it is about nothing of ours.
fn trail_event(message: &SqsMessage) -> Result<Option<TrailEvent>, String> {
    let body = message.body.as_deref().unwrap_or_default();
    let event: Value = serde_json::from_str(body).map_err(|error| format!("the body is no JSON: {error}"))?;
    match read(&event) {
        Ok(Reading::Look(event)) => Ok(Some(*event)),
        Ok(Reading::Ignore(ignored)) => {
            info!(member = ignored.member, value = ignored.value, "event ignored");
            Ok(None)
        }
        Err(unreadable) => Err(unreadable.to_string()),
    }
}
