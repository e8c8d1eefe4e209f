//! Whose signature stands for which authority, where one signer fits several and one authority fits several signers.

/// Chooses one of the things that were found for each authority, so that as many as possible are different. An authority that
/// is left over gets none. The number does not depend on the order of what was found.
///
/// Two things may each be the same as a third and not as one another, where that one has the key of the first and the name of the
/// second. Such a one is passed over where both are chosen already.
///
/// A maximum bipartite matching by augmenting paths (H. W. Kuhn, 1955); there are at most 32 authorities and 64 things.
pub fn assign<T: Copy>(found: &[Vec<T>], is_same: impl Fn(T, T) -> bool) -> Vec<Option<T>> {
    let mut chosen: Vec<Option<T>> = vec![None; found.len()];
    for authority in 0..found.len() {
        place(authority, found, &is_same, &mut chosen, &mut Vec::new());
    }
    chosen
}

/// Finds something for one authority, and something else for whoever has to give it up.
fn place<T: Copy>(
    authority: usize,
    found: &[Vec<T>],
    is_same: &impl Fn(T, T) -> bool,
    chosen: &mut Vec<Option<T>>,
    tried: &mut Vec<T>,
) -> bool {
    for &thing in found.get(authority).into_iter().flatten() {
        if tried.iter().any(|other| is_same(*other, thing)) {
            continue;
        }
        tried.push(thing);
        let held = |held: &Option<T>| held.is_some_and(|held| is_same(held, thing));
        if chosen.iter().filter(|it| held(it)).count() > 1 {
            continue;
        }
        let holder = chosen.iter().position(held);
        if holder.is_none_or(|holder| place(holder, found, is_same, chosen, tried)) {
            if let Some(slot) = chosen.get_mut(authority) {
                *slot = Some(thing);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
