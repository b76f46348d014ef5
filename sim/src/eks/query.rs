//! The query of a list operation, and the tokens that lead from page to page.

use percent_encoding::percent_decode_str;

use crate::eks::error::EksError;

/// A page of EKS has at most 100 entries, and by default 100.
const PAGE_LEN_MAX: usize = 100;

/// The parameters of a query, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        // A plus sign is a space in a query, as in forms. AWS signs a space as %20, and a plus sign
        // as %2B.
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(
            pairs
                .map(|(name, value)| (decode(name), decode(value)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the query has no such filter, or one that lets `value` through.
    pub(crate) fn filter_accepts(&self, name: &str, value: &str) -> bool {
        self.get(name).is_none_or(|filter| filter == value)
    }

    /// How many entries a page has.
    pub(crate) fn page_len(&self) -> Result<usize, EksError> {
        let Some(max_results) = self.get("maxResults") else {
            return Ok(PAGE_LEN_MAX);
        };
        match max_results.parse() {
            Ok(len) if (1..=PAGE_LEN_MAX).contains(&len) => Ok(len),
            _ => Err(EksError::invalid_parameter(format!(
                "maxResults must be between 1 and 100, not {max_results}"
            ))),
        }
    }

    /// The key after which the page starts; none for the first page.
    pub(crate) fn start_after(&self) -> Result<Option<String>, EksError> {
        let Some(token) = self.get("nextToken") else {
            return Ok(None);
        };
        match from_hex(token).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Some(key)),
            None => Err(EksError::invalid_parameter(
                "nextToken is not one that this API gave out",
            )),
        }
    }
}

/// The token of the page after the one that ends with `key`: the key in hex, which is opaque to
/// clients.
pub(crate) fn next_token(key: &str) -> String {
    key.bytes()
        .fold(String::with_capacity(key.len() * 2), |token, byte| {
            token + &format!("{byte:02x}")
        })
}

fn from_hex(token: &str) -> Option<String> {
    if !token.is_ascii() || !token.len().is_multiple_of(2) {
        return None;
    }
    let starts = (0..token.len()).step_by(2);
    let bytes = starts.map(|at| u8::from_str_radix(&token[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Query, next_token};

    #[test]
    fn page_lengths_and_tokens_are_checked() {
        let rows = [
            ("", Some(100)),
            ("maxResults=1", Some(1)),
            ("maxResults=101", None),
            ("maxResults=x", None),
        ];
        for (query, len) in rows {
            assert_eq!(Query::parse(query).page_len().ok(), len, "{query}");
        }
        let query = format!("nextToken={}", next_token("arn:ä"));
        assert_eq!(
            Query::parse(&query).start_after(),
            Ok(Some("arn:ä".to_owned()))
        );
        for bad in [
            "nextToken=zz",
            "nextToken=abc",
            "nextToken=",
            "nextToken=%C3%A4",
        ] {
            assert!(Query::parse(bad).start_after().is_err(), "{bad}");
        }
    }
}
