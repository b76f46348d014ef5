//! Lists that AWS returns page by page, and the loop over their pages. Two readers do other work
//! before they read the next page, so they keep its start themselves: the region queues of a
//! rotation (`execute.rs`) and the walk through a cluster.

use rerole_core::call::{CallError, Operation};

use crate::aws::dynamodb::Item;

/// Where a page starts in DynamoDB: the key of the last item of the page before it.
#[derive(Debug, Clone, PartialEq)]
pub struct PageStart(pub(super) Item);

/// One page of a list. `C` is where the next page starts: a key in DynamoDB, a token in EKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C = PageStart> {
    pub items: Vec<T>,
    /// `None` after the last page.
    pub next: Option<C>,
}

/// What is read, and the number of pages beyond which the list counts as endless.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    pub list: &'static str,
    pub pages_max: u32,
}

/// Where the next page of a list starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPage<C = PageStart> {
    /// `None` for the first page.
    At(Option<C>),
    /// There is no other page, or it is being read.
    None,
}

/// The pages of one list, from the first to the last.
#[derive(Debug)]
pub struct Pages<C, F> {
    limit: PageLimit,
    read: F,
    next: NextPage<C>,
    /// How many pages were read.
    count: u32,
}

/// Reads a list page by page with `read`, which gets the start of each page but the first.
pub fn paginate<C, F>(limit: PageLimit, read: F) -> Pages<C, F> {
    Pages {
        limit,
        read,
        next: NextPage::first(),
        count: 0,
    }
}

impl<C, F> Pages<C, F> {
    /// Returns the items of the next page, or `None` after the last one, and after an error.
    ///
    /// # Errors
    /// If the page cannot be read, or the list has more pages than its limit.
    pub async fn next<T, E>(&mut self) -> Result<Option<Vec<T>>, E>
    where
        F: AsyncFnMut(Option<C>) -> Result<Page<T, C>, E>,
        E: From<CallError>,
    {
        let Some(start) = self.next.take() else {
            return Ok(None);
        };
        if self.count == self.limit.pages_max {
            let operation = Operation::on("read all pages of", &self.limit.list);
            let message = format!("the list has more than {} pages", self.limit.pages_max);
            return Err(CallError::limit_reached(operation, message).into());
        }
        let page = (self.read)(start).await?;
        self.count += 1;
        self.next = NextPage::after(page.next);
        Ok(Some(page.items))
    }
}

impl<C> NextPage<C> {
    #[must_use]
    pub fn first() -> Self {
        Self::At(None)
    }

    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns what follows a page that ended with this start of the next one.
    #[must_use]
    pub fn after(next: Option<C>) -> Self {
        next.map_or(Self::None, |next| Self::At(Some(next)))
    }

    /// Returns the start of the page to read now, if there is one. Until that page is read, there
    /// is no next one.
    pub fn take(&mut self) -> Option<Option<C>> {
        match std::mem::replace(self, Self::None) {
            Self::At(start) => Some(start),
            Self::None => None,
        }
    }
}

impl<T, C> Page<T, C> {
    /// Converts each item.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U, C> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            next: self.next,
        }
    }

    /// Converts each item.
    ///
    /// # Errors
    /// The first error of a conversion.
    pub fn try_map<U, E>(self, convert: impl FnMut(T) -> Result<U, E>) -> Result<Page<U, C>, E> {
        Ok(Page {
            items: self
                .items
                .into_iter()
                .map(convert)
                .collect::<Result<_, _>>()?,
            next: self.next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: PageLimit = PageLimit {
        list: "numbers",
        pages_max: 3,
    };

    /// Reads a list of this many pages, each with its own number. Returns the numbers and the
    /// starts of the pages.
    async fn read(pages: u32) -> (Result<Vec<u32>, CallError>, Vec<Option<u32>>) {
        let mut starts = Vec::new();
        let mut numbers = Vec::new();
        let result = async {
            let mut list = paginate(LIMIT, async |start: Option<u32>| {
                starts.push(start);
                let number = start.unwrap_or(1);
                Ok::<_, CallError>(Page {
                    items: vec![number],
                    next: (number < pages).then_some(number + 1),
                })
            });
            while let Some(page) = list.next().await? {
                numbers.extend(page);
            }
            Ok(())
        }
        .await;
        (result.map(|()| numbers), starts)
    }

    #[tokio::test]
    async fn each_page_starts_where_the_one_before_it_ended() {
        let (numbers, starts) = read(3).await;
        assert_eq!(numbers.unwrap(), [1, 2, 3]);
        assert_eq!(starts, [None, Some(2), Some(3)]);
        assert_eq!(read(1).await.0.unwrap(), [1]);
    }

    #[tokio::test]
    async fn a_list_that_does_not_end_is_an_error() {
        let (numbers, starts) = read(u32::MAX).await;
        assert_eq!(
            numbers.unwrap_err().to_string(),
            "read all pages of numbers: LimitReached: the list has more than 3 pages"
        );
        assert_eq!(starts.len(), 3);
    }
}
