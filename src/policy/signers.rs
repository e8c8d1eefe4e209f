//! Whose signature stands for which authority, where one signer fits several and one authority fits several signers.

/// How many choices are tried to find a better assignment than the matching.
const MOST_CHOICES: usize = 2_000;

/// Chooses one of the things that were found for each authority, so that as many as possible are different. An authority that
/// is left over gets none. The number does not depend on the order of what was found.
///
/// A maximum bipartite matching by augmenting paths (H. W. Kuhn, 1955); there are at most 32 authorities and 64 things. It is the best
/// where "the same" is transitive. It need not be: two things may each be the same as a third and not as one another, where that one has
/// the key of the first and the name of the second. So where somebody is left over, other choices are tried, within a limit.
pub fn assign<T: Copy>(found: &[Vec<T>], is_same: impl Fn(T, T) -> bool) -> Vec<Option<T>> {
    let mut chosen: Vec<Option<T>> = vec![None; found.len()];
    for authority in 0..found.len() {
        place(authority, found, &is_same, &mut chosen, &mut Vec::new());
    }
    let mut search = Search { found, is_same: &is_same, best: chosen, left: MOST_CHOICES };
    search.improve(&mut Vec::new());
    search.best
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

/// All choices, one after the other, each authority's in turn.
struct Search<'a, T, F> {
    found: &'a [Vec<T>],
    is_same: &'a F,
    best: Vec<Option<T>>,
    /// How many choices may still be tried.
    left: usize,
}

impl<T: Copy, F: Fn(T, T) -> bool> Search<'_, T, F> {
    /// Goes on from what the first authorities were given.
    fn improve(&mut self, chosen: &mut Vec<Option<T>>) {
        let count = |chosen: &[Option<T>]| chosen.iter().flatten().count();
        let Some((things, rest)) = self.found.get(chosen.len()..).and_then(<[_]>::split_first) else {
            if count(chosen) > count(&self.best) {
                self.best.clone_from(chosen);
            }
            return;
        };
        let still = rest.iter().filter(|found| !found.is_empty()).count();
        let reachable = count(chosen).saturating_add(still);
        for thing in things.iter().copied().map(Some).chain([None]) {
            if reachable.saturating_add(usize::from(thing.is_some())) <= count(&self.best) {
                return;
            }
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            let is_taken = |thing| chosen.iter().flatten().any(|other| (self.is_same)(*other, thing));
            if thing.is_some_and(is_taken) {
                continue;
            }
            chosen.push(thing);
            self.improve(chosen);
            chosen.pop();
        }
    }
}

#[cfg(test)]
mod tests;
