//! What the step layer and the registry promise, on attempts served from memory; the numbers are those of spec 5.

mod definition;
mod errors;
mod fake;
mod forward;
mod jobs;
mod schemas;
mod undo;
