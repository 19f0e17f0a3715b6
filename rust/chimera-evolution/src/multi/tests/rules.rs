//! Who survives: copies, failures, zeros, ends of a front, objectives in odd units.

use super::*;
use crate::algorithm::Population;
use crate::matrix::Matrix;

fn told(run: &mut Run, genes: Vec<f64>, objectives: &[f64], violations: &[f64], failed: &[bool]) {
    let n = run.ask(None).unwrap().n_rows();
    let columns = vec![Column::F64(Matrix::from_vec(genes, n, 1).unwrap())];
    run.tell(Some(columns), &Scores { objectives, violations, failed, ..Scores::default() })
        .unwrap();
}

fn population(run: &Run) -> Population {
    run.method().algorithm().population()
}

#[test]
fn copies_come_before_infeasible_and_failed_rows() {
    for (name, settings) in [
        ("nsga2", r#"{"n_objectives": 2, "population_size": 25}"#),
        ("nsga3", r#"{"n_objectives": 2, "n_partitions": 24}"#),
        ("sms_emoa", r#"{"n_objectives": 2, "population_size": 25}"#),
    ] {
        let mut run = start(name, settings, 1, 1);
        told(&mut run, vec![0.5; 25], &[1.0; 50], &[], &[]);
        let failed: Vec<bool> = (0..25).map(|row| row % 2 == 0).collect();
        told(&mut run, vec![0.25; 25], &[0.0; 50], &[1.0; 25], &failed);
        let members = population(&run);
        assert_eq!(members.objectives.as_slice(), [1.0; 50], "{name}");
        assert_eq!(members.violations.as_slice(), [0.0; 25], "{name}");
    }
}

#[test]
fn copies_keep_the_order_of_their_fronts() {
    // Two copies of a good row and two of a bad one: the good copy goes on.
    for name in ["nsga2", "sms_emoa"] {
        let settings = r#"{"n_objectives": 2, "population_size": 3}"#;
        let mut run = start(name, settings, 1, 1);
        told(&mut run, vec![0.1, 0.9, 0.9], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0], &[], &[]);
        told(&mut run, vec![0.1, 0.9, 0.9], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0], &[], &[]);
        let mut kept: Vec<f64> = rows(&population(&run).genomes).concat();
        kept.sort_by(f64::total_cmp);
        assert_eq!(kept, [0.1, 0.1, 0.9], "{name}");
    }
}

#[test]
fn zeros_of_both_signs_rank_alike() {
    for (name, settings, what) in SETTINGS {
        let mut plain = start(name, settings, 4, 1);
        let mut signed = start(name, settings, 4, 1);
        for _ in 0..8 {
            let batch = rows(&plain.ask(None).unwrap().genomes);
            assert_eq!(batch, rows(&signed.ask(None).unwrap().genomes), "{what}");
            let objectives: Vec<f64> =
                batch.iter().flat_map(|x| [(4.0 * x[0]).floor(), (4.0 * x[1]).floor()]).collect();
            let negative: Vec<f64> =
                objectives.iter().map(|x| if *x == 0.0 { -0.0 } else { *x }).collect();
            for (run, objectives, zero) in
                [(&mut plain, &objectives, 0.0), (&mut signed, &negative, -0.0)]
            {
                let violations = vec![zero; batch.len()];
                let scores = Scores { objectives, violations: &violations, ..Scores::default() };
                run.tell(None, &scores).unwrap();
            }
        }
        let (a, b) = (population(&plain), population(&signed));
        let bits = |values: &Matrix<f64>| -> Vec<u64> {
            values.as_slice().iter().map(|value| value.to_bits()).collect()
        };
        assert_eq!(a.genomes, b.genomes, "{what}");
        assert_eq!(bits(&a.objectives), bits(&b.objectives), "{what}");
        assert_eq!(bits(&a.violations), bits(&b.violations), "{what}");
    }
}

#[test]
fn the_ends_of_a_front_of_two_objectives_stay() {
    let mut run = start("sms_emoa", r#"{"n_objectives": 2, "population_size": 3}"#, 1, 1);
    told(&mut run, vec![0.1, 0.2, 0.3], &[0.0, 1.0, 1e-9, 0.5, 1.0, 0.0], &[], &[]);
    told(&mut run, vec![0.4, 0.5, 0.6], &[0.5, 0.25, 3.0, 3.0, 4.0, 4.0], &[], &[]);
    let mut kept: Vec<f64> = rows(&population(&run).genomes).concat();
    kept.sort_by(f64::total_cmp);
    assert_eq!(kept, [0.1, 0.2, 0.3]);
}

#[test]
fn units_do_not_matter_to_nsga3() {
    // Powers of two scale without rounding: the same rows survive, bit for bit.
    let run_in = |units: [f64; 3]| {
        let mut run = start("nsga3", r#"{"n_objectives": 3, "n_partitions": 6}"#, 7, 1);
        go(&mut run, 40, |x| {
            dtlz2(x).iter().zip(units).map(|(value, unit)| value * unit).collect()
        });
        run.ask(None).unwrap().clone()
    };
    let plain = run_in([1.0; 3]);
    for exponents in [[-43, -43, -43], [-20, 0, 0], [60, -60, 0]] {
        assert_eq!(plain, run_in(exponents.map(|exponent| 2_f64.powi(exponent))));
    }
}
