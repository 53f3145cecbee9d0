//! The fold of the main list.

use nogfso_kernel::{Event, Recorded};

use super::{BrokenMainList, KnownMainList, MainList, MainListEvent};

/// Applies one stored event to `list`. Holds no rules: what happened, happened.
///
/// # Errors
///
/// Returns [`BrokenMainList`] if the event cannot follow; the history must not be used further.
pub fn evolve(
    list: MainList,
    recorded: &Recorded<MainListEvent>,
) -> Result<MainList, BrokenMainList> {
    let broken = |why| BrokenMainList {
        event: recorded.event.name(),
        why,
    };
    match (list, &recorded.event) {
        (MainList::Absent, MainListEvent::Initialized { main_name }) => {
            Ok(MainList::Known(KnownMainList::new(main_name.clone())))
        }
        (MainList::Known(_), MainListEvent::Initialized { .. }) => {
            Err(broken("the list exists already"))
        }
        (
            MainList::Absent,
            MainListEvent::RegistryAccepted { .. } | MainListEvent::RegistryConfirmed { .. },
        ) => Err(broken("the list does not exist")),
        (MainList::Known(mut list), MainListEvent::RegistryAccepted { registry_name }) => {
            if list
                .confirmed
                .insert(registry_name.clone(), false)
                .is_some()
            {
                return Err(broken("the registry is listed already"));
            }
            list.in_order.push_back(registry_name.clone());
            list.pending.insert(registry_name.clone());
            Ok(MainList::Known(list))
        }
        (MainList::Known(mut list), MainListEvent::RegistryConfirmed { registry_name }) => {
            if list.pending.remove(registry_name).is_none() {
                return Err(broken("the registry does not wait for it"));
            }
            list.confirmed.insert(registry_name.clone(), true);
            Ok(MainList::Known(list))
        }
    }
}
