//! Saved bytes whose checksum is right and whose content is not: refused, or a search that goes on.

use chimera_rng::Stream;

use super::*;
use crate::run::checksum;

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&bytes[16..]);
    bytes[8..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn saved(name: &str, settings: &str) -> Vec<u8> {
    let mut run = start(name, settings, 2, 1);
    go(&mut run, 2, |x| zdt1(x).to_vec());
    let _batch = run.ask(None).unwrap();
    run.save().unwrap()
}

#[test]
fn changed_bytes_are_refused_or_harmless() {
    let cases = [
        ("nsga2", r#"{"n_objectives": 2, "population_size": 6}"#),
        ("nsga3", r#"{"n_objectives": 2, "n_partitions": 5}"#),
        ("sms_emoa", r#"{"n_objectives": 2, "population_size": 6}"#),
        ("moead", r#"{"n_objectives": 2, "n_partitions": 5}"#),
        ("moead", r#"{"n_objectives": 2, "n_partitions": 5, "variation": "de"}"#),
    ];
    let mut rng = Stream::new(8, 0, 0);
    let mut n_refused = 0;
    for (name, settings) in cases {
        let whole = saved(name, settings);
        for place in 16..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << rng.below(8);
            let Ok(mut run) = Run::load(&sealed(bytes), Threads::one()) else {
                n_refused += 1;
                continue;
            };
            // Whatever was taken must neither panic nor hang.
            for _ in 0..3 {
                let Ok(batch) = run.ask(None) else { break };
                let scores: Vec<f64> = (0..2 * batch.n_rows()).map(|k| k as f64 % 7.0).collect();
                let _told = run.tell(None, &Scores { objectives: &scores, ..Scores::default() });
            }
        }
    }
    assert!(n_refused > 500, "{n_refused}");
}
