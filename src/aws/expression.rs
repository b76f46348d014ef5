//! DynamoDB update expressions from plain structs: every attribute goes through a placeholder, since half of the
//! contract's names (`status`, `reason`, `counts`, …) are reserved words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

/// An item as DynamoDB takes it.
pub type Item = HashMap<String, AttributeValue>;

/// An update or condition expression in the making.
#[derive(Debug, Default, Clone)]
pub struct Expression {
    sets: Vec<String>,
    removes: Vec<String>,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// `SET`s every member of `members`.
    ///
    /// # Panics
    /// Where `members` has a member that no item can hold: they are our own structs of texts, numbers and maps.
    #[must_use]
    pub fn set_all(self, members: &impl Serialize) -> Self {
        let item = to_item(members);
        // In a fixed order, so that equal updates are equal requests.
        let mut members: Vec<(String, AttributeValue)> = item.into_iter().collect();
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        members.into_iter().fold(self, |expression, (name, value)| expression.set(&name, value))
    }

    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.sets.push(format!("#{name} = :{name}"));
        self.names.insert(format!("#{name}"), name.to_owned());
        self.values.insert(format!(":{name}"), value);
        self
    }

    /// `SET`s the member, or `REMOVE`s it where there is no value.
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

    /// The condition, with the `#names` and `:values` that it uses.
    #[must_use]
    pub fn only_if(mut self, condition: &str, names: &[&str], values: &[(&str, AttributeValue)]) -> Self {
        self.condition = Some(condition.to_owned());
        self.names.extend(names.iter().map(|name| (format!("#{name}"), (*name).to_owned())));
        self.values.extend(values.iter().map(|(name, value)| (format!(":{name}"), value.clone())));
        self
    }

    /// `SET … REMOVE …`.
    #[must_use]
    pub fn update(&self) -> String {
        let clause = |word: &str, parts: &[String]| {
            if parts.is_empty() { String::new() } else { format!("{word} {} ", parts.join(", ")) }
        };
        format!("{}{}", clause("SET", &self.sets), clause("REMOVE", &self.removes)).trim_end().to_owned()
    }

    #[must_use]
    pub fn condition(&self) -> Option<String> {
        self.condition.clone()
    }

    #[must_use]
    pub fn names(&self) -> HashMap<String, String> {
        self.names.clone()
    }

    /// `None` where there are none: DynamoDB refuses an empty map.
    #[must_use]
    pub fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// A struct as an item.
///
/// # Panics
/// As [`Expression::set_all`].
#[must_use]
#[expect(clippy::expect_used, reason = "our own structs of texts, numbers and maps")]
pub fn to_item(members: &impl Serialize) -> Item {
    serde_dynamo::to_item(members).expect("our own structs hold nothing but texts, numbers, booleans and maps")
}

/// A text attribute.
#[must_use]
pub fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
#[must_use]
pub fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_goes_through_a_placeholder() {
        #[derive(Serialize)]
        struct Members {
            status: &'static str,
            counts: u32,
        }
        let expression = Expression::default()
            .set_all(&Members { status: "InProgress", counts: 3 })
            .remove("leaseUntil")
            .only_if("#fence = :fence", &["fence"], &[("fence", number(2))]);
        assert_eq!(expression.update(), "SET #counts = :counts, #status = :status REMOVE #leaseUntil");
        assert_eq!(expression.condition().as_deref(), Some("#fence = :fence"));
        assert_eq!(expression.names().len(), 4);
        assert_eq!(expression.values().unwrap()[":counts"], AttributeValue::N("3".to_owned()));
    }

    #[test]
    fn an_expression_without_values_has_no_map_of_them() {
        assert_eq!(Expression::default().remove("a").update(), "REMOVE #a");
        assert_eq!(Expression::default().remove("a").values(), None);
    }
}
