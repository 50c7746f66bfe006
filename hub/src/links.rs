//! Links to a list with other filters than those it was asked with.

use super::words;

/// The parameters that say which page of a list is shown. A link to other filters begins at the first.
const PAGE: [&str; 2] = ["cursor", "newer"];

/// A list as it was asked for, to be asked for otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links<'a> {
    base: &'a str,
    pairs: &'a [(String, String)],
}

impl<'a> Links<'a> {
    pub(super) fn new(base: &'a str, pairs: &'a [(String, String)]) -> Self {
        Self { base, pairs }
    }

    /// The parameters that it was asked with.
    pub(super) fn pairs(self) -> &'a [(String, String)] {
        self.pairs
    }

    /// The value of a parameter, where it is given.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// All values of a parameter.
    pub(super) fn values(self, name: &str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether any parameter but these filters the list.
    pub(super) fn filters_but(self, names: &[&str]) -> bool {
        let others = ["limit", "sort"];
        let counts = |name: &str| !PAGE.contains(&name) && !others.contains(&name) && !names.contains(&name);
        self.pairs.iter().any(|(name, _)| counts(name))
    }

    /// Whether it is another page than the first.
    pub(super) fn is_later_page(self) -> bool {
        PAGE.iter().any(|name| self.value(name).is_some())
    }

    /// The same list without these parameters, and with others.
    pub(super) fn with(self, without: &[&str], more: &[(&str, &str)]) -> String {
        self.to(|name, _| !without.contains(&name), more)
    }

    /// The same list without that value of a parameter.
    pub(super) fn without_one(self, name: &str, value: &str) -> String {
        self.to(|key, given| !(key == name && given == value), &[])
    }

    /// The same list with that value of a filter that has one; without it where it is given already.
    pub(super) fn toggled(self, name: &str, value: &str) -> Toggle {
        let chosen = self.value(name) == Some(value);
        let more = [(name, value)];
        Toggle { href: self.with(&[name], if chosen { &[] } else { &more }), chosen }
    }

    /// The same list with that label too; without it where it is given already. A run has one value of a
    /// label at most, so another value of the same one is left out.
    pub(super) fn label_toggled(self, label: &str) -> Toggle {
        let chosen = self.values("label").any(|given| given == label);
        let name = label.split_once(':').map_or(label, |(name, _)| name);
        let same = |given: &str| given.split_once(':').is_some_and(|(given, _)| given == name);
        let more = [("label", label)];
        let href = self.to(|key, given| key != "label" || !same(given), if chosen { &[] } else { &more });
        Toggle { href, chosen }
    }

    fn to(self, keep: impl Fn(&str, &str) -> bool, more: &[(&str, &str)]) -> String {
        let kept = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, value)| !PAGE.contains(name) && keep(name, value));
        format!("{}{}", self.base, words::query(kept.chain(more.iter().copied())))
    }
}

/// A link that puts a filter in or takes it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toggle {
    pub(super) href: String,
    /// It is in: the link takes it out.
    pub(super) chosen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn filters_are_added_to_the_others_and_taken_out_again() {
        let given = pairs(&[("status", "failed"), ("label", "env:prod"), ("cursor", "abc")]);
        let links = Links::new("/r", &given);
        let added = links.toggled("initiator", "ann");
        assert_eq!(added.href, "/r?status=failed&label=env:prod&initiator=ann");
        assert!(!added.chosen);
        let taken = links.toggled("status", "failed");
        assert_eq!((taken.href.as_str(), taken.chosen), ("/r?label=env:prod", true));
        assert_eq!(links.label_toggled("env:prod").href, "/r?status=failed");
        assert_eq!(links.label_toggled("env:dev").href, "/r?status=failed&label=env:dev");
        assert_eq!(links.label_toggled("team:a").href, "/r?status=failed&label=env:prod&label=team:a");
    }

    #[test]
    fn pages_and_orders_are_no_filters() {
        let given = pairs(&[("sort", "queued_at"), ("limit", "5"), ("newer", "abc"), ("kind", "a")]);
        let links = Links::new("/r", &given);
        assert!(links.filters_but(&[]) && !links.filters_but(&["kind"]));
        assert!(links.is_later_page());
    }
}
