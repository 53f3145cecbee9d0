//! The limit of everything that is appended: publishes with a guard, by the bare client, on a stream configured as ours are.

use std::cell::Cell;
use std::iter::repeat_with;

use anyhow::{Context, bail};
use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use nogfso_kernel::{Keep, StreamSpec};
use serde_json::Value;

use crate::measure::{one_by_one, side_by_side};

/// The stream of the raw appends, beside those of the product.
pub(crate) const STREAM: StreamSpec = StreamSpec {
    name: "BENCH_RAW",
    subjects: &["bench.raw.*"],
    keep: Keep::Forever,
};

const ONE_BY_ONE_APPENDS: usize = 500;
const LANE_APPENDS: usize = 50;

/// Subjects, each with the sequence of its last message.
pub(crate) struct Raw {
    client: Client,
    lasts: Vec<Cell<u64>>,
}

impl Raw {
    pub(crate) fn new(client: Client, lanes: usize) -> Self {
        Self {
            client,
            lasts: repeat_with(Cell::default).take(lanes).collect(),
        }
    }

    /// The median time of an append on one subject, in microseconds.
    pub(crate) async fn one(&self, payload: &Bytes) -> anyhow::Result<f64> {
        one_by_one(ONE_BY_ONE_APPENDS, async |_| self.append(0, payload).await).await
    }

    /// Appends per second on all subjects at once, one in flight on each.
    pub(crate) async fn many(&self, payload: &Bytes) -> anyhow::Result<f64> {
        side_by_side(self.lasts.len(), LANE_APPENDS, async |lane, _| {
            self.append(lane, payload).await
        })
        .await
    }

    async fn append(&self, lane: usize, payload: &Bytes) -> anyhow::Result<()> {
        let last = &self.lasts[lane];
        let mut headers = HeaderMap::new();
        headers.insert(
            "Nats-Expected-Last-Subject-Sequence",
            last.get().to_string(),
        );
        let subject = format!("bench.raw.{lane}");
        let answer = self
            .client
            .request_with_headers(subject, headers, payload.clone())
            .await
            .context("a raw append has no answer")?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        match answer["seq"].as_u64() {
            Some(sequence) if answer["error"].is_null() => {
                last.set(sequence);
                Ok(())
            }
            Some(_) | None => bail!("a raw append was refused: {answer}"),
        }
    }
}
