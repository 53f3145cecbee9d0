//! Questions to a file host.

use std::time::Duration;

use nogfso_bus::{Message, RequestError};
use nogfso_contract::codec::{Answer, Encoding};
use nogfso_contract::host::{MAY_INIT, MayInit, MayInitReply};
use nogfso_contract::{Code, Details, Failure, subjects};
use nogfso_domain::registry::Permit;
use nogfso_ids::GlobalPath;

use crate::Gateway;

/// How long a host may count files; the limit that the specification has for it.
const MAY_INIT_PATIENCE: Duration = Duration::from_secs(300);

impl Gateway {
    /// Asks the host whether a directory may become a repo.
    ///
    /// # Errors
    ///
    /// Fails if the host says no, or if nobody is there to ask.
    pub(crate) async fn ask_host(
        &self,
        global_path: &GlobalPath,
        permit: &Permit,
    ) -> Result<(), Failure> {
        let question = MayInit {
            global_path: global_path.clone(),
            host_path: permit.host_path.clone(),
            subdir_tracking: permit.subdir_tracking,
        };
        let payload = Encoding::Json.encode(&question)?;
        let message = Message::new(subjects::host(&permit.file_host, MAY_INIT), payload);
        let host = &permit.file_host;
        let answered = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                return Err(Failure::new(
                    Code::Unavailable,
                    "the gateway stops; nothing was stored, try again",
                ));
            }
            answered = self.bus.request(message, MAY_INIT_PATIENCE) => answered,
        };
        let reply = match answered {
            Ok(reply) => reply,
            Err(RequestError::NoResponder { .. }) => {
                return Err(Failure::new(
                    Code::HostUnavailable,
                    format!(
                        "no worker of host {host} is there; start nogfsostad for it and try again"
                    ),
                ));
            }
            Err(error @ (RequestError::TimedOut { .. } | RequestError::Bus(_))) => {
                return Err(Failure::new(
                    Code::HostUnavailable,
                    format!("host {host}: {error}"),
                ));
            }
        };
        let answer: Answer<MayInitReply> =
            serde_json::from_slice(&reply.payload).map_err(|error| {
                Failure::new(
                    Code::Internal,
                    format!("host {host} answered unreadably: {error}"),
                )
            })?;
        match answer {
            Answer::Ok(MayInitReply::Allowed { .. }) => Ok(()),
            Answer::Ok(MayInitReply::Denied { reason }) => Err(Failure {
                code: Code::InitDenied,
                message: format!("init repo denied: {reason}"),
                details: Details {
                    field: Some("global_path".to_owned()),
                    ..Details::default()
                },
            }),
            Answer::Error(failure) => Err(failure),
        }
    }
}
