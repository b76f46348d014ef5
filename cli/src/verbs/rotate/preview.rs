//! What the index says of a rotation before it is requested.

use rerole_core::request::RotationId;
use serde_json::Value;

use crate::answer::Answer;
use crate::coverage::Coverage;
use crate::estimate::{self, Estimate};
use crate::failure::Failure;
use crate::request::{RequestFlags, Roles};
use crate::rotation::text;
use crate::stack::Stack;
use crate::users::{Users, cluster_table};
use crate::words;

/// What the index says of a rotation before it is requested.
#[derive(Debug)]
pub struct Preview {
    pub users: Users,
    /// Associations on the old role that the scope leaves out.
    out_of_scope: usize,
    coverage: Coverage,
    estimate: Estimate,
}

/// What a text is shown with.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    pub stack: &'a Stack,
    pub answer: &'a Answer<'a>,
}

impl Preview {
    /// Reads the associations on the old role in the scope, and what the index covers.
    ///
    /// # Errors
    /// If a flag is invalid, or a table cannot be read.
    pub async fn read(stack: &Stack, roles: &Roles, flags: &RequestFlags) -> Result<Self, Failure> {
        let scope = flags.scope.scope()?;
        let (users, coverage) = tokio::join!(Users::read(stack, &roles.old), Coverage::read(stack));
        let mut users = users?;
        let out_of_scope = users.keep_in(&scope);
        let estimate = estimate::of(stack, &users).await?;
        Ok(Self {
            users,
            out_of_scope,
            coverage: coverage?,
            estimate,
        })
    }

    /// How many associations would be moved.
    pub fn movable(&self) -> u64 {
        let items = &self.users.items;
        items.iter().filter(|item| item.owner_arn.is_none()).count() as u64
    }

    /// Whether there is something to move.
    ///
    /// # Errors
    /// If there is not: why.
    pub fn check(&self, roles: &Roles) -> Result<(), Failure> {
        match self.users.items.len() {
            0 => Err(self.nothing_to_move(roles)),
            all if self.movable() == 0 => Err(Failure::Refused(format!(
                "nothing can be moved: an add-on owns all {all} associations on {} in this scope; \
                 change the role of the add-on instead",
                roles.old
            ))),
            _ => Ok(()),
        }
    }

    fn nothing_to_move(&self, roles: &Roles) -> Failure {
        let elsewhere = match self.out_of_scope {
            0 => String::new(),
            count => format!(", and {count} outside the scope"),
        };
        let incomplete = self.coverage.incomplete();
        let index = if incomplete.is_empty() {
            "`rerole index status` shows how old the index is".to_owned()
        } else {
            format!(
                "the index of {} was never complete: rerole index build",
                words::list(&incomplete, 5)
            )
        };
        Failure::Refused(format!(
            "the index has no association on {} in this scope{elsewhere}; {index}",
            roles.old
        ))
    }

    /// What would be moved, and how long it takes.
    pub fn text(
        &self,
        id: &RotationId,
        roles: &Roles,
        flags: &RequestFlags,
        Shown { stack, answer }: Shown<'_>,
    ) -> String {
        let account = &stack.origin.account;
        let name =
            |role: &rerole_core::resource::RoleArn| words::role(role.as_str()).in_account(account);
        let clusters = self.users.by_cluster();
        let moved = words::count(self.movable(), "association");
        let stays = self.users.items.len() as u64 - self.movable();
        let scope = Value::Object(flags.scope.members());
        let mut lines = vec![
            format!("\nRotation {}: moves {moved}", answer.layout.heading(id)),
            format!("  from      {}", name(&roles.old)),
            format!("  to        {}", name(&roles.new)),
            format!("  scope     {}", text::scope(&scope)),
            format!("  takes     {}", self.estimate.text()),
        ];
        if stays > 0 {
            lines.push(format!("  stays     {stays} that an add-on owns"));
        }
        if self.out_of_scope > 0 {
            lines.push(format!(
                "  stays     {} outside the scope",
                self.out_of_scope
            ));
        }
        lines.push(format!("\n{}\n", cluster_table(&clusters, &answer.layout)));
        lines.push(self.coverage.text(stack.aws.now()));
        lines.join("\n")
    }
}
