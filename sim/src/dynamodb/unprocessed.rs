//! Batches that are processed only in part: some entries are taken out of the request and added to
//! the response.

use std::mem;

use serde_json::{Map, Value};

use crate::rng::Rng;

/// The limits of a batch. A larger batch is not split: DynamoDB refuses it.
const BATCH_WRITE_MAX: usize = 25;
const BATCH_GET_MAX: usize = 100;

/// Takes a share of the entries out of the request and returns them in the form of the response's
/// `UnprocessedItems` or `UnprocessedKeys`. The first entry always stays: AWS responds with an
/// error if it can process none.
pub(crate) fn withhold(
    operation: &str,
    body: &mut Value,
    share: f64,
    rng: &mut Rng,
) -> Map<String, Value> {
    let mut withheld = Map::new();
    let Some(tables) = body.get_mut("RequestItems").and_then(Value::as_object_mut) else {
        return withheld;
    };
    let max = if operation == "BatchWriteItem" {
        BATCH_WRITE_MAX
    } else {
        BATCH_GET_MAX
    };
    if entry_count(tables) > max {
        return withheld;
    }
    // In order of the tables' names: SDKs write this map in a varying order, and the draws must not
    // depend on it.
    let mut names: Vec<String> = tables.keys().cloned().collect();
    names.sort_unstable();
    let mut is_first = true;
    for name in names {
        let table = tables.get_mut(&name).expect("the name was listed just now");
        let mut rest = table.clone();
        let (Some(kept), Some(taken)) = (entries_mut(table), entries_mut(&mut rest)) else {
            continue;
        };
        let stays: Vec<bool> = kept
            .iter()
            .map(|_| mem::take(&mut is_first) || !rng.happens(share))
            .collect();
        retain(kept, stays.iter().copied());
        retain(taken, stays.iter().map(|stays| !stays));
        let (is_emptied, is_withheld) = (kept.is_empty(), !taken.is_empty());
        if is_withheld {
            withheld.insert(name.clone(), rest);
        }
        if is_emptied {
            // DynamoDB refuses a batch that contains an empty list.
            tables.remove(&name);
        }
    }
    withheld
}

/// Adds the withheld entries to the response.
pub(crate) fn add_to_response(operation: &str, response: &mut Value, withheld: Map<String, Value>) {
    let is_write = operation == "BatchWriteItem";
    let member = if is_write {
        "UnprocessedItems"
    } else {
        "UnprocessedKeys"
    };
    response[member] = Value::Object(withheld);
}

fn entry_count(tables: &Map<String, Value>) -> usize {
    tables.values().filter_map(entries).map(Vec::len).sum()
}

/// One table's entries: the list itself in a write, its `Keys` in a read.
fn entries(table: &Value) -> Option<&Vec<Value>> {
    table.as_array().or_else(|| table.get("Keys")?.as_array())
}

fn entries_mut(table: &mut Value) -> Option<&mut Vec<Value>> {
    if table.is_array() {
        table.as_array_mut()
    } else {
        table.get_mut("Keys")?.as_array_mut()
    }
}

fn retain(entries: &mut Vec<Value>, mut decisions: impl Iterator<Item = bool>) {
    entries.retain(|_| decisions.next().expect("each entry has a decision"));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{entry_count, withhold};
    use crate::rng::Rng;

    #[test]
    fn every_entry_is_either_processed_or_withheld() {
        for seed in 0..50 {
            let mut rng = Rng::from_seed(seed);
            let put = |n| json!({ "PutRequest": { "Item": { "n": n } } });
            let entries: Vec<Value> = (0..10).map(put).collect();
            let mut body = json!({ "RequestItems": { "A": entries, "B": entries } });
            let withheld = withhold("BatchWriteItem", &mut body, 0.5, &mut rng);
            let kept = body["RequestItems"].as_object().expect("the map stays");
            assert_eq!(
                entry_count(kept) + entry_count(&withheld),
                20,
                "seed {seed}"
            );
            assert_eq!(
                kept["A"][0], entries[0],
                "seed {seed}: the first entry stays"
            );
        }
    }

    #[test]
    fn a_table_without_entries_is_removed_from_the_batch() {
        let read_b = json!({ "Keys": [3], "ConsistentRead": true });
        let mut body = json!({ "RequestItems": { "A": { "Keys": [1, 2] }, "B": read_b } });
        let withheld = withhold("BatchGetItem", &mut body, 1.0, &mut Rng::from_seed(1));
        assert_eq!(body, json!({ "RequestItems": { "A": { "Keys": [1] } } }));
        assert_eq!(
            Value::Object(withheld),
            json!({ "A": { "Keys": [2] }, "B": read_b })
        );
    }
}
