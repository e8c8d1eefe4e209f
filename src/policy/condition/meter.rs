//! What an evaluation has taken so far. Everything is charged before it is done.

use std::cell::Cell;
use std::rc::Rc;

use super::limits::{MAX_MEMORY, MAX_STEPS, STEP_BYTES, STEPS_BETWEEN_LOOKS};

/// Why an evaluation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// An error of the language, which `||` and `&&` may absorb.
    Fault(String),
    /// It takes too many steps or too much memory.
    Expensive(String),
    /// Nobody waits for it any more.
    Abandoned,
}

/// Counts steps and memory, and looks now and then whether anybody still waits.
pub(super) struct Meter<'m> {
    steps: Cell<u64>,
    /// How many steps are left when it looks the next time.
    next_look: Cell<u64>,
    memory: Rc<Cell<usize>>,
    is_abandoned: &'m dyn Fn() -> bool,
}

/// Memory that is taken until this is dropped.
pub(super) struct Reservation {
    free: Rc<Cell<usize>>,
    bytes: usize,
}

impl<'m> Meter<'m> {
    pub(super) fn new(is_abandoned: &'m dyn Fn() -> bool) -> Self {
        Self {
            steps: Cell::new(MAX_STEPS),
            next_look: Cell::new(MAX_STEPS),
            memory: Rc::new(Cell::new(MAX_MEMORY)),
            is_abandoned,
        }
    }

    /// Charges steps.
    pub(super) fn steps(&self, steps: u64) -> Result<(), Halt> {
        let left = self.steps.get().checked_sub(steps).ok_or_else(|| {
            Halt::Expensive(format!("it would take more than {MAX_STEPS} steps for a statement of this size"))
        })?;
        self.steps.set(left);
        if left < self.next_look.get() {
            self.next_look.set(left.saturating_sub(STEPS_BETWEEN_LOOKS));
            if (self.is_abandoned)() {
                return Err(Halt::Abandoned);
            }
        }
        Ok(())
    }

    /// Charges one step for each pair of so many and so many.
    pub(super) fn pairs(&self, one: usize, other: usize) -> Result<(), Halt> {
        let [one, other] = [one, other].map(|size| u64::try_from(size).unwrap_or(u64::MAX));
        self.steps(one.saturating_mul(other).saturating_add(1))
    }

    /// Charges for bytes that are read or written.
    pub(super) fn bytes(&self, bytes: usize) -> Result<(), Halt> {
        self.pairs(bytes.div_ceil(STEP_BYTES), 1)
    }

    /// Takes memory, and charges for filling it.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reservation, Halt> {
        let mut reservation = Reservation { free: self.memory.clone(), bytes: 0 };
        reservation.grow(bytes)?;
        self.bytes(bytes)?;
        Ok(reservation)
    }
}

impl Reservation {
    /// Takes more memory.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Halt> {
        let left = self.free.get().checked_sub(bytes).ok_or_else(|| {
            Halt::Expensive(format!("it would hold more than {MAX_MEMORY} bytes for a statement of this size"))
        })?;
        self.free.set(left);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.free.set(self.free.get().saturating_add(self.bytes));
    }
}

impl Halt {
    pub(super) fn fault(problem: impl Into<String>) -> Self {
        Self::Fault(problem.into())
    }
}
