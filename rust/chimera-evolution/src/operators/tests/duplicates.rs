use std::collections::BTreeSet;

use chimera_rng::Stream;

use crate::column::Column;
use crate::matrix::Matrix;
use crate::operators::duplicates::Duplicates;

fn few_values(n: usize, n_genes: usize, seed: u64) -> Vec<i64> {
    let mut rng = Stream::new(seed, 0, 0);
    (0..n * n_genes).map(|_| rng.between(0, 2)).collect()
}

fn expected(rows: &[i64], n_genes: usize) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    rows.chunks_exact(n_genes).map(|row| !seen.insert(row.to_vec())).collect()
}

#[test]
fn test_every_repeated_row_is_found_and_no_other() {
    for n_genes in [1, 3, 8, 9, 20] {
        let rows = few_values(500, n_genes, n_genes as u64);
        let mut duplicates = Duplicates::default();
        let expected = expected(&rows, n_genes);
        assert_eq!(duplicates.find_rows(&rows, n_genes), expected);
        let column = Column::I64(Matrix::from_vec(rows, 500, n_genes).unwrap());
        assert_eq!(duplicates.find(&[column], [&[], &[]]), expected);
    }
}

#[test]
fn test_rows_that_are_known_count_as_earlier() {
    let all = few_values(300, 4, 1);
    let (known, new) = all.split_at(400);
    let expected = expected(&all, 4);
    let known = Column::I64(Matrix::from_vec(known.to_vec(), 100, 4).unwrap());
    let new = Column::I64(Matrix::from_vec(new.to_vec(), 200, 4).unwrap());
    let mut duplicates = Duplicates::default();
    let none = [Column::empty(known.dtype())];
    for empty in [&[][..], &none] {
        for sets in [[std::slice::from_ref(&known), empty], [empty, std::slice::from_ref(&known)]] {
            assert_eq!(duplicates.find(std::slice::from_ref(&new), sets), &expected[100..]);
        }
    }
    let part = |rows: std::ops::Range<usize>| [known.select(&rows.collect::<Vec<_>>())];
    let (first, second) = (part(0..30), part(30..100));
    assert_eq!(duplicates.find(&[new], [&first, &second]), &expected[100..]);
}

#[test]
fn test_all_blocks_must_agree() {
    let x = Column::F64(Matrix::from_vec(vec![0.0, -0.0, 1.0], 3, 1).unwrap());
    let b = Column::Bool(Matrix::from_vec(vec![true, true, true], 3, 1).unwrap());
    let c = Column::Bool(Matrix::from_vec(vec![true, false, true], 3, 1).unwrap());
    let mut duplicates = Duplicates::default();
    assert_eq!(duplicates.find(&[x.clone(), b], [&[], &[]]), [false, true, false]);
    assert_eq!(duplicates.find(&[x, c], [&[], &[]]), [false, false, false]);
}

#[test]
fn test_nothing_has_no_duplicates() {
    assert!(Duplicates::default().find(&[], [&[], &[]]).is_empty());
    assert!(Duplicates::default().find_rows::<f64>(&[], 5).is_empty());
}
