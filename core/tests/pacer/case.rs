//! A case: the buckets, and the calls that go through them; what a run of it took; and what the
//! fastest possible controller would take.

/// Which calls share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    PerRegion,
    PerOperation,
}

/// What an association needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A Describe, as in a dry run or a reconcile.
    Describe,
    /// A Describe, then an update.
    Move,
}

/// The buckets, and the calls that go through them.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub associations: u32,
    pub work: Work,
    /// Tokens per second.
    pub per_sec: f64,
    /// The size of a bucket, in tokens.
    pub burst: f64,
    /// The shortest and the longest latency, in milliseconds.
    pub latency_ms: (u32, u32),
    /// Describes of other callers per second. They come at random and never wait.
    pub others_per_sec: f64,
    /// The rate between two times, in seconds: (from, to, rate).
    pub drop: Option<(f64, f64, f64)>,
    /// How long every throttled call is asked to wait, in seconds.
    pub retry_after: Option<f64>,
}

/// What a run took.
#[derive(Debug, Clone, Default)]
pub struct Run {
    pub secs: f64,
    /// When each call was decided, in seconds.
    pub admitted: Vec<f64>,
    pub throttled: Vec<f64>,
    /// The controller's rate at each full second.
    pub rates: Vec<f64>,
}

impl Case {
    pub const fn burst(self, burst: f64) -> Self {
        Self { burst, ..self }
    }

    pub const fn latency_ms(self, min: u32, max: u32) -> Self {
        let latency_ms = (min, max);
        Self { latency_ms, ..self }
    }

    pub const fn others_per_sec(self, others_per_sec: f64) -> Self {
        Self {
            others_per_sec,
            ..self
        }
    }

    pub const fn retry_after(self, secs: f64) -> Self {
        let retry_after = Some(secs);
        Self {
            retry_after,
            ..self
        }
    }

    /// Returns the lower bound in seconds: when the buckets have given out enough tokens, plus the
    /// mean latency of the last call.
    pub fn bound_secs(&self, buckets: Buckets) -> f64 {
        const STEP_SECS: f64 = 0.001;
        let calls_each = match (self.work, buckets) {
            (Work::Move, Buckets::PerRegion) => 2.0,
            (Work::Move, Buckets::PerOperation) | (Work::Describe, _) => 1.0,
        };
        let (mut missing, mut at) = (calls_each * f64::from(self.associations) - self.burst, 0.0);
        while missing > 0.0 {
            missing -= (self.per_sec_at(at) - self.others_per_sec).max(0.0) * STEP_SECS;
            at += STEP_SECS;
        }
        at + f64::from(self.latency_ms.0 + self.latency_ms.1) / 2_000.0
    }

    /// Returns the calls that are needed at least.
    pub fn calls(&self) -> u32 {
        match self.work {
            Work::Describe => self.associations,
            Work::Move => 2 * self.associations,
        }
    }

    /// Returns how many seconds after the drop the calls are at 90 % of the rate for 10 s. `None`
    /// if there is no drop, or never.
    pub fn back_secs(&self, run: &Run, buckets: Buckets) -> Option<f64> {
        self.back_secs_at(0.9, run, buckets)
    }

    /// As [`Self::back_secs`], at this part of the rate.
    pub fn back_secs_at(&self, part: f64, run: &Run, buckets: Buckets) -> Option<f64> {
        const WINDOW_SECS: f64 = 10.0;
        let (_, ended_at, _) = self.drop?;
        let expected = part * WINDOW_SECS * self.whole_rate(buckets);
        let starts = (0..).map(|secs| ended_at + f64::from(secs));
        let mut starts = starts.take_while(|from| from + WINDOW_SECS <= run.secs);
        let is_back = |from: &f64| {
            let window = *from..from + WINDOW_SECS;
            let admitted = run.admitted.iter().filter(|at| window.contains(at));
            admitted.map(|_| 1.0).sum::<f64>() >= expected
        };
        starts.find(is_back).map(|from| from - ended_at)
    }

    /// Returns the rate of all buckets together.
    pub fn whole_rate(&self, buckets: Buckets) -> f64 {
        match (self.work, buckets) {
            (Work::Move, Buckets::PerOperation) => 2.0 * self.per_sec,
            _ => self.per_sec,
        }
    }

    /// Returns the buckets' rate at this time.
    pub fn per_sec_at(&self, at: f64) -> f64 {
        match self.drop {
            Some((from, to, per_sec)) if (from..to).contains(&at) => per_sec,
            _ => self.per_sec,
        }
    }
}
