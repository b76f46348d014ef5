//! What the index does not know of an association, and a trust policy may depend on:
//! `disableSessionTags` and `externalId`. EKS tells it, one association at a time, so only those
//! are asked for whose verdict depends on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rerole_core::call::ErrorClass;
use rerole_core::policy::{ExternalId, SessionTags};
use rerole_core::resource::Association;
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

/// What EKS has told.
#[derive(Debug, Default)]
pub struct Details {
    /// By the ARN of the association.
    pub known: BTreeMap<String, Detail>,
    /// Why EKS did not tell more.
    pub gap: Option<String>,
}

impl Detail {
    pub const UNKNOWN: Self = Self {
        session_tags: SessionTags::Unknown,
        external_id: ExternalId::Unknown,
    };

    fn of(association: Association) -> Self {
        let is_disabled = association.disable_session_tags.unwrap_or(false);
        Self {
            session_tags: if is_disabled {
                SessionTags::Disabled
            } else {
                SessionTags::Sent
            },
            external_id: association
                .external_id
                .map_or(ExternalId::Absent, ExternalId::Sent),
        }
    }
}

/// Asks EKS for these associations. One that cannot be described stays unknown. Once the operator
/// is not allowed to ask, no more are asked for: their calls count for the rate of EKS.
pub async fn read(stack: &Stack, moves: &[&Move<'_>]) -> Details {
    if moves.is_empty() {
        return Details::default();
    }
    let asked = moves.iter().take(ASKED_MAX);
    let bar = progress_bar(
        asked.len() as u64,
        "  asking EKS: {pos} of {len} associations",
    );
    let until = Instant::now() + PATIENCE;
    let gap = RefCell::new(None);
    let describe = async |moved: &&Move<'_>| {
        if gap.borrow().is_some() {
            return None;
        }
        let arn = &moved.item.association_arn;
        let described = stack.aws.eks.describe(arn, until).await;
        bar.inc(1);
        match described {
            Ok(described) => Some((arn.to_string(), Detail::of(described?.association))),
            Err(error) if error.class == ErrorClass::Denied => {
                let why = "not readable: eks:DescribePodIdentityAssociation";
                gap.replace(Some(why.to_owned()));
                None
            }
            Err(_) => None,
        }
    };
    let described = stream::iter(asked)
        .map(describe)
        .buffer_unordered(CONCURRENCY);
    let known = described.filter_map(async |detail| detail).collect().await;
    bar.finish_and_clear();
    Details {
        known,
        gap: gap.into_inner(),
    }
}
