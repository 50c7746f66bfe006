//! Items of a row: an array in one of its columns.

use std::collections::BTreeMap;

use domain::reason::ReasonCode;
use domain::{EventBody, ItemFailed, ItemName, ItemSkipped, ItemSucceeded, Namespace, Outcome};
use redaction::CleanText;
use serde::Deserialize;
use serde_json::Value;

use crate::choice::Columns;
use crate::row::{Row, text};
use crate::status::reason;

/// Where a row has its items, and what each says. An item that is no object is a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Items {
    /// The column with the array, or with a text that is one in JSON.
    pub column: Columns,
    /// What names an item.
    #[serde(default)]
    pub id: Option<Columns>,
    /// What people call it.
    #[serde(default)]
    pub label: Option<Columns>,
    /// In which namespace of the tenant's directory their names are ids.
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// What became of it: by which member, and what its values mean.
    #[serde(default)]
    pub status: Option<Columns>,
    #[serde(default)]
    pub values: BTreeMap<String, Outcome>,
    /// What became of those that don't say it.
    pub otherwise: Outcome,
    /// Why it failed, in words.
    #[serde(default)]
    pub message: Option<Columns>,
    /// And for machines; `unknown` where it is not said.
    #[serde(default, deserialize_with = "reason")]
    pub reason: Option<ReasonCode>,
}

impl Items {
    /// What the items' events say, or what is wrong with them.
    pub(crate) fn of(&self, row: &Row, unknown: &ReasonCode) -> Result<Vec<EventBody>, String> {
        let Some(found) = row.first(&self.column) else { return Ok(Vec::new()) };
        let parsed = match &*found {
            Value::String(json) => serde_json::from_str(json).map_err(|error| error.to_string())?,
            other => other.clone(),
        };
        let Value::Array(members) = parsed else { return Err("it is no array".to_owned()) };
        members.into_iter().map(|member| self.event(member, unknown)).collect()
    }

    fn event(&self, member: Value, unknown: &ReasonCode) -> Result<EventBody, String> {
        let (name, member) = match member {
            Value::Object(members) => {
                let member = Row(members);
                let name = self.id.as_ref().and_then(|id| member.text(id));
                (name.ok_or("an item has no name: see `items.id`")?, member)
            }
            other => (text(&other), Row::default()),
        };
        let item = ItemName::try_from(name).map_err(|error| error.to_string())?;
        let clean = |column: &Option<Columns>| {
            let text = column.as_ref().and_then(|column| member.text(column))?;
            Some(CleanText::new(&text)).filter(|text| !text.is_empty())
        };
        let (label, namespace) = (clean(&self.label), self.namespace.clone());
        let said = self.status.as_ref().and_then(|column| member.text(column));
        let outcome = match said {
            None => self.otherwise,
            Some(said) => *self.values.get(&said).ok_or_else(|| {
                format!("an item's status {said:?} has no meaning: give it one in [items.values]")
            })?,
        };
        Ok(match outcome {
            Outcome::Succeeded => EventBody::ItemSucceeded(ItemSucceeded { item, label, namespace }),
            Outcome::Skipped => EventBody::ItemSkipped(ItemSkipped {
                item,
                label,
                namespace,
                reason_code: self.reason.clone(),
            }),
            Outcome::Failed => EventBody::ItemFailed(ItemFailed {
                item,
                label,
                namespace,
                reason_code: self.reason.clone().unwrap_or_else(|| unknown.clone()),
                message: clean(&self.message)
                    .unwrap_or_else(|| CleanText::new("The source does not say why.")),
            }),
        })
    }
}
