//! Expressions: what an update changes, and the condition of a write, a query or a filter.
//!
//! A change writes every attribute name as a placeholder (`#status`), because many names of the
//! contract are reserved words of DynamoDB (`status`, `reason`, `counts`, …). A condition has
//! placeholders only where its text needs them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use crate::aws::dynamodb::{Item, number, to_item};

/// What an update changes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Change {
    sets: Vec<String>,
    adds: Vec<String>,
    removes: Vec<String>,
    placeholders: Placeholders,
}

/// A condition. An absent attribute fulfils no comparison.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    text: String,
    placeholders: Placeholders,
}

/// The `#names` and `:values` of an expression.
#[derive(Debug, Default, Clone)]
pub(super) struct Placeholders {
    names: HashMap<String, String>,
    values: Item,
}

impl Change {
    /// Sets every field of `attributes`.
    ///
    /// # Panics
    /// As [`to_item`].
    #[must_use]
    pub(crate) fn set_all(self, attributes: &impl Serialize) -> Self {
        let item = to_item(attributes);
        // In a fixed order, so equal updates are equal requests.
        let mut attributes: Vec<(String, AttributeValue)> = item.into_iter().collect();
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        attributes
            .into_iter()
            .fold(self, |change, (name, value)| change.set(&name, value))
    }

    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = :{name}"));
        self.placeholders.name(name);
        self.placeholders.value(name, value);
        self
    }

    /// Sets every field of `attributes` that the item does not have yet.
    ///
    /// # Panics
    /// As [`to_item`].
    #[must_use]
    pub(crate) fn set_all_if_absent(mut self, attributes: &impl Serialize) -> Self {
        for (name, value) in to_item(attributes) {
            self.sets
                .push(format!("#{name} = if_not_exists(#{name}, :{name})"));
            self.placeholders.name(&name);
            self.placeholders.value(&name, value);
        }
        self
    }

    /// Sets the attribute, or removes it if there is no value.
    #[must_use]
    pub(crate) fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Adds one to a number. An absent attribute counts as zero.
    #[must_use]
    pub(crate) fn increment(mut self, name: &str) -> Self {
        self.adds.push(format!("#{name} :one"));
        self.placeholders.name(name);
        self.placeholders.value("one", number(1));
        self
    }

    /// Adds one to the member `count` of the attribute `counts`.
    #[must_use]
    pub(crate) fn increment_count(mut self, count: &str) -> Self {
        let path = format!("#counts.#{count}");
        self.sets.push(format!("{path} = {path} + :one"));
        self.placeholders.name("counts");
        self.placeholders.name(count);
        self.placeholders.value("one", number(1));
        self
    }

    #[must_use]
    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.removes.push(format!("#{name}"));
        self.placeholders.name(name);
        self
    }

    /// Returns the update expression, `SET … ADD … REMOVE …`, and its placeholders.
    pub(super) fn into_parts(self) -> (String, Placeholders) {
        let clauses = [
            ("SET", self.sets),
            ("ADD", self.adds),
            ("REMOVE", self.removes),
        ];
        let clauses: Vec<String> = clauses
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(word, parts)| format!("{word} {}", parts.join(", ")))
            .collect();
        (clauses.join(" "), self.placeholders)
    }
}

impl Condition {
    /// Creates a condition with `#names` and `:values` as placeholders.
    #[must_use]
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            placeholders: Placeholders::default(),
        }
    }

    /// Defines `#name`.
    #[must_use]
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.placeholders.name(name);
        self
    }

    /// Defines `:name`.
    #[must_use]
    pub(crate) fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.placeholders.value(name, value);
        self
    }

    /// Also holds if another condition does.
    #[must_use]
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.text = format!("({}) OR ({})", self.text, other.text);
        self.placeholders = self.placeholders.merged(other.placeholders);
        self
    }

    /// Also requires another condition.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.text = format!("({}) AND ({})", self.text, other.text);
        self.placeholders = self.placeholders.merged(other.placeholders);
        self
    }

    /// Returns the expression and its placeholders.
    pub(super) fn into_parts(self) -> (String, Placeholders) {
        (self.text, self.placeholders)
    }
}

impl Placeholders {
    pub(super) fn merged(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        self.values.extend(other.values);
        self
    }

    /// Returns the names and the values, or `None` if there are none: DynamoDB rejects an empty
    /// map.
    pub(super) fn into_parts(self) -> (Option<HashMap<String, String>>, Option<Item>) {
        let Self { names, values } = self;
        (
            (!names.is_empty()).then_some(names),
            (!values.is_empty()).then_some(values),
        )
    }

    fn name(&mut self, name: &str) {
        self.names.insert(format!("#{name}"), name.to_owned());
    }

    fn value(&mut self, name: &str, value: AttributeValue) {
        self.values.insert(format!(":{name}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_name_of_a_change_is_a_placeholder() {
        #[derive(Serialize)]
        struct Attributes {
            status: &'static str,
            reason: u32,
        }
        let (text, placeholders) = Change::default()
            .set_all(&Attributes {
                status: "InProgress",
                reason: 3,
            })
            .increment_count("reverted")
            .increment("reversionCount")
            .remove("leaseUntil")
            .into_parts();
        assert_eq!(
            text,
            "SET #reason = :reason, #status = :status, \
             #counts.#reverted = #counts.#reverted + :one \
             ADD #reversionCount :one REMOVE #leaseUntil"
        );
        let (names, values) = placeholders.into_parts();
        assert_eq!(names.unwrap().len(), 6);
        assert_eq!(
            values.unwrap()[":reason"],
            AttributeValue::N("3".to_owned())
        );
    }

    #[test]
    fn a_change_without_values_has_no_value_map() {
        let (text, placeholders) = Change::default().remove("a").into_parts();
        assert_eq!(text, "REMOVE #a");
        assert_eq!(placeholders.into_parts().1, None);
    }

    #[test]
    fn both_conditions_must_hold() {
        let either = Condition::new("a = :a OR b = :a").value("a", number(1));
        let both = either.and(Condition::new("#fence = :fence").name("fence"));
        let (text, placeholders) = both.value("fence", number(2)).into_parts();
        assert_eq!(text, "(a = :a OR b = :a) AND (#fence = :fence)");
        let (names, values) = placeholders.into_parts();
        assert_eq!((names.unwrap().len(), values.unwrap().len()), (1, 2));
    }
}
