//! Selection by hypervolume where that takes long: limits, ends, and the same bits on any threads.

use super::super::estimates::Estimates;
use super::*;
use crate::algorithm::Context;
use crate::error::Error;
use crate::pareto::{Contributions, row_of};
use crate::stop;

const MANY: &str = r#"{"n_objectives": 12, "population_size": 40, "offspring": 20}"#;

/// Twelve objectives none of which a row can have without giving up others.
fn trade(x: &[f64]) -> Vec<f64> {
    let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
    x.iter().map(|x| x / length).collect()
}

#[test]
fn many_objectives_are_estimated_the_same_on_any_threads() {
    let mut one = start("sms_emoa", MANY, 12, 1);
    let mut three = start("sms_emoa", MANY, 12, 3);
    for run in [&mut one, &mut three] {
        go(run, 3, trade);
    }
    let found = [&one, &three].map(|run| run.method().algorithm().population());
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].objectives.n_rows(), 40);
    let mut other = Run::load(&one.save().unwrap(), Threads::one()).unwrap();
    go(&mut one, 1, trade);
    go(&mut other, 1, trade);
    assert_eq!(one.save().unwrap(), other.save().unwrap());
}

#[test]
fn an_end_that_is_wanted_leaves_the_search_as_it_was() {
    for (settings, n) in [(MANY, 12), (r#"{"n_objectives": 3, "population_size": 30}"#, 3)] {
        let mut run = start("sms_emoa", settings, n, 1);
        go(&mut run, 1, trade);
        let batch = rows(&run.ask(None).unwrap().genomes);
        let objectives: Vec<f64> = batch.iter().flat_map(|x| trade(x)).collect();
        let scores = Scores { objectives: &objectives, ..Scores::default() };
        let before = run.save().unwrap();
        assert!(run.method().algorithm().is_tell_long());
        let ended = stop::when(|| true, || run.tell(None, &scores));
        assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
        assert_eq!(run.save().unwrap(), before);
        run.tell(None, &scores).unwrap();
    }
}

#[test]
fn estimates_drop_what_adds_least() {
    let m = 6;
    // Two rows that hardly differ from the first, and others far apart.
    let mut gains = Vec::new();
    for far in [[0, 1], [2, 3], [4, 5], [0, 2], [1, 3], [2, 4], [3, 5], [1, 4]] {
        gains.extend((0..m).map(|k| if far.contains(&k) { 1.9 } else { 1.1 } - 0.01 * k as f64));
    }
    let near = |step: f64| -> Vec<f64> {
        let first = row_of(&gains, m, 0).iter().enumerate();
        first.map(|(k, gain)| gain + if k == 0 { step } else { -step }).collect()
    };
    let (up, down) = (near(1e-4), near(-1e-4));
    gains.extend(up);
    gains.extend(down);
    let mut exact = vec![0.0; 10];
    Contributions::default().measure(&gains, m, &mut exact, &mut Work::unlimited());
    let mut alive: Vec<u32> = (0..10).collect();
    let context = Context { seed: 3, generation: 7, first_id: 0, threads: Threads::one() };
    Estimates::default().thin(&gains, m, (&mut alive, 8), &context).unwrap();
    let twins = alive.iter().filter(|row| [0, 8, 9].contains(*row));
    assert_eq!((alive.len(), twins.count()), (8, 1), "{alive:?} {exact:?}");
}
