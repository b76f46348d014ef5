//! Pages of lists. A token is the position of the next entry.

use serde_json::Value;

use crate::protocol::error::ApiError;
use crate::protocol::request::ApiRequest;

/// The members by which an operation pages, and how many entries a page has by default.
pub(crate) struct Paging {
    pub(crate) limit: &'static str,
    pub(crate) token: &'static str,
    pub(crate) default: usize,
}

impl Paging {
    /// The page that the request asks for, and the token of the next page; null after the last one.
    pub(crate) fn page(
        &self,
        request: &ApiRequest,
        entries: Vec<Value>,
    ) -> Result<(Vec<Value>, Value), ApiError> {
        let start = match request.text(self.token) {
            None => 0,
            Some(token) => token
                .parse()
                .map_err(|_| request.invalid(format!("{} is not valid: {token}", self.token)))?,
        };
        let limit = request.count(self.limit).filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let end = start + limit.unwrap_or(self.default);
        let next = if end < entries.len() {
            Value::String(end.to_string())
        } else {
            Value::Null
        };
        let page = entries.into_iter().skip(start).take(end - start);
        Ok((page.collect(), next))
    }
}
