//! How much a long computation may do, and whether somebody stops it.

/// Most steps of an exact hypervolume: many minutes, and far more than estimates need.
pub const HYPERVOLUME_STEPS_MAX: u64 = 1 << 40;

/// Steps between two looks at whether somebody stops the work: less than a millisecond.
const STEPS_A_LOOK: u64 = 1 << 18;

/// Steps that may still be taken; a step is about one comparison of two numbers.
pub struct Work<'a> {
    /// Steps until the next look.
    quota: u64,
    /// Steps after those.
    left: u64,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    is_over: bool,
}

impl<'a> Work<'a> {
    /// As many steps as it takes.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { quota: u64::MAX, left: u64::MAX, stop: None, is_over: false }
    }

    /// At most `n_steps`.
    #[must_use]
    pub const fn limited(n_steps: u64) -> Self {
        Self { quota: 0, left: n_steps, stop: None, is_over: false }
    }

    /// At most `n_steps`, until `stop` returns true.
    #[must_use]
    pub const fn until(n_steps: u64, stop: &'a (dyn Fn() -> bool + Sync)) -> Self {
        Self { quota: 0, left: n_steps, stop: Some(stop), is_over: false }
    }

    /// Whether `n_steps` more may be taken. Once they may not, none ever may.
    #[inline(always)]
    pub fn spend(&mut self, n_steps: usize) -> bool {
        match self.quota.checked_sub(n_steps as u64) {
            Some(rest) => {
                self.quota = rest;
                true
            }
            None => self.look(n_steps as u64),
        }
    }

    #[cold]
    fn look(&mut self, n_steps: u64) -> bool {
        let missing = n_steps - self.quota;
        self.is_over |= missing > self.left || self.stop.is_some_and(|stop| stop());
        if self.is_over {
            (self.quota, self.left) = (0, 0);
            return false;
        }
        self.left -= missing;
        self.quota = self.left.min(STEPS_A_LOOK);
        self.left -= self.quota;
        true
    }

    /// The result of the work, unless it ended early.
    pub fn finish<T>(&self, result: T) -> Option<T> {
        (!self.is_over).then_some(result)
    }
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Work").field("left", &self.left).finish_non_exhaustive()
    }
}
