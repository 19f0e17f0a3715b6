//! The staircase of an area under points: `xs` ascends, `ys` descends.

/// Steps are searched one by one up to here.
const FEW_STEPS: usize = 32;

/// Steps of points of which none is below another.
#[derive(Clone, Debug, Default)]
pub(super) struct Stairs {
    xs: Vec<f64>,
    ys: Vec<f64>,
}

impl Stairs {
    pub fn reserve(&mut self, n_steps: usize) {
        self.clear();
        self.xs.reserve(n_steps);
        self.ys.reserve(n_steps);
    }

    pub fn clear(&mut self) {
        self.xs.clear();
        self.ys.clear();
    }

    /// Add a point, and return the area that it adds right of `left` and above `low`, of which all
    /// that is left or below is known to be covered.
    #[inline(always)]
    pub fn insert(&mut self, [x, y]: [f64; 2], [left, low]: [f64; 2]) -> f64 {
        let Self { xs, ys } = self;
        let next = if xs.len() > FEW_STEPS {
            xs.partition_point(|step| *step < x)
        } else {
            xs.iter().take_while(|step| **step < x).count()
        };
        if ys.get(next).is_some_and(|step| *step >= y) {
            return 0.0;
        }
        // Steps `start..end` lie under the point.
        let end = next + usize::from(xs.get(next) == Some(&x));
        let mut start = end;
        let mut right = x;
        let mut height = ys.get(end).copied().unwrap_or(low);
        let mut area = 0.0;
        while let Some((step_x, step_y)) = start
            .checked_sub(1)
            .and_then(|idx| Some((*xs.get(idx)?, *ys.get(idx)?)))
            .filter(|(_, step_y)| *step_y <= y)
        {
            area += (right - step_x) * (y - height);
            right = step_x;
            height = step_y;
            start -= 1;
        }
        let edge = start.checked_sub(1).and_then(|idx| xs.get(idx)).copied().unwrap_or(left);
        area += (right - edge) * (y - height);
        if start == end {
            xs.insert(start, x);
            ys.insert(start, y);
        } else if let (Some(step_x), Some(step_y)) = (xs.get_mut(start), ys.get_mut(start)) {
            *step_x = x;
            *step_y = y;
            if start + 1 < end {
                xs.drain(start + 1..end);
                ys.drain(start + 1..end);
            }
        }
        area
    }
}
