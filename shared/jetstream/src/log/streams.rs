//! Streams are made as their specification says, or checked against it, field by field, as the server echoes them.

use nogfso_journal::log::ReadFault;
use nogfso_kernel::{Keep, StreamSpec};
use serde_json::{Value, json};

use super::{Replicas, refused};
use crate::api::{ADMIN_PATIENCE, STREAM_NOT_FOUND};
use crate::connection::Connection;

/// How long the server remembers message ids, in nanoseconds.
const DUPLICATE_WINDOW_NS: u64 = 120_000_000_000;

/// Makes the stream if it is missing; otherwise, or then, compares it with what is wanted.
pub(super) async fn ensure(
    connection: &Connection,
    stream: &StreamSpec,
    replicas: Replicas,
) -> Result<(), ReadFault> {
    let wanted = configuration(stream, replicas);
    let info = connection
        .api(
            &format!("STREAM.INFO.{}", stream.name),
            &Value::Null,
            ADMIN_PATIENCE,
        )
        .await;
    let described = match info {
        Err(fault) if fault.has_code(STREAM_NOT_FOUND) => {
            connection
                .api(
                    &format!("STREAM.CREATE.{}", stream.name),
                    &wanted,
                    ADMIN_PATIENCE,
                )
                .await?
        }
        info => info?,
    };
    let drift = drift(&wanted, &described["config"]);
    if drift.is_empty() {
        return Ok(());
    }
    let drift = drift.join("; ");
    Err(refused(format!(
        "stream {} is configured otherwise: {drift}; change it with `nats stream edit`",
        stream.name
    )))
}

/// All that matters, also what must be off, so that nothing that was switched on by hand goes unseen.
fn configuration(stream: &StreamSpec, replicas: Replicas) -> Value {
    let is_schedules = stream.keep == Keep::Schedules;
    json!({
        "name": stream.name,
        "subjects": stream.subjects,
        "retention": "limits",
        "storage": "file",
        "num_replicas": replicas.0,
        // The server allows schedules only where old messages give way; without limits none ever does.
        "discard": if is_schedules { "old" } else { "new" },
        "discard_new_per_subject": false,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "max_msgs_per_subject": if stream.keep == Keep::LastOfSubject { 1 } else { -1 },
        "duplicate_window": DUPLICATE_WINDOW_NS,
        "no_ack": false,
        "sealed": false,
        "allow_direct": true,
        "deny_delete": stream.keep == Keep::Forever,
        "deny_purge": stream.keep == Keep::Forever,
        "allow_rollup_hdrs": is_schedules,
        "allow_msg_ttl": false,
        "allow_msg_schedules": is_schedules,
        "allow_msg_counter": false,
        "mirror": null,
        "sources": null,
        "subject_transform": null,
        "persist_mode": "",
    })
}

/// The fields in which the server's configuration is not the wanted one.
fn drift(wanted: &Value, found: &Value) -> Vec<String> {
    let fields = wanted.as_object().into_iter().flatten();
    fields
        .filter(|(field, wanted)| !is_same(wanted, &found[field]))
        .map(|(field, wanted)| format!("{field} is {}, wanted {wanted}", found[field]))
        .collect()
}

/// The server leaves out what is off, empty or none.
fn is_same(wanted: &Value, found: &Value) -> bool {
    let is_off = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    };
    wanted == found || (is_off(wanted) && is_off(found))
}

#[cfg(test)]
mod tests {
    use nogfso_kernel::{Keep, StreamSpec};
    use serde_json::json;

    use super::{configuration, drift};
    use crate::log::Replicas;

    #[test]
    fn drift_names_field_found_and_wanted() {
        let stream = StreamSpec {
            name: "S",
            subjects: &["s.>"],
            keep: Keep::Forever,
        };
        let wanted = configuration(&stream, Replicas(3));
        let mut found = wanted.clone();
        assert!(drift(&wanted, &found).is_empty());
        for off in ["no_ack", "mirror", "max_age", "discard_new_per_subject"] {
            found.as_object_mut().unwrap().remove(off);
        }
        found["metadata"] = json!({ "_nats.ver": "2.15.1" });
        assert!(drift(&wanted, &found).is_empty());

        found["num_replicas"] = json!(1);
        found["deny_purge"] = json!(false);
        found["sources"] = json!([{ "name": "OTHER" }]);
        assert_eq!(
            drift(&wanted, &found),
            [
                "deny_purge is false, wanted true",
                "num_replicas is 1, wanted 3",
                r#"sources is [{"name":"OTHER"}], wanted null"#,
            ]
        );
    }
}
