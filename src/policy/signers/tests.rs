use super::assign;

/// How many different letters stand for the authorities.
fn most(found: &[&str]) -> usize {
    let found: Vec<Vec<char>> = found.iter().map(|signers| signers.chars().collect()).collect();
    let chosen = assign(&found, |a, b| a.eq_ignore_ascii_case(&b));
    for (chosen, found) in chosen.iter().zip(&found) {
        assert!(chosen.is_none_or(|chosen| found.contains(&chosen)));
    }
    let mut different: Vec<char> = chosen.iter().flatten().map(char::to_ascii_lowercase).collect();
    let all = different.len();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), all, "nobody stands for two");
    all
}

#[test]
fn cry_22_one_signer_stands_for_one_authority() {
    for (found, expected) in
        [(&["a", "a"][..], 1), (&["a", "b"], 2), (&["a", "A"], 1), (&["", "a"], 1), (&["aAa", "Aa", "a"], 1), (&[], 0)]
    {
        assert_eq!(most(found), expected, "{found:?}");
    }
}

#[test]
fn cry_22_whoever_can_make_room_does() {
    for (found, expected) in [
        (&["a", "ab"][..], 2),
        (&["ab", "a"], 2),
        (&["ba", "a"], 2),
        (&["ab", "bc", "a"], 3),
        (&["abc", "ab", "a"], 3),
        (&["ab", "ab", "ab"], 2),
        (&["ab", "a", "a", "c"], 3),
        (&["abcd", "abc", "ab", "a", "abcd"], 4),
    ] {
        assert_eq!(most(found), expected, "{found:?}");
    }
}

#[test]
fn cry_44_the_order_does_not_decide_where_a_third_is_the_same_as_both() {
    // Name and key: the third has the name of the first and the key of the second.
    let (x, y, z) = (("n1", "ka"), ("n2", "kb"), ("n1", "kb"));
    let is_same = |a: (&str, &str), b: (&str, &str)| a.0 == b.0 || a.1 == b.1;
    for found in [[x, y, z], [x, z, y], [y, x, z], [y, z, x], [z, x, y], [z, y, x]] {
        for count in [2, 3] {
            let chosen = assign(&vec![found.to_vec(); count], is_same);
            assert_eq!(chosen.iter().flatten().count(), 2, "{found:?} gave {chosen:?}");
        }
        assert_eq!(assign(&[found.to_vec(), vec![z]], is_same).iter().flatten().count(), 1, "{found:?}");
    }
}
