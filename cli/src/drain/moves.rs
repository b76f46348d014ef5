//! What the ledger has of the rotations from a role: which workloads they have moved, when, and to
//! which roles.

use std::collections::BTreeSet;

use rerole::aws::ledger::{ROW_PAGES, Select};
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::keys::{RotationKey, Side};
use rerole_core::resource::RoleArn;
use rerole_core::rotation::{Outcome, Row};
use rerole_core::timestamp::Timestamp;

use crate::drain::evidence::Known;
use crate::rotation::report_rows::Workload;
use crate::stack::Stack;

/// What rotations have moved from a role.
#[derive(Debug, Default)]
pub struct Moves {
    pub known: Known,
    /// The regions of the associations.
    pub regions: BTreeSet<String>,
    /// The target roles that the associations have or had.
    pub target_roles: BTreeSet<String>,
}

impl Moves {
    /// Reads the last rotation from the role, and those before it that were not finished at
    /// `since`.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn read(stack: &Stack, role: &RoleArn, since: Timestamp) -> Result<Self, CallError> {
        let mut moves = Self::default();
        moves.known.role_arn = role.to_string();
        let rotations = stack.aws.ledger.roles().history(role).await?.rotations;
        let from = rotations.iter().filter(|it| it.side == Side::From);
        for (number, rotation) in from.enumerate() {
            let record = stack.aws.ledger.rotations().read(&rotation.key).await?;
            let Some(record) = record else {
                continue;
            };
            // Pods keep no credentials from before that, so older rotations explain nothing.
            let is_old = record.finished_at().is_some_and(|at| at < since);
            if number > 0 && is_old {
                break;
            }
            let new_role = record.new_role_arn.to_string();
            if !moves.known.new_role_arns.contains(&new_role) {
                moves.known.new_role_arns.push(new_role);
            }
            moves.read_rows(stack, &rotation.key).await?;
        }
        Ok(moves)
    }

    async fn read_rows(&mut self, stack: &Stack, key: &RotationKey) -> Result<(), CallError> {
        let rows = stack.aws.ledger.rows(key);
        let mut pages = paginate(ROW_PAGES, async |start| rows.page(Select::All, start).await);
        while let Some(page) = pages.next::<_, CallError>().await? {
            for row in &page {
                self.note(row);
            }
        }
        Ok(())
    }

    fn note(&mut self, row: &Row) {
        let region = row.association_arn.region();
        self.regions.insert(region.to_owned());
        let targets = [&row.previous_target_role_arn, &row.target_role_arn];
        self.target_roles
            .extend(targets.into_iter().flatten().cloned());
        if let (Outcome::Updated, Some(at)) = (row.outcome, row.modified_at) {
            let workload = Workload {
                region: region.to_owned(),
                cluster: row.cluster_name.clone(),
                namespace: row.namespace.clone(),
                service_account: row.service_account.clone(),
            };
            self.known.last_move = self.known.last_move.max(Some(at));
            // The latest rotation is read first.
            self.known.moved.entry(workload).or_insert(at);
        }
    }
}
