//! The cases of index items that cannot be: each is replaced or removed only if it is still the one
//! that was read. Its version and time of deletion may each be a text, absent, or no text.

use rerole_core::indexing::{InvalidItem, ItemKey};
use rerole_core::resource::AssociationArn;

use crate::conditions::cases::Expected::{Fails, Holds};
use crate::conditions::cases::{Edit, Expected, Outcome, Table, World, cases, no_item, set, unset};
use crate::conditions::index_items::{NOW, associate, seen, store_rows, time};
use crate::conditions::items::TableKey;

pub const TABLES: &[Table] = &[removals, replacements];

/// The texts of `modifiedAt` and `deletedAt` in an item that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Read {
    modified_at: Option<&'static str>,
    deleted_at: Option<&'static str>,
}

const BOTH: Read = Read {
    modified_at: Some("soon"),
    deleted_at: Some("never"),
};
const MODIFIED: Read = Read {
    modified_at: Some("soon"),
    deleted_at: None,
};
const DELETED: Read = Read {
    modified_at: None,
    deleted_at: Some("never"),
};
const NEITHER: Read = Read {
    modified_at: None,
    deleted_at: None,
};

impl Read {
    /// The item as it was read.
    fn edit(self) -> Edit {
        let edit = match self.modified_at {
            Some(text) => set("modifiedAt", text),
            None => unset("modifiedAt"),
        };
        match self.deleted_at {
            Some(text) => edit.set("deletedAt", text),
            None => edit.unset("deletedAt"),
        }
    }

    fn invalid(self, arn: &AssociationArn) -> InvalidItem {
        InvalidItem {
            key: ItemKey {
                partition: arn.cluster_arn(),
                sort: arn.association_id().to_owned(),
            },
            modified_at: self.modified_at.map(str::to_owned),
            deleted_at: self.deleted_at.map(str::to_owned),
            problem: "it cannot be".to_owned(),
        }
    }

    /// The item after changes of one or both attributes. "zzz" is later than any time, so no other
    /// condition on the item holds.
    fn rows(self) -> Vec<(Edit, Expected)> {
        let mut rows = vec![(self.edit(), Holds)];
        for (name, read) in [
            ("modifiedAt", self.modified_at),
            ("deletedAt", self.deleted_at),
        ] {
            let without = if read.is_some() { Fails } else { Holds };
            rows.extend([
                (self.edit().set(name, "zzz"), Fails),
                (self.edit().set(name, 7), without),
                (self.edit().unset(name), without),
            ]);
        }
        let both = self.edit().set("modifiedAt", "zzz").set("deletedAt", "zzz");
        rows.push((both, Fails));
        rows
    }
}

fn removals() -> Vec<Outcome> {
    let remove = |read: Read| {
        async move |world: &World| {
            let arn = associate(world);
            world.arm(TableKey::association(&arn));
            let invalid = world.indexer.index.invalid_items();
            invalid.remove(&read.invalid(&arn)).await.unwrap();
        }
    };
    let removals = |read: Read| {
        // What is neither a text is still neither if there is no item.
        let gone = [(no_item(), if read == NEITHER { Holds } else { Fails })];
        let rows = read.rows().into_iter().chain(gone);
        cases("remove an invalid item", remove(read), rows)
    };
    [BOTH, MODIFIED, DELETED, NEITHER]
        .into_iter()
        .flat_map(removals)
        .collect()
}

fn replacements() -> Vec<Outcome> {
    let store = |read: Read| {
        async move |world: &World| {
            let arn = associate(world);
            world.arm(TableKey::association(&arn));
            let index = &world.indexer.index;
            let (seen, invalid) = (seen(&arn), read.invalid(&arn));
            let stored = index.store(&seen, Some(&invalid), time(NOW));
            stored.await.unwrap();
        }
    };
    let mut outcomes: Vec<Outcome> = [BOTH, MODIFIED, DELETED, NEITHER]
        .into_iter()
        .flat_map(|read| cases("replace an invalid item", store(read), read.rows()))
        .collect();
    // What may be stored without an invalid item may also be stored in place of one.
    outcomes.extend(cases("replace an invalid item", store(BOTH), store_rows()));
    outcomes
}
