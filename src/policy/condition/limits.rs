//! What a condition may be, and what it may take. Together they bound what conditions cost the process.
//!
//! Conditions that are evaluated at once hold at most [`MAX_EVALUATIONS`] times [`MAX_MEMORY`]. A statement is read where it is
//! and counts elsewhere.

/// Longest expression in CEL, in bytes.
pub const MAX_EXPRESSION: usize = 4096;
/// Deepest nesting of brackets in its text.
pub const MAX_BRACKETS: usize = 16;
/// Deepest tree: whatever walks it calls itself for each level.
pub const MAX_DEPTH: usize = 48;
/// Deepest nesting of `all`, `exists`, `map` and their like.
pub const MAX_COMPREHENSIONS: usize = 2;
/// Most regular expressions in one condition.
pub const MAX_PATTERNS: usize = 8;
/// Longest regular expression, in bytes.
pub const MAX_PATTERN: usize = 1024;
/// Largest compiled form of a regular expression, in bytes.
pub const MAX_PROGRAM: usize = 512 << 10;
/// Memory that a search for a regular expression may use, in bytes, in each direction.
pub const PATTERN_CACHE: usize = 256 << 10;
/// Stack of the thread that parses, in bytes. The deepest text of [`MAX_EXPRESSION`] bytes, were its brackets not counted, takes
/// less than half of it in a build without optimisation. Only what is used takes memory.
pub const PARSER_STACK: usize = 64 << 20;

/// Most steps of one evaluation. A step is a node of the expression that is evaluated, a value that is looked at or copied, or
/// [`STEP_BYTES`] bytes of a text that are read or written: some nanoseconds each.
pub const MAX_STEPS: u64 = 20_000_000;
/// The bytes of a text that are one step.
pub const STEP_BYTES: usize = 32;
/// After so many steps an evaluation looks whether anybody still waits for it.
pub const STEPS_BETWEEN_LOOKS: u64 = 4096;
/// Most memory that one evaluation holds at once, in bytes.
pub const MAX_MEMORY: usize = 8 << 20;
/// Most evaluations at once, in the whole process.
pub const MAX_EVALUATIONS: usize = 2;
