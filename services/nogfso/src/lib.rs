//! All of nogfso in one process on one data folder: a private NATS server, its accounts, and the services.
//!
//! This crate decides who may say what to whom at the broker, who owns the data folder, and the order in which things start
//! and stop. What the services do is theirs; they take the same settings here as in processes of their own.

pub mod accounts;
pub mod broker;
pub mod config;
pub mod context;
pub mod folder;
mod private_file;
pub mod ready;
pub mod roots;
pub mod services;
pub mod signals;
pub mod up;
