//! registryinit: a registry that main accepted is begun, then confirmed (spec aggregates 7.2).

use async_trait::async_trait;
use nogfso_contract::subjects;
use nogfso_domain::main_list::MainListCommand;
use nogfso_domain::registry::RegistryCommand;
use nogfso_ids::RegistryName;
use nogfso_journal::reaction::{ReactError, Reaction, Wake};
use nogfso_journal::store::By;
use nogfso_kernel::Position;

use crate::stores::{ACTOR, Carry, because, failed};

const NAME: &str = "registryinit";
const MAIN_NAME: &str = "main";

pub(crate) struct RegistryInit {
    carry: Carry,
}

impl RegistryInit {
    pub(crate) fn new(carry: Carry) -> Self {
        Self { carry }
    }

    async fn begin(&self, wake: &Wake, name: &RegistryName) -> Result<(), ReactError> {
        let stores = &self.carry.stores;
        let by = because(wake);
        let init = RegistryCommand::Init { name: name.clone() };
        stores
            .registry
            .execute(&subjects::registry(name), &init, &by)
            .await
            .map_err(failed)?;
        let confirm = MainListCommand::ConfirmRegistry { name: name.clone() };
        stores
            .main
            .execute(subjects::MAIN, &confirm, &by)
            .await
            .map_err(failed)?;
        Ok(())
    }
}

/// Begins main, unless it was begun before.
pub(crate) async fn begin_main(carry: &Carry) -> Result<(), ReactError> {
    let name = RegistryName::parse(MAIN_NAME).map_err(ReactError::permanent)?;
    let init = MainListCommand::Init { name };
    carry
        .stores
        .main
        .execute(subjects::MAIN, &init, &By::actor(ACTOR))
        .await
        .map_err(failed)?;
    Ok(())
}

#[async_trait]
impl Reaction for RegistryInit {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn react(&self, wake: &Wake) -> Result<Position, ReactError> {
        let main = self
            .carry
            .stores
            .main
            .load(subjects::MAIN, wake.position)
            .await?;
        for name in main.state.pending() {
            self.carry
                .item(NAME, wake, name.as_str(), self.begin(wake, name))
                .await?;
        }
        Ok(main.position())
    }
}
