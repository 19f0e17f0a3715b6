//! A candidate in the race of the current generation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::archive::{Cell, agreement_bucket, parameters_bucket, size_bucket};
use super::identity::{Behaviour, identity};
use super::race::Ledger;
use super::store::RecordId;
use super::tuner::structural;
use crate::programs::ir::Program;
use crate::programs::walk;

/// Where a runner comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Origin {
    /// The program the user gave.
    Baseline,
    /// Structural variation on an island.
    Bred,
    /// The numbers of a tuner.
    Tuned(u64),
}

/// How far a runner got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Progress {
    /// It still sees more instances.
    Racing,
    /// It is worse than its rivals.
    Left,
    /// It does what a rival does.
    Twin,
    /// An evaluation was not ok.
    Infeasible,
}

/// A candidate in a race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Runner {
    pub program: Arc<Program>,
    pub identity: [u8; 32],
    pub size: u32,
    pub n_parameters: usize,
    pub parents: Vec<RecordId>,
    pub operator: u16,
    pub origin: Origin,
    pub island: u32,
    pub ledger: Ledger,
    pub fuel: u64,
    pub behaviour: Behaviour,
    pub cell: Cell,
    pub progress: Progress,
    pub merit: f64,
    pub is_neutral: bool,
}

impl Runner {
    pub(crate) fn new(
        program: Program,
        parents: Vec<RecordId>,
        operator: u16,
        origin: Origin,
        island: u32,
        n_instances: usize,
    ) -> Self {
        let n_parameters = structural(&program).iter().filter(|is| !**is).count();
        Self {
            identity: identity(&program),
            size: u32::try_from(walk::size(&program)).unwrap_or(u32::MAX),
            n_parameters,
            program: Arc::new(program),
            parents,
            operator,
            origin,
            island,
            ledger: Ledger::new(n_instances),
            fuel: 0,
            behaviour: Behaviour { signature: 0, agreement: 0.0, spread: 0.0 },
            cell: Cell::default(),
            progress: Progress::Racing,
            merit: f64::INFINITY,
            is_neutral: false,
        }
    }

    /// Notes the outputs on the probe inputs.
    pub(crate) fn observe(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
        self.cell = [
            size_bucket(self.size),
            agreement_bucket(behaviour.agreement),
            parameters_bucket(self.n_parameters),
        ];
    }
}
