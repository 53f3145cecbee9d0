//! What a service tells about itself to those who ask, as the NATS services protocol (ADR-32) has it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use nogfso_bus::{ServiceFault, ServiceSpec};
use serde_json::{Value, json};

/// What may be asked of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    pub(super) const ALL: [Self; 3] = [Self::Ping, Self::Info, Self::Stats];

    /// The token in the subjects on which it is asked.
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Ping => "PING",
            Self::Info => "INFO",
            Self::Stats => "STATS",
        }
    }
}

/// One running instance of a service and what it has served.
#[derive(Debug)]
pub(super) struct Instance {
    spec: ServiceSpec,
    id: String,
    started: Timestamp,
    /// By the place of the endpoint in the specification.
    served: Vec<Served>,
}

#[derive(Debug, Clone, Default)]
struct Served {
    requests_count: u64,
    errors_count: u64,
    processing: Duration,
    last_error: String,
}

impl Instance {
    pub(super) fn new(spec: ServiceSpec, id: String, started: Timestamp) -> Self {
        let served = vec![Served::default(); spec.endpoints.len()];
        Self {
            spec,
            id,
            started,
            served,
        }
    }

    /// Counts a request that was answered.
    pub(super) fn count(
        &mut self,
        endpoint: usize,
        processing: Duration,
        fault: Option<&ServiceFault>,
    ) {
        let Some(served) = self.served.get_mut(endpoint) else {
            return;
        };
        served.requests_count += 1;
        served.processing += processing;
        if let Some(fault) = fault {
            served.errors_count += 1;
            served.last_error = format!("{}:{}", fault.code, fault.text);
        }
    }

    pub(super) fn answer(&self, verb: Verb) -> Value {
        let mut answer = json!({
            "type": format!("io.nats.micro.v1.{}_response", verb.token().to_ascii_lowercase()),
            "name": self.spec.name,
            "id": self.id,
            "version": self.spec.version,
            "metadata": {},
        });
        match verb {
            Verb::Ping => {}
            Verb::Info => {
                answer["description"] = json!(self.spec.description);
                answer["endpoints"] = self.endpoints(|_| json!({}));
            }
            Verb::Stats => {
                answer["started"] = json!(self.started.to_string());
                answer["endpoints"] = self.endpoints(Served::numbers);
            }
        }
        answer
    }

    fn endpoints(&self, more: impl Fn(&Served) -> Value) -> Value {
        let endpoint = |(endpoint, served): (&nogfso_bus::Endpoint, &Served)| {
            let mut told = more(served);
            let metadata: BTreeMap<_, _> = endpoint
                .metadata
                .iter()
                .map(|(name, value)| (name, value))
                .collect();
            told["name"] = json!(endpoint.name);
            told["subject"] = json!(endpoint.subject);
            told["queue_group"] = json!(self.spec.queue_group);
            told["metadata"] = json!(metadata);
            told
        };
        self.spec
            .endpoints
            .iter()
            .zip(&self.served)
            .map(endpoint)
            .collect()
    }
}

impl Served {
    fn numbers(&self) -> Value {
        let total = u64::try_from(self.processing.as_nanos()).unwrap_or(u64::MAX);
        json!({
            "num_requests": self.requests_count,
            "num_errors": self.errors_count,
            "last_error": self.last_error,
            "processing_time": total,
            "average_processing_time": total.checked_div(self.requests_count).unwrap_or_default(),
        })
    }
}
