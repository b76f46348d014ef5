//! What may be said about a role now: its item in the ledger, and what the index shows. Every
//! summary and screen takes it from here, and stores nothing of it.

use rerole_core::call::CallError;
use rerole_core::indexing::ItemRules;
use rerole_core::resource::RoleArn;
use rerole_core::rotation::RoleUse;

use crate::aws::Aws;

impl Aws {
    /// Returns whether the role is in use, and if not, until when pods may have its credentials.
    ///
    /// The role's item is read consistently. The index is asked as well, because it may show an
    /// association whose arrival nothing has recorded on the role.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn role_use(
        &self,
        role: &RoleArn,
        rules: &ItemRules<'_>,
    ) -> Result<RoleUse, CallError> {
        let Some(record) = self.ledger.roles().read(role).await? else {
            return Ok(RoleUse::default());
        };
        let shown = self.index.any_on(role, rules).await?;
        Ok(record.role_use(shown))
    }
}
