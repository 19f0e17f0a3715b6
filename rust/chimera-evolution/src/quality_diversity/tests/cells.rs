//! Where descriptors land, whatever the width of their ranges.

use super::super::grid::Grid;
use super::super::sliding::Sliding;
use super::*;

/// The middle and the lower boundary of each of ten cells, and the cells they belong to.
fn places<T: Real>(lower: f64, width: f64) -> (Vec<T>, Vec<u32>) {
    let value = |tenths: f64| T::nearest(lower + tenths * width / 10.0);
    let tenths = (0..10_u32).flat_map(|cell| [f64::from(cell), f64::from(cell) + 0.5]);
    (tenths.map(value).collect(), (0..20).map(|place| place / 2).collect())
}

fn check<T: Real>(width: f64) {
    let (lower, upper) = ([0.0], [width]);
    let (values, expected) = places::<T>(0.0, width);
    let mut cells = Vec::new();
    Grid::<T>::new(&[10], &lower, &upper).unwrap().locate(&values, &mut cells);
    assert_eq!(cells, expected, "a grid over {width:e}");
    let sliding = Sliding::<T>::new(&[10], &lower, &upper, 100, 100).unwrap();
    sliding.locate(&values, &mut cells);
    assert_eq!(cells, expected, "sliding boundaries over {width:e}");
}

#[test]
fn test_narrow_ranges_use_all_their_cells() {
    for width in [1e-30, 1e-12, 1e-7, 1e-5, 1e-3, 0.3, 1.0] {
        check::<f64>(width);
        check::<f32>(width);
    }
    check::<f64>(7.0);
    check::<f64>(1e3);
}

#[test]
fn test_boundaries_that_slid_together_still_divide() {
    let rule = Rule::elitist(Direction::Maximize);
    let layout = Layout::Sliding {
        shape: vec![10],
        remap_every: 100,
        buffer_size: 100,
        lower: vec![0.0],
        upper: vec![1.0],
    };
    let threads = Threads::one();
    let mut tested = Archive::<f64>::new(&layout, 1, rule, Outside::Error, &threads).unwrap();
    let descriptors: Vec<f64> = (0..100).map(|row| 0.5 + 1e-8 * f64::from(row)).collect();
    let batch = Candidates {
        solutions: &[0.0; 100],
        objectives: &[0.0; 100],
        descriptors: &descriptors,
        ids: Ids::From(0),
    };
    tested.add(&batch, &[], &threads, &mut Insertion::default()).unwrap();
    assert_eq!(tested.elites().n_elites(), 10);
}

#[test]
fn test_buffers_of_any_size_are_accepted() {
    let mut sliding = Sliding::<f64>::new(&[2], &[0.0], &[1.0], 3, usize::MAX).unwrap();
    let rule = Rule::elitist(Direction::Maximize);
    let mut elites = Elites::new(2, 1, 1, rule).unwrap();
    let batch = Candidates {
        solutions: &[1.0, 2.0, 3.0, 4.0],
        objectives: &[5.0, 4.0, 3.0, 2.0],
        descriptors: &[0.1, 0.2, 0.3, 0.4],
        ids: Ids::From(0),
    };
    sliding.add(&mut elites, &batch, |_| false, &mut Insertion::default()).unwrap();
    assert_eq!(sliding.boundaries()[0], [0.1, 0.2, 0.3]);
    // The second row is in the buffer only: before the boundaries moved it lost to the first.
    assert_eq!(elites.objectives().as_slice(), [5.0, 4.0]);
}
