//! `nogfso up` as a whole: who owns a data folder, what survives what, and what the broker lets whom do.

#[cfg(test)]
mod boundary;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod place;
#[cfg(test)]
mod whole;
