//! The flags as typed, and the [`PlaygroundOptions`] that they determine, which have been
//! validated.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;

use crate::invalid_flag::InvalidFlag;

/// A debug build starts with so many within seconds, and moves them within minutes.
pub const ASSOCIATIONS_MAX: usize = 20_000;
/// How many of the associations on the old role an add-on owns.
pub const OWNED_BY_ADDON: usize = 3;
/// At one call a second, a rotation of the default fleet already takes ten minutes.
const THROTTLE_MIN: f64 = 1.0;
/// The simulation does not respond faster than this, so a higher limit has no effect.
const THROTTLE_MAX: f64 = 10_000.0;
/// As many as the fleet has by default.
const CLUSTERS: usize = 3;

/// The flags of `rerole playground`, as typed.
#[derive(Debug, Clone, Args)]
pub struct PlaygroundFlags {
    /// Port on 127.0.0.1; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 4599)]
    pub port: u16,
    /// Seed for everything that is random; the same seed gives the same fleet
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of associations in all clusters together; two fifths of them are on the old role
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub associations: usize,
    /// Limit EKS to this many calls a second in each region, with bursts of twice as many
    #[arg(long, value_name = "RATE_PER_SEC")]
    pub throttle: Option<f64>,
    /// Number of updates that EKS refuses; a retry of the rotation moves these associations
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub fail: usize,
    /// Number of associations that were moved by hand while the index does not know
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub drift: usize,
    /// End after this many seconds [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    pub seconds: Option<u64>,
    /// Print only the URL
    #[arg(short, long)]
    pub quiet: bool,
}

/// What the playground contains. Its numbers are consistent with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaygroundOptions {
    pub port: u16,
    pub seed: u64,
    pub clusters: usize,
    pub associations: usize,
    /// Associations that the index shows on the old role. The next three are disjoint parts of
    /// them.
    pub rotating: usize,
    pub drifted: usize,
    pub owned_by_addon: usize,
    /// Associations whose first update EKS refuses.
    pub refused: usize,
    /// EKS calls a second, in each region.
    pub throttle: Option<f64>,
    /// How long a call to EKS takes, if not as long as one to another service.
    pub eks_latency: Option<RangeInclusive<Duration>>,
    /// Which calls are kept for `SimulatedAws::calls`. They take memory.
    pub calls: KeptCalls,
}

/// Which calls are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptCalls {
    None,
    OfEks,
    All,
}

impl TryFrom<&PlaygroundFlags> for PlaygroundOptions {
    type Error = InvalidFlag;

    fn try_from(flags: &PlaygroundFlags) -> Result<Self, InvalidFlag> {
        let associations = flags.associations;
        check_range("--associations", associations, 1..=ASSOCIATIONS_MAX, "")?;
        let rotating = (associations * 2 / 5).max(1);
        let why = format!(": {rotating} associations are on the old role");
        check_range("--drift", flags.drift, 0..=rotating, why)?;
        let left = rotating - flags.drift;
        let owned_by_addon = OWNED_BY_ADDON.min(left / 10);
        let movable = left - owned_by_addon;
        let why = format!(
            ": of {rotating} associations on the old role, {} drifted and {owned_by_addon} are \
             owned by an add-on",
            flags.drift
        );
        check_range("--fail", flags.fail, 0..=movable, why)?;
        check_throttle(flags.throttle)?;
        Ok(Self {
            port: flags.port,
            seed: flags.seed,
            clusters: CLUSTERS,
            associations,
            rotating,
            drifted: flags.drift,
            owned_by_addon,
            refused: flags.fail,
            throttle: flags.throttle,
            eks_latency: None,
            calls: KeptCalls::None,
        })
    }
}

/// Checks the value of `--throttle`.
///
/// # Errors
/// If the simulation cannot be throttled to that rate.
pub fn check_throttle(rate: Option<f64>) -> Result<(), InvalidFlag> {
    match rate {
        Some(rate) if !(THROTTLE_MIN..=THROTTLE_MAX).contains(&rate) => {
            let allowed = format!("{THROTTLE_MIN} to {THROTTLE_MAX} calls a second");
            Err(InvalidFlag::new("--throttle", rate, allowed))
        }
        _ => Ok(()),
    }
}

/// Checks a number. `why` follows the range in the error message.
///
/// # Errors
/// If it is out of the range.
pub fn check_range(
    flag: &'static str,
    value: usize,
    range: RangeInclusive<usize>,
    why: impl Display,
) -> Result<(), InvalidFlag> {
    if range.contains(&value) {
        return Ok(());
    }
    let allowed = format!("{} to {}{why}", range.start(), range.end());
    Err(InvalidFlag::new(flag, value, allowed))
}
