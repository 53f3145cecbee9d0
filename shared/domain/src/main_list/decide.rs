//! The rules of the main list.

use nogfso_ids::RegistryName;

use super::{
    KnownMainList, MainList, MainListCommand, MainListEvent, MainListRefusal, REGISTRIES_MAX,
};

type Decision = Result<Vec<MainListEvent>, MainListRefusal>;

/// Answers `command` with the events to append.
///
/// No events means that `list` is already as the command asks, so a repeated command is harmless.
///
/// # Errors
///
/// Returns the [`MainListRefusal`] of the first rule that forbids the command.
pub fn decide(list: &MainList, command: &MainListCommand) -> Decision {
    match (command, list) {
        (MainListCommand::Init { name }, MainList::Absent) => {
            Ok(vec![MainListEvent::Initialized {
                main_name: name.clone(),
            }])
        }
        (MainListCommand::Init { name }, MainList::Known(list)) if list.name == *name => Ok(vec![]),
        (MainListCommand::Init { .. }, MainList::Known(_)) => Err(MainListRefusal::InitConflict),
        (
            MainListCommand::InitRegistry { .. } | MainListCommand::ConfirmRegistry { .. },
            MainList::Absent,
        ) => Err(MainListRefusal::Uninitialized),
        (MainListCommand::InitRegistry { name }, MainList::Known(list)) => {
            init_registry(list, name)
        }
        (MainListCommand::ConfirmRegistry { name }, MainList::Known(list)) => {
            confirm_registry(list, name)
        }
    }
}

fn init_registry(list: &KnownMainList, name: &RegistryName) -> Decision {
    if list.registry(name).is_some() {
        return Ok(vec![]);
    }
    if list.registry_count() >= REGISTRIES_MAX {
        return Err(MainListRefusal::TooManyRegistries);
    }
    Ok(vec![MainListEvent::RegistryAccepted {
        registry_name: name.clone(),
    }])
}

fn confirm_registry(list: &KnownMainList, name: &RegistryName) -> Decision {
    match list.registry(name) {
        None => Err(MainListRefusal::UnknownRegistry),
        Some(registry) if registry.confirmed => Ok(vec![]),
        Some(_) => Ok(vec![MainListEvent::RegistryConfirmed {
            registry_name: name.clone(),
        }]),
    }
}
