//! The test kit on jobs and actions that are right, and on some that are not.

mod explored;
mod found;
mod given;
mod jobs;
mod planted;
