//! Builds DynamoDB items and update expressions from plain structs. Every attribute name is written
//! as a placeholder, because many names of the contract (`status`, `reason`, `counts`, …) are
//! reserved words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

/// A DynamoDB item: attribute values by name.
pub type Item = HashMap<String, AttributeValue>;

/// An update expression, and the condition for the update.
#[derive(Debug, Default, Clone)]
pub struct Expression {
    sets: Vec<String>,
    removes: Vec<String>,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// Adds a `SET` of every field of `attributes`.
    ///
    /// # Panics
    /// If a field has a type that no item can hold. The structs of this crate have only texts,
    /// numbers, booleans and maps.
    #[must_use]
    pub fn set_all(self, attributes: &impl Serialize) -> Self {
        let item = to_item(attributes);
        // In a fixed order, so equal updates are equal requests.
        let mut attributes: Vec<(String, AttributeValue)> = item.into_iter().collect();
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        attributes
            .into_iter()
            .fold(self, |expression, (name, value)| {
                expression.set(&name, value)
            })
    }

    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = :{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// Adds a `SET` of the attribute, or a `REMOVE` if there is no value.
    #[must_use]
    pub fn set_or_remove(self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.removes.push(format!("#{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self
    }

    /// Adds a condition. `names` and `values` are the `#names` and `:values` that only it uses.
    #[must_use]
    pub fn only_if(
        mut self,
        condition: &str,
        names: &[&str],
        values: &[(&str, AttributeValue)],
    ) -> Self {
        self.condition = Some(condition.to_owned());
        self.names.extend(
            names
                .iter()
                .map(|name| (format!("#{name}"), (*name).to_owned())),
        );
        self.values.extend(
            values
                .iter()
                .map(|(name, value)| (format!(":{name}"), value.clone())),
        );
        self
    }

    /// Returns the update expression: `SET … REMOVE …`.
    #[must_use]
    pub fn update(&self) -> String {
        let clause = |word: &str, parts: &[String]| {
            if parts.is_empty() {
                String::new()
            } else {
                format!("{word} {} ", parts.join(", "))
            }
        };
        format!(
            "{}{}",
            clause("SET", &self.sets),
            clause("REMOVE", &self.removes)
        )
        .trim_end()
        .to_owned()
    }

    #[must_use]
    pub fn condition(&self) -> Option<String> {
        self.condition.clone()
    }

    #[must_use]
    pub fn names(&self) -> HashMap<String, String> {
        self.names.clone()
    }

    /// Returns the values, or `None` if there are none, because DynamoDB rejects an empty map.
    #[must_use]
    pub fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Converts a struct to an item.
///
/// # Panics
/// As [`Expression::set_all`].
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "the crate's structs of texts, numbers, booleans and maps"
)]
pub fn to_item(attributes: &impl Serialize) -> Item {
    serde_dynamo::to_item(attributes)
        .expect("the crate's structs have only texts, numbers, booleans and maps")
}

/// Creates a text attribute.
#[must_use]
pub fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// Creates a number attribute.
#[must_use]
pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_name_is_a_placeholder() {
        #[derive(Serialize)]
        struct Attributes {
            status: &'static str,
            counts: u32,
        }
        let expression = Expression::default()
            .set_all(&Attributes {
                status: "InProgress",
                counts: 3,
            })
            .remove("leaseUntil")
            .only_if("#fence = :fence", &["fence"], &[("fence", number(2))]);
        assert_eq!(
            expression.update(),
            "SET #counts = :counts, #status = :status REMOVE #leaseUntil"
        );
        assert_eq!(expression.condition().as_deref(), Some("#fence = :fence"));
        assert_eq!(expression.names().len(), 4);
        assert_eq!(
            expression.values().unwrap()[":counts"],
            AttributeValue::N("3".to_owned())
        );
    }

    #[test]
    fn an_expression_without_values_has_no_value_map() {
        assert_eq!(Expression::default().remove("a").update(), "REMOVE #a");
        assert_eq!(Expression::default().remove("a").values(), None);
    }
}
