//! Spaces of any kind: every search finds known fronts of booleans, permutations and mixtures.

use super::*;
use crate::algorithm::Batch;

const SEARCHES: [(&str, &str); 4] = [
    ("nsga2", r#"{"n_objectives": 2, "population_size": 60}"#),
    ("nsga3", r#"{"n_objectives": 2, "n_partitions": 59}"#),
    ("sms_emoa", r#"{"n_objectives": 2, "population_size": 60}"#),
    ("moead", r#"{"n_objectives": 2, "n_partitions": 59}"#),
];

fn block(
    name: &str,
    kind: &str,
    n: usize,
    low: f64,
    high: f64,
) -> (String, String, Vec<f64>, Vec<f64>) {
    (name.into(), kind.into(), vec![low; n], vec![high; n])
}

fn mixed() -> Space {
    Space::new(vec![
        block("x", "f64", 3, 0.0, 1.0),
        block("y", "f32", 2, 0.0, 1.0),
        block("k", "integer", 3, -3.0, 9.0),
        block("c", "category", 2, 0.0, 4.0),
        block("b", "boolean", 6, 0.0, 1.0),
        block("p", "permutation", 5, 0.0, 0.0),
    ])
    .unwrap()
}

fn bits(batch: &Batch) -> Vec<Vec<bool>> {
    let Column::Bool(rows) = &batch.genomes[0] else { panic!("not of booleans") };
    rows.rows().map(<[bool]>::to_vec).collect()
}

fn step(run: &mut Run, f: impl Fn(&Batch, usize) -> [f64; 2]) {
    let batch = run.ask(None).unwrap().clone();
    run.method().algorithm().space().check(&batch.genomes, batch.n_rows()).unwrap();
    let objectives: Vec<f64> = (0..batch.n_rows()).flat_map(|row| f(&batch, row)).collect();
    run.tell(None, &Scores { objectives: &objectives, ..Scores::default() }).unwrap();
}

/// The distinct objectives of the members that no other dominates, ascending.
fn front(run: &Run) -> Vec<[f64; 2]> {
    let members = run.method().algorithm().population().objectives;
    let mut rows: Vec<[f64; 2]> = members.as_slice().as_chunks::<2>().0.to_vec();
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let mut least = f64::INFINITY;
    rows.retain(|[_, y]| {
        let is_new = *y < least;
        least = least.min(*y);
        is_new
    });
    rows
}

#[test]
fn leading_ones_and_trailing_zeros_are_found_whole() {
    // The front is 1..10..0: 17 trades of leading ones against trailing zeros.
    let n = 16;
    let trade = |bits: &[bool]| {
        let ones = bits.iter().take_while(|bit| **bit).count();
        let zeros = bits.iter().rev().take_while(|bit| !**bit).count();
        [-(ones as f64), -(zeros as f64)]
    };
    let whole: Vec<[f64; 2]> =
        (0..=n).map(|ones| [f64::from(ones) - 16.0, -f64::from(ones)]).collect();
    for (name, settings) in SEARCHES {
        let space = Space::new(vec![block("b", "boolean", 16, 0.0, 1.0)]).unwrap();
        let mut run = Run::new(name, space, settings, 3, Threads::one()).unwrap();
        for _ in 0..250 {
            step(&mut run, |batch, row| trade(&bits(batch)[row]));
        }
        assert_eq!(front(&run), whole, "{name}");
    }
}

#[test]
fn a_knapsack_of_two_values_is_solved() {
    // 14 things, two values, a limit of weight: the front by enumeration.
    let thing = |k: u64| {
        let mix = |salt: u64| (k + 1).wrapping_mul(salt) >> 32 & 31;
        [mix(0x9e37_79b9_7f4a) + 1, mix(0xc2b2_ae3d_27d4) + 1, mix(0x1656_67b1_9e37) + 1]
            .map(|value| value as f64)
    };
    let weigh = |bits: &[bool]| {
        let sum = |part: usize| -> f64 {
            (0..).zip(bits).filter(|(_, bit)| **bit).map(|(k, _)| thing(k)[part]).sum()
        };
        ([-sum(0), -sum(1)], (sum(2) - 100.0).max(0.0))
    };
    let all: Vec<([f64; 2], f64)> = (0..1_u32 << 14)
        .map(|set| weigh(&(0..14).map(|k| set >> k & 1 == 1).collect::<Vec<_>>()))
        .collect();
    let sound: Vec<[f64; 2]> =
        all.iter().filter(|(_, excess)| *excess == 0.0).map(|(values, _)| *values).collect();
    let whole = hypervolume(sound.as_flattened(), &[0.0, 0.0]);
    for (name, settings) in SEARCHES {
        let space = Space::new(vec![block("b", "boolean", 14, 0.0, 1.0)]).unwrap();
        let mut run = Run::new(name, space, settings, 3, Threads::one()).unwrap();
        for _ in 0..150 {
            let found: Vec<_> =
                bits(run.ask(None).unwrap()).iter().map(|bits| weigh(bits)).collect();
            let objectives: Vec<f64> = found.iter().flat_map(|(values, _)| *values).collect();
            let violations: Vec<f64> = found.iter().map(|(_, excess)| *excess).collect();
            let scores =
                Scores { objectives: &objectives, violations: &violations, ..Scores::default() };
            run.tell(None, &scores).unwrap();
        }
        let found = hypervolume(front(&run).as_flattened(), &[0.0, 0.0]);
        assert!(found > 0.99 * whole && found <= whole, "{name}: {found} of {whole}");
    }
}

#[test]
fn orders_between_two_wishes_are_found_whole() {
    // Inversions against the order 0..7 and against its reverse: they sum to 28, and each sum occurs.
    for (name, settings) in SEARCHES {
        for crossover in ["order", "pmx", "edge"] {
            let settings =
                settings.replace('}', &format!(r#", "permutation_crossover": "{crossover}"}}"#));
            let space = Space::new(vec![block("p", "permutation", 8, 0.0, 0.0)]).unwrap();
            let mut run = Run::new(name, space, &settings, 3, Threads::one()).unwrap();
            for _ in 0..150 {
                step(&mut run, |batch, row| {
                    let Column::I64(orders) = &batch.genomes[0] else { panic!("not of orders") };
                    let order = orders.row(row);
                    let pairs = (0..8).flat_map(|b| (0..b).map(move |a| (a, b)));
                    let n = pairs.filter(|(a, b)| order[*a] > order[*b]).count();
                    [n as f64, 28.0 - n as f64]
                });
            }
            let found = front(&run);
            assert_eq!(found.len(), 29, "{name} with {crossover}: {found:?}");
        }
    }
}

fn score(batch: &Batch, row: usize) -> [f64; 2] {
    let sums = batch.genomes.iter().map(|column| match column {
        Column::F64(matrix) => matrix.row(row).iter().sum::<f64>(),
        Column::F32(matrix) => matrix.row(row).iter().copied().map(f64::from).sum(),
        Column::I64(matrix) => {
            matrix.row(row).iter().zip(0..).map(|(x, k)| (x - k).abs() as f64).sum()
        }
        Column::Bool(matrix) => matrix.row(row).iter().filter(|bit| **bit).count() as f64,
    });
    let sum: f64 = sums.sum();
    let Column::F64(x) = &batch.genomes[0] else { panic!("not of floats") };
    [sum, 3.0 - x.row(row).iter().sum::<f64>()]
}

#[test]
fn mixed_spaces_improve_and_repeat_on_threads_and_after_saving() {
    for (name, settings) in SEARCHES {
        let begin =
            |threads| Run::new(name, mixed(), settings, 5, Threads::new(threads).unwrap()).unwrap();
        let (mut alone, mut many) = (begin(1), begin(3));
        step(&mut alone, score);
        step(&mut many, score);
        let first = front(&alone)[0][0];
        for generation in 0..40 {
            step(&mut alone, score);
            if generation % 8 == 0 {
                many = Run::load(&many.save().unwrap(), Threads::new(2).unwrap()).unwrap();
            }
            step(&mut many, score);
        }
        let population = |run: &Run| run.method().algorithm().population();
        assert_eq!(population(&alone), population(&many), "{name}");
        assert!(front(&alone)[0][0] < 0.6 * first, "{name}: {first} {:?}", front(&alone));
        assert_eq!(alone.method().algorithm().operators(), ["uniform", "crossover_mutation"]);
    }
}

#[test]
fn copies_are_compared_in_all_blocks() {
    // Rows that differ in the second block only are no copies.
    let space =
        || Space::new(vec![block("x", "f64", 1, 0.0, 1.0), block("b", "boolean", 1, 0.0, 1.0)]);
    let settings = r#"{"n_objectives": 2, "population_size": 4}"#;
    let mut run = Run::new("nsga2", space().unwrap(), settings, 1, Threads::one()).unwrap();
    let mut tell = |flags: [bool; 4]| {
        let _batch = run.ask(None).unwrap();
        let columns = vec![
            Column::F64(crate::Matrix::from_vec(vec![0.5; 4], 4, 1).unwrap()),
            Column::Bool(crate::Matrix::from_vec(flags.to_vec(), 4, 1).unwrap()),
        ];
        let scores = Scores { objectives: &[1.0; 8], ..Scores::default() };
        run.tell(Some(columns), &scores).unwrap();
    };
    tell([true; 4]);
    tell([false; 4]);
    let genomes = run.method().algorithm().population().genomes;
    let Column::Bool(flags) = &genomes[1] else { panic!("not of booleans") };
    assert!(flags.as_slice().contains(&false) && flags.as_slice().contains(&true));
}

#[test]
fn differences_are_refused_where_genes_are_not_floats() {
    let settings = r#"{"n_objectives": 2, "variation": "de"}"#;
    let error = Run::new("moead", mixed(), settings, 0, Threads::one()).unwrap_err();
    assert!(error.to_string().contains("variation: expected sbx"), "{error}");
    let floats =
        Space::new(vec![block("x", "f64", 3, 0.0, 1.0), block("y", "f32", 2, 0.0, 1.0)]).unwrap();
    let mut run = Run::new("moead", floats, settings, 0, Threads::one()).unwrap();
    for _ in 0..20 {
        step(&mut run, score);
    }
}
