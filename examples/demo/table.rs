//! A table whose cells wrap.

use std::fmt::Write as _;

/// Width of each column.
const WIDTHS: [usize; 4] = [34, 10, 40, 62];

/// The head of the table.
pub(crate) fn head(titles: [&str; 4]) -> String {
    format!("{}{}{}", rule('┌', '┬', '┐'), row(titles), rule('├', '┼', '┤'))
}

/// One row, as many lines high as its highest cell.
pub(crate) fn row(cells: [&str; 4]) -> String {
    let wrapped: Vec<Vec<String>> = cells.iter().zip(WIDTHS).map(|(cell, width)| wrap(cell, width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for line in 0..height {
        for (cell, width) in wrapped.iter().zip(WIDTHS) {
            let text = cell.get(line).map_or("", String::as_str);
            let _ = write!(out, "│ {text:width$} ");
        }
        out.push_str("│\n");
    }
    out
}

/// The line between two rows.
pub(crate) fn between() -> String {
    rule('├', '┼', '┤')
}

/// The last line.
pub(crate) fn foot() -> String {
    rule('└', '┴', '┘')
}

fn rule(left: char, middle: char, right: char) -> String {
    let columns: Vec<String> = WIDTHS.iter().map(|width| "─".repeat(width.saturating_add(2))).collect();
    format!("{left}{}{right}\n", columns.join(&middle.to_string()))
}

/// Breaks a text at spaces, and a word that is too long anywhere.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut rest: Vec<char> = word.chars().collect();
            let used = line.chars().count();
            if used > 0 && used.saturating_add(1).saturating_add(rest.len()) > width {
                lines.push(std::mem::take(&mut line));
            } else if used > 0 {
                line.push(' ');
            }
            while rest.len() > width {
                lines.push(rest.drain(..width).collect());
            }
            line.extend(rest);
        }
        lines.push(line);
    }
    lines
}
