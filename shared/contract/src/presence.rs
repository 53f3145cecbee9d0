//! What a worker says about itself.

use nogfso_ids::{GlobalPath, Host, HostPath, Instance, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a worker says that it is there, in milliseconds.
pub const PRESENCE_EVERY_MS: u64 = 2_000;
/// After how long without a word a worker counts as gone, in milliseconds.
pub const PRESENCE_GONE_MS: u64 = 7_000;

/// How much work a worker names that it is locked out of.
pub const LOCKED_OUT_MAX: usize = 64;

/// A worker instance that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// The file host that it serves.
    pub host: Host,
    /// Its name.
    pub instance: Instance,
    /// The global paths that it is responsible for, each with all below it; none means all of its host.
    pub prefixes: Vec<GlobalPath>,
    /// Where its shadow repos are.
    pub shadow_root: HostPath,
    /// What a directory may hold to be adopted.
    pub limits: InitLimits,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_ms: UnixMillis,
    /// How many repos it works on at a time.
    pub slots: u32,
    /// How many repos it works on now.
    pub busy: u32,
    /// Whether it takes new work; false while it drains.
    pub ready: bool,
    /// What it would work on if no other process had the lock; at most [`LOCKED_OUT_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locked_out: Vec<LockedOut>,
}

/// Work that waits because a process has its lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockedOut {
    /// The journal subject of the work.
    pub subject: String,
    /// Who has the lock.
    pub holder: Instance,
}

/// What a directory may hold to be adopted; 0 means unlimited (spec stad 8.3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InitLimits {
    /// Entries, the directory itself included.
    pub files_max: u64,
    /// Bytes of distinct regular files.
    pub bytes_max: u64,
    /// Limits of prefixes, in order; the first that matches counts in place of the general ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<PathLimit>,
    /// Limits of single repos; one that matches counts before all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repos: Vec<PathLimit>,
}

/// A limit for a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathLimit {
    /// The path.
    pub path: GlobalPath,
    /// Entries, the directory itself included; 0 means unlimited.
    pub files_max: u64,
    /// Bytes of distinct regular files; 0 means unlimited.
    pub bytes_max: u64,
}

/// Asks one worker instance what it serves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhatServed {}

/// The claims that a worker instance serves at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Served {
    /// The journal subject of the work and the epoch of the claim.
    pub claims: Vec<ServedClaim>,
}

/// One claim that is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServedClaim {
    /// The journal subject of the work.
    pub subject: String,
    /// The epoch of the claim.
    pub epoch: u64,
}
