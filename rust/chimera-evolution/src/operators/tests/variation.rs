use chimera_rng::Stream;

use crate::operators::crossover::{self, Spread};
use crate::operators::permutation::{self, Scratch};
use crate::operators::{Bounds, Repair, mutation};

fn shuffled(n: i64, rng: &mut Stream) -> Vec<i64> {
    let mut row: Vec<i64> = (0..n).collect();
    rng.shuffle(&mut row);
    row
}

fn is_permutation(row: &[i64]) -> bool {
    let mut sorted = row.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq((0..).take(row.len()))
}

#[test]
fn test_permutations_stay_permutations() {
    let mut rng = Stream::new(1, 0, 0);
    let mut scratch = Scratch::default();
    for n in [1, 2, 3, 7, 20, 51] {
        for _ in 0..50 {
            let (a, b) = (shuffled(n, &mut rng), shuffled(n, &mut rng));
            for cross in [permutation::order, permutation::partially_mapped, permutation::edge] {
                let mut child = a.clone();
                cross(&a, &b, &mut rng, &mut scratch, &mut child);
                assert!(is_permutation(&child), "{a:?} {b:?} {child:?}");
            }
            for mutate in [permutation::swap, permutation::insert, permutation::invert] {
                let mut child = a.clone();
                mutate(&mut rng, &mut child);
                assert!(is_permutation(&child));
            }
        }
    }
}

#[test]
fn test_equal_parents_give_themselves() {
    let mut rng = Stream::new(2, 0, 0);
    let mut scratch = Scratch::default();
    let a = shuffled(12, &mut rng);
    for cross in [permutation::order, permutation::partially_mapped] {
        let mut child = a.clone();
        cross(&a, &a, &mut rng, &mut scratch, &mut child);
        assert_eq!(child, a);
    }
    // Edge recombination keeps the cycle, whatever its start and direction.
    let edges = |row: &[i64]| {
        let next = row.iter().cycle().skip(1);
        let mut edges: Vec<_> = row.iter().zip(next).map(|(a, b)| (*a.min(b), *a.max(b))).collect();
        edges.sort_unstable();
        edges
    };
    let mut child = a.clone();
    permutation::edge(&a, &a, &mut rng, &mut scratch, &mut child);
    assert_eq!(edges(&child), edges(&a));
}

#[test]
fn test_rows_that_are_no_permutations_do_not_panic() {
    let mut rng = Stream::new(3, 0, 0);
    let mut scratch = Scratch::default();
    for cross in [permutation::order, permutation::partially_mapped, permutation::edge] {
        for (a, b) in [(vec![-1, 9, 9, 2], vec![0; 4]), (vec![], vec![1]), (vec![0; 2], vec![])] {
            let mut child = vec![0; 4];
            cross(&a, &b, &mut rng, &mut scratch, &mut child);
            cross(&a, &b, &mut rng, &mut scratch, &mut []);
        }
    }
}

#[test]
fn test_swapping_crossovers_keep_the_genes_of_each_place() {
    let mut rng = Stream::new(4, 0, 0);
    for n_points in [1, 2, 5, 16] {
        for n in [1_i64, 2, 9, 40] {
            let (mut a, mut b): (Vec<i64>, Vec<i64>) = ((0..n).collect(), (100..100 + n).collect());
            crossover::n_point(n_points, &mut rng, &mut a, &mut b);
            crossover::uniform(0.5, &mut rng, &mut a, &mut b);
            for ((a, b), idx) in a.iter().zip(&b).zip(0..) {
                assert_eq!((*a.min(b), *a.max(b)), (idx, 100 + idx));
            }
        }
    }
    let (mut a, mut b) = ([0; 9], [1; 9]);
    crossover::n_point(1, &mut rng, &mut a, &mut b);
    assert_eq!(a[0], 0);
    assert_eq!(a[8], 1);
    assert_eq!(a.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1);
}

#[test]
fn test_arithmetic_stays_between_and_blend_reaches_as_far_as_alpha() {
    let mut rng = Stream::new(5, 0, 0);
    let (mut least, mut most) = (1.0_f64, 0.0_f64);
    for _ in 0..2000 {
        let (mut a, mut b) = ([0.0_f64; 3], [1.0_f64; 3]);
        crossover::arithmetic(&mut rng, &mut a, &mut b);
        assert!(a.iter().chain(&b).all(|gene| (0.0..=1.0).contains(gene)));
        assert!(a.iter().zip(&b).all(|(a, b)| (a + b - 1.0).abs() < 1e-12));
        let (mut a, mut b) = ([0.0_f64; 3], [1.0_f64; 3]);
        crossover::blend(0.5, &mut rng, &mut a, &mut b);
        for gene in a.iter().chain(&b) {
            (least, most) = (least.min(*gene), most.max(*gene));
        }
    }
    assert!((-0.5..-0.49).contains(&least) && (1.49..=1.5).contains(&most), "{least} {most}");
}

#[test]
fn test_parent_centric_children_lie_around_their_parent() {
    let mut rng = Stream::new(6, 0, 0);
    let spread = Spread { along: 0.1, across: 0.2 };
    let n = 20_000;
    let (mut mean, mut square) = ([0.0; 3], [0.0; 3]);
    for _ in 0..n {
        // Centre (1, 1, 0): the direction of the main parent is (2, -1, 0).
        let mut child = [3.0, 0.0, 0.0];
        crossover::parent_centric(spread, &mut rng, &mut child, &[0.0, 3.0, 0.0], &[0.0; 3]);
        let unit = [2.0 / 5.0_f64.sqrt(), -1.0 / 5.0_f64.sqrt()];
        let from = [child[0] - 3.0, child[1], child[2]];
        let turned = [
            from[0] * unit[0] + from[1] * unit[1],
            from[0] * -unit[1] + from[1] * unit[0],
            from[2],
        ];
        for ((mean, square), x) in mean.iter_mut().zip(&mut square).zip(turned) {
            *mean += x / f64::from(n);
            *square += x * x / f64::from(n);
        }
    }
    // Distances of (0, 3, 0) and the origin from the line through (3, 0, 0): 3 / sqrt 5 each.
    let wide = 0.2 * 3.0 / 5.0_f64.sqrt();
    for (square, expected) in square.iter().zip([0.1 * 5.0_f64.sqrt(), wide, wide]) {
        assert!((square.sqrt() / expected - 1.0).abs() < 0.03, "{square:?} {expected}");
    }
    assert!(mean.iter().all(|mean| mean.abs() < 0.02));
}

#[test]
fn test_simplex_keeps_the_mean_and_fills_the_triangle() {
    let mut rng = Stream::new(7, 0, 0);
    let n = 20_000;
    let mut mean = [0.0; 2];
    for _ in 0..n {
        let mut child = [3.0, 0.0];
        crossover::simplex(1.0, &mut rng, &mut child, &[0.0, 3.0], &[0.0, 0.0]);
        assert!(child[0] >= -1e-12 && child[1] >= -1e-12 && child[0] + child[1] <= 3.0 + 1e-12);
        mean[0] += child[0] / f64::from(n);
        mean[1] += child[1] / f64::from(n);
    }
    assert!(mean.iter().all(|mean| (mean - 1.0).abs() < 0.03), "{mean:?}");
}

#[test]
fn test_repairs_end_inside() {
    for repair in [Repair::Clip, Repair::Reflect, Repair::Wrap, Repair::Resample] {
        for gene in [-1e300, -7.3, 0.9, 1.0, 1.4, 2.0, 5.1, 1e9, f64::INFINITY, f64::NAN] {
            let mended = repair.apply(gene, 1.0, 2.0, 0.4);
            assert!((1.0..=2.0).contains(&mended), "{repair:?} {gene} {mended}");
        }
        assert_eq!(repair.apply(1.25, 1.0, 2.0, 0.0), 1.25);
        assert!(repair.apply(-3.0, 1.0, f64::INFINITY, 0.5) >= 1.0);
    }
    assert_eq!(Repair::Reflect.apply(0.75, 1.0, 2.0, 0.0), 1.25);
    assert_eq!(Repair::Reflect.apply(2.5, 1.0, 2.0, 0.0), 1.5);
    assert_eq!(Repair::Wrap.apply(2.25, 1.0, 2.0, 0.0), 1.25);
    assert_eq!(Repair::Clip.apply(9.0, 1.0, 2.0, 0.0), 2.0);
}

#[test]
fn test_mutations_stay_inside_and_change_their_share() {
    let mut rng = Stream::new(8, 0, 0);
    let bounds = Bounds { lower: vec![-1.0_f32; 50], upper: vec![0.3; 50] };
    let mut n_changed = 0;
    for _ in 0..200 {
        let mut row = vec![0.1_f32; 50];
        mutation::gaussian(0.2, 0.5, Repair::Reflect, &bounds, &mut rng, &mut row);
        mutation::polynomial(0.0, 20.0, &bounds, &mut rng, &mut row);
        assert!(row.iter().all(|gene| (-1.0..=0.3).contains(gene)));
        n_changed += row.iter().filter(|gene| **gene != 0.1).count();
    }
    assert!((1800..2200).contains(&n_changed), "{n_changed}");
    let (low, high) = (vec![-2.0; 30], vec![5.0; 30]);
    for _ in 0..100 {
        let mut row = vec![0; 30];
        mutation::reset(1.0, &low, &high, &mut rng, &mut row);
        assert!(row.iter().all(|gene| *gene != 0 && (-2..=5).contains(gene)));
        mutation::creep(1.0, 3.0, &low, &high, &mut rng, &mut row);
        assert!(row.iter().all(|gene| (-2..=5).contains(gene)));
    }
    let mut row = [false; 40];
    mutation::flip(1.0, &mut rng, &mut row);
    assert_eq!(row, [true; 40]);
}

#[test]
fn test_bounds_are_rounded_inwards() {
    let space =
        crate::space::Space::new(vec![("x".into(), "f32".into(), vec![0.1, -0.1], vec![0.7, 0.3])])
            .unwrap();
    let bounds = Bounds::<f32>::new(&space.blocks()[0]);
    for (idx, (lower, upper)) in bounds.iter().enumerate() {
        assert!(f64::from(lower) >= space.blocks()[0].lower[idx]);
        assert!(f64::from(upper) <= space.blocks()[0].upper[idx]);
    }
}
