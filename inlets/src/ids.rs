//! Ids that follow from what they are for: the same thing said twice has the same.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The id of the event that an inlet's emitter knows by `name`.
pub(crate) fn event_id(inlet: Uuid, name: &str) -> Uuid {
    Uuid::new_v5(&inlet, name.as_bytes())
}

/// The id of an event that comes with another one, such as a start that nobody reported.
pub(crate) fn beside(event: Uuid, what: &str) -> Uuid {
    Uuid::new_v5(&event, what.as_bytes())
}

/// The id of the run that an inlet calls `name`, which was first heard of then.
pub(crate) fn run_id(inlet: Uuid, name: &str, first_heard: DateTime<Utc>) -> Uuid {
    let digest = Sha256::new().chain_update(inlet).chain_update(name).finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let millis = u64::try_from(first_heard.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// By which an orderer keeps others from the same lane.
pub(crate) fn lane_lock(inlet: Uuid, lane: &str) -> i64 {
    let digest = Sha256::new().chain_update(inlet).chain_update(lane).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_id_and_it_is_of_version_7() {
        let (inlet, at) = (Uuid::from_u128(7), DateTime::UNIX_EPOCH);
        let id = run_id(inlet, "a", at);
        assert_eq!((id, id.get_version_num()), (run_id(inlet, "a", at), 7));
        assert_ne!(id, run_id(inlet, "b", at));
        assert_ne!(id, run_id(Uuid::from_u128(8), "a", at));
    }
}
