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
