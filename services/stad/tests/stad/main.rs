//! A worker on real directories: on the in-memory journal, and as a process beside a real NATS server.

#[cfg(test)]
mod in_memory;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod world;
