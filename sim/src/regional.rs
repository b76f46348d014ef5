//! State that AWS keeps per account and region.

use std::collections::BTreeMap;

use crate::arn::Scope;

/// One `T` for each account and region, empty at first.
#[derive(Default)]
pub(crate) struct Regional<T>(BTreeMap<(String, String), T>);

impl<T: Default> Regional<T> {
    pub(crate) fn of(&mut self, scope: Scope<'_>) -> &mut T {
        let key = (scope.account.to_owned(), scope.region.to_owned());
        self.0.entry(key).or_default()
    }
}
