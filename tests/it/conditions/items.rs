//! The items of both tables: their keys, as tests write and read them, and their kinds.

use rerole_core::resource::AssociationArn;
use serde_json::{Value, json};

use crate::common::environment::{INDEX, LEDGER};

/// The table of an item, and its key as plain JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct TableKey {
    pub table: &'static str,
    pub key: Value,
}

impl TableKey {
    /// The key of an item of the ledger.
    pub fn ledger(key: &str, entry: &str) -> Self {
        Self {
            table: LEDGER,
            key: json!({ "rotationId": key, "entry": entry }),
        }
    }

    /// The key of the rotation of the cases.
    pub fn rotation() -> Self {
        Self::ledger("r-1", "rotation")
    }

    /// The key of the row of an association in that rotation.
    pub fn row(arn: &AssociationArn) -> Self {
        Self::ledger("r-1", &format!("association#{arn}"))
    }

    pub fn role(role: &str) -> Self {
        Self::ledger(&format!("role/{role}"), "role")
    }

    /// The key of an association in the index.
    pub fn association(arn: &AssociationArn) -> Self {
        Self::of(INDEX, |name| match name {
            "clusterArn" => Value::from(arn.cluster_arn()),
            _ => Value::from(arn.association_id()),
        })
    }

    /// The key of an item of this table with these attributes.
    pub fn of(table: &str, attribute: impl Fn(&str) -> Value) -> Self {
        let (table, names) = match table {
            LEDGER => (LEDGER, ["rotationId", "entry"]),
            INDEX => (INDEX, ["clusterArn", "associationId"]),
            other => panic!("a call names the unknown table {other}"),
        };
        let attribute = |name: &str| (name.to_owned(), attribute(name));
        Self {
            table,
            key: names.into_iter().map(attribute).collect(),
        }
    }

    /// The kind of the item, as `rerole_core::keys` tells them apart.
    pub fn kind(&self) -> &'static str {
        let text = |name: &str| self.key[name].as_str().unwrap();
        if self.table == INDEX {
            let is_known_cluster = text("clusterArn").starts_with("clusters/");
            return if is_known_cluster {
                "known cluster"
            } else {
                "association"
            };
        }
        match text("entry").split('#').next().unwrap() {
            "rotation" if text("rotationId").starts_with("rejected/") => "rejection",
            "rotation" => "rotation",
            "association" => "row",
            "reversion" => "reversion",
            "timeline" => "timeline entry",
            "command" => "command",
            "stack" => "stack",
            "role" => "role",
            "from" | "onto" => "rotation of a role",
            "run" => "index run",
            "next" => "waiting index run",
            "region" => "region index",
            "rates" => "learned rate",
            other => panic!("a call writes the unknown entry {other}"),
        }
    }
}
