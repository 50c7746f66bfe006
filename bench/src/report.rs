//! Figures: medians of rounds, percentiles of times, and the table at the end.

use std::time::Duration;

use serde::Serialize;

/// One figure, the baseline that it is held against, and what was hoped for.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Median over the rounds, or the percentile that `name` tells.
    pub value: f64,
    /// The unit of `value` and of the baseline.
    pub unit: &'static str,
    /// What it is held against, where there is something.
    pub baseline: Option<Baseline>,
    /// Median of the rounds' own ratios to the baseline.
    pub ratio: Option<f64>,
    /// What was hoped for, in words.
    pub target: Option<String>,
    /// Whether the target is met; none where there is no target.
    pub met: Option<bool>,
}

/// What a figure is held against.
#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    /// What it does.
    pub name: String,
    /// Its own figure, measured in the same run.
    pub value: f64,
}

impl Figure {
    /// A figure without a baseline.
    pub fn plain(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, baseline: None, ratio: None, target: None, met: None }
    }

    /// The same with a baseline, but without a ratio.
    pub fn beside(mut self, name: impl Into<String>, value: f64) -> Self {
        self.baseline = Some(Baseline { name: name.into(), value });
        self
    }

    /// Sets what was hoped for.
    pub fn target(mut self, words: impl Into<String>, met: bool) -> Self {
        self.target = Some(words.into());
        self.met = Some(met);
        self
    }

    /// Sets a ratio to the baseline that was hoped for at least.
    pub fn at_least(self, ratio: f64) -> Self {
        let met = self.ratio.is_some_and(|measured| measured >= ratio);
        self.target(format!("at least {ratio}x"), met)
    }

    /// Sets a value that was hoped to be kept under.
    pub fn under(self, limit: f64) -> Self {
        let (met, unit) = (self.value < limit, self.unit);
        self.target(format!("under {limit} {unit}"), met)
    }
}

/// Rates of rounds that took turns with their baseline's.
#[derive(Debug, Default)]
pub struct Rounds {
    ours: Vec<f64>,
    baseline: Vec<f64>,
}

impl Rounds {
    /// Adds a round, both in events a second.
    pub fn push(&mut self, ours: f64, baseline: f64) {
        self.ours.push(ours);
        self.baseline.push(baseline);
    }

    /// The figure of all rounds.
    pub fn figure(self, name: impl Into<String>, baseline: impl Into<String>) -> Figure {
        let ratios = self.ours.iter().zip(&self.baseline).map(|(ours, base)| ours / base).collect();
        let mut figure = Figure::plain(name, median(self.ours), "events/s");
        figure.baseline = Some(Baseline { name: baseline.into(), value: median(self.baseline) });
        figure.ratio = Some(median(ratios));
        figure
    }
}

/// The middle one of some values; not a number when there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Times of many tries of the same thing.
#[derive(Debug, Default, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds a try.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds the tries of another.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many tries there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that this part of a hundred tries kept to, in milliseconds (nearest rank).
    pub fn percentile(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
    }
}

/// Shows the figures as a table in Markdown.
pub fn print_table(figures: &[Figure]) {
    println!(
        "\n| what | measured | baseline | measured | ratio | target | met |\n|---|---|---|---|---|---|---|"
    );
    for figure in figures {
        let (base, base_value) = figure.baseline.as_ref().map_or_else(Default::default, |baseline| {
            (baseline.name.as_str(), shown(baseline.value, figure.unit))
        });
        let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let target = figure.target.as_deref().unwrap_or_default();
        let met = match figure.met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let value = shown(figure.value, figure.unit);
        println!("| {} | {value} | {base} | {base_value} | {ratio} | {target} | {met} |", figure.name);
    }
}

fn shown(value: f64, unit: &str) -> String {
    if value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.2} {unit}") }
}
