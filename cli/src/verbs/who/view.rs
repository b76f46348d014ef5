//! What index and ledger know of a role, and EKS if it is asked. What follows from it is decided in
//! `verdict`.

use rerole_core::call::CallError;
use rerole_core::keys::{RotationKey, Side};
use rerole_core::request::Scope;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{InUse, RoleRecord, RotationRecord, Status};
use rerole_core::timestamp::Timestamp;
use serde::Serialize;

use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::users::{ClusterUsers, User, Users};
use crate::verbs::who::verdict::{Facts, Judgement, Verdict};
use crate::verify::{self, VerifiedView};
use crate::words;

/// What is known of a role, and what follows from it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Who {
    pub role_arn: String,
    pub verdict: Verdict,
    /// Until when pods may have its credentials, or were expected to have them. Null while it is in
    /// use, or if nothing can be told, or if no rotation has moved anything from it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub until: Option<Timestamp>,
    /// Why the verdict is this one.
    pub grounds: Vec<String>,
    /// What rerole cannot know.
    pub limits: Vec<String>,
    /// All associations that use it, according to the index.
    pub users: Vec<User>,
    pub clusters: Vec<ClusterUsers>,
    /// Items of the index that name it and cannot be.
    pub invalid_items: u64,
    /// Open rotations that hold it or wait for it.
    pub open_rotations: Vec<OpenRotation>,
    /// The rotation that moved associations from it last.
    pub last_rotation: Option<LastRotation>,
    /// What the ledger says of its use, if it is in use.
    #[cfg_attr(
        test,
        schemars(with = "Option<std::collections::BTreeMap<String, String>>")
    )]
    pub in_use: Option<InUse>,
    /// How EKS differs from the index. Null if it was not asked.
    pub verified: Option<VerifiedView>,
    pub index: Coverage,
}

/// An open rotation of the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OpenRotation {
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
    /// Whether the role is its old one, and not its new one.
    pub is_from: bool,
}

/// A finished rotation from the role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LastRotation {
    pub id: String,
    #[cfg_attr(test, schemars(with = "String"))]
    pub status: Status,
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    pub new_role_arn: String,
    /// Associations that another actor has moved back since.
    pub reverted: u64,
}

impl Who {
    /// Reads what index and ledger know of the role.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub async fn read(stack: &Stack, role: &RoleArn) -> Result<Self, CallError> {
        let users = Users::read(stack, role).await?;
        // The role's item is read after the index: what arrives in between shows in it.
        let (items, index) = tokio::try_join!(roles(stack, role), Coverage::read(stack))?;
        let facts = Facts {
            users: users.items.len() as u64,
            owned_by_addon: users
                .items
                .iter()
                .filter(|it| it.owner_arn.is_some())
                .count() as u64,
            invalid_items: users.invalid.len() as u64,
            ..facts(&items, &index)
        };
        let Items {
            record, open, last, ..
        } = items;
        let judgement = facts.judge(stack.aws.now());
        let mut who = Self {
            role_arn: role.to_string(),
            verdict: judgement.verdict,
            until: record.left_until,
            grounds: Vec::new(),
            limits: limits(role, &index),
            clusters: users.by_cluster(),
            invalid_items: users.invalid.len() as u64,
            users: users.items.iter().map(User::from).collect(),
            open_rotations: open,
            last_rotation: last,
            in_use: record.in_use,
            verified: None,
            index,
        };
        who.judged(judgement, record.left_until);
        Ok(who)
    }

    /// What index and ledger cannot know, wherever else it is looked for.
    pub fn limits_of_index(&self) -> impl Iterator<Item = String> {
        // The last one says where to look for it.
        let number = self.limits.len().saturating_sub(1);
        self.limits.iter().take(number).cloned()
    }

    /// Asks EKS as well.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub async fn verify(mut self, stack: &Stack, role: &RoleArn) -> Result<Self, Failure> {
        let verified = verify::users(stack, role, &Scope::default()).await?;
        let view = VerifiedView::from(verified);
        // Asking EKS takes long: rotations may have started and ended meanwhile.
        let items = roles(stack, role).await?;
        let facts = Facts {
            users: self.users.len() as u64,
            owned_by_addon: self
                .users
                .iter()
                .filter(|it| it.owner_arn.is_some())
                .count() as u64,
            unknown_users: view.unknown.len() as u64,
            gone_users: view.gone.len() as u64,
            invalid_items: self.invalid_items,
            unread: view.unread.clone(),
            ..facts(&items, &self.index)
        };
        let Items {
            record, open, last, ..
        } = items;
        self.open_rotations = open;
        self.last_rotation = last;
        self.in_use = record.in_use;
        self.verified = Some(view);
        self.judged(facts.judge(stack.aws.now()), record.left_until);
        Ok(self)
    }

    /// Takes over the verdict. A time goes with a verdict about it only.
    fn judged(&mut self, judgement: Judgement, left_until: Option<Timestamp>) {
        let has_time = matches!(
            judgement.verdict,
            Verdict::MayBeUsedUntil | Verdict::NoKnownUse
        );
        self.verdict = judgement.verdict;
        self.grounds = judgement.grounds;
        self.until = left_until.filter(|_| has_time);
    }
}

/// What does not depend on associations.
fn facts(items: &Items, index: &Coverage) -> Facts {
    let stale = index
        .regions
        .iter()
        .filter(|it| it.is_stale && it.complete_as_of.is_some());
    Facts {
        is_known: items.is_known,
        in_use: items.record.in_use.clone(),
        left_until: items.record.left_until,
        open_rotations: items.open.iter().map(open_rotation).collect(),
        incomplete_regions: index.incomplete(),
        stale_regions: stale.map(|it| it.region.clone()).collect(),
        ..Facts::default()
    }
}

/// What the ledger has of the role.
struct Items {
    /// Whether it has anything.
    is_known: bool,
    record: RoleRecord,
    open: Vec<OpenRotation>,
    last: Option<LastRotation>,
}

async fn roles(stack: &Stack, role: &RoleArn) -> Result<Items, CallError> {
    let ledger = &stack.aws.ledger;
    let history = ledger.roles().history(role).await?;
    let is_known = history.record.is_some() || !history.rotations.is_empty();
    let record = history.record.unwrap_or_default();
    let mut open = Vec::new();
    for key in record.held_by.iter().chain(&record.waiting) {
        let found = ledger.rotations().read(key).await?;
        open.extend(found.map(|found| OpenRotation {
            id: key.to_string(),
            status: found.status(),
            is_from: found.old_role_arn == *role,
        }));
    }
    let is_open = |key: &RotationKey| record.held_by.as_ref() == Some(key);
    let mut from = history.rotations.iter();
    let last = from.find(|it| it.side == Side::From && !is_open(&it.key));
    let last = match last {
        None => None,
        Some(rotation) => ledger.rotations().read(&rotation.key).await?,
    };
    Ok(Items {
        is_known,
        record,
        open,
        last: last.as_ref().map(LastRotation::from),
    })
}

impl From<&RotationRecord> for LastRotation {
    fn from(record: &RotationRecord) -> Self {
        Self {
            id: record.key.to_string(),
            status: record.status(),
            finished_at: record.finished_at(),
            new_role_arn: record.new_role_arn.to_string(),
            reverted: record.counts.reverted,
        }
    }
}

/// What an open rotation has to do with the role.
fn open_rotation(open: &OpenRotation) -> String {
    let OpenRotation {
        id,
        status,
        is_from,
    } = open;
    let side = if *is_from { "from" } else { "onto" };
    match status {
        Status::Queued => {
            format!("rotation {id} waits for its turn to move associations {side} it")
        }
        _ => format!("rotation {id} ({status:?}) moves associations {side} it"),
    }
}

/// What rerole cannot know of a role.
pub fn limits(role: &RoleArn, index: &Coverage) -> Vec<String> {
    let mut limits = vec![
        "who uses it in another way: service accounts with IRSA, nodes and other EC2 instances, \
         Lambda functions, people"
            .to_owned(),
        "EKS clusters in other accounts and in regions that are not indexed".to_owned(),
    ];
    let regions = index.regions.iter();
    let excluded: Vec<_> = regions
        .flat_map(|it| {
            it.excluded_clusters
                .iter()
                .map(|name| format!("{}/{name}", it.region))
        })
        .collect();
    if !excluded.is_empty() {
        limits.push(format!(
            "clusters that the stack leaves out: {}",
            words::list(&excluded, 12)
        ));
    }
    limits.push(format!(
        "CloudTrail knows who received its credentials in the last hours: rerole drain {role}"
    ));
    limits
}
