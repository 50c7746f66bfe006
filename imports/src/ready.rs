//! Mappings that come with the program, by name.

use crate::mapping::{InvalidMapping, Mapping};

macro_rules! ready {
    ($($name:literal),* $(,)?) => {
        /// Names and texts of the mappings that come with the program.
        pub const READY: &[(&str, &str)] = &[$(($name, include_str!(concat!("../mappings/", $name, ".toml")))),*];
    };
}

ready![
    "airflow-dag-run",
    "airflow-task-instance",
    "bulk-operation-runs",
    "celery-results",
    "jenkins-builds",
    "laravel-failed-jobs",
    "laravel-job-batches",
    "oban-jobs",
    "river-jobs",
    "spring-batch",
];

/// The mapping of that name, if it comes with the program.
///
/// # Errors
/// None that a test would not find.
pub fn ready(name: &str) -> Result<Option<Mapping>, InvalidMapping> {
    let found = READY.iter().find(|(known, _)| *known == name);
    found.map(|(_, toml)| Mapping::parse(toml)).transpose()
}
