//! Carrying out commands.

mod parked;
mod registry;
mod repo;
mod request;

pub(crate) use request::{ended_well, unknown_request};

use nogfso_contract::{Call, Failure, VidArg};
use nogfso_ids::CommandId;
use nogfso_journal::CommandStamp;
use nogfso_journal::store::By;
use sha2::{Digest, Sha256};

use crate::caller::Caller;

/// Who gives `command`, upon which version, under which id.
///
/// # Errors
///
/// Fails only if the command cannot be written, which is a defect.
fn by<C: Call>(
    caller: &Caller,
    command: &C,
    vid: Option<VidArg>,
    command_id: Option<&CommandId>,
) -> Result<By, Failure> {
    let stamp = match command_id {
        Some(id) => Some(CommandStamp {
            id: id.to_string(),
            digest: digest(command)?,
        }),
        None => None,
    };
    Ok(By {
        expected: vid.map(|vid| vid.0).unwrap_or_default(),
        command: stamp,
        correlation: command_id.map(ToString::to_string),
        ..By::actor(caller.actor().as_str())
    })
}

/// The digest of a command's name and arguments; the same for the same command.
fn digest<C: Call>(command: &C) -> Result<String, Failure> {
    let arguments = nogfso_contract::codec::Encoding::Json.encode(command)?;
    let mut hash = Sha256::new();
    hash.update(C::SUBJECT);
    hash.update([0]);
    hash.update(arguments);
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
