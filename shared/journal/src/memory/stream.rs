//! One stream of the in-memory journal: what a server decides when it stores, finds and removes messages. No waiting.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use nogfso_kernel::{Keep, Position, StreamSpec, matches};

use crate::log::{PublishFault, Published, Record, Schedule, Stored};

/// How long a message id is remembered, in milliseconds.
pub(super) const DUPLICATE_WINDOW_MS: u64 = 120_000;

/// The largest message with its headers, in bytes; as a server has it by default.
pub(super) const MESSAGE_BYTES_MAX: usize = 1_048_576;

/// Which of its two checks a server makes first: it depends on replicas and version, so nobody may rely on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChecksFirst {
    /// The guard, as on one replica: a repeat is a conflict.
    #[default]
    Guard,
    /// The message id, as on three replicas: a repeat is a duplicate.
    MessageId,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) spec: StreamSpec,
    messages: BTreeMap<u64, Stored>,
    positions: HashMap<String, BTreeSet<u64>>,
    last: u64,
    known_ids: HashMap<String, u64>,
    known_ids_by_age: VecDeque<(u64, String)>,
    alarms: BTreeMap<u64, Schedule>,
    /// What was stored and not shown to a witness yet; kept only if there is one.
    unseen: Option<Vec<Stored>>,
}

impl Stream {
    pub(super) fn new(spec: StreamSpec) -> Self {
        Self {
            spec,
            messages: BTreeMap::new(),
            positions: HashMap::new(),
            last: 0,
            known_ids: HashMap::new(),
            known_ids_by_age: VecDeque::new(),
            alarms: BTreeMap::new(),
            unseen: None,
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn holds(&self, position: u64) -> bool {
        self.messages.contains_key(&position)
    }

    pub(super) fn message(&self, position: u64) -> Option<&Stored> {
        self.messages.get(&position)
    }

    pub(super) fn store(
        &mut self,
        record: &Record,
        checks_first: ChecksFirst,
        now_ms: u64,
    ) -> Result<Published, PublishFault> {
        self.check_form(record)?;
        self.forget_old_ids(now_ms);
        if checks_first == ChecksFirst::Guard {
            self.check_guard(record)?;
        }
        let known = record
            .message_id
            .as_ref()
            .and_then(|id| self.known_ids.get(id));
        if let Some(&position) = known {
            return Ok(Published {
                position: Position(position),
                duplicate: true,
            });
        }
        self.check_guard(record)?;

        if record.schedule.is_some() {
            self.purge(&record.subject, None);
        }
        let stored = Stored {
            subject: record.subject.clone(),
            position: Position::START,
            payload: record.payload.clone(),
            stored_ms: now_ms,
        };
        let position = self.append(stored);
        if let Some(schedule) = &record.schedule {
            self.alarms.insert(position, schedule.clone());
        }
        if let Some(id) = &record.message_id {
            self.known_ids.insert(id.clone(), position);
            self.known_ids_by_age.push_back((now_ms, id.clone()));
        }
        Ok(Published {
            position: Position(position),
            duplicate: false,
        })
    }

    fn check_form(&self, record: &Record) -> Result<(), PublishFault> {
        let headers_size: usize = record
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let size = record.payload.len() + headers_size;
        if size > MESSAGE_BYTES_MAX {
            let reason = format!("{size} bytes are more than the {MESSAGE_BYTES_MAX} allowed");
            return Err(PublishFault::Refused { reason });
        }
        let Some(schedule) = &record.schedule else {
            return Ok(());
        };
        if self.spec.keep != Keep::Schedules {
            let reason = format!("stream {} takes no schedules", self.spec.name);
            return Err(PublishFault::Refused { reason });
        }
        if !self.spec.stores(&schedule.target) || schedule.target == record.subject {
            let reason = format!("{:?} cannot be the target of an alarm", schedule.target);
            return Err(PublishFault::Refused { reason });
        }
        Ok(())
    }

    fn check_guard(&self, record: &Record) -> Result<(), PublishFault> {
        let last = self
            .last_of(&record.subject)
            .map_or(Position::START, |stored| stored.position);
        match record.guard {
            Some(guard) if guard != last => Err(PublishFault::Conflict),
            Some(_) | None => Ok(()),
        }
    }

    fn forget_old_ids(&mut self, now_ms: u64) {
        while let Some((stored_ms, _)) = self.known_ids_by_age.front()
            && stored_ms + DUPLICATE_WINDOW_MS <= now_ms
        {
            if let Some((_, id)) = self.known_ids_by_age.pop_front() {
                self.known_ids.remove(&id);
            }
        }
    }

    fn append(&mut self, mut stored: Stored) -> u64 {
        if self.spec.keep == Keep::LastOfSubject {
            self.purge(&stored.subject, None);
        }
        self.last += 1;
        stored.position = Position(self.last);
        self.positions
            .entry(stored.subject.clone())
            .or_default()
            .insert(self.last);
        if let Some(unseen) = &mut self.unseen {
            unseen.push(stored.clone());
        }
        self.messages.insert(self.last, stored);
        self.last
    }

    /// Publishes the alarms that are due.
    pub(super) fn ring(&mut self, now_ms: u64) -> bool {
        let mut due: Vec<(u64, u64)> = self
            .alarms
            .iter()
            .filter(|(_, schedule)| schedule.at_ms <= now_ms)
            .map(|(&position, schedule)| (schedule.at_ms, position))
            .collect();
        due.sort_unstable();
        for &(_, position) in &due {
            let schedule = self.alarms.remove(&position);
            let alarm = self.remove(position);
            if let (Some(schedule), Some(alarm)) = (schedule, alarm) {
                self.append(Stored {
                    subject: schedule.target,
                    stored_ms: now_ms,
                    ..alarm
                });
            }
        }
        !due.is_empty()
    }

    /// Sets another time for an alarm, and says for when it was set.
    pub(super) fn move_alarm(&mut self, nth: usize, at_ms: u64) -> Option<u64> {
        let nth = nth.checked_rem(self.alarms.len())?;
        let alarm = self.alarms.values_mut().nth(nth)?;
        Some(std::mem::replace(&mut alarm.at_ms, at_ms))
    }

    pub(super) fn keep_unseen(&mut self) {
        self.unseen.get_or_insert_default();
    }

    pub(super) fn take_unseen(&mut self) -> Vec<Stored> {
        self.unseen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn next_alarm_ms(&self) -> Option<u64> {
        self.alarms.values().map(|schedule| schedule.at_ms).min()
    }

    pub(super) fn of_subject(&self, subject: &str, after: Position) -> Vec<Stored> {
        let Some(positions) = self.positions.get(subject) else {
            return Vec::new();
        };
        positions
            .range(after.0 + 1..)
            .filter_map(|at| self.messages.get(at))
            .cloned()
            .collect()
    }

    pub(super) fn last_of(&self, subject: &str) -> Option<&Stored> {
        self.messages.get(self.positions.get(subject)?.last()?)
    }

    pub(super) fn last_matching(&self, filter: &str) -> Option<&Stored> {
        self.messages
            .values()
            .rev()
            .find(|stored| matches(filter, &stored.subject))
    }

    /// The first message after `after` that one of the filters selects.
    pub(super) fn next_matching<'a>(
        &'a self,
        after: u64,
        filters: &'a [String],
    ) -> Option<&'a Stored> {
        self.all_matching(after, filters).next()
    }

    pub(super) fn all_matching<'a>(
        &'a self,
        after: u64,
        filters: &'a [String],
    ) -> impl Iterator<Item = &'a Stored> {
        self.messages
            .range(after + 1..)
            .map(|(_, stored)| stored)
            .filter(|stored| {
                filters
                    .iter()
                    .any(|filter| matches(filter, &stored.subject))
            })
    }

    pub(super) fn last_of_each(&self, filter: &str) -> VecDeque<Stored> {
        let last: BTreeSet<u64> = self
            .positions
            .iter()
            .filter(|(subject, _)| matches(filter, subject))
            .filter_map(|(_, positions)| positions.last().copied())
            .collect();
        last.iter()
            .filter_map(|at| self.messages.get(at))
            .cloned()
            .collect()
    }

    /// Removes the messages of `subject` before `keep_from`, or all.
    pub(super) fn purge(&mut self, subject: &str, keep_from: Option<Position>) {
        let Some(positions) = self.positions.get(subject) else {
            return;
        };
        let end = keep_from.map_or(u64::MAX, |position| position.0);
        let gone: Vec<u64> = positions.range(..end).copied().collect();
        for position in gone {
            self.remove(position);
        }
    }

    /// Loses the last `count` messages; their positions will be given again.
    pub(super) fn truncate(&mut self, count: usize) {
        for _ in 0..count {
            let Some((&position, _)) = self.messages.last_key_value() else {
                break;
            };
            self.remove(position);
        }
        self.last = self
            .messages
            .last_key_value()
            .map_or(0, |(&position, _)| position);
        let last = self.last;
        self.known_ids.retain(|_, position| *position <= last);
    }

    fn remove(&mut self, position: u64) -> Option<Stored> {
        let stored = self.messages.remove(&position)?;
        self.alarms.remove(&position);
        if let Some(positions) = self.positions.get_mut(&stored.subject) {
            positions.remove(&position);
            if positions.is_empty() {
                self.positions.remove(&stored.subject);
            }
        }
        Some(stored)
    }
}
