//! What the index does not know of an association, and a trust policy may depend on:
//! `disableSessionTags` and `externalId`. EKS tells it, one association at a time, so only those
//! are asked for whose verdict depends on it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rerole_core::policy::{ExternalId, SessionTags};
use tokio::time::Instant;

use crate::preflight::moves::Move;
use crate::stack::Stack;
use crate::terminal::progress_bar;

/// Beyond this, EKS would be asked for minutes. The rest stays unknown.
const ASKED_MAX: usize = 1_000;
/// How many associations are described at the same time. The rate of calls is found by itself.
const CONCURRENCY: usize = 16;
const PATIENCE: Duration = Duration::from_mins(5);

/// What EKS has told of an association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    pub session_tags: SessionTags,
    pub external_id: ExternalId,
}

/// What EKS has told, by the ARN of the association.
pub type Details = BTreeMap<String, Detail>;

impl Detail {
    pub const UNKNOWN: Self = Self {
        session_tags: SessionTags::Unknown,
        external_id: ExternalId::Unknown,
    };
}

/// Asks EKS for these associations. One that cannot be described stays unknown.
pub async fn read(stack: &Stack, moves: &[&Move<'_>]) -> Details {
    if moves.is_empty() {
        return Details::new();
    }
    let asked = moves.iter().take(ASKED_MAX);
    let bar = progress_bar(
        asked.len() as u64,
        "  asking EKS: {pos} of {len} associations",
    );
    let until = Instant::now() + PATIENCE;
    let describe = async |moved: &&Move<'_>| {
        let arn = &moved.item.association_arn;
        let described = stack.aws.eks.describe(arn, until).await;
        bar.inc(1);
        let association = described.ok()??.association;
        let is_disabled = association.disable_session_tags.unwrap_or(false);
        let detail = Detail {
            session_tags: if is_disabled {
                SessionTags::Disabled
            } else {
                SessionTags::Sent
            },
            external_id: association
                .external_id
                .map_or(ExternalId::Absent, ExternalId::Sent),
        };
        Some((arn.to_string(), detail))
    };
    let described = stream::iter(asked)
        .map(describe)
        .buffer_unordered(CONCURRENCY);
    let details = described.filter_map(async |detail| detail).collect().await;
    bar.finish_and_clear();
    details
}
