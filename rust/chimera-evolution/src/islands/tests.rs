use chimera_rng::Stream;

use super::island::Island;
use super::topology::{Topology, sources};
use super::{Islands, Settings};
use crate::algorithm::Scores;
use crate::error::Error;
use crate::method::Method;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

fn space() -> Space {
    Space::real(vec![-1.0; 3], vec![1.0; 3]).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn member(space: Space, batch_size: usize, seed: u64) -> String {
    let settings = format!("{{\"batch_size\": {batch_size}}}");
    let run = Run::new("random_search", space, &settings, seed, Threads::one()).unwrap();
    hex(&run.save().unwrap())
}

fn start(sizes: &[usize], extra: &str, threads: usize) -> Run {
    let states: Vec<_> = sizes
        .iter()
        .zip(0..)
        .map(|(size, seed)| format!("\"{}\"", member(space(), *size, seed)))
        .collect();
    let settings = format!("{{\"states\": [{}]{extra}}}", states.join(","));
    Run::new("islands", space(), &settings, 7, Threads::new(threads).unwrap()).unwrap()
}

fn sphere(run: &Run) -> Vec<f64> {
    let genes = run.batch().genomes[0].as_f64().unwrap();
    genes.rows().map(|row| row.iter().map(|x| x * x).sum()).collect()
}

fn step(run: &mut Run) -> Vec<f64> {
    run.ask(None).unwrap();
    let objectives = sphere(run);
    run.tell(None, &Scores { objectives: &objectives, ..Scores::default() }).unwrap();
    objectives
}

fn from(topology: Topology, edges: &[(usize, usize)], n: usize, to: usize) -> Vec<usize> {
    let mut out = vec![7];
    sources(topology, edges, n, to, &mut Stream::new(1, 2, 3), &mut out);
    out
}

#[test]
fn topologies_name_the_senders() {
    assert_eq!(from(Topology::Ring, &[], 4, 0), [3]);
    assert_eq!(from(Topology::Full, &[], 4, 1), [0, 2, 3]);
    assert_eq!(from(Topology::Star, &[], 4, 0), [1, 2, 3]);
    assert_eq!(from(Topology::Star, &[], 4, 2), [0]);
    assert_eq!(from(Topology::Torus, &[], 9, 4), [1, 3, 5, 7]);
    assert_eq!(from(Topology::Torus, &[], 9, 0), [1, 2, 3, 6]);
    assert_eq!(from(Topology::Torus, &[], 2, 0), [1]);
    assert_eq!(from(Topology::Torus, &[], 5, 0), [1, 4]);
    assert_eq!(from(Topology::Custom, &[(2, 0), (1, 0), (2, 0), (0, 1)], 3, 0), [1, 2]);
    for topology in [Topology::Ring, Topology::Full, Topology::Star, Topology::Random] {
        assert!(from(topology, &[], 1, 0).is_empty());
        assert!(from(topology, &[], 2, 1) == [0], "{topology:?}");
    }
}

#[test]
fn a_batch_is_the_islands_batches_in_a_row() {
    let mut run = start(&[3, 5], "", 1);
    run.ask(None).unwrap();
    assert_eq!(run.batch().n_rows(), 8);
    let mut alone =
        Run::new("random_search", space(), "{\"batch_size\": 3}", 0, Threads::one()).unwrap();
    alone.ask(None).unwrap();
    let first = run.batch().genomes[0].select(&[0, 1, 2]);
    assert_eq!(first, alone.batch().genomes[0]);
}

#[test]
fn migrants_carry_the_best_around_the_ring() {
    let extra = ", \"migration_every\": 1, \"n_migrants\": 1";
    let mut run = start(&[8, 8, 8, 8], extra, 1);
    for _ in 0..10 {
        step(&mut run);
    }
    let known = run.best().unwrap().objectives[0];
    let own = |run: &Run| run.method().algorithm().population().objectives.as_slice().to_vec();
    for _ in 0..5 {
        run.ask(None).unwrap();
        let bad = vec![100.0; 32];
        run.tell(None, &Scores { objectives: &bad, ..Scores::default() }).unwrap();
    }
    assert_eq!(own(&run), [known; 4]);
    assert!(run.method().algorithm().figures().contains(&("n_migrated", 60.0)));
}

#[test]
fn islands_alone_never_exchange() {
    let mut run = start(&[8, 8], ", \"migration_every\": 0", 1);
    for _ in 0..20 {
        step(&mut run);
    }
    assert!(run.method().algorithm().figures().contains(&("n_migrated", 0.0)));
}

#[test]
fn failed_and_infeasible_rows_do_not_travel() {
    for policy in ["best", "random"] {
        let extra =
            format!(", \"migration_every\": 1, \"n_migrants\": 9, \"policy\": \"{policy}\"");
        let mut run = start(&[4, 4], &extra, 1);
        for _ in 0..4 {
            run.ask(None).unwrap();
            let scores = Scores {
                objectives: &[1.0; 8],
                violations: &[1.0; 8],
                failed: &[true; 8],
                ..Scores::default()
            };
            run.tell(None, &scores).unwrap();
        }
        assert!(run.method().algorithm().figures().contains(&("n_migrated", 0.0)));
        assert!(run.best().is_none());
    }
}

#[test]
fn threads_saving_and_loading_change_nothing() {
    for extra in [
        ", \"migration_every\": 2, \"topology\": \"full\"",
        ", \"migration_every\": 1, \"topology\": \"random\", \"policy\": \"random\"",
        ", \"migration_every\": 3, \"topology\": \"custom\", \"edges\": [[0, 1], [2, 1]]",
    ] {
        let mut one = start(&[6, 3, 4], extra, 1);
        let mut four = start(&[6, 3, 4], extra, 4);
        let mut saved = start(&[6, 3, 4], extra, 1);
        for _ in 0..9 {
            let expected = step(&mut one);
            assert_eq!(expected, step(&mut four));
            saved = Run::load(&saved.save().unwrap(), Threads::one()).unwrap();
            saved.ask(None).unwrap();
            let objectives = sphere(&saved);
            assert_eq!(expected, objectives);
            saved = Run::load(&saved.save().unwrap(), Threads::one()).unwrap();
            saved.tell(None, &Scores { objectives: &objectives, ..Scores::default() }).unwrap();
        }
        assert_eq!(one.save().unwrap(), four.save().unwrap());
        assert_eq!(one.save().unwrap(), saved.save().unwrap());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let refuse = |settings: &str| {
        Run::new("islands", space(), settings, 7, Threads::one()).unwrap_err().to_string()
    };
    let good = member(space(), 4, 1);
    assert!(refuse("{\"states\": []}").contains("n_islands"));
    assert!(refuse("{\"states\": [\"xyz\"]}").contains("hexadecimal"));
    assert!(refuse("{\"states\": [\"00\"]}").contains("too short"));
    let other = Space::real(vec![0.0], vec![1.0]).unwrap();
    let settings = format!("{{\"states\": [\"{}\"]}}", member(other, 4, 1));
    assert!(refuse(&settings).contains("same space"));
    let settings = format!("{{\"states\": [\"{good}\"], \"edges\": [[0, 1]]}}");
    assert!(refuse(&settings).contains("unless the topology is custom"));
    let settings =
        format!("{{\"states\": [\"{good}\"], \"topology\": \"custom\", \"edges\": [[0, 1]]}}");
    assert!(refuse(&settings).contains("below 1"));
    let mut begun =
        Run::new("random_search", space(), "{\"batch_size\": 2}", 0, Threads::one()).unwrap();
    begun.ask(None).unwrap();
    let settings = format!("{{\"states\": [\"{}\"]}}", hex(&begun.save().unwrap()));
    assert!(refuse(&settings).contains("not begun"));
}

fn start_methods(methods: &[(&str, &str)], extra: &str) -> Run {
    let states: Vec<_> = methods
        .iter()
        .zip(0..)
        .map(|((name, settings), seed)| {
            let run = Run::new(name, space(), settings, seed, Threads::one()).unwrap();
            format!("\"{}\"", hex(&run.save().unwrap()))
        })
        .collect();
    let settings = format!("{{\"states\": [{}]{extra}}}", states.join(","));
    Run::new("islands", space(), &settings, 7, Threads::one()).unwrap()
}

/// Whether every inbox holds genomes and objectives of the rows its identities name; returns how
/// often the batch size was another one, plus one.
fn check_arrivals(run: &mut Run, n_steps: usize) -> usize {
    let mut sizes = Vec::new();
    for _ in 0..n_steps {
        run.ask(None).unwrap();
        let algorithm = run.method().algorithm();
        sizes.push(algorithm.batch_size());
        let n_objectives = algorithm.n_objectives();
        let genes = run.batch().genomes[0].as_f64().unwrap().clone();
        let objectives: Vec<f64> = genes
            .rows()
            .flat_map(|row| {
                let at = |x: f64| row.iter().map(|gene| (gene - x).powi(2)).sum::<f64>();
                [at(0.0), at(0.5)].into_iter().take(n_objectives)
            })
            .collect();
        let first_id = run.n_asked() - genes.n_rows() as u64;
        run.tell(None, &Scores { objectives: &objectives, ..Scores::default() }).unwrap();
        let Method::Islands(islands) = run.method() else { panic!("islands") };
        for island in &islands.members {
            let inbox = &island.inbox;
            for (place, id) in inbox.ids.iter().enumerate() {
                let Some(row) = id.checked_sub(first_id) else { continue };
                let row = usize::try_from(row).unwrap();
                assert!(row < genes.n_rows());
                assert_eq!(inbox.genomes[0].as_f64().unwrap().row(place), genes.row(row));
                let told = &objectives[row * n_objectives..(row + 1) * n_objectives];
                assert_eq!(inbox.objectives_of(place), told);
            }
        }
    }
    sizes.dedup();
    sizes.len()
}

#[test]
fn migrants_are_whole_rows_when_batch_sizes_change() {
    let ipop = r#"{"restarts": "ipop", "population_size": 4, "tol_fun": 1e-2}"#;
    let methods = [("cmaes", ipop), ("auto", "{}"), ("random_search", r#"{"batch_size": 5}"#)];
    for policy in ["best", "random"] {
        let extra = format!(
            r#", "migration_every": 1, "n_migrants": 4, "topology": "full", "policy": "{policy}""#
        );
        let mut run = start_methods(&methods, &extra);
        assert!(check_arrivals(&mut run, 120) > 2, "{policy}");
    }
}

#[test]
fn migrants_are_whole_rows_after_the_first_batch_of_sms_emoa() {
    let sms = ("sms_emoa", r#"{"population_size": 12, "n_objectives": 2, "offspring": 3}"#);
    let nsga = ("nsga2", r#"{"population_size": 8, "n_objectives": 2}"#);
    for policy in ["best", "random"] {
        let extra = format!(r#", "migration_every": 1, "n_migrants": 12, "policy": "{policy}""#);
        let mut run = start_methods(&[sms, nsga, sms], &extra);
        run.ask(None).unwrap();
        assert_eq!(run.batch().n_rows(), 32);
        let mut run = start_methods(&[sms, nsga, sms], &extra);
        assert_eq!(check_arrivals(&mut run, 10), 2);
        if policy == "random" {
            let mut run = start_methods(&[sms, nsga], &extra);
            check_arrivals(&mut run, 1);
            let Method::Islands(islands) = run.method() else { panic!("islands") };
            assert_eq!(islands.members[1].inbox.len(), 12);
        }
    }
}

#[test]
fn islands_inside_islands_are_refused() {
    let inner = start(&[4], "", 1);
    let state = hex(&inner.save().unwrap());
    let settings = format!("{{\"states\": [\"{state}\"]}}");
    let error = Run::new("islands", space(), &settings, 7, Threads::one()).unwrap_err();
    assert!(matches!(error, Error::Setting { .. }));
    assert!(error.to_string().contains("other than islands"));

    let (mut method, _) = inner.into_method();
    assert!(Method::from_bytes("islands", &method.to_bytes().unwrap()).is_ok());
    for _ in 0..3 {
        let outer = Islands::of(space(), Settings::default(), vec![Island::of(method, 0)]);
        method = Method::Islands(Box::new(outer));
        let error = Method::from_bytes("islands", &method.to_bytes().unwrap()).unwrap_err();
        assert!(matches!(error, Error::State { .. }));
    }
}

fn tell(run: &mut Run, objectives: &[f64], violations: &[f64]) {
    run.ask(None).unwrap();
    run.tell(None, &Scores { objectives, violations, ..Scores::default() }).unwrap();
}

#[test]
fn violations_stay_with_their_rows_when_some_tells_name_none() {
    let ga = r#"{"population_size": 4, "n_elites": 0}"#;
    let extra = r#", "migration_every": 2, "n_migrants": 3"#;
    let mut run = start_methods(&[("ga", ga), ("ga", ga)], extra);
    // Feasible rows without a word, then infeasible ones of better objectives.
    tell(&mut run, &[5.0; 8], &[]);
    tell(&mut run, &[1.0; 8], &[2.0; 8]);
    let Method::Islands(islands) = run.method() else { panic!("islands") };
    for island in &islands.members {
        assert_eq!(island.inbox.len(), 3);
        assert_eq!(island.inbox.objectives, [5.0; 3]);
        assert_eq!(island.inbox.violations, [0.0; 3], "feasible rows lead");
    }
    // The other way round: what travels is infeasible, and no later tell makes it feasible.
    let mut run = start_methods(&[("ga", ga), ("ga", ga)], extra);
    tell(&mut run, &[1.0; 8], &[2.0; 8]);
    tell(&mut run, &[7.0, 1.0, 1.0, 1.0, 7.0, 1.0, 1.0, 1.0], &[1.0; 8]);
    tell(&mut run, &[9.0; 8], &[]);
    let population = run.method().algorithm().population();
    assert_eq!(population.violations.as_slice(), [0.0; 8], "no infeasible migrant was let in");
    assert_eq!(population.objectives.as_slice(), [9.0; 8]);
}

#[test]
fn infeasible_migrants_come_as_infeasible() {
    let ga = r#"{"population_size": 4, "n_elites": 0}"#;
    let extra = r#", "migration_every": 1, "n_migrants": 2"#;
    let mut run = start_methods(&[("ga", ga), ("ga", ga)], extra);
    tell(&mut run, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[0.5; 8]);
    // Worse rows all over: the best of before stand in for two of them in the other island.
    tell(&mut run, &[1.0; 8], &[3.0; 8]);
    let population = run.method().algorithm().population();
    let violations = population.violations.as_slice();
    assert_eq!(violations.iter().filter(|violation| **violation == 0.5).count(), 4);
    assert_eq!(violations.iter().filter(|violation| **violation == 3.0).count(), 4);
}

#[test]
fn all_islands_are_told_or_none() {
    let ga = r#"{"population_size": 4, "scheme": "steady_state", "selection": "lexicase"}"#;
    for threads in [1, 2, 4] {
        let mut run = start_methods(&[("ga", ga); 3], "");
        run = Run::load(&run.save().unwrap(), Threads::new(threads).unwrap()).unwrap();
        let tell = |run: &mut Run, n_cases: usize| {
            run.ask(None).unwrap();
            let before = run.save().unwrap();
            let cases = vec![1.0; 12 * n_cases];
            let scores = Scores { objectives: &[1.0; 12], cases: &cases, ..Scores::default() };
            let told = run.tell(None, &scores);
            assert!(told.is_ok() || run.save().unwrap() == before, "{threads}");
            told.is_ok()
        };
        assert!(tell(&mut run, 2));
        assert!(!tell(&mut run, 4));
        assert!(tell(&mut run, 2));
    }
}

#[test]
fn migrants_that_a_method_would_refuse_stay_outside() {
    let of = |upper: f64| {
        format!(
            r#"{{"batch_size": 4, "n_initial": 4, "iso_sigma": 0.1, "line_sigma": 0.1,
                "outside": "error", "layout": {{"kind": "grid", "shape": [4], "lower": [0.0],
                "upper": [{upper:.1}]}}}}"#
        )
    };
    let (narrow, wide) = (of(1.0), of(9.0));
    let methods = [("map_elites", narrow.as_str()), ("map_elites", wide.as_str())];
    let mut run = start_methods(&methods, r#", "migration_every": 1, "topology": "full""#);
    for generation in 0..6 {
        run.ask(None).unwrap();
        let objectives: Vec<f64> =
            (0..8).map(|row| f64::from(8 * (9 - generation) - row)).collect();
        let descriptors = [0.1, 0.2, 0.3, 0.4, 5.1, 5.2, 5.3, 5.4];
        let scores =
            Scores { objectives: &objectives, descriptors: &descriptors, ..Scores::default() };
        run.tell(None, &scores).unwrap();
    }
}

#[test]
fn migrants_are_limited() {
    let refused = format!("{{\"states\": [\"{}\"], \"n_migrants\": 65537}}", member(space(), 4, 1));
    let error = Run::new("islands", space(), &refused, 7, Threads::one()).unwrap_err();
    assert!(error.to_string().contains("at most 65536"), "{error}");
    // As many as are allowed: no island keeps more rows than a batch of its own has.
    let mut run = start(&[4, 4], ", \"n_migrants\": 65536, \"migration_every\": 1", 1);
    for _ in 0..5 {
        step(&mut run);
    }
    let Method::Islands(islands) = run.method() else { panic!("islands") };
    assert!(islands.members.iter().all(|island| island.elite.len() == 4));
    assert!(islands.members.iter().all(|island| island.inbox.len() == 4));
}

#[test]
fn migrants_keep_their_identity() {
    let ga = r#"{"population_size": 4, "n_elites": 1}"#;
    let mut run = start_methods(&[("ga", ga), ("ga", ga)], r#", "migration_every": 1"#);
    let mut rows: Vec<Vec<u64>> = Vec::new();
    for _ in 0..12 {
        let genes = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
        rows.extend(genes.rows().map(|row| row.iter().map(|gene| gene.to_bits()).collect()));
        step(&mut run);
        let population = run.method().algorithm().population();
        let held = population.genomes[0].as_f64().unwrap();
        for (row, id) in held.rows().zip(population.ids.as_slice()) {
            let bits: Vec<u64> = row.iter().map(|gene| gene.to_bits()).collect();
            assert_eq!(bits, rows[usize::try_from(*id).unwrap()]);
        }
    }
    assert!(run.method().algorithm().figures().iter().any(|(_, value)| *value > 20.0));
}
