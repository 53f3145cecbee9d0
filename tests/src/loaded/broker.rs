//! What the processes talk through: one server, or three that replicate.

use std::time::Duration;

use nogfso::accounts::Accounts;
use nogfso_testkit::{CLUSTER_NODE_COUNT, Cluster, NatsServer, NatsSettings};

use super::DEADLINE;
use super::chance::Chance;
use crate::end_to_end::world::rights_of;

const AWAY_MS_MAX: u64 = 1_500;

/// One server or three.
pub(crate) enum Broker {
    One(Box<NatsServer>),
    Three(Cluster),
}

impl Broker {
    pub(crate) fn one(accounts: &Accounts) -> Self {
        let settings = NatsSettings::default().with_raw(&rights_of(accounts));
        Self::One(Box::new(NatsServer::start_with(settings)))
    }

    pub(crate) fn three(accounts: &Accounts) -> Self {
        let settings = NatsSettings::default().with_raw(&rights_of(accounts));
        Self::Three(Cluster::start_with(&settings))
    }

    /// Where clients connect.
    pub(crate) fn urls(&self) -> Vec<String> {
        match self {
            Self::One(server) => vec![server.url()],
            Self::Three(cluster) => cluster.urls(),
        }
    }

    /// On how many servers each message is stored.
    pub(crate) fn replicas(&self) -> &'static str {
        match self {
            Self::One(_) => "1",
            Self::Three(_) => "3",
        }
    }

    /// Ends a server as a crash would, mostly the one that leads most of the work, and starts it again after a while.
    pub(crate) fn kill(&mut self, chance: &mut Chance) -> String {
        let away = Duration::from_millis(chance.below(AWAY_MS_MAX));
        match self {
            Self::One(server) => {
                server.kill();
                std::thread::sleep(away);
                server.restart();
                "server killed".to_owned()
            }
            Self::Three(cluster) => {
                let leader = leader_of(cluster, "FSO_WORK").filter(|_| !chance.one_in(3));
                let node = leader.unwrap_or_else(|| any_node(chance));
                cluster.node_mut(node).kill();
                std::thread::sleep(away);
                cluster.restart(node);
                let which = if leader.is_some() { "leader" } else { "node" };
                format!("{which} killed")
            }
        }
    }

    /// Stops a server where it stands; which one.
    pub(crate) fn pause(&mut self, chance: &mut Chance) -> usize {
        match self {
            Self::One(server) => {
                server.pause();
                0
            }
            Self::Three(cluster) => {
                let node = any_node(chance);
                cluster.node_mut(node).pause();
                node
            }
        }
    }

    pub(crate) fn resume(&mut self, node: usize) {
        match self {
            Self::One(server) => server.resume(),
            Self::Three(cluster) => cluster.node_mut(node).resume(),
        }
    }

    /// Lets all go on, and waits until they do.
    pub(crate) fn heal(&mut self) {
        match self {
            Self::One(server) => server.resume(),
            Self::Three(cluster) => {
                (0..CLUSTER_NODE_COUNT).for_each(|node| cluster.node_mut(node).resume());
                cluster.wait_for_leader(DEADLINE);
            }
        }
    }
}

fn any_node(chance: &mut Chance) -> usize {
    let nodes: Vec<usize> = (0..CLUSTER_NODE_COUNT).collect();
    *chance.pick(&nodes).expect("a cluster has nodes")
}

/// The node that leads `stream`, as any node tells.
fn leader_of(cluster: &Cluster, stream: &str) -> Option<usize> {
    (0..CLUSTER_NODE_COUNT).find_map(|asked| {
        let state = cluster
            .node(asked)
            .monitor("/jsz?accounts=true&streams=true");
        let state = state.ok()?;
        let accounts = state["account_details"].as_array()?;
        let mut streams = accounts
            .iter()
            .filter_map(|account| account["stream_detail"].as_array())
            .flatten();
        let found = streams.find(|found| found["name"] == stream)?;
        let name = found["cluster"]["leader"].as_str()?.to_owned();
        (0..CLUSTER_NODE_COUNT).find(|node| cluster.node(*node).name() == name)
    })
}
