//! Follows CloudTrail events from the queue. An event only names an association or a cluster: EKS
//! is asked, and what it shows is stored. So events may come late, twice and in any order. How an
//! event is parsed is in `rerole_core::indexing::cloudtrail`.

use std::collections::BTreeMap;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::future::join_all;
use rerole_core::call::CallError;
use rerole_core::indexing::cloudtrail::{CloudTrailEvent, Parsed, Subject, parse};
use rerole_core::indexing::{AssociationEvents, EventVerdict, IndexEntry, Mode};
use rerole_core::resource::{Association, AssociationArn, Cluster, OwnAccount, hidden_for};
use rerole_core::timestamp::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::aws::index_table::Stored;
use crate::indexer::index_writer::{IndexWriter, Shown};
use crate::indexer::retry::{RetryError, find};
use crate::indexer::walker::{ClusterPart, ClusterWalk, WalkContext};

/// Follows the events of one batch of messages.
#[derive(Debug)]
pub struct EventFollower<'a> {
    writer: &'a IndexWriter<'a>,
    /// What the walks through whole clusters share.
    context: WalkContext<'a>,
}

impl<'a> EventFollower<'a> {
    #[must_use]
    pub fn new(context: WalkContext<'a>, writer: &'a IndexWriter<'a>) -> Self {
        Self { writer, context }
    }

    /// Follows a batch of messages. The queue delivers the messages that the response names again.
    /// After a few deliveries they end in the dead-letter queue.
    pub async fn follow(&self, batch: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        let Grouped {
            associations,
            clusters,
        } = self.group(batch, &mut response);
        // A batch has few messages. One that waits until a deletion is certain delays no other.
        let followed = associations.into_iter().map(async |(arn, grouped)| {
            let result = self.follow_association(&arn, &grouped).await;
            (arn, grouped, result)
        });
        for (arn, grouped, result) in join_all(followed).await {
            if let Err(error) = result {
                warn!(association = %arn, %error, "association not followed, messages retried");
                for message_id in grouped.message_ids {
                    response.add_failure(message_id);
                }
            }
        }
        for ClusterMessage {
            message_id,
            cluster,
            at,
        } in clusters
        {
            if let Err(error) = self.follow_cluster(&cluster, at).await {
                let cluster = &cluster.cluster_arn;
                warn!(cluster, %error, "cluster not followed, message retried");
                response.add_failure(message_id);
            }
        }
        response
    }

    /// Parses the messages and groups their events. A message that cannot be parsed fails.
    fn group(&self, batch: SqsEvent, response: &mut SqsBatchResponse) -> Grouped {
        let mut grouped = Grouped::default();
        for message in batch.records {
            let message_id = message.message_id.clone().unwrap_or_default();
            match parse_message(&message, self.writer.item_rules().own_account) {
                Ok(Some(event)) if self.is_indexed(&event.subject) => {
                    grouped.add(message_id, event);
                }
                Ok(_) => {}
                Err(problem) => {
                    error!(messageId = message_id, problem, "message cannot be parsed");
                    response.add_failure(message_id);
                }
            }
        }
        grouped
    }

    /// Returns whether the stack indexes the cluster of an event. If it does not, the message is
    /// acknowledged.
    fn is_indexed(&self, subject: &Subject) -> bool {
        let (region, cluster) = (subject.region(), subject.cluster_name());
        if let Some(problem) = self.writer.item_rules().is_not_indexed(region) {
            info!(problem, "event ignored");
            return false;
        }
        if self.writer.excludes(cluster) {
            info!(cluster, "event of an excluded cluster ignored");
            return false;
        }
        true
    }

    async fn follow_association(
        &self,
        arn: &AssociationArn,
        grouped: &AssociationMessages,
    ) -> Result<(), FollowError> {
        let asked_at = self.context.aws.now();
        let seen = find(self.context.ends_at, async |until| {
            self.context.aws.eks.describe(arn, until).await
        })
        .await?;
        let now = self.context.aws.now();
        let seen = seen.map(|seen| seen.association);
        let shown = seen.as_ref().map(|seen| seen.modified_at);
        match (grouped.events.verdict(shown, asked_at), seen) {
            (EventVerdict::Exists, Some(seen)) => self.store(&seen, grouped, now).await,
            (EventVerdict::Exists | EventVerdict::Deleted, _) => {
                let held = self.held(arn).await?;
                if let Some(invalid) = held.as_ref().and_then(IndexEntry::invalid) {
                    self.context.remove_invalid(invalid).await?;
                }
                let live = held.as_ref().and_then(IndexEntry::live);
                let changed = self.writer.remove(arn, live, now).await?;
                info!(association = %arn, changed, "event followed, association deleted");
                Ok(())
            }
            (EventVerdict::StillShown, _) => Err(FollowError::StillShown),
            (EventVerdict::NotYetShown, _) => Err(FollowError::NotYetShown),
        }
    }

    /// Stores what EKS shows of an association.
    async fn store(
        &self,
        seen: &Association,
        grouped: &AssociationMessages,
        now: Timestamp,
    ) -> Result<(), FollowError> {
        let arn = &seen.association_arn;
        let caller = grouped.events.caller_of(seen.modified_at);
        let cluster = Cluster::of(arn);
        self.context
            .aws
            .index
            .known_clusters()
            .record(&cluster)
            .await?;
        let held = self.held(arn).await?;
        let shown = Shown {
            held: held.as_ref(),
            seen,
            caller: &caller,
        };
        let stored = self.writer.store(shown, now).await?;
        if stored == Stored::Tombstone {
            return Err(FollowError::RecentTombstone);
        }
        info!(association = %arn, ?stored, "event followed");
        Ok(())
    }

    /// Returns what the index has of an association.
    async fn held(&self, arn: &AssociationArn) -> Result<Option<IndexEntry>, CallError> {
        let rules = self.writer.item_rules();
        self.context.aws.index.entry(arn, &rules).await
    }

    /// Follows an event about a deleted cluster, or about an association that it does not name.
    /// Nothing in the event tells whether EKS shows the change that was made at `at`. So this waits
    /// until EKS does.
    async fn follow_cluster(
        &self,
        cluster: &Cluster,
        at: Option<Timestamp>,
    ) -> Result<(), FollowError> {
        let age = at.map(|at| self.context.aws.now().since(at));
        if let Some(left) = age.and_then(hidden_for) {
            sleep_until((Instant::now() + left).min(self.context.ends_at)).await;
        }
        let described = find(self.context.ends_at, async |until| {
            self.context
                .aws
                .eks
                .describe_cluster(cluster.name(), until)
                .await
        })
        .await?;
        match described {
            None => {
                self.context.remove_cluster(cluster).await?;
                let cluster = &cluster.cluster_arn;
                info!(cluster, "event followed, cluster deleted");
                Ok(())
            }
            Some(described) if described.is_being_deleted => Err(FollowError::StillShown),
            // The event is about one of its associations, or the deleted cluster was created again.
            Some(_) => self.walk(cluster).await,
        }
    }

    /// Compares the list of a cluster's associations with the index.
    async fn walk(&self, cluster: &Cluster) -> Result<(), FollowError> {
        let whole = ClusterPart {
            mode: Mode::ListOnly,
            after: None,
        };
        let walk = ClusterWalk::open(self.context, cluster.clone(), whole).await?;
        // EKS has described the cluster a moment ago.
        let mut walk = walk.ok_or(FollowError::StillShown)?;
        while walk.step().await?.is_some() {}
        if let Some(problem) = walk.take_findings().errors.into_iter().next() {
            return Err(FollowError::NotDescribed(problem));
        }
        info!(
            cluster = cluster.cluster_arn,
            "event followed, cluster listed"
        );
        Ok(())
    }
}

/// The events of a batch, by what they are about.
#[derive(Debug, Default)]
struct Grouped {
    /// Each association is followed once, however many messages are about it.
    associations: BTreeMap<AssociationArn, AssociationMessages>,
    clusters: Vec<ClusterMessage>,
}

/// The message of an event about a whole cluster.
#[derive(Debug)]
struct ClusterMessage {
    message_id: String,
    cluster: Cluster,
    /// When the call was made, if the event says so.
    at: Option<Timestamp>,
}

impl Grouped {
    fn add(&mut self, message_id: String, event: CloudTrailEvent) {
        match event.subject.clone() {
            Subject::Association(arn) => {
                let association = self.associations.entry(arn).or_default();
                association.message_ids.push(message_id);
                association.events.add(event);
            }
            Subject::ClusterAssociations(cluster) | Subject::DeletedCluster(cluster) => {
                let at = event.at;
                self.clusters.push(ClusterMessage {
                    message_id,
                    cluster,
                    at,
                });
            }
        }
    }
}

/// The messages about one association.
#[derive(Debug, Default)]
struct AssociationMessages {
    message_ids: Vec<String>,
    events: AssociationEvents,
}

/// Why the queue has to deliver a message again.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("EKS still shows what was deleted")]
    StillShown,
    #[error("EKS does not show the change yet")]
    NotYetShown,
    #[error("the index has a recent tombstone of the association, and EKS shows the association")]
    RecentTombstone,
    #[error("{0}")]
    NotDescribed(String),
    #[error(transparent)]
    Walk(#[from] RetryError),
}

impl From<CallError> for FollowError {
    fn from(error: CallError) -> Self {
        Self::Walk(error.into())
    }
}

/// Returns the event in a message, or `None` if the event changes no association.
fn parse_message(
    message: &SqsMessage,
    own_account: Option<&OwnAccount>,
) -> Result<Option<CloudTrailEvent>, String> {
    let body = message.body.as_deref().unwrap_or_default();
    let event: Value =
        serde_json::from_str(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    match parse(&event, own_account) {
        Ok(Parsed::Change(event)) => Ok(Some(*event)),
        Ok(Parsed::Ignored(ignored)) => {
            info!(
                member = ignored.member,
                value = ignored.value,
                "event ignored"
            );
            Ok(None)
        }
        Err(invalid) => Err(invalid.to_string()),
    }
}
