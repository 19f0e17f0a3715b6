//! The machine against a scalar interpreter, bit for bit.

use chimera_rng::Stream;

use crate::gp::{Data, Forest, Function, Machine, Node, Tree};

fn grow(forest: &mut Forest, rng: &mut Stream, depth: usize, n_columns: usize) -> usize {
    let mut size = 1;
    let node = if depth == 0 || rng.chance(0.1) {
        if rng.chance(0.3) {
            // Tiny and huge constants reach the protected branches and overflow.
            let scale = *rng.choose(&[1.0, 1.0, 1e-9, 1e25]).unwrap();
            Node::Constant((rng.normal() * scale) as f32)
        } else {
            Node::Column(rng.below(n_columns))
        }
    } else {
        let function = *rng.choose(Function::ALL).unwrap();
        for _ in 0..function.arity() {
            size += grow(forest, rng, depth - 1, n_columns);
        }
        Node::Function(function)
    };
    forest.push(node, size);
    size
}

pub fn random_forest(seed: u64, n_trees: usize, depth: usize, n_columns: usize) -> Forest {
    let mut forest = Forest::default();
    for idx in 0..n_trees {
        grow(&mut forest, &mut Stream::new(seed, 0, idx as u64), depth, n_columns);
        forest.finish();
        forest.tree(idx).unwrap().check(n_columns).unwrap();
    }
    forest
}

/// One row at a time with a stack: what every other way of evaluation must equal.
pub fn interpret(tree: Tree<'_>, row: &[f32]) -> f32 {
    let mut stack = Vec::new();
    for node in tree.nodes() {
        let value = match node {
            Node::Constant(value) => value,
            Node::Column(column) => row[column],
            Node::Function(function) => {
                let arguments = stack.split_off(stack.len() - function.arity());
                let at = |idx: usize| arguments.get(idx).copied().unwrap_or(0.0);
                function.apply(at(0), at(1), at(2), at(3))
            }
        };
        stack.push(value);
    }
    stack.pop().unwrap()
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn machine_equals_the_scalar_interpreter_bit_for_bit() {
    let n_columns = 5;
    let mut n_finite = 0;
    for (n_rows, block_tiles) in [(1, 16), (63, 1), (64, 2), (65, 16), (700, 3), (1500, 16)] {
        let mut rng = Stream::new(7, n_rows as u64, 0);
        let x: Vec<f32> = (0..n_rows * n_columns)
            .map(|_| if rng.chance(0.05) { 0.0 } else { (3.0 * rng.normal()) as f32 })
            .collect();
        let data = Data::with_block(&x, n_rows, n_columns, block_tiles).unwrap();
        let forest = random_forest(n_rows as u64, 400, 6, n_columns);
        let mut machine = Machine::default();
        let mut n_seen = 0;
        machine.evaluate(&forest, &data, |idx, predictions| {
            assert_eq!(idx, n_seen);
            assert_eq!(predictions.len(), n_rows);
            n_seen += 1;
            let tree = forest.tree(idx).unwrap();
            for (row, value) in x.chunks_exact(n_columns).zip(predictions) {
                let expected = interpret(tree, row);
                assert!(same(*value, expected), "{value} {expected} in tree {idx}");
                n_finite += usize::from(value.is_finite());
            }
        });
        assert_eq!(n_seen, 400);
        for idx in (0..400).step_by(37) {
            let tree = forest.tree(idx).unwrap();
            let alone: Vec<u32> =
                machine.evaluate_one(tree, &data).iter().map(|value| value.to_bits()).collect();
            let last = interpret(tree, &x[(n_rows - 1) * n_columns..]);
            assert!(same(f32::from_bits(alone[n_rows - 1]), last));
        }
    }
    assert!(n_finite > 100_000);
}

#[test]
fn deep_chains_need_no_deep_stack_and_few_registers() {
    let mut forest = Forest::default();
    forest.push(Node::Column(0), 1);
    for size in 2..4000 {
        forest.push(Node::Function(Function::Neg), size);
    }
    forest.finish();
    let data = Data::from_rows(&[1.5, -2.0], 2, 1).unwrap();
    let sign = if 3998 % 2 == 0 { 1.0 } else { -1.0 };
    assert_eq!(
        Machine::default().evaluate_one(forest.tree(0).unwrap(), &data),
        [1.5 * sign, -2.0 * sign]
    );
}

#[test]
fn data_refuses_what_is_not_a_matrix_of_numbers() {
    for (values, n_rows, n_columns) in
        [(vec![], 0, 1), (vec![], 1, 0), (vec![1.0], 2, 1), (vec![1.0, f32::NAN], 1, 2)]
    {
        assert!(Data::from_rows(&values, n_rows, n_columns).is_err());
    }
    let error = Data::from_rows(&[0.0, 1.0, 2.0, f32::INFINITY], 2, 2).unwrap_err();
    assert!(error.to_string().contains("row 1, column 1"), "{error}");
}

#[test]
fn malformed_trees_are_refused() {
    let check = |nodes: &[(Node, usize)]| {
        let mut forest = Forest::default();
        for (node, size) in nodes {
            forest.push(*node, *size);
        }
        forest.finish();
        forest.tree(0).unwrap().check(2)
    };
    let add = Node::Function(Function::Add);
    let leaf = Node::Column(1);
    check(&[(leaf, 1), (leaf, 1), (add, 3)]).unwrap();
    assert!(check(&[]).is_err());
    assert!(check(&[(leaf, 1), (add, 2)]).is_err());
    assert!(check(&[(leaf, 1), (leaf, 1)]).is_err());
    assert!(check(&[(leaf, 1), (leaf, 1), (add, 2)]).is_err());
    assert!(check(&[(Node::Column(2), 1)]).is_err());
    assert!(check(&[(Node::Constant(f32::NAN), 1)]).is_err());
}
