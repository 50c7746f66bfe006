//! What work costs the processors: the time that this program and all processes under it, such as the database's, were
//! at work. Unlike rates it says the same on a machine that others use too.

use std::collections::HashMap;

use crate::Failure;

/// A moment of the count.
pub struct CpuClock(f64);

impl CpuClock {
    /// From now on.
    pub fn start() -> Result<Self, Failure> {
        Ok(Self(seconds()?))
    }

    /// Microseconds for each of so many events since then.
    pub fn per_event(&self, events: f64) -> Result<f64, Failure> {
        Ok((seconds()? - self.0) * 1_000_000.0 / events)
    }
}

/// Of a process.
struct Cost {
    parent: u32,
    ticks: u64,
}

/// CPU seconds of this process and all under it so far, those that have ended too.
fn seconds() -> Result<f64, Failure> {
    let mut costs = HashMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that has just ended is counted with its parent.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        costs.insert(pid, cost(&stat).ok_or("a process tells no times")?);
    }
    let own = std::process::id();
    let is_ours = |mut pid: u32| {
        while pid != own {
            match costs.get(&pid) {
                Some(cost) if cost.parent > 1 => pid = cost.parent,
                _ => return false,
            }
        }
        true
    };
    let ticks: u64 = costs.iter().filter(|(pid, _)| is_ours(**pid)).map(|(_, cost)| cost.ticks).sum();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// See proc_pid_stat(5): the parent is field 4, the times are fields 14 to 17. The name in field 2 may hold anything.
fn cost(stat: &str) -> Option<Cost> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Cost { parent: fields.get(1)?.parse().ok()?, ticks })
}
