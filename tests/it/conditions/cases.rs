//! Runs the cases of one write: in a world of its own for each case, the item is changed just
//! before the product's call, and the embedded engine says whether the condition holds.

use std::fmt;
use std::sync::{Arc, Mutex};

use rerole::aws::Aws;
use rerole_sim::{Call, CallRecord, Fault, Options, SimulatedAws};
use serde_json::Value;

use crate::conditions::expression::{Branch, Condition};
use crate::conditions::items::TableKey;
use crate::conditions::writes::sent_by;
use crate::harness::{Harness, in_virtual_time};

/// Whether the condition of a write holds. If it fails, DynamoDB refuses the write, or a filter
/// leaves the item out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Holds,
    Fails,
}

/// A change of the item before the call.
#[derive(Debug, Clone, Default)]
pub struct Edit(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Set(&'static str, Value),
    Unset(&'static str),
    Delete,
}

/// Runs the cases of one write, or of some that are alike.
pub type Table = fn() -> Vec<Outcome>;

/// What became of one case.
#[derive(Debug)]
pub struct Outcome {
    /// The write, as the tables call it.
    pub write: &'static str,
    pub edit: Edit,
    pub expected: Expected,
    pub found: Expected,
    /// The line of the list.
    pub line: String,
    pub condition: Condition,
    pub branches: Vec<Branch>,
}

/// The AWS of one case.
pub struct World {
    pub harness: Harness,
    /// The clients of the rotate function.
    pub aws: Aws,
    /// The clients of the indexer.
    pub indexer: Aws,
    edit: Edit,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// The call that the case is about.
#[derive(Debug)]
struct Seen {
    index: usize,
    /// The position of the write in a transaction.
    part: usize,
    line: String,
    condition: Condition,
    branches: Vec<Branch>,
}

/// Runs the cases of one write. `call` prepares the world, arms it, and calls the product.
pub fn cases(
    write: &'static str,
    call: impl AsyncFn(&World),
    rows: impl IntoIterator<Item = (Edit, Expected)>,
) -> Vec<Outcome> {
    let rows = rows.into_iter();
    rows.map(|(edit, expected)| {
        in_virtual_time(async {
            let world = World::new(edit.clone());
            call(&world).await;
            let Some(seen) = world.seen.lock().unwrap().take() else {
                panic!("{write}: no call has a condition on the item");
            };
            let found = world.result(&seen);
            // The list is made from the cases, so the harness does not hold them against it.
            world.harness.aws.clear_calls();
            let Seen {
                line,
                condition,
                branches,
                ..
            } = seen;
            Outcome {
                write,
                edit,
                expected,
                found,
                line,
                condition,
                branches,
            }
        })
    })
    .collect()
}

impl World {
    fn new(edit: Edit) -> Self {
        let harness = Harness::new(Options::default());
        Self {
            aws: harness.clients(),
            indexer: harness.indexer_clients(),
            harness,
            edit,
            seen: Arc::default(),
        }
    }

    /// Changes the item just before the next call with a condition on it, or with a filter.
    pub fn arm(&self, item: TableKey) {
        let (sim, edit) = (self.harness.aws.clone(), self.edit.clone());
        let seen = self.seen.clone();
        self.harness.aws.on_call(move |call| {
            let mut seen = seen.lock().unwrap();
            if seen.is_none()
                && let Some((part, condition, line)) = conditional(call, &item)
            {
                edit.apply(&sim, &item);
                *seen = Some(Seen {
                    index: call.index,
                    part,
                    line,
                    branches: condition.branches(item_of(&sim, &item).as_ref()),
                    condition,
                });
            }
            Fault::None
        });
    }

    /// Whether the condition held, by the engine's response to the call.
    fn result(&self, seen: &Seen) -> Expected {
        let CallRecord {
            response,
            error_code,
            ..
        } = &self.harness.aws.calls()[seen.index];
        match error_code.as_deref() {
            None => match response.get("Items") {
                Some(items) if items.as_array().unwrap().is_empty() => Expected::Fails,
                _ => Expected::Holds,
            },
            Some("ConditionalCheckFailedException") => Expected::Fails,
            Some("TransactionCanceledException") => {
                let reasons = response["CancellationReasons"].as_array().unwrap();
                for (part, reason) in reasons.iter().enumerate() {
                    let is_refused = reason["Code"] == "ConditionalCheckFailed";
                    assert_eq!(is_refused, part == seen.part, "part {part}: {response}");
                }
                Expected::Fails
            }
            Some(other) => panic!("the call failed with {other}: {response}"),
        }
    }
}

/// The condition on this item in a call, or the call's filter.
fn conditional(call: &Call, item: &TableKey) -> Option<(usize, Condition, String)> {
    let sent = sent_by(call).into_iter().enumerate();
    sent.filter(|(_, sent)| sent.item.as_ref().is_none_or(|of| of == item))
        .find_map(|(part, sent)| Some((part, sent.condition()?, sent.line)))
}

fn item_of(aws: &SimulatedAws, item: &TableKey) -> Option<Value> {
    let mut items = aws.items(item.table).into_iter();
    items.find(|found| {
        let mut key = item.key.as_object().unwrap().iter();
        key.all(|(name, value)| found[name] == *value)
    })
}

/// The item as the call finds it without a change.
pub fn as_it_is() -> Edit {
    Edit::default()
}

/// Sets an attribute. If there is no item, it gets the key and the attribute.
pub fn set(name: &'static str, value: impl Into<Value>) -> Edit {
    Edit::default().set(name, value)
}

pub fn unset(name: &'static str) -> Edit {
    Edit::default().unset(name)
}

pub fn no_item() -> Edit {
    Edit(vec![Step::Delete])
}

impl Edit {
    pub fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push(Step::Set(name, value.into()));
        self
    }

    pub fn unset(mut self, name: &'static str) -> Self {
        self.0.push(Step::Unset(name));
        self
    }

    pub fn apply(&self, aws: &SimulatedAws, item: &TableKey) {
        for step in &self.0 {
            let mut edited = item_of(aws, item).unwrap_or_else(|| item.key.clone());
            match step {
                Step::Set(name, value) => edited[name] = value.clone(),
                Step::Unset(name) => drop(edited.as_object_mut().unwrap().remove(*name)),
                Step::Delete => {
                    aws.delete_item(item.table, item.key.clone());
                    continue;
                }
            }
            aws.put_item(item.table, edited);
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.iter().map(|step| match step {
            Step::Set(name, value) => format!("{name}: {value}"),
            Step::Unset(name) => format!("no {name}"),
            Step::Delete => "no item".to_owned(),
        });
        let steps: Vec<String> = steps.collect();
        f.write_str(if steps.is_empty() { "as it is" } else { "" })?;
        f.write_str(&steps.join(", "))
    }
}
