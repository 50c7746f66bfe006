//! Which of the names that are said of an id counts. Pure.

use std::collections::HashMap;

use crate::decode::Name;

/// Of each id the name that counts among these, in the order of the log: the newest by its `as_of`, and of those with
/// the same one the last in the log. The statement that writes them compares them with the table's by the same rule.
pub(crate) fn newest<'a>(names: &'a [Name<'a>]) -> Vec<&'a Name<'a>> {
    let mut places = HashMap::with_capacity(names.len());
    let mut counting: Vec<&Name<'_>> = Vec::with_capacity(names.len());
    for name in names {
        let place =
            *places.entry((&name.what.tenant, &name.what.namespace, &name.what.id)).or_insert(counting.len());
        match counting.get_mut(place) {
            Some(earlier) if earlier.what.as_of > name.what.as_of => {}
            Some(earlier) => *earlier = name,
            None => counting.push(name),
        }
    }
    counting
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;
    use domain::{ItemName, Named};
    use eventlog::{Position, RecordedEvent};
    use redaction::CleanText;
    use uuid::Uuid;

    use super::*;

    /// The names that count of those, which the log has in this order: tenant, namespace, id, name, second.
    fn counting(told: &[(&str, &str, &str, &str, i64)]) -> Vec<String> {
        let record = |position| RecordedEvent {
            position: Position(position),
            stream: String::new(),
            revision: position,
            id: Uuid::nil(),
            event_type: String::new(),
            data: Vec::new(),
            metadata: Vec::new(),
        };
        let records: Vec<_> = (0..told.len() as u64).map(record).collect();
        let named = |(tenant, namespace, id, name, second): &(&str, &str, &str, &str, i64)| Named {
            tenant: tenant.parse().unwrap(),
            namespace: namespace.parse().unwrap(),
            id: ItemName::try_from((*id).to_owned()).unwrap(),
            name: Some(CleanText::new(name)),
            as_of: DateTime::from_timestamp(*second, 0).unwrap(),
            recorded_at: DateTime::UNIX_EPOCH,
            actor: "sync".parse().unwrap(),
        };
        let names: Vec<_> =
            told.iter().zip(&records).map(|(told, record)| Name { record, what: named(told) }).collect();
        newest(&names).into_iter().map(|name| name.what.name.as_ref().unwrap().as_str().to_owned()).collect()
    }

    #[test]
    fn the_newest_counts_in_whatever_order_it_comes() {
        assert_eq!(counting(&[("a", "n", "1", "old", 1), ("a", "n", "1", "new", 2)]), ["new"]);
        assert_eq!(counting(&[("a", "n", "1", "new", 2), ("a", "n", "1", "old", 1)]), ["new"]);
    }

    #[test]
    fn of_the_same_moment_the_last_in_the_log_counts() {
        assert_eq!(counting(&[("a", "n", "1", "first", 1), ("a", "n", "1", "last", 1)]), ["last"]);
    }

    #[test]
    fn an_id_is_one_within_its_tenant_and_namespace() {
        let told = [
            ("a", "n", "1", "x", 1),
            ("b", "n", "1", "y", 2),
            ("a", "m", "1", "z", 3),
            ("a", "n", "2", "w", 4),
        ];
        assert_eq!(counting(&told), ["x", "y", "z", "w"]);
    }
}
