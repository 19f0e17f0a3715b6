//! Shared by the tests of this slice: drive a run, and compare runs bit by bit.

use crate::algorithm::Scores;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

/// Settings that every method takes.
pub const SETTINGS: &str = "{}";

/// Ask and tell until `budget` more rows were evaluated.
pub fn drive(run: &mut Run, budget: u64, objective: impl Fn(&[f64]) -> f64) {
    drive_with(run, budget, objective, |_| 0.0);
}

/// The same with a constraint violation.
pub fn drive_with(
    run: &mut Run,
    budget: u64,
    objective: impl Fn(&[f64]) -> f64,
    violation: impl Fn(&[f64]) -> f64,
) {
    let end = run.n_evaluations() + budget;
    while run.n_evaluations() < end {
        let batch = run.ask(None).unwrap();
        let genomes = batch.genomes[0].as_f64().unwrap();
        let objectives: Vec<f64> = genomes.rows().map(&objective).collect();
        let violations: Vec<f64> = genomes.rows().map(&violation).collect();
        run.tell(
            None,
            &Scores { objectives: &objectives, violations: &violations, ..Scores::default() },
        )
        .unwrap();
    }
}

fn trace(
    name: &str,
    space: &Space,
    settings: &str,
    generations: usize,
    threads: usize,
    saves: bool,
    objective: impl Fn(&[f64]) -> f64 + Copy,
) -> Vec<u64> {
    let threads = Threads::new(threads).unwrap();
    let mut run = Run::new(name, space.clone(), settings, 11, threads.clone()).unwrap();
    let mut out = Vec::new();
    for _ in 0..generations {
        let batch = run.ask(None).unwrap();
        out.extend(batch.genomes[0].as_f64().unwrap().as_slice().iter().map(|x| x.to_bits()));
        if saves {
            // Between ask and tell as well as between tell and ask.
            run = Run::load(&run.save().unwrap(), threads.clone()).unwrap();
        }
        drive(&mut run, 1, objective);
        if saves {
            run = Run::load(&run.save().unwrap(), threads.clone()).unwrap();
        }
    }
    out
}

/// Asked rows are the same on 1, 2 and 4 threads, and when the run is saved and loaded around every
/// call; all lie within the bounds.
pub fn agree_across_threads_and_saves(
    name: &str,
    space: &Space,
    settings: &str,
    generations: usize,
    objective: impl Fn(&[f64]) -> f64 + Copy,
) {
    let one = trace(name, space, settings, generations, 1, false, objective);
    assert!(!one.is_empty());
    let block = &space.blocks()[0];
    let bounds = block.lower.iter().zip(&block.upper).cycle();
    for (bits, (lower, upper)) in one.iter().zip(bounds) {
        let gene = f64::from_bits(*bits);
        assert!(gene >= *lower && gene <= *upper, "{name}: {gene}");
    }
    for threads in [2, 4] {
        assert_eq!(one, trace(name, space, settings, generations, threads, false, objective));
    }
    assert_eq!(one, trace(name, space, settings, generations, 1, true, objective), "{name}");
}
