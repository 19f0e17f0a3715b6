//! Quasi-Newton descent in the unit cube from function values alone.
//!
//! BFGS with Powell's damping (1978) on gradients by finite differences, on the genes that no bound
//! holds; steps are cut by quadratic interpolation. One gradient is one batch of rows. Ends when
//! central differences and a fresh start of the curvature find no better row.

use serde::{Deserialize, Serialize};

/// Forward difference, in units of the box. Near the root of the rounding error of a float.
const FORWARD: f64 = 2e-9;
/// Central difference. Near its cube root.
const CENTRAL: f64 = 2e-7;
/// Length of the first step.
const FIRST_STEP: f64 = 0.1;
/// The first curvature is this much softer than the steepest one seen: stiff directions are found
/// by a few cut steps, soft ones would be crept along.
const SOFTER: f64 = 1e4;
/// A step must gain this share of what the slope promises.
const ARMIJO: f64 = 1e-4;
/// One flat gene in so many makes differences blind.
const BLIND: usize = 4;
const DAMPING: f64 = 0.2;
const CUTS_MAX: u32 = 12;
const FIRST_CUTS_MAX: u32 = 30;
/// Relative gain below which a step is no progress.
const GAIN_MIN: f64 = 1e-12;

/// What the next rows are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// The gradient at a point that becomes the base; `is_step` when reached by a step.
    Gradient {
        is_step: bool,
    },
    /// A trial along the direction.
    Line,
    /// A longer trial, after the first one was good.
    Reach,
    Done,
}

/// A descent under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Descent {
    stage: Stage,
    x: Vec<f64>,
    f: f64,
    g: Vec<f64>,
    /// Inverse curvature, row-major; empty before it is known.
    h: Vec<f64>,
    /// Direction, and the share of it to try.
    p: Vec<f64>,
    t: f64,
    /// By how much the direction was shortened to stay near the base.
    shortened: f64,
    slope: f64,
    cuts: u32,
    is_central: bool,
    /// Where the gradient is wanted next.
    y: Vec<f64>,
    fy: f64,
    gy: Vec<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

/// Memory of a step.
#[derive(Clone, Debug, Default)]
struct Scratch {
    step: Vec<f64>,
    change: Vec<f64>,
    turned: Vec<f64>,
    free: Vec<f64>,
}

fn fill(out: &mut Vec<f64>, values: impl Iterator<Item = f64>) {
    out.clear();
    out.extend(values);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Descent {
    /// From a point of known value.
    pub fn new(x: &[f64], f: f64) -> Self {
        let d = x.len();
        Self {
            stage: Stage::Gradient { is_step: false },
            x: x.to_vec(),
            f,
            g: vec![0.0; d],
            h: Vec::new(),
            p: vec![0.0; d],
            t: 1.0,
            shortened: 1.0,
            slope: 0.0,
            cuts: 0,
            is_central: false,
            y: x.to_vec(),
            fy: f,
            gy: vec![0.0; d],
            scratch: Scratch::default(),
        }
    }

    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    pub const fn n_rows(&self) -> usize {
        match self.stage {
            Stage::Gradient { .. } if self.is_central => 2 * self.x.len(),
            Stage::Gradient { .. } => self.x.len(),
            Stage::Line | Stage::Reach | Stage::Done => 1,
        }
    }

    /// Writes the rows to evaluate.
    pub fn ask(&self, out: &mut [f64]) {
        let d = self.x.len();
        let reach = if self.stage == Stage::Reach { 2.0 * self.t } else { self.t };
        match self.stage {
            Stage::Gradient { .. } => {
                for (idx, row) in out.chunks_exact_mut(d).enumerate() {
                    row.copy_from_slice(&self.y);
                    let Some(gene) = row.get_mut(idx % d) else { continue };
                    let step = match (self.is_central, idx < d) {
                        (false, _) if *gene + FORWARD <= 1.0 => FORWARD,
                        (false, _) => -FORWARD,
                        (true, true) => CENTRAL,
                        (true, false) => -CENTRAL,
                    };
                    *gene = (*gene + step).clamp(0.0, 1.0);
                }
            }
            _ => {
                for ((slot, x), p) in out.iter_mut().zip(&self.x).zip(&self.p) {
                    *slot = (x + reach * p).clamp(0.0, 1.0);
                }
            }
        }
    }

    /// Takes the values of those rows; infinite where evaluation failed.
    pub fn tell(&mut self, rows: &[f64], values: &[f64]) {
        match self.stage {
            Stage::Gradient { is_step } => self.turn(rows, values, is_step),
            Stage::Line => self.try_step(rows, values.first().copied().unwrap_or(f64::INFINITY)),
            Stage::Reach => {
                let value = values.first().copied().unwrap_or(f64::INFINITY);
                if value < self.fy {
                    self.y.copy_from_slice(rows);
                    self.fy = value;
                    self.t *= 2.0;
                    if self.t > 1e6 {
                        self.stage = Stage::Gradient { is_step: true };
                    }
                } else {
                    self.stage = Stage::Gradient { is_step: true };
                }
            }
            Stage::Done => {}
        }
    }

    /// A gradient arrived: learn curvature, move the base, choose the next direction.
    fn turn(&mut self, rows: &[f64], values: &[f64], is_step: bool) {
        let d = self.x.len();
        for idx in 0..d {
            let at = |row: usize| rows.get(row * d + idx).copied().unwrap_or(0.0);
            let value = |row: usize| values.get(row).copied().unwrap_or(f64::INFINITY);
            let (rise, run) = if self.is_central {
                (value(idx) - value(idx + d), at(idx) - at(idx + d))
            } else {
                (value(idx) - self.fy, at(idx) - self.y.get(idx).copied().unwrap_or(0.0))
            };
            let slope = if run == 0.0 { 0.0 } else { rise / run };
            if !slope.is_finite() {
                self.stage = Stage::Done;
                return;
            }
            if let Some(slot) = self.gy.get_mut(idx) {
                *slot = slope;
            }
        }
        if self.h.is_empty() && !is_step && self.is_blind() {
            self.stage = Stage::Done;
            return;
        }
        let gain = self.f - self.fy;
        if is_step {
            self.learn();
        }
        self.x.copy_from_slice(&self.y);
        self.f = self.fy;
        self.g.copy_from_slice(&self.gy);
        if is_step && gain <= GAIN_MIN * self.f.abs().max(1e-3) {
            self.give_up();
        } else {
            self.aim();
        }
    }

    /// Whether many genes change nothing at all: they are rounded inside the objective, or the start
    /// lies on a plateau. Differences cannot see either.
    fn is_blind(&self) -> bool {
        let n_flat = self.gy.iter().filter(|slope| **slope == 0.0).count();
        n_flat > 0 && BLIND * n_flat >= self.gy.len()
    }

    /// Nothing more to gain this way: look more closely, or end.
    fn give_up(&mut self) {
        if self.is_central {
            self.stage = Stage::Done;
        } else {
            self.is_central = true;
            self.y.copy_from_slice(&self.x);
            self.fy = self.f;
            self.stage = Stage::Gradient { is_step: false };
        }
    }

    /// Update of the inverse curvature from the last step.
    fn learn(&mut self) {
        let d = self.x.len();
        let Scratch { step: s, change, turned, .. } = &mut self.scratch;
        fill(s, self.y.iter().zip(&self.x).map(|(y, x)| y - x));
        fill(change, self.gy.iter().zip(&self.g).map(|(a, b)| a - b));
        let mut curvature = dot(s, change);
        if !self.h.is_empty() {
            // Along a whole quasi-Newton step the old curvature times the step is a multiple of g.
            let whole =
                s.iter().zip(&self.p).all(|(s, p)| (s - self.t * p).abs() <= 1e-9 * p.abs());
            let factor = self.t * self.shortened;
            let old = -factor * self.t * self.slope;
            if whole && old > 0.0 && curvature < DAMPING * old {
                let share = (1.0 - DAMPING) * old / (old - curvature);
                for ((change, g), p) in change.iter_mut().zip(&self.g).zip(&self.p) {
                    let bent = if *p == 0.0 { 0.0 } else { -factor * g };
                    *change = share * *change + (1.0 - share) * bent;
                }
                curvature = dot(s, change);
            }
        }
        let squared = dot(change, change);
        if !(curvature > 1e-12 * (dot(s, s) * squared).sqrt()) || !squared.is_finite() {
            return;
        }
        if self.h.is_empty() {
            self.h.resize(d * d, 0.0);
            for slot in self.h.iter_mut().step_by(d + 1) {
                *slot = curvature / squared * SOFTER;
            }
        }
        // H + (1 + y'Hy / s'y) ss' / s'y - (Hy s' + s (Hy)') / s'y
        fill(turned, self.h.chunks_exact(d).map(|row| dot(row, change)));
        let scale = (1.0 + dot(change, turned) / curvature) / curvature;
        for ((row, s_i), turned_i) in self.h.chunks_exact_mut(d).zip(s.iter()).zip(turned.iter()) {
            for ((slot, s_j), turned_j) in row.iter_mut().zip(s.iter()).zip(turned.iter()) {
                *slot += scale * s_i * s_j - (turned_i * s_j + s_i * turned_j) / curvature;
            }
        }
    }

    /// Direction from the base, and its first trial.
    fn aim(&mut self) {
        let d = self.x.len();
        let free = &mut self.scratch.free;
        fill(free, self.g.iter().copied());
        for (slope, x) in free.iter_mut().zip(&self.x) {
            if (*x <= 0.0 && *slope > 0.0) || (*x >= 1.0 && *slope < 0.0) {
                *slope = 0.0;
            }
        }
        let steepness = dot(free, free).sqrt();
        if !(steepness > 0.0 && steepness.is_finite()) {
            self.give_up();
            return;
        }
        self.slope = 0.0;
        if !self.h.is_empty() {
            let rows = self.h.chunks_exact(d).zip(free.iter()).zip(&mut self.p);
            for ((row, slope), p) in rows {
                *p = if *slope == 0.0 { 0.0 } else { -dot(row, free) };
            }
            self.slope = dot(&self.p, free);
            let length = dot(&self.p, &self.p).sqrt();
            self.shortened = (0.5 / length).min(1.0);
            for p in &mut self.p {
                *p *= self.shortened;
            }
            self.slope *= self.shortened;
        }
        if !(self.slope < 0.0) {
            self.h.clear();
            for (p, slope) in self.p.iter_mut().zip(free.iter()) {
                *p = -slope / steepness * FIRST_STEP;
            }
            self.slope = -steepness * FIRST_STEP;
        }
        self.t = 1.0;
        self.cuts = 0;
        self.stage = Stage::Line;
    }

    fn try_step(&mut self, row: &[f64], value: f64) {
        let promise: f64 =
            row.iter().zip(&self.x).zip(&self.g).map(|((y, x), g)| g * (y - x)).sum();
        if value < self.f && value <= self.f + ARMIJO * promise {
            self.y.copy_from_slice(row);
            self.fy = value;
            self.stage =
                if self.h.is_empty() { Stage::Reach } else { Stage::Gradient { is_step: true } };
            return;
        }
        self.cuts += 1;
        let is_first = self.h.is_empty();
        let is_stuck = row == self.x.as_slice();
        if is_stuck || self.cuts >= if is_first { FIRST_CUTS_MAX } else { CUTS_MAX } {
            if is_first {
                self.give_up();
            } else {
                self.h.clear();
                self.aim();
            }
            return;
        }
        let bend = value - self.f - self.slope * self.t;
        let cut = if bend.is_finite() && bend > 0.0 {
            -self.slope * self.t * self.t / (2.0 * bend)
        } else {
            0.5 * self.t
        };
        self.t = cut.clamp(0.1 * self.t, 0.5 * self.t);
    }
}
