//! Emitters keep to the ranges of their genes, whatever the units.

use super::*;

fn search(name: &str, ranges: &[(f64, f64)], settings: &str) -> Run {
    let (lower, upper) = ranges.iter().copied().unzip();
    let space = Space::real(lower, upper).unwrap();
    let settings = format!(
        r#"{{"n_emitters": 3, "emitter_size": 36, "outside": "clip", "sigma": 0.05,
            "layout": {{"kind": "grid", "shape": [50, 50], "lower": [-2, -2], "upper": [2, 2]}}
            {settings}}}"#
    );
    Run::new(name, space, &settings, 1, Threads::one()).unwrap()
}

const MAE: &str = r#", "learning_rate": 0.01, "threshold": 10.0"#;

/// Tells the sphere in shares of the ranges; sums of halves are the descriptors.
fn climb(run: &mut Run, ranges: &[(f64, f64)], n_generations: usize) {
    for _ in 0..n_generations {
        let genes = wide(&run.ask(None).unwrap().genomes[0]);
        let (mut objectives, mut descriptors) = (Vec::new(), Vec::new());
        for row in genes.chunks_exact(ranges.len()) {
            let share = |(gene, (low, high)): (&f64, &(f64, f64))| {
                if high.is_finite() { 2.0 * (gene - low) / (high - low) - 1.0 } else { *gene }
            };
            let shares: Vec<f64> = row.iter().zip(ranges).map(share).collect();
            objectives.push(shares.iter().map(|x| x * x).sum());
            descriptors
                .extend(shares.chunks(ranges.len() / 2).map(|half| half.iter().sum::<f64>()));
        }
        let scores =
            Scores { objectives: &objectives, descriptors: &descriptors, ..Scores::default() };
        run.tell(None, &scores).unwrap();
    }
}

fn figure(run: &Run, name: &str) -> f64 {
    let figures = run.method().algorithm().figures();
    figures.into_iter().find(|figure| figure.0 == name).unwrap().1
}

#[test]
fn test_emitters_do_not_outgrow_the_ranges() {
    let ranges = [(-1.0, 1.0); 4];
    let mut run = search("cma_mae", &ranges, MAE);
    let mut widest = 0.0_f64;
    for _ in 0..1000 {
        climb(&mut run, &ranges, 1);
        widest = widest.max(figure(&run, "sigma"));
    }
    // The deviation of uniform samples is 0.289 of the range.
    assert!(widest < 0.289, "{widest}");
    let n_restarts = figure(&run, "n_restarts");
    assert!((10.0..300.0).contains(&n_restarts), "{n_restarts}");
    assert!(figure(&run, "coverage") > 0.95);
}

#[test]
fn test_emitters_without_bounds_begin_anew_when_they_are_lost() {
    let ranges = [(f64::NEG_INFINITY, f64::INFINITY); 4];
    let mut run = search("cma_mae", &ranges, MAE);
    // The farther out the better: nothing ends the growth but the limit.
    let mut widest = 0.0_f64;
    for _ in 0..400 {
        let genes = wide(&run.ask(None).unwrap().genomes[0]);
        let objectives: Vec<f64> = genes.chunks_exact(4).map(|row| -row[0]).collect();
        let descriptors: Vec<f64> =
            genes.chunks_exact(4).flat_map(|row| [row[1].sin(), row[2].sin()]).collect();
        let scores =
            Scores { objectives: &objectives, descriptors: &descriptors, ..Scores::default() };
        run.tell(None, &scores).unwrap();
        widest = widest.max(figure(&run, "sigma"));
    }
    assert!(figure(&run, "n_restarts") > 0.0);
    assert!(widest < 1e3 * 0.05, "{widest}");
}

#[test]
fn test_units_of_genes_do_not_count() {
    let tiny = [(0.0, 1e-11); 8];
    for (name, settings) in [("cma_me", ""), ("cma_mae", MAE)] {
        let mut run = search(name, &tiny, settings);
        climb(&mut run, &tiny, 20);
        assert_eq!(figure(&run, "n_restarts"), 0.0, "{name}");
        assert!(figure(&run, "coverage") > 0.05, "{name}");
    }
    let mut uneven = [(-1.0, 1.0); 8];
    uneven[3] = (0.0, 1e8);
    let mut run = search("cma_mae", &uneven, MAE);
    // The condition is looked at after 99 updates.
    climb(&mut run, &uneven, 110);
    assert_eq!(figure(&run, "n_restarts"), 0.0);
}
