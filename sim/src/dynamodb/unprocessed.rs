//! Batches that AWS processes only in part: the entries left out are taken from the request and put into the answer.

use crate::chance::Chance;
use serde_json::{Map, Value};

/// `BatchWriteItem` takes at most 25 entries, `BatchGetItem` 100. Larger batches go through whole, to be refused.
const BATCH_WRITE_MAX: usize = 25;
const BATCH_GET_MAX: usize = 100;

/// Takes a share of the entries out of the request and returns them in the form of the answer's `UnprocessedItems` or
/// `UnprocessedKeys`. The first entry always stays: AWS answers a batch of which it processed nothing with an error.
pub(crate) fn withhold(operation: &str, body: &mut Value, share: f64, chance: &mut Chance) -> Map<String, Value> {
    let mut withheld = Map::new();
    let most = if operation == "BatchWriteItem" { BATCH_WRITE_MAX } else { BATCH_GET_MAX };
    let Some(tables) = body.get_mut("RequestItems").and_then(Value::as_object_mut) else { return withheld };
    if tables.values().map(|table| entries(table).map_or(0, Vec::len)).sum::<usize>() > most {
        return withheld;
    }
    // In order of the tables' names: SDKs write this map in an order of their own, which would unsettle the draws.
    let mut names: Vec<String> = tables.keys().cloned().collect();
    names.sort_unstable();
    let mut is_first = true;
    for name in names {
        let table = tables.get_mut(&name).expect("a name that was just listed is there");
        let mut rest = table.clone();
        let (Some(kept), Some(left)) = (entries_mut(table), entries_mut(&mut rest)) else { continue };
        let stays: Vec<bool> = kept.iter().map(|_| std::mem::take(&mut is_first) || !chance.happens(share)).collect();
        let mut at = stays.iter();
        kept.retain(|_| *at.next().expect("one decision for each entry"));
        let mut at = stays.iter();
        left.retain(|_| !at.next().expect("one decision for each entry"));
        let (is_emptied, is_withheld) = (kept.is_empty(), !left.is_empty());
        if is_withheld {
            withheld.insert(name.clone(), rest);
        }
        if is_emptied {
            tables.remove(&name);
        }
    }
    withheld
}

/// Puts what was withheld into the answer.
pub(crate) fn give_back(operation: &str, answer: &mut Value, withheld: Map<String, Value>) {
    let member = if operation == "BatchWriteItem" { "UnprocessedItems" } else { "UnprocessedKeys" };
    answer[member] = Value::Object(withheld);
}

/// One table's entries: the list itself when writing, its `Keys` when reading.
fn entries(table: &Value) -> Option<&Vec<Value>> {
    table.as_array().or_else(|| table.get("Keys")?.as_array())
}

fn entries_mut(table: &mut Value) -> Option<&mut Vec<Value>> {
    if table.is_array() { table.as_array_mut() } else { table.get_mut("Keys")?.as_array_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_entry_is_either_processed_or_given_back() {
        for seed in 0..50 {
            let mut chance = Chance::from_seed(seed);
            let numbers: Vec<Value> = (0..10).map(|n| json!({ "PutRequest": { "Item": { "n": n } } })).collect();
            let mut body = json!({ "RequestItems": { "A": numbers, "B": numbers } });
            let withheld = withhold("BatchWriteItem", &mut body, 0.5, &mut chance);
            let len = |tables: &Map<String, Value>| tables.values().filter_map(entries).map(Vec::len).sum::<usize>();
            let kept = body["RequestItems"].as_object().expect("the map stays");
            assert_eq!(len(kept) + len(&withheld), 20, "seed {seed}");
            assert!(kept["A"][0] == numbers[0], "seed {seed}: the first entry stays");
        }
    }

    /// DynamoDB refuses a batch with an empty list in it.
    #[test]
    fn a_table_of_which_nothing_stays_leaves_the_batch() {
        let mut body =
            json!({ "RequestItems": { "A": { "Keys": [1, 2] }, "B": { "Keys": [3], "ConsistentRead": true } } });
        let withheld = withhold("BatchGetItem", &mut body, 1.0, &mut Chance::from_seed(1));
        assert_eq!(body, json!({ "RequestItems": { "A": { "Keys": [1] } } }));
        assert_eq!(
            Value::Object(withheld),
            json!({ "A": { "Keys": [2] }, "B": { "Keys": [3], "ConsistentRead": true } })
        );
    }
}
