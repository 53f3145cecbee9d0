//! A cost for work that else is too quick for a test to meet it in hand.

/// The environment variable that says how long each file takes, in microseconds.
#[cfg(feature = "on")]
pub const COST_PER_FILE_US: &str = "NOGFSO_COST_PER_FILE_US";

/// Takes as long as `files` files are to take. Nothing in a product.
#[cfg(feature = "on")]
#[expect(
    clippy::disallowed_methods,
    reason = "what tests plant is no setting, and this crate is empty in a product"
)]
pub fn spend(files: u64) {
    static COST_US: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let read = || std::env::var(COST_PER_FILE_US).ok()?.parse().ok();
    let cost_us = *COST_US.get_or_init(|| read().unwrap_or_default());
    if cost_us > 0 {
        std::thread::sleep(std::time::Duration::from_micros(
            cost_us.saturating_mul(files),
        ));
    }
}

/// Takes as long as `files` files are to take. Nothing in a product.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn spend(_files: u64) {}
