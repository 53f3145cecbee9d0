//! Where things lie in the journal.

use nogfso_kernel::{Keep, StreamSpec};

use crate::name::DeploymentId;

/// How many streams the deployments are spread over, so that the cost of syncing, which is per stream, is too.
pub const STREAMS: usize = 8;

/// The name of the reaction whose alarms bring back deployments that wait.
pub(crate) const DUE: &str = "action-due";

/// Where deployments, their large values and their alarms lie.
#[derive(Debug, Clone)]
pub struct Layout {
    /// What the subjects of deployments begin with; the first digit of the id and the id follow.
    pub prefix: String,
    /// The streams of deployments, by the first digit of the id: two digits each.
    pub streams: [StreamSpec; STREAMS],
    /// What the subjects of large values begin with; their SHA-256 follows.
    pub blob_prefix: String,
    /// The stream of large values.
    pub blob_stream: StreamSpec,
    /// What the subjects begin with on which workers answer one another; their name follows.
    pub worker_prefix: String,
}

macro_rules! actions {
    ($name:literal, $one:literal, $other:literal) => {
        StreamSpec {
            name: $name,
            subjects: &[
                concat!("fso.ev.*.action.*.", $one, ".*"),
                concat!("fso.ev.*.action.*.", $other, ".*"),
            ],
            keep: Keep::UntilPurged,
        }
    };
}

/// The streams of programs that bring no others.
const STANDALONE: [StreamSpec; STREAMS] = [
    actions!("ACTION_0", "0", "1"),
    actions!("ACTION_1", "2", "3"),
    actions!("ACTION_2", "4", "5"),
    actions!("ACTION_3", "6", "7"),
    actions!("ACTION_4", "8", "9"),
    actions!("ACTION_5", "a", "b"),
    actions!("ACTION_6", "c", "d"),
    actions!("ACTION_7", "e", "f"),
];

impl Layout {
    /// Where a program on a journal of its own keeps its deployments; `space`, one subject token, keeps those of several
    /// programs apart.
    #[must_use]
    pub fn standalone(space: &str) -> Self {
        Self {
            prefix: format!("fso.ev.{space}.action._"),
            streams: STANDALONE,
            blob_prefix: "fso.blob".to_owned(),
            blob_stream: StreamSpec {
                name: "ACTION_BLOB",
                subjects: &["fso.blob.*"],
                keep: Keep::UntilPurged,
            },
            worker_prefix: format!("fso.worker.action-{space}"),
        }
    }

    /// The subject of a deployment.
    #[must_use]
    pub fn subject(&self, id: DeploymentId) -> String {
        format!("{}.{}.{id}", self.prefix, id.digit())
    }

    /// The subject of the notices of one kind, such as `parked`.
    #[must_use]
    pub fn notice_subject(&self, kind: &str) -> String {
        format!("{}.notice.{kind}", self.worker_prefix)
    }

    /// The stream of a deployment, by its place in [`Layout::streams`].
    #[must_use]
    pub fn stream_of(id: DeploymentId) -> usize {
        let digit = id.digit().to_digit(16).unwrap_or(0);
        digit as usize / 2
    }

    /// The subjects of the deployments of one stream, with wildcards.
    #[must_use]
    pub fn filters(&self, stream: usize) -> Vec<String> {
        let digit = |digit: usize| char::from_digit(u32::try_from(digit).unwrap_or(0), 16);
        [2 * stream, 2 * stream + 1]
            .into_iter()
            .filter_map(digit)
            .map(|digit| format!("{}.{digit}.*", self.prefix))
            .collect()
    }
}
