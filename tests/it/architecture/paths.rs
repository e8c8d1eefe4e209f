//! Every path that Rust source names, wherever it stands: in `use` trees, in expressions and inside macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What a file names.
#[derive(Default)]
pub(super) struct Code {
    /// Paths into this crate, from its root.
    pub(super) imports: Vec<Vec<String>>,
    /// All other paths, as written.
    pub(super) named: Vec<Vec<String>>,
    /// The keyword.
    pub(super) is_unsafe: bool,
}

/// Reads the source of a module.
pub(super) fn read(source: &str, module: &[String]) -> Code {
    let tokens: TokenStream = source.parse().unwrap_or_else(|e| panic!("{}: {e}", module.join("::")));
    // `lib.rs` and `main.rs` are the root itself.
    let module = if module == ["lib"] || module == ["main"] { &[] } else { module };
    let mut code = Code::default();
    walk(tokens, module, &mut code);
    code
}

fn walk(tokens: TokenStream, module: &[String], code: &mut Code) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match token {
            TokenTree::Ident(keyword) if keyword == "mod" => {
                if let [TokenTree::Ident(name), TokenTree::Group(body), after @ ..] = after {
                    walk(body.stream(), &[module, &[name.to_string()]].concat(), code);
                    rest = after;
                }
            }
            TokenTree::Ident(keyword) if keyword == "unsafe" => code.is_unsafe = true,
            TokenTree::Ident(first) if is_separator(after) && !KEYWORDS.contains(&first.to_string().as_str()) => {
                let mut paths = Vec::new();
                rest = follow(vec![first.to_string()], after, &mut paths);
                for path in paths {
                    sort(path, module, code);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            TokenTree::Group(group) => walk(group.stream(), module, code),
        }
    }
}

/// What may stand before a path that begins with `::`.
const KEYWORDS: &[&str] = &[
    "as", "break", "dyn", "else", "for", "if", "impl", "in", "let", "match", "move", "mut", "ref", "return", "use",
    "where", "while",
];

fn is_separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    matches!(tokens, [first, second, ..] if colon(first) && colon(second))
}

/// Follows a path from behind one of its parts to all its ends, and answers what comes after it.
fn follow<'a>(path: Vec<String>, tokens: &'a [TokenTree], paths: &mut Vec<Vec<String>>) -> &'a [TokenTree] {
    let extended = |part: &str| [path.as_slice(), &[part.to_owned()]].concat();
    if !is_separator(tokens) {
        paths.push(path);
        return tokens;
    }
    match &tokens[2..] {
        [TokenTree::Ident(part), after @ ..] => follow(extended(&part.to_string()), after, paths),
        [TokenTree::Group(group), after @ ..] if group.delimiter() == Delimiter::Brace => {
            let branches: Vec<_> = group.stream().into_iter().collect();
            for branch in branches.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
                match branch {
                    [TokenTree::Ident(part), rest @ ..] if part == "self" => drop(follow(path.clone(), rest, paths)),
                    [TokenTree::Ident(part), rest @ ..] => drop(follow(extended(&part.to_string()), rest, paths)),
                    [] => {}
                    _ => paths.push(extended("*")),
                }
            }
            after
        }
        [TokenTree::Punct(punct), after @ ..] if punct.as_char() == '*' => {
            paths.push(extended("*"));
            after
        }
        // Generic arguments: what they name is found by whoever walks on.
        after => {
            paths.push(path);
            after
        }
    }
}

/// Resolves a path that leads into this crate.
fn sort(path: Vec<String>, module: &[String], code: &mut Code) {
    let mut base = match path[0].as_str() {
        "crate" | "sealgate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return code.named.push(path),
    };
    for part in &path {
        match part.as_str() {
            "crate" | "sealgate" | "self" => {}
            "super" => drop(base.pop()),
            _ => base.push(part.clone()),
        }
    }
    code.imports.push(base);
}
