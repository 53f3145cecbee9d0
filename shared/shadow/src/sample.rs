//! A bounded excerpt of a list that may be long: the first few items in order, and how many there were.

/// How many items a [`Sample`] keeps.
pub const SAMPLE_COUNT_MAX: usize = 10;

/// Keeps the smallest items of all it was given, so that the excerpt does not depend on the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample<T> {
    /// The first items in ascending order, at most [`SAMPLE_COUNT_MAX`].
    pub first: Vec<T>,
    /// How many items there were in all.
    pub count: u64,
}

impl<T> Default for Sample<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T: Ord> Sample<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.count += 1;
        let at = self.first.partition_point(|kept| *kept <= item);
        if at < SAMPLE_COUNT_MAX {
            self.first.truncate(SAMPLE_COUNT_MAX - 1);
            self.first.insert(at, item);
        }
    }

    /// Whether nothing was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_items_are_kept_whatever_the_order() {
        let mut sample = Sample::default();
        for item in [5, 3, 11, 9, 1, 7, 2, 12, 4, 10, 8, 6, 0] {
            sample.push(item);
        }
        assert_eq!(sample.first, (0..10).collect::<Vec<_>>());
        assert_eq!(sample.count, 13);
    }
}
