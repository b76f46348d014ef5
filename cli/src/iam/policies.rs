//! The policies of a role: managed and inline ones, and its permissions boundary.

use aws_sdk_iam::types::AttachedPolicy;
use futures_util::stream::{self, StreamExt};
use rerole::aws::call_error::call_error;
use rerole::aws::page::{Page, PageLimit};
use rerole_core::call::CallError;

use crate::iam::client::{Action, Iam, all, document};
use crate::iam::{Policies, Policy, Reading, Role, Unreadable};

/// A role has at most 20 managed policies, and 10,240 characters of inline ones: IAM lists up to
/// 100 on a page, and may return fewer.
const PAGES: PageLimit = PageLimit {
    list: "the policies of a role",
    pages_max: 100,
};
/// How many documents are read side by side. IAM publishes no rate, and a role has few.
const CONCURRENCY: usize = 4;

impl Iam {
    /// Reads all policies of a role.
    pub async fn policies(&self, role: &Role) -> Policies {
        let name = role.arn.name();
        let (managed, inline) = tokio::join!(self.managed(name), self.inline(name));
        let mut policies = Policies {
            identity: Vec::new(),
            boundary: None,
            gaps: Vec::new(),
        };
        for list in [managed, inline] {
            match list {
                Ok(list) => policies.identity.extend(list),
                Err(gap) => policies.gaps.push(gap),
            }
        }
        if let Some(arn) = &role.boundary_arn {
            policies.boundary = Some(Policy {
                name: managed_name(arn),
                document: self.managed_document(arn).await,
            });
        }
        policies
    }

    async fn managed(&self, role: &str) -> Reading<Vec<Policy>> {
        let action = Action("iam:ListAttachedRolePolicies");
        let listed = all(PAGES, async |marker| {
            let list = self.client.list_attached_role_policies().role_name(role);
            let listed = list.set_marker(marker).send().await;
            let listed = listed.map_err(|error| call_error(action.on(&role), &error))?;
            Ok::<_, CallError>(Page {
                items: listed.attached_policies.unwrap_or_default(),
                next: listed.marker.filter(|_| listed.is_truncated),
            })
        });
        let listed = listed.await.map_err(|error| action.unreadable(&error))?;
        let read = async |attached: AttachedPolicy| {
            let arn = attached.policy_arn.unwrap_or_default();
            Policy {
                name: managed_name(&arn),
                document: self.managed_document(&arn).await,
            }
        };
        Ok(stream::iter(listed)
            .map(read)
            .buffered(CONCURRENCY)
            .collect()
            .await)
    }

    async fn inline(&self, role: &str) -> Reading<Vec<Policy>> {
        let action = Action("iam:ListRolePolicies");
        let listed = all(PAGES, async |marker| {
            let list = self.client.list_role_policies().role_name(role);
            let listed = list.set_marker(marker).send().await;
            let listed = listed.map_err(|error| call_error(action.on(&role), &error))?;
            Ok::<_, CallError>(Page {
                items: listed.policy_names,
                next: listed.marker.filter(|_| listed.is_truncated),
            })
        });
        let listed = listed.await.map_err(|error| action.unreadable(&error))?;
        let read = async |name: String| {
            let document = self.inline_document((role, &name)).await;
            Policy { name, document }
        };
        Ok(stream::iter(listed)
            .map(read)
            .buffered(CONCURRENCY)
            .collect()
            .await)
    }

    /// Reads the version of a managed policy that is in force.
    async fn managed_document(&self, arn: &str) -> Reading<String> {
        let action = Action("iam:GetPolicy");
        let got = self.client.get_policy().policy_arn(arn).send().await;
        let got = got.map_err(|error| call_error(action.on(&arn), &error));
        let got = got.map_err(|error| action.unreadable(&error))?;
        let version = got.policy.and_then(|policy| policy.default_version_id);
        let version = version.ok_or_else(|| Unreadable::new("IAM returned no version"))?;
        let action = Action("iam:GetPolicyVersion");
        let get = self.client.get_policy_version().policy_arn(arn);
        let got = get.version_id(version).send().await;
        let got = got.map_err(|error| call_error(action.on(&arn), &error));
        let got = got.map_err(|error| action.unreadable(&error))?;
        document(got.policy_version.and_then(|it| it.document).as_deref())
    }

    async fn inline_document(&self, (role, policy): (&str, &str)) -> Reading<String> {
        let action = Action("iam:GetRolePolicy");
        let get = self.client.get_role_policy().role_name(role);
        let got = get.policy_name(policy).send().await;
        let got = got.map_err(|error| call_error(action.on(&policy), &error));
        let got = got.map_err(|error| action.unreadable(&error))?;
        document(Some(&got.policy_document))
    }
}

/// The name of a managed policy, without account and path.
fn managed_name(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}
