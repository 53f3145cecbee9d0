//! The crate against real directories, and against the real `git` as a reader of what it writes.

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod creation;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod git_maintenance;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod loss;
#[cfg(test)]
mod names;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod records;
#[cfg(test)]
mod unreadable;
#[cfg(test)]
mod worked_example;
