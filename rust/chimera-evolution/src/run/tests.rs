//! Identities of rows told out of order, and loading of states that no search wrote.

use super::outstanding::{OUTSTANDING_ROWS_MAX, Outstanding};
use super::saved::seal;
use super::{Method, Run};
use crate::algorithm::{Batch, NO_OPERATOR, NO_PARENT, Scores};
use crate::column::Column;
use crate::space::Space;
use crate::threads::Threads;

fn space(n_genes: usize) -> Space {
    Space::real(vec![-5.0; n_genes], vec![5.0; n_genes]).unwrap()
}

fn start(name: &str, settings: &str, n_genes: usize) -> Run {
    Run::new(name, space(n_genes), settings, 3, Threads::one()).unwrap()
}

fn sphere(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum()
}

/// A row that was asked: identity, genes, parents, operator.
struct Row {
    id: u64,
    genomes: Vec<Column>,
    parents: Vec<u64>,
    operator: u8,
}

fn ask(run: &mut Run, n: usize) -> Vec<Row> {
    let batch = run.ask(Some(n)).unwrap().clone();
    let first_id = run.first_id();
    (0..n)
        .map(|row| Row {
            id: first_id + row as u64,
            genomes: batch.genomes.iter().map(|column| column.select(&[row])).collect(),
            parents: batch.origins.parents.row(row).to_vec(),
            operator: batch.origins.operators.as_slice().get(row).copied().unwrap_or(NO_OPERATOR),
        })
        .collect()
}

fn tell(run: &mut Run, row: &Row) {
    let score = sphere(row.genomes[0].as_f64().unwrap().row(0));
    let descriptors = vec![0.5; run.method().algorithm().n_descriptors()];
    let scores = Scores { objectives: &[score], descriptors: &descriptors, ..Scores::default() };
    run.tell(Some(row.genomes.clone()), &scores).unwrap();
}

fn told(run: &Run) -> (Vec<u64>, Vec<u64>, Vec<u8>) {
    let (ids, origins) = run.told().unwrap();
    let ids = ids.map_or_else(|| vec![run.first_id()], |ids| ids.as_slice().to_vec());
    (ids, origins.parents.as_slice().to_vec(), origins.operators.as_slice().to_vec())
}

const STEADY: &str = r#"{"population_size": 4, "scheme": "steady_state"}"#;

#[test]
fn test_rows_keep_their_identity_whatever_the_order_of_tells() {
    let mut run = start("ga", STEADY, 3);
    let mut flight: Vec<Row> = Vec::new();
    let mut known: Vec<Row> = Vec::new();
    for round in 0..40 {
        flight.extend(ask(&mut run, 1 + round % 3));
        // Never the first one while there are others.
        while flight.len() > 3 {
            let genomes = flight[1 + round % 3].genomes.clone();
            // Of equal rows the first asked is meant.
            let place = flight.iter().position(|row| row.genomes == genomes).unwrap();
            let row = flight.remove(place);
            tell(&mut run, &row);
            assert_eq!(told(&run), (vec![row.id], row.parents.clone(), vec![row.operator]));
            known.push(row);
        }
    }
    assert_eq!(run.n_outstanding(), flight.len());
    let least = known.iter().min_by(|a, b| {
        let score = |row: &Row| sphere(row.genomes[0].as_f64().unwrap().row(0));
        score(a).total_cmp(&score(b))
    });
    assert_eq!(run.best().unwrap().id, least.unwrap().id);
    let population = run.method().algorithm().population();
    assert_eq!(population.ids.n_rows(), 4);
    for (place, id) in population.ids.as_slice().iter().enumerate() {
        let row = known.iter().find(|row| row.id == *id).unwrap();
        assert_eq!(population.genomes[0].select(&[place]), row.genomes[0]);
        assert_eq!(population.parents.row(place), row.parents);
        assert_eq!(population.operators.row(place), [row.operator]);
        // One row a tell: the generation is the place in which it was told.
        let generation = known.iter().position(|row| row.id == *id).unwrap() as u64;
        assert_eq!(population.generations.row(place), [generation]);
    }
}

#[test]
fn test_four_asked_and_then_told_are_four() {
    let mut run = start("ga", STEADY, 2);
    let rows: Vec<Row> = (0..4).flat_map(|_| ask(&mut run, 1)).collect();
    for row in &rows {
        tell(&mut run, row);
    }
    assert_eq!(run.method().algorithm().population().ids.as_slice(), [0, 1, 2, 3]);
}

#[test]
fn test_of_equal_rows_in_flight_the_first_asked_is_told_first() {
    let space = Space::new(vec![("b".into(), "boolean".into(), vec![0.0], vec![1.0])]).unwrap();
    let settings = r#"{"batch_size": 1}"#;
    let mut run = Run::new("random_search", space, settings, 1, Threads::one()).unwrap();
    let flight: Vec<Row> = (0..40).flat_map(|_| ask(&mut run, 1)).collect();
    let mut seen = Vec::new();
    for row in flight.iter().rev() {
        run.tell(Some(row.genomes.clone()), &Scores { objectives: &[1.0], ..Scores::default() })
            .unwrap();
        let id = run.told().unwrap().0.map_or(run.first_id(), |ids| ids.as_slice()[0]);
        assert_eq!(flight[usize::try_from(id).unwrap()].genomes, row.genomes);
        seen.push(id);
    }
    // Every row once, and among equal ones in the order in which they were asked.
    for value in [false, true] {
        let of = |id: &&u64| {
            let row = &flight[usize::try_from(**id).unwrap()];
            matches!(&row.genomes[0], Column::Bool(matrix) if matrix.as_slice() == [value])
        };
        let ids: Vec<u64> = seen.iter().filter(of).copied().collect();
        assert!(ids.len() > 5 && ids.is_sorted(), "{ids:?}");
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..40));
}

#[test]
fn test_foreign_rows_get_an_identity_of_their_own_and_no_parents() {
    let mut run = start("ga", STEADY, 2);
    for _ in 0..6 {
        let rows = ask(&mut run, 1);
        tell(&mut run, &rows[0]);
    }
    let asked = ask(&mut run, 2);
    let foreign = Row {
        id: 8,
        genomes: vec![Column::F64(crate::Matrix::from_vec(vec![0.25, 0.5], 1, 2).unwrap())],
        parents: vec![],
        operator: NO_OPERATOR,
    };
    tell(&mut run, &foreign);
    assert_eq!(told(&run), (vec![8], vec![], vec![NO_OPERATOR]));
    assert_eq!(run.best().unwrap().id, 8);
    let population = run.method().algorithm().population();
    let place = population.ids.as_slice().iter().position(|id| *id == 8).unwrap();
    assert_eq!(population.parents.row(place), [NO_PARENT; 2]);
    // A second time it is another row; what was asked is still known.
    tell(&mut run, &foreign);
    assert_eq!(told(&run).0, [9]);
    tell(&mut run, &asked[1]);
    assert_eq!(told(&run).0, [asked[1].id]);
    assert_eq!(ask(&mut run, 1)[0].id, 10, "no identity twice");
}

#[test]
fn test_whole_batches_keep_no_rows_in_mind() {
    let mut run = start("random_search", r#"{"batch_size": 9}"#, 2);
    for _ in 0..5 {
        let columns = run.ask(None).unwrap().genomes.clone();
        let scores = Scores { objectives: &[1.0; 9], ..Scores::default() };
        // As a view, and as a copy.
        let is_copy = run.generation().is_multiple_of(2);
        run.tell(is_copy.then_some(columns), &scores).unwrap();
        assert_eq!(run.n_outstanding(), 0);
        assert!(run.told().unwrap().0.is_none());
    }
    // Told again, they are rows that nobody asked.
    run.tell(None, &Scores { objectives: &[1.0; 9], ..Scores::default() }).unwrap();
    assert_eq!(run.told().unwrap().0.unwrap().as_slice(), (45..54).collect::<Vec<_>>());
}

#[test]
fn test_refused_rows_stay_in_flight() {
    let layout = r#""layout": {"kind": "grid", "shape": [4], "lower": [0.0], "upper": [1.0]}"#;
    let settings = format!(
        r#"{{"batch_size": 2, {layout}, "outside": "error", "n_initial": 4,
            "iso_sigma": 0.1, "line_sigma": 0.2}}"#
    );
    let mut run = start("map_elites", &settings, 2);
    let rows = ask(&mut run, 2);
    ask(&mut run, 2);
    let scores = Scores { objectives: &[1.0], descriptors: &[7.0], ..Scores::default() };
    assert!(run.tell(Some(rows[1].genomes.clone()), &scores).is_err());
    tell(&mut run, &rows[1]);
    assert_eq!(told(&run).0, [rows[1].id]);
}

#[test]
fn test_map_elites_names_its_elites_and_their_parents() {
    let layout = r#""layout": {"kind": "grid", "shape": [30], "lower": [-5.0], "upper": [5.0]}"#;
    let settings = format!(
        r#"{{"batch_size": 8, {layout}, "outside": "error", "n_initial": 16,
            "iso_sigma": 0.1, "line_sigma": 0.2}}"#
    );
    let mut run = start("map_elites", &settings, 2);
    let mut flight: Vec<Row> = Vec::new();
    let mut known: Vec<Row> = Vec::new();
    for _ in 0..60 {
        flight.extend(ask(&mut run, 3));
        while flight.len() > 6 {
            let genomes = flight[2].genomes.clone();
            let place = flight.iter().position(|row| row.genomes == genomes).unwrap();
            let row = flight.remove(place);
            let genes = row.genomes[0].as_f64().unwrap().row(0).to_vec();
            let scores = Scores {
                objectives: &[sphere(&genes)],
                descriptors: &genes[..1],
                ..Scores::default()
            };
            run.tell(Some(row.genomes.clone()), &scores).unwrap();
            known.push(row);
        }
    }
    let run = Run::load(&run.save().unwrap(), Threads::one()).unwrap();
    let population = run.method().algorithm().population();
    assert!(population.ids.n_rows() > 20);
    for (place, id) in population.ids.as_slice().iter().enumerate() {
        let row = known.iter().find(|row| row.id == *id).unwrap();
        assert_eq!(population.genomes[0].select(&[place]), row.genomes[0]);
        assert_eq!(population.parents.row(place), row.parents);
        assert_eq!(population.operators.row(place), [row.operator]);
    }
    assert!(population.operators.as_slice().contains(&1));
}

/// Sphere of ten genes, 8 rows in flight, told last in first out in threes.
fn in_flight(mut run: Run, budget: u64, reload: bool) -> Run {
    let mut flight: Vec<Row> = Vec::new();
    while run.n_evaluations() < budget {
        while flight.len() < 8 {
            flight.extend(ask(&mut run, 1));
        }
        for _ in 0..3 {
            let row = flight.remove(flight.len() / 2);
            tell(&mut run, &row);
            if reload {
                run = Run::load(&run.save().unwrap(), Threads::one()).unwrap();
            }
        }
    }
    run
}

#[test]
fn test_self_adaptation_converges_with_rows_in_flight() {
    let settings = r#"{"population_size": 20, "scheme": "steady_state",
        "mutation": "self_adaptive"}"#;
    let run = in_flight(start("ga", settings, 10), 8_000, false);
    let best = run.best().unwrap().objectives[0];
    assert!(best < 1e-6, "{best}");
}

#[test]
fn test_rows_in_flight_survive_saving() {
    let settings = r#"{"population_size": 6, "scheme": "steady_state",
        "mutation": "self_adaptive"}"#;
    let straight = in_flight(start("ga", settings, 4), 120, false);
    let reloaded = in_flight(start("ga", settings, 4), 120, true);
    assert_eq!(straight.save().unwrap(), reloaded.save().unwrap());
}

#[test]
fn test_no_more_rows_are_remembered_than_the_limit() {
    let mut run = start("random_search", r#"{"batch_size": 1}"#, 1);
    let first = ask(&mut run, 1).remove(0);
    let n = OUTSTANDING_ROWS_MAX;
    run.ask(Some(n)).unwrap();
    assert_eq!(run.n_outstanding(), 1);
    run.ask(Some(1)).unwrap();
    assert_eq!(run.n_outstanding(), n);
    // The oldest was forgotten: told now, it is foreign.
    tell(&mut run, &first);
    assert_eq!(told(&run).0, [n as u64 + 2]);
    assert_eq!(run.n_outstanding(), n);
}

#[test]
fn test_no_more_genes_are_remembered_than_the_limit() {
    let mut outstanding = Outstanding::default();
    let n_genes = 1 << 20;
    let genomes = || vec![Column::F64(crate::Matrix::<f64>::new(3, n_genes))];
    for round in 0..30 {
        outstanding.remember(&Batch { genomes: genomes(), ..Batch::default() }, 3 * round);
    }
    assert_eq!(outstanding.len(), super::OUTSTANDING_GENES_MAX / n_genes);
}

#[test]
fn test_a_call_that_broke_off_leaves_nothing_usable() {
    let mut run = start("ga", r#"{"population_size": 4}"#, 2);
    run.ask(None).unwrap();
    run.is_changing = true;
    let scores = Scores { objectives: &[1.0; 4], ..Scores::default() };
    let errors = [
        run.ask(None).map(drop).unwrap_err(),
        run.tell(None, &scores).unwrap_err(),
        run.save().map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("broke off midway"), "{error}");
    }
}

/// Settings of a small search, one or two a method.
fn small(name: &str) -> Vec<String> {
    let grid = r#""layout": {"kind": "grid", "shape": [3, 3], "lower": [-5.0, -5.0],
        "upper": [5.0, 5.0]}, "outside": "clip""#;
    let annealed = r#", "learning_rate": 0.1, "threshold": 1000.0"#;
    let annealed = if name == "cma_mae" { annealed } else { "" };
    let emitters =
        format!(r#"{{{grid}, "sigma": 0.2, "n_emitters": 2, "emitter_size": 4{annealed}}}"#);
    let text = match name {
        "ga" => {
            return vec![
                r#"{"population_size": 4, "mutation": "self_adaptive"}"#.into(),
                r#"{"population_size": 4, "scheme": "steady_state"}"#.into(),
                r#"{"population_size": 4, "n_elites": 2, "selection": "lexicase"}"#.into(),
            ];
        }
        "de" | "jade" | "pso" => r#"{"population_size": 5}"#,
        "lshade" => r#"{"population_size": 6, "budget": 60}"#,
        "random_search" => r#"{"batch_size": 3}"#,
        "map_elites" => {
            let sliding = r#""layout": {"kind": "sliding", "shape": [2, 2], "remap_every": 3,
                "buffer_size": 5, "lower": [-5.0, -5.0], "upper": [5.0, 5.0]},
                "outside": "clip""#;
            let rest = r#""batch_size": 3, "n_initial": 3, "iso_sigma": 0.1, "line_sigma": 0.2"#;
            return vec![format!("{{{grid}, {rest}}}"), format!("{{{sliding}, {rest}}}")];
        }
        "cma_me" | "cma_mae" => return vec![emitters],
        "novelty_search" => {
            r#"{"population_size": 4, "n_descriptors": 2, "k": 2, "local_competition": true,
                "policy": "threshold", "n_added": 1, "archive_size_max": 5, "iso_sigma": 0.1,
                "line_sigma": 0.2}"#
        }
        "nsga2" | "sms_emoa" => r#"{"n_objectives": 2, "population_size": 4}"#,
        "nsga3" => r#"{"n_objectives": 2, "n_partitions": 3}"#,
        "moead" => r#"{"n_objectives": 2, "n_partitions": 3, "n_neighbours": 3}"#,
        "islands" => return vec![islands()],
        _ => "{}",
    };
    vec![text.to_owned()]
}

fn islands() -> String {
    use std::fmt::Write;
    let state = |name: &str| {
        let run = Run::new(name, space(2), &small(name)[0], 1, Threads::one()).unwrap();
        run.save().unwrap().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    format!(
        r#"{{"states": ["{}", "{}"], "migration_every": 1}}"#,
        state("de"),
        state("random_search")
    )
}

fn step(run: &mut Run) {
    let batch = run.ask(None).unwrap().clone();
    let algorithm = run.method().algorithm();
    let (m, k) = (algorithm.n_objectives(), algorithm.n_descriptors());
    let needs_cases = algorithm.needs_cases();
    let rows = batch.genomes[0].as_f64().unwrap();
    let objectives: Vec<f64> =
        rows.rows().flat_map(|row| (0..m).map(|at| (sphere(row) - at as f64).abs())).collect();
    let descriptors: Vec<f64> =
        rows.rows().flat_map(|row| row.iter().cycle().copied().take(k)).collect();
    let cases: Vec<f64> = if needs_cases { objectives.clone() } else { Vec::new() };
    let scores = Scores {
        objectives: &objectives,
        descriptors: &descriptors,
        cases: &cases,
        ..Scores::default()
    };
    run.tell(None, &scores).unwrap();
}

/// Largest batch that a changed state may ask for: memory in proportion, not out of all bounds.
const GENES_MAX: usize = 1 << 24;

/// Loads changed bytes under a right checksum; goes on for two generations where they load.
fn survives(body: &[u8]) -> bool {
    let Ok(mut run) = Run::load(&seal(body), Threads::one()) else { return false };
    for _ in 0..2 {
        let algorithm = run.method().algorithm();
        if algorithm.batch_size() * algorithm.space().n_genes() > GENES_MAX {
            return true;
        }
        let Ok(batch) = run.ask(None) else { return true };
        let batch = batch.clone();
        let algorithm = run.method().algorithm();
        let n = batch.n_rows();
        let objectives = vec![1.0; n * algorithm.n_objectives()];
        let descriptors = vec![0.5; n * algorithm.n_descriptors()];
        let cases = vec![1.0; if algorithm.needs_cases() { n } else { 0 }];
        let scores = Scores {
            objectives: &objectives,
            descriptors: &descriptors,
            cases: &cases,
            ..Scores::default()
        };
        if run.tell(None, &scores).is_err() {
            return true;
        }
        drop((run.method().algorithm().population(), run.method().algorithm().figures()));
    }
    true
}

/// Methods whose own `check_state` is not complete.
const UNCHECKED: &[&str] = &["cmaes", "lm_ma_es", "openai_es", "xnes", "auto", "cma_me", "cma_mae"];

#[test]
fn test_changed_states_are_refused_or_work() {
    for name in Method::NAMES.iter().filter(|name| !UNCHECKED.contains(name)) {
        for settings in small(name) {
            let mut run = start(name, &settings, 2);
            for _ in 0..3 {
                step(&mut run);
            }
            run.ask(None).unwrap();
            let state = run.save().unwrap();
            let body = &state[16..];
            assert!(survives(body), "{name}");
            let mut n_refused = 0;
            for place in 0..body.len() {
                for mask in [0x01, 0xFF] {
                    let mut changed = body.to_vec();
                    changed[place] ^= mask;
                    n_refused += usize::from(!survives(&changed));
                }
                n_refused += usize::from(!survives(&body[..place]));
            }
            assert!(n_refused >= body.len(), "{name}: every cut is refused");
        }
    }
}
