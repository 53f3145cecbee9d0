//! Rounds, medians and figures: how single times become what is printed.
//!
//! A thing and its limit are measured in turns within one loop, so that what disturbs the machine disturbs both.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

/// How long the rounds of one pair of figures may go on; what was measured until then counts.
const ROUNDS_BUDGET: Duration = Duration::from_secs(25);

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// It is a time or an amount.
    Less,
    /// It is a rate.
    More,
}

/// One line of the result.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The figure that no implementation could be better than, and how many times its cost this one has.
    pub(crate) limit: Option<(&'static str, f64)>,
}

impl Figure {
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            limit: None,
        }
    }

    pub(crate) fn against(mut self, limit: &Self, better: Better) -> Self {
        let ratio = match better {
            Better::Less => self.value / limit.value,
            Better::More => limit.value / self.value,
        };
        self.limit = Some((limit.name, ratio));
        self
    }
}

/// How many rounds there are, the first one for warming up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    counted: u32,
    began: Instant,
    done: u32,
}

impl Rounds {
    /// One round that is not counted, then `counted` ones, fewer if they take too long.
    pub(crate) fn new(counted: u32) -> Self {
        Self {
            counted,
            began: Instant::now(),
            done: 0,
        }
    }

    /// Whether there is one more round, and whether it counts.
    pub(crate) fn next(&mut self) -> Option<bool> {
        let counts = self.done > 0;
        let enough = self.done > 1 && self.began.elapsed() > ROUNDS_BUDGET;
        let ended = self.done > self.counted || enough;
        self.done += 1;
        (!ended).then_some(counts)
    }
}

/// The values of one figure, a value for each round.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<f64>);

impl Values {
    pub(crate) const fn new() -> Self {
        Self(vec![])
    }

    pub(crate) fn note(&mut self, counts: bool, value: f64) {
        if counts {
            self.0.push(value);
        }
    }

    /// The middle one; not a number if there is none.
    pub(crate) fn median(mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// The median time of `count` calls one after the other, in microseconds.
pub(crate) async fn one_by_one<E>(
    count: usize,
    mut call: impl AsyncFnMut(usize) -> Result<(), E>,
) -> Result<f64, E> {
    let mut times = Values::default();
    for turn in 0..count {
        let began = Instant::now();
        call(turn).await?;
        times.note(true, micros(began.elapsed()));
    }
    Ok(times.median())
}

/// Calls per second of `lanes` at once, each of which calls `count` times, one after the other.
pub(crate) async fn side_by_side<E>(
    lanes: usize,
    count: usize,
    call: impl AsyncFn(usize, usize) -> Result<(), E>,
) -> Result<f64, E> {
    let call = &call;
    let began = Instant::now();
    try_join_all((0..lanes).map(|lane| async move {
        for turn in 0..count {
            call(lane, turn).await?;
        }
        Ok(())
    }))
    .await?;
    let calls = u32::try_from(lanes * count).unwrap_or(u32::MAX);
    Ok(f64::from(calls) / began.elapsed().as_secs_f64())
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
