//! Three nats-servers that replicate, and which of them leads.

use std::time::Duration;

use serde_json::Value;

use crate::nats_server::READY_LIMIT;
use crate::{NatsServer, NatsSettings, Port, wait_until_blocking};

/// How many servers a [`Cluster`] has.
pub const CLUSTER_NODE_COUNT: usize = 3;

/// A cluster of real nats-servers with JetStream, for streams of three replicas.
///
/// Nodes are numbered from 0. All methods block the thread; an election takes some seconds.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<NatsServer>,
    _routes: Vec<Port>,
}

impl Cluster {
    /// Starts a cluster with the default settings and waits until JetStream has a leader and every
    /// node is healthy.
    ///
    /// # Panics
    ///
    /// Panics if there is no nats-server on this machine, or if the cluster does not become ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&NatsSettings::default())
    }

    /// Starts a cluster whose nodes all have `settings`, which must not set `cluster`, and waits
    /// until it is ready.
    ///
    /// # Panics
    ///
    /// Panics if there is no nats-server on this machine, or if the cluster does not become ready.
    #[must_use]
    pub fn start_with(settings: &NatsSettings) -> Self {
        let routes: Vec<_> = (0..CLUSTER_NODE_COUNT).map(|_| Port::reserve()).collect();
        let peers: Vec<_> = routes
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{}\"", port.number()))
            .collect();
        let mut nodes = Vec::new();
        for route in &routes {
            let mut node = NatsServer::prepare(settings.clone());
            node.configure(&format!(
                "cluster {{\n  name: testkit\n  listen: \"127.0.0.1:{}\"\n  routes: [{}]\n}}\n",
                route.number(),
                peers.join(", "),
            ));
            node.spawn();
            nodes.push(node);
        }
        nodes.iter_mut().for_each(NatsServer::wait_until_ready);
        let mut cluster = Self {
            nodes,
            _routes: routes,
        };
        cluster.wait_for_leader(READY_LIMIT);
        cluster
    }

    /// Where clients connect: the addresses of all nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(NatsServer::url).collect()
    }

    /// Where clients connect, as one text with commas, as the `nats` command line takes it
    /// (async-nats wants [`urls`](Self::urls)).
    #[must_use]
    pub fn url(&self) -> String {
        self.urls().join(",")
    }

    /// The node with this number.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    #[must_use]
    pub fn node(&self, index: usize) -> &NatsServer {
        &self.nodes[index]
    }

    /// The node with this number, to kill, pause or resume it.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node.
    #[must_use]
    pub fn node_mut(&mut self, index: usize) -> &mut NatsServer {
        &mut self.nodes[index]
    }

    /// Starts a node again, on its folder and ports, and waits until it is healthy.
    ///
    /// # Panics
    ///
    /// Panics if there is no such node, or if it does not become healthy; for which a majority must run.
    pub fn restart(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.restart();
        wait_until_blocking("the node to be healthy", READY_LIMIT, || health(node));
    }

    /// Waits until all running nodes are healthy and agree which running node leads JetStream's
    /// meta group, and returns its number. Paused nodes count as running, so
    /// resume them first.
    ///
    /// The leader of one stream may be another.
    ///
    /// # Panics
    ///
    /// Panics when `deadline` has passed.
    pub fn wait_for_leader(&mut self, deadline: Duration) -> usize {
        wait_until_blocking("a JetStream leader and healthy nodes", deadline, || {
            self.leader()
        })
    }

    fn leader(&mut self) -> Result<usize, String> {
        let running: Vec<_> = (0..self.nodes.len())
            .filter(|&index| self.nodes[index].is_running())
            .collect();
        let mut groups = Vec::new();
        for &index in &running {
            let node = &self.nodes[index];
            health(node).map_err(|seen| format!("{}: {seen}", node.name()))?;
            let mut answer = node.monitor("/jsz").map_err(|error| error.to_string())?;
            groups.push((index, answer["meta_cluster"].take()));
        }
        groups
            .iter()
            .find(|(index, leaders_view)| {
                let name = self.nodes[*index].name();
                // A leader that has yet to hear from a node would place no replica there.
                groups
                    .iter()
                    .all(|(_, view)| view["leader"] == name.as_str())
                    && follower_count(leaders_view) + 1 == running.len()
            })
            .map(|(index, _)| *index)
            .ok_or_else(|| format!("{groups:?}"))
    }
}

/// How many nodes follow the leader whose view of its group this is.
fn follower_count(leaders_view: &Value) -> usize {
    let replicas = leaders_view["replicas"].as_array();
    replicas
        .into_iter()
        .flatten()
        .filter(|peer| peer["current"] == true && peer["offline"] != true)
        .count()
}

fn health(node: &NatsServer) -> Result<(), String> {
    match node.monitor("/healthz") {
        Ok(answer) if answer["status"] == "ok" => Ok(()),
        Ok(answer) => Err(answer.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream;

    use super::*;
    use crate::wait_until;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_replicated_message_survives_the_leader_and_a_restart() {
        let mut cluster = Cluster::start();
        let client = async_nats::connect(cluster.urls()).await.unwrap();
        let context = jetstream::new(client);
        let config = jetstream::stream::Config {
            name: String::from("KEPT"),
            subjects: vec![String::from("kept.>")],
            num_replicas: CLUSTER_NODE_COUNT,
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
        context
            .publish("kept.one", "hello".into())
            .await
            .unwrap()
            .await
            .unwrap();

        let leader = cluster.wait_for_leader(DEADLINE);
        cluster.node_mut(leader).kill();
        assert_ne!(cluster.wait_for_leader(DEADLINE), leader);
        wait_until("the message from the others", DEADLINE, async || {
            let stream = context
                .get_stream("KEPT")
                .await
                .map_err(|error| error.to_string())?;
            let message = stream.get_last_raw_message_by_subject("kept.one").await;
            message
                .map(|message| assert_eq!(message.payload, "hello"))
                .map_err(|error| error.to_string())
        })
        .await;

        cluster.restart(leader);
        cluster.wait_for_leader(DEADLINE);
    }
}
