use super::*;

#[test]
fn test_stream_numbers_are_pinned() {
    // Saved runs rely on these: they must never change.
    let mut rng = Stream::new(1, 2, 3);
    let words: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
    assert_eq!(words, [0x8fd4_2b21_e954_984f, 0xfcd4_322c_ec41_a3e6, 0xbb45_bfc9_be80_8d97]);
}

#[test]
fn test_lanes_numbers_are_pinned() {
    let words = Lanes::new(1, 2, 3).next_words();
    assert_eq!(words[..3], [0xa5cd_8586_6874_3f4d, 0x1c44_4f5c_2086_9d48, 0x57bb_7cb2_2ba0_9c15]);
}

#[test]
fn test_lanes_are_xoshiro256plusplus() {
    let mut lanes = Lanes::new(5, 6, 7);
    let mut scalar: Vec<Stream> = lanes.lane_states().map(|state| Stream { state }).collect();
    for _ in 0..100 {
        let words = lanes.next_words();
        let expected: Vec<u64> = scalar.iter_mut().map(Stream::next_u64).collect();
        assert_eq!(words.as_slice(), expected);
    }
}

#[test]
fn test_keys_give_different_lanes() {
    let mut seen = std::collections::BTreeSet::new();
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)] {
        for word in Lanes::new(key.0, key.1, key.2).next_words() {
            assert!(seen.insert(word));
        }
    }
}

#[test]
fn test_fills_of_any_length_share_their_head() {
    let mut long = [0.0; 40];
    Lanes::new(1, 1, 1).fill_uniform_f64(&mut long);
    for n in 0..40 {
        let mut short = vec![0.0; n];
        Lanes::new(1, 1, 1).fill_uniform_f64(&mut short);
        assert_eq!(short, long[..n]);
    }
}

#[test]
fn test_uniforms_have_the_moments_of_their_law() {
    let n = 200_000;
    let mut double = vec![0.0_f64; n];
    let mut single = vec![0.0_f32; n];
    Lanes::new(9, 0, 0).fill_uniform_f64(&mut double);
    Lanes::new(9, 0, 1).fill_uniform_f32(&mut single);
    let single: Vec<f64> = single.into_iter().map(f64::from).collect();
    for values in [double, single] {
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = values.iter().sum::<f64>() / n as f64;
        let square = values.iter().map(|value| value * value).sum::<f64>() / n as f64;
        // Five standard errors.
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt(), "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / n as f64).sqrt(), "{square}");
    }
}

#[test]
fn test_below_is_flat_and_in_range() {
    let mut values = vec![0; 70_000];
    Lanes::new(3, 0, 0).fill_below(7, &mut values);
    let mut counts = [0_u32; 7];
    for value in values {
        counts[value as usize] += 1;
    }
    let chi: f64 = counts.iter().map(|n| (f64::from(*n) - 1e4).powi(2) / 1e4).sum();
    assert!(chi < 22.5, "{counts:?}"); // p = .001 at six degrees of freedom
    Lanes::new(3, 0, 0).fill_below(0, &mut counts);
    assert_eq!(counts, [0; 7]);
}

/// The same bits on every processor: nothing here may call the platform's mathematics.
#[test]
fn test_normals_are_the_same_everywhere() {
    let mut stream = Stream::new(1, 2, 3);
    let mut hash = 0_u64;
    for _ in 0..1_000_000 {
        hash = mix(hash ^ stream.normal().to_bits());
    }
    assert_eq!(hash, 0xff53_1232_2b47_e3eb, "{hash:#018x}");
}
