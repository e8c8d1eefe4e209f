//! Regular expressions over subjects: always matched in full, in linear time, within bounded memory.
//!
//! A policy is read far more often than its expressions are used, so one is parsed and measured when the policy is read, and
//! compiled when a subject with its literal beginning first comes along.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, GroupKind, RepetitionKind, RepetitionRange};
use regex_syntax::hir::{Class, Hir, HirKind, translate::TranslatorBuilder};

use crate::domain::text::foreign;

/// Longest source in bytes.
const MAX_SOURCE: usize = 64 * 1024;
/// Largest program in bytes, as the engine counts it.
const MAX_PROGRAM: usize = 1024 * 1024;
/// Most memory in bytes for the states that the engine keeps while it matches.
const MAX_CACHE: usize = 128 * 1024;
/// Deepest nesting; the engine's own limit is larger than this and the group around it.
const MAX_DEPTH: u32 = 100;
/// What a state of the program takes at most, in bytes. A test compiles what only just fits.
const STATE: usize = 40;
/// A class of so many characters still spells something out.
const FEW: usize = 10;

/// A regular expression that a subject must fit from its first byte to its last.
///
/// The syntax is that of the crate `regex` over ASCII: `.` is any byte but a line break, `\w` and its like are ASCII. Inline
/// flags such as `(?i)` are refused, because subjects are compared as they stand, and so is an expression that spells out
/// nothing: it would accept everybody.
#[derive(Clone, Debug)]
pub struct SubjectRegExp {
    source: Box<str>,
    /// What every match begins with.
    prefix: Box<[u8]>,
    /// Nothing inside when it does not compile: it then matches nothing.
    compiled: OnceLock<Option<Regex>>,
}

/// Why a text is no accepted regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegExpError {
    /// Nothing, or nothing but blanks.
    #[error("is blank")]
    Blank,
    /// The source is too long.
    #[error("is longer than {MAX_SOURCE} bytes")]
    TooLong,
    /// It does not parse by itself.
    #[error("is no regular expression: {problem}, at column {column}")]
    Syntax {
        /// What is wrong.
        problem: String,
        /// Where, from 1.
        column: usize,
    },
    /// Flags would change what the letters around them mean.
    #[error("has flags at column {column}; subjects are compared as they stand, so leave (?i) and the like out")]
    Flags {
        /// Where, from 1.
        column: usize,
    },
    /// The program would be too large.
    #[error("would need more than {MAX_PROGRAM} bytes when compiled; use smaller repetitions")]
    TooLarge,
    /// It demands nothing.
    #[error(
        "spells out no letter or digit beyond a scheme, so it accepts whoever has an account at the issuer; name the organisation, the repository or the domain"
    )]
    AcceptsAll,
}

impl SubjectRegExp {
    /// Reads an expression. It must be one by itself: `a)|(?:b` is none, although it would be one inside of `(?:` and `)`.
    pub fn parse(source: &str) -> Result<Self, RegExpError> {
        if source.len() > MAX_SOURCE {
            return Err(RegExpError::TooLong);
        }
        if source.trim().is_empty() {
            return Err(RegExpError::Blank);
        }
        let ast = parse(source)?;
        if let Some(flags) = find(&ast, &is_flags) {
            return Err(RegExpError::Flags { column: column(source, flags.span().start.offset) });
        }
        let hir = TranslatorBuilder::new()
            .unicode(false)
            .utf8(false)
            .build()
            .translate(source, &ast)
            .map_err(|e| syntax(source, &e.kind().to_string(), e.span().start.offset))?;
        if states(&hir).saturating_mul(STATE) > MAX_PROGRAM {
            return Err(RegExpError::TooLarge);
        }
        if spelled_out(&hir) == 0 {
            return Err(RegExpError::AcceptsAll);
        }
        let mut prefix = Vec::new();
        let _ = literal_prefix(&hir, &mut prefix);
        Ok(Self { source: source.into(), prefix: prefix.into(), compiled: OnceLock::new() })
    }

    /// The source.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the whole subject fits. An expression that can't be compiled fits nothing.
    pub fn matches(&self, subject: &str) -> bool {
        subject.as_bytes().starts_with(&self.prefix)
            && self
                .compiled
                .get_or_init(|| compile(&self.source))
                .as_ref()
                .is_some_and(|r| r.is_match(subject.as_bytes()))
    }

    /// What every match begins with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// What is legal but hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        let Ok(ast) = parse(&self.source) else { return Vec::new() };
        let mut dots = Vec::new();
        single_dots(&ast, &mut dots);
        let columns: Vec<String> = dots.iter().map(|at| column(&self.source, *at).to_string()).collect();
        let mut warnings = Vec::new();
        if !columns.is_empty() {
            warnings.push(format!(
                "a dot matches any character; write \\. for a dot itself (column {})",
                columns.join(", ")
            ));
        }
        let (first, second, last) = edges(&ast);
        if first.is_some_and(is_anything) && !second.is_some_and(|ast| matches!(ast, Ast::Literal(l) if l.c == '@')) {
            warnings.push(
                "accepts anything before the rest, such as https://evil.example/?; begin with what the subject begins with"
                    .to_owned(),
            );
        }
        if last.is_some_and(is_anything) {
            warnings.push(
                "accepts anything after the rest, every branch and tag included; end with what the subject ends with, \
                 such as @refs/heads/main"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// Two expressions are the same when they read the same.
impl PartialEq for SubjectRegExp {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for SubjectRegExp {}

fn parse(source: &str) -> Result<Ast, RegExpError> {
    let mut parser = ast::parse::ParserBuilder::new().nest_limit(MAX_DEPTH).build();
    parser.parse(source).map_err(|e| syntax(source, &e.kind().to_string(), e.span().start.offset))
}

fn syntax(source: &str, problem: &str, offset: usize) -> RegExpError {
    RegExpError::Syntax { problem: foreign(problem), column: column(source, offset) }
}

/// The engine takes time linear in the subject.
fn compile(source: &str) -> Option<Regex> {
    RegexBuilder::new(&format!(r"\A(?:{source})\z"))
        .unicode(false)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_CACHE)
        .build()
        .ok()
}

/// Characters from the left, from 1.
fn column(source: &str, offset: usize) -> usize {
    source.char_indices().take_while(|(at, _)| *at < offset).count().saturating_add(1)
}

/// How many states the program has, or more: repetitions are written out.
fn states(hir: &Hir) -> usize {
    let sum = |subs: &[Hir]| subs.iter().map(|sub| states(sub).saturating_add(2)).fold(2, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 2,
        HirKind::Literal(literal) => literal.0.len().saturating_add(1),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().saturating_add(2),
        // Not made without Unicode; four bytes a character, were it otherwise.
        HirKind::Class(Class::Unicode(class)) => class.ranges().len().saturating_mul(32).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or_else(|| repetition.min.saturating_add(1));
            let copies = usize::try_from(copies).unwrap_or(usize::MAX);
            states(&repetition.sub).saturating_add(2).saturating_mul(copies).saturating_add(3)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => sum(subs),
    }
}

/// How many letters and digits every match has because the expression spells them out; those before `://` are a scheme and
/// do not count.
fn spelled_out(hir: &Hir) -> usize {
    let letters = |bytes: &[u8]| bytes.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => letters(after_scheme(&literal.0).unwrap_or(&literal.0)),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<u8> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            usize::from(bytes.len() <= FEW && bytes.iter().all(u8::is_ascii_alphanumeric) && !bytes.is_empty())
        }
        HirKind::Class(Class::Unicode(class)) => {
            let chars: Vec<char> =
                class.iter().flat_map(|range| range.start()..=range.end()).take(FEW.saturating_add(1)).collect();
            usize::from(chars.len() <= FEW && chars.iter().all(char::is_ascii_alphanumeric) && !chars.is_empty())
        }
        HirKind::Repetition(repetition) if repetition.min == 0 => 0,
        HirKind::Repetition(repetition) => spelled_out(&repetition.sub),
        HirKind::Capture(capture) => spelled_out(&capture.sub),
        HirKind::Concat(subs) => subs.iter().fold(0, |before, sub| match sub.kind() {
            HirKind::Literal(literal) if after_scheme(&literal.0).is_some() => spelled_out(sub),
            _ => spelled_out(sub).saturating_add(before),
        }),
        HirKind::Alternation(subs) => subs.iter().map(spelled_out).min().unwrap_or_default(),
    }
}

/// What follows `://`, where that is in the text.
fn after_scheme(text: &[u8]) -> Option<&[u8]> {
    let at = text.windows(3).position(|three| three == b"://")?;
    text.get(at.saturating_add(3)..)
}

/// Collects what every match begins with. Breaks where that ends.
fn literal_prefix(hir: &Hir, prefix: &mut Vec<u8>) -> ControlFlow<()> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            prefix.extend_from_slice(&literal.0);
            ControlFlow::Continue(())
        }
        HirKind::Empty | HirKind::Look(_) => ControlFlow::Continue(()),
        HirKind::Capture(capture) => literal_prefix(&capture.sub, prefix),
        HirKind::Concat(subs) => subs.iter().try_for_each(|sub| literal_prefix(sub, prefix)),
        HirKind::Class(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => ControlFlow::Break(()),
    }
}

/// The first node, from the left, of which `wanted` is true.
fn find<'a>(ast: &'a Ast, wanted: &impl Fn(&Ast) -> bool) -> Option<&'a Ast> {
    if wanted(ast) {
        return Some(ast);
    }
    children(ast).into_iter().find_map(|child| find(child, wanted))
}

fn is_flags(ast: &Ast) -> bool {
    match ast {
        Ast::Flags(_) => true,
        Ast::Group(group) => matches!(&group.kind, GroupKind::NonCapturing(flags) if !flags.items.is_empty()),
        _ => false,
    }
}

fn children(ast: &Ast) -> Vec<&Ast> {
    match ast {
        Ast::Repetition(repetition) => vec![&repetition.ast],
        Ast::Group(group) => vec![&group.ast],
        Ast::Concat(concat) => concat.asts.iter().collect(),
        Ast::Alternation(alternation) => alternation.asts.iter().collect(),
        _ => Vec::new(),
    }
}

/// The offsets of dots that stand for one character: mostly, a dot itself was meant.
fn single_dots(ast: &Ast, found: &mut Vec<usize>) {
    match ast {
        Ast::Dot(span) => found.push(span.start.offset),
        Ast::Repetition(repetition) if matches!(*repetition.ast, Ast::Dot(_)) => {}
        _ => children(ast).into_iter().for_each(|child| single_dots(child, found)),
    }
}

/// The first, second and last part of an expression, groups and anchors left out.
fn edges(ast: &Ast) -> (Option<&Ast>, Option<&Ast>, Option<&Ast>) {
    match ast {
        Ast::Group(group) => edges(&group.ast),
        Ast::Concat(concat) => {
            let mut parts = concat.asts.iter().filter(|part| !matches!(part, Ast::Assertion(_)));
            let (first, second) = (parts.next(), parts.next());
            (first, second, parts.next_back().or(second).or(first))
        }
        _ => (Some(ast), None, Some(ast)),
    }
}

/// Whether a part is `.*` or the like, also in a group.
fn is_anything(ast: &Ast) -> bool {
    match ast {
        Ast::Group(group) => is_anything(&group.ast),
        Ast::Repetition(repetition) => {
            matches!(*repetition.ast, Ast::Dot(_))
                && matches!(
                    repetition.op.kind,
                    RepetitionKind::ZeroOrMore
                        | RepetitionKind::OneOrMore
                        | RepetitionKind::Range(RepetitionRange::AtLeast(_))
                )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
