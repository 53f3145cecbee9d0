//! How often each rule was met on this thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::Rule;

/// How often each rule was met; those that never were are absent.
pub type Tally = BTreeMap<Rule, u64>;

thread_local! {
    static MET: RefCell<Tally> = const { RefCell::new(Tally::new()) };
}

pub(crate) fn note(rule: Rule) {
    MET.with_borrow_mut(|met| *met.entry(rule).or_default() += 1);
}

/// Forgets what this thread has met.
pub fn forget_met() {
    MET.take();
}

/// What this thread has met since this was last called.
#[must_use]
pub fn take_met() -> Tally {
    MET.take()
}

#[cfg(test)]
mod tests {
    //! Mistakes and marks stay on their thread.

    use crate::{Mutant, Rule, is_planted, met, plant, take_met};

    #[test]
    fn a_mistake_is_made_on_its_own_thread_only() {
        plant(Some(Mutant::NoLock));
        assert!(is_planted(Mutant::NoLock) && !is_planted(Mutant::NoFence));
        let elsewhere = std::thread::spawn(|| is_planted(Mutant::NoLock));
        assert!(!elsewhere.join().unwrap());
        plant(None);
        assert!(!is_planted(Mutant::NoLock));
    }

    #[test]
    fn what_was_met_is_counted_and_taken_once() {
        met(Rule::LockBusy);
        met(Rule::LockBusy);
        assert_eq!(take_met().get(&Rule::LockBusy), Some(&2));
        assert!(take_met().is_empty());
    }
}
