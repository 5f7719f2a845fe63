//! Reads Rust files as tokens: what they import, declare and call. Whatever stands under `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// One path as it is written, with the inline modules it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) inside: Vec<String>,
    pub(crate) segments: Vec<String>,
    /// The name it has in this file afterwards: only of a `use`; `*` for all names.
    pub(crate) alias: Option<String>,
}

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Modules in files of their own, declared here.
    pub(crate) modules: Vec<String>,
    /// The same, for tests only; with their file where `#[path]` names one.
    pub(crate) test_modules: Vec<String>,
    /// Every path.
    pub(crate) paths: Vec<Named>,
    /// Functions: name, first line, last line.
    pub(crate) functions: Vec<(String, usize, usize)>,
    /// Traits that ask for something of their own; one without items is a name for others.
    pub(crate) traits: Vec<String>,
    /// Names that items of this file have.
    pub(crate) items: BTreeSet<String>,
    /// Methods called, with the lines: `unwrap`, `expect` with a text, `expose`.
    pub(crate) calls: BTreeMap<String, Vec<usize>>,
}

/// Reads one file.
///
/// # Panics
/// When it is no Rust.
pub(crate) fn parse(text: &str) -> Parsed {
    let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("not Rust: {e}"));
    let mut parsed = Parsed::default();
    walk(&tokens.into_iter().collect::<Vec<_>>(), &mut Vec::new(), &mut parsed);
    parsed
}

fn walk(tokens: &[TokenTree], inside: &mut Vec<String>, out: &mut Parsed) {
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Punct(p) if p.as_char() == '#' => attribute(tokens, at, inside, out),
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "use" => import(tokens, at + 1, inside, out),
                "mod" => module(tokens, at, inside, out),
                "fn" => function(tokens, at, out),
                "trait" => trait_item(tokens, at, out),
                "struct" | "enum" | "type" | "const" | "static" | "union" => item(tokens, at, out),
                _ => path(tokens, at, inside, out),
            },
            TokenTree::Group(group) => {
                walk(&inner(group), inside, out);
                at + 1
            }
            TokenTree::Punct(p) if p.as_char() == '.' => call(tokens, at, out),
            TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
        };
    }
}

fn inner(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn ident(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn is_punct(tokens: &[TokenTree], at: usize, wanted: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

fn is_double_colon(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn line(span: Span) -> usize {
    span.start().line
}

/// `#[…]`: the whole item goes when it is for tests; otherwise only what the attribute itself names counts.
fn attribute(tokens: &[TokenTree], at: usize, inside: &mut Vec<String>, out: &mut Parsed) -> usize {
    let bang = usize::from(is_punct(tokens, at + 1, '!'));
    let Some(TokenTree::Group(group)) = tokens.get(at + 1 + bang) else { return at + 1 };
    let text = group.stream().to_string().replace(' ', "");
    if text.starts_with("doc=") {
        return at + 2 + bang;
    }
    if text != "cfg(test)" {
        walk(&inner(group), inside, out);
        return at + 2 + bang;
    }
    let mut end = at + 2;
    let mut file = None;
    loop {
        match tokens.get(end) {
            None => return end,
            Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Bracket => {
                let path = g.stream().to_string().replace(' ', "");
                file = path.strip_prefix("path=").map(|p| p.trim_matches('"').to_owned()).or(file);
            }
            Some(TokenTree::Ident(word)) if word == "mod" && is_punct(tokens, end + 2, ';') => {
                out.test_modules.extend(file.take().or_else(|| ident(tokens, end + 1)));
            }
            Some(TokenTree::Punct(p)) if p.as_char() == ';' => return end + 1,
            Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace => return end + 1,
            Some(_) => {}
        }
        end += 1;
    }
}

fn import(tokens: &[TokenTree], at: usize, inside: &[String], out: &mut Parsed) -> usize {
    // `use<'a>` in a type is no import, and what stands behind it is read like anything else.
    if is_punct(tokens, at, '<') {
        return at;
    }
    let end = (at..tokens.len()).find(|i| is_punct(tokens, *i, ';')).unwrap_or(tokens.len());
    tree(&tokens[at..end], &[], inside, out);
    end
}

/// `a::b`, `a::{…}`, `a as b`, `a::*`, after what stands in front of it.
fn tree(tokens: &[TokenTree], front: &[String], inside: &[String], out: &mut Parsed) {
    let mut segments = front.to_vec();
    let mut at = 0;
    let mut alias = None;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "as" => {
                alias = ident(tokens, at + 1);
                at += 1;
            }
            TokenTree::Ident(word) => segments.push(word.to_string()),
            TokenTree::Punct(p) if p.as_char() == '*' => alias = Some("*".to_owned()),
            TokenTree::Group(group) => {
                for one in inner(group).split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                    if !one.is_empty() {
                        tree(one, &segments, inside, out);
                    }
                }
                return;
            }
            _ => {}
        }
        at += 1;
    }
    if segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
        segments.pop();
    }
    let alias = alias.or_else(|| segments.last().cloned());
    out.paths.push(Named { inside: inside.to_vec(), segments, alias });
}

fn module(tokens: &[TokenTree], at: usize, inside: &mut Vec<String>, out: &mut Parsed) -> usize {
    let Some(name) = ident(tokens, at + 1) else { return at + 1 };
    if is_punct(tokens, at + 2, ';') {
        out.modules.push(name);
        return at + 3;
    }
    if let Some(TokenTree::Group(group)) = tokens.get(at + 2) {
        inside.push(name);
        walk(&inner(group), inside, out);
        inside.pop();
        return at + 3;
    }
    at + 1
}

/// Notes where a function begins and ends; its inside is walked by whoever called.
fn function(tokens: &[TokenTree], at: usize, out: &mut Parsed) -> usize {
    let Some(name) = ident(tokens, at + 1) else { return at + 1 };
    for token in &tokens[at + 2..] {
        match token {
            TokenTree::Punct(p) if p.as_char() == ';' => break,
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                let lines = (line(body.span_open()), line(body.span_close()));
                out.functions.push((name.clone(), lines.0, lines.1));
                break;
            }
            _ => {}
        }
    }
    out.items.insert(name);
    at + 2
}

fn trait_item(tokens: &[TokenTree], at: usize, out: &mut Parsed) -> usize {
    let Some(name) = ident(tokens, at + 1) else { return at + 1 };
    let body = tokens[at + 2..].iter().find_map(|token| match token {
        TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => Some(g),
        _ => None,
    });
    if body.is_some_and(|body| !body.stream().is_empty()) {
        out.traits.push(name.clone());
    }
    out.items.insert(name);
    at + 2
}

fn item(tokens: &[TokenTree], at: usize, out: &mut Parsed) -> usize {
    out.items.extend(ident(tokens, at + 1));
    at + 1
}

/// `a::b::c`; a lone name says nothing about other files.
fn path(tokens: &[TokenTree], at: usize, inside: &[String], out: &mut Parsed) -> usize {
    let mut segments: Vec<String> = ident(tokens, at).into_iter().collect();
    let mut end = at + 1;
    while is_double_colon(tokens, end) {
        let Some(next) = ident(tokens, end + 2) else { break };
        segments.push(next);
        end += 3;
    }
    if segments.len() > 1 {
        out.paths.push(Named { inside: inside.to_vec(), segments, alias: None });
    }
    end
}

fn call(tokens: &[TokenTree], at: usize, out: &mut Parsed) -> usize {
    let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { return at + 1 };
    let Some(TokenTree::Group(arguments)) = tokens.get(at + 2) else { return at + 2 };
    let called = name.to_string();
    let with_text = matches!(arguments.stream().into_iter().next(), Some(TokenTree::Literal(_)));
    let counts = match called.as_str() {
        "unwrap" | "expose" => arguments.delimiter() == Delimiter::Parenthesis,
        "expect" => with_text,
        _ => false,
    };
    if counts {
        out.calls.entry(called).or_default().push(line(name.span()));
    }
    at + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse(text).paths.into_iter().map(|p| p.segments.join("::")).collect()
    }

    #[test]
    fn every_way_to_name_something_is_seen() {
        assert_eq!(
            names("use crate::a::{b, c::{self, D as E}};"),
            ["crate::a::b", "crate::a::c", "crate::a::c::D"]
        );
        assert_eq!(names("fn f() -> crate::x::Y { super::z::w(1) }"), ["crate::x::Y", "super::z::w"]);
        assert_eq!(names("fn f() { println!(\"{}\", crate::m::n()); }"), ["crate::m::n"]);
        assert_eq!(names("#[derive(clap::Parser)] struct A { b: tokio::B }"), ["clap::Parser", "tokio::B"]);
        assert_eq!(
            names("/// see crate::doc\n// crate::comment\nfn f() { \"crate::text\"; }"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_for_tests_is_left_out_and_what_follows_is_not() {
        let text = "#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;\n#[cfg(test)] mod b { use crate::x; }\n\
                    #[cfg(test)] use crate::{y, z};\nuse crate::w;\nmod c;";
        let parsed = parse(text);
        assert_eq!(parsed.test_modules, ["a_tests.rs"]);
        assert_eq!((parsed.modules, names(text)), (vec!["c".to_owned()], vec!["crate::w".to_owned()]));
    }

    #[test]
    fn functions_traits_and_calls_are_found() {
        let text = "trait Alias: Send {}\ntrait Own { fn f(&self); }\nfn long() {\n\n  a.expose();\n  b.unwrap();\n\
                    c.expect(Thing::B);\n  d.expect(\"text\");\n}\n";
        let parsed = parse(text);
        assert_eq!(parsed.traits, ["Own"]);
        assert_eq!(parsed.functions, [("long".to_owned(), 3, 9)]);
        let lines = |name: &str| parsed.calls.get(name).cloned().unwrap_or_default();
        assert_eq!((lines("expose"), lines("unwrap"), lines("expect")), (vec![5], vec![6], vec![8]));
    }
}
