//! What a condition may be, and what it may take. Together they bound what conditions cost the process.

/// Longest expression in CEL, in bytes.
pub const MAX_EXPRESSION: usize = 4096;
/// Deepest nesting of brackets in its text.
pub const MAX_BRACKETS: usize = 16;
/// Deepest tree: whatever walks it calls itself for each level.
pub const MAX_DEPTH: usize = 48;
/// Deepest nesting of `all`, `exists`, `map` and their like.
pub const MAX_COMPREHENSIONS: usize = 2;
/// Stack of the thread that parses, in bytes. The deepest text of [`MAX_EXPRESSION`] bytes, were its brackets not counted, takes
/// less than half of it in a build without optimisation. Only what is used takes memory.
pub const PARSER_STACK: usize = 64 << 20;
