//! Patterns: anchored, and from the subset that means the same in Rust's `regex` and in ECMA 262.

use crate::messages;
use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use std::collections::BTreeSet;
use syn::{Error, LitStr};

/// Counts above this make the compiled pattern large; a length is said with `max_len`.
const MOST_REPEATS: u32 = 1000;

/// A pattern that was accepted.
pub(super) struct Pattern {
    /// It accepts no text beyond some length.
    pub(super) bounded: bool,
    hir: Hir,
}

/// Checks a pattern; `name` is the text it is for.
///
/// # Errors
/// `attr_bad_pattern`.
pub(super) fn check(literal: &LitStr, name: &str) -> Result<Pattern, Error> {
    let text = literal.value();
    let bad = |wrong: &str, help: &str| messages::attr_bad_pattern(literal, name, wrong, help);
    let ast = ast::parse::Parser::new().parse(&text).map_err(|error| {
        let from = error.span().start.offset;
        let help = format!("mend it from here on: `{}`", text.get(from..).unwrap_or_default());
        bad(&format!("does not compile: {}", error.kind()), &help)
    })?;
    let Ast::Concat(whole) = &ast else { return Err(unanchored(&text, &bad)) };
    let [Ast::Assertion(start), inner @ .., Ast::Assertion(end)] = whole.asts.as_slice() else {
        return Err(unanchored(&text, &bad));
    };
    if start.kind != ast::AssertionKind::StartLine || end.kind != ast::AssertionKind::EndLine {
        return Err(unanchored(&text, &bad));
    }
    for part in inner {
        portable(part, &text).map_err(|(wrong, help)| bad(&wrong, &help))?;
    }
    let hir = regex_syntax::hir::translate::Translator::new().translate(&text, &ast).map_err(|error| {
        let wrong = format!("does not compile: {}", error.kind());
        bad(&wrong, "mend it")
    })?;
    Ok(Pattern { bounded: hir.properties().maximum_len().is_some(), hir })
}

fn unanchored(text: &str, bad: &dyn Fn(&str, &str) -> Error) -> Error {
    let inner = text.trim_start_matches('^').trim_end_matches('$');
    let whole = if inner.contains('|') { format!("^({inner})$") } else { format!("^{inner}$") };
    bad("is not anchored, so it would accept any text that contains a match", &format!("write `\"{whole}\"`"))
}

/// What is wrong and how to write it instead.
type Refused = (String, String);

fn portable(ast: &Ast, text: &str) -> Result<(), Refused> {
    let refuse = |wrong: &str, help: &str| Err((wrong.to_owned(), help.to_owned()));
    match ast {
        Ast::Empty(_) => Ok(()),
        Ast::Flags(_) => refuse("sets flags, which JSON Schema cannot state", "spell both cases: `[A-Za-z]`"),
        Ast::Literal(literal) => literal_is_portable(literal, ""),
        Ast::Dot(_) => refuse(
            "uses `.`, which differs between Rust and ECMA 262",
            "name the characters: `[a-z0-9 ]`, or `[.]` for a dot",
        ),
        Ast::Assertion(assertion) => {
            let wrong = format!("uses `{}` inside", assertion_text(&assertion.kind));
            Err((wrong, "anchor the whole pattern only: `^` first and `$` last".to_owned()))
        }
        Ast::ClassPerl(class) => {
            let (short, long) = match (&class.kind, class.negated) {
                (ast::ClassPerlKind::Digit, false) => ("\\d", "[0-9]"),
                (ast::ClassPerlKind::Digit, true) => ("\\D", "[^0-9]"),
                (ast::ClassPerlKind::Space, false) => ("\\s", "[ ]"),
                (ast::ClassPerlKind::Space, true) => ("\\S", "[^ ]"),
                (ast::ClassPerlKind::Word, false) => ("\\w", "[A-Za-z0-9_]"),
                (ast::ClassPerlKind::Word, true) => ("\\W", "[^A-Za-z0-9_]"),
            };
            Err((format!("uses `{short}`, which means another set in ECMA 262"), format!("write `{long}`")))
        }
        Ast::ClassUnicode(_) => refuse("uses `\\p`, which JSON Schema does not promise", "name the ranges: `[a-zäöü]`"),
        Ast::ClassBracketed(class) => match &class.kind {
            ast::ClassSet::Item(item) => item_is_portable(item),
            ast::ClassSet::BinaryOp(_) => {
                refuse("combines classes with an operator, which ECMA 262 does not know", "write one class")
            }
        },
        Ast::Repetition(repetition) => {
            let most = match &repetition.op.kind {
                ast::RepetitionKind::Range(ast::RepetitionRange::Exactly(n) | ast::RepetitionRange::AtLeast(n)) => *n,
                ast::RepetitionKind::Range(ast::RepetitionRange::Bounded(_, n)) => *n,
                _ => 0,
            };
            if most > MOST_REPEATS {
                return refuse(
                    "repeats something more than 1000 times",
                    "write `*` and bound the length with `max_len`",
                );
            }
            if matches!(*repetition.ast, Ast::Repetition(_)) {
                return refuse(
                    "repeats a repetition, which ECMA 262 does not read",
                    "write one quantifier, or a group: `(a+)*`",
                );
            }
            let span = repetition.op.span;
            let written = text.get(span.start.offset..span.end.offset).unwrap_or_default();
            if written.contains(' ') {
                return refuse(
                    "writes a quantifier in a way that ECMA 262 does not read",
                    "write it without spaces: `{1,5}`",
                );
            }
            portable(&repetition.ast, text)
        }
        Ast::Group(group) => match &group.kind {
            ast::GroupKind::CaptureIndex(_) => portable(&group.ast, text),
            ast::GroupKind::CaptureName { .. } => refuse("names a group", "write `(..)`"),
            ast::GroupKind::NonCapturing(flags) if flags.items.is_empty() => portable(&group.ast, text),
            ast::GroupKind::NonCapturing(_) => {
                refuse("sets flags, which JSON Schema cannot state", "spell both cases: `[A-Za-z]`")
            }
        },
        Ast::Alternation(alternation) => alternation.asts.iter().try_for_each(|part| portable(part, text)),
        Ast::Concat(concat) => concat.asts.iter().try_for_each(|part| portable(part, text)),
    }
}

fn assertion_text(kind: &ast::AssertionKind) -> &'static str {
    match kind {
        ast::AssertionKind::StartLine => "^",
        ast::AssertionKind::EndLine => "$",
        ast::AssertionKind::WordBoundary => "\\b",
        ast::AssertionKind::NotWordBoundary => "\\B",
        ast::AssertionKind::StartText => "\\A",
        ast::AssertionKind::EndText => "\\z",
        _ => "\\b{..}",
    }
}

/// Escapes that both read the same way; `also` can be escaped here and not elsewhere.
fn literal_is_portable(literal: &ast::Literal, also: &str) -> Result<(), Refused> {
    use ast::{HexLiteralKind, LiteralKind, SpecialLiteralKind};
    let same = match &literal.kind {
        LiteralKind::Verbatim => !matches!(literal.c, ']' | '}'),
        LiteralKind::Meta => "^$\\.*+?()[]{}|".contains(literal.c) || also.contains(literal.c),
        LiteralKind::HexFixed(HexLiteralKind::X | HexLiteralKind::UnicodeShort) => true,
        LiteralKind::Special(kind) => {
            matches!(kind, SpecialLiteralKind::Tab | SpecialLiteralKind::LineFeed | SpecialLiteralKind::CarriageReturn)
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    let c = literal.c;
    let help = if c.is_ascii_punctuation() {
        format!("write `[{c}]`, with a backslash inside where it needs one")
    } else {
        "write the character itself, or `\\uXXXX`".to_owned()
    };
    Err((format!("writes the character `{}` in a way that ECMA 262 does not read", c.escape_default()), help))
}

fn item_is_portable(item: &ast::ClassSetItem) -> Result<(), Refused> {
    use ast::ClassSetItem;
    match item {
        ClassSetItem::Empty(_) => Ok(()),
        ClassSetItem::Literal(literal) => class_literal(literal),
        ClassSetItem::Range(range) => class_literal(&range.start).and_then(|()| class_literal(&range.end)),
        ClassSetItem::Ascii(_) => {
            Err(("uses `[:name:]`, which ECMA 262 does not know".to_owned(), "write the range: `[a-z]`".to_owned()))
        }
        ClassSetItem::Unicode(class) => portable(&Ast::class_unicode(class.clone()), ""),
        ClassSetItem::Perl(class) => portable(&Ast::class_perl(class.clone()), ""),
        ClassSetItem::Bracketed(_) => Err((
            "nests a class in a class, which ECMA 262 reads otherwise".to_owned(),
            "write one class, with `\\[` for a bracket".to_owned(),
        )),
        ClassSetItem::Union(union) => union.items.iter().try_for_each(item_is_portable),
    }
}

/// Inside a class, `}` stands for itself in both.
fn class_literal(literal: &ast::Literal) -> Result<(), Refused> {
    let brace = literal.kind == ast::LiteralKind::Verbatim && literal.c == '}';
    if brace { Ok(()) } else { literal_is_portable(literal, "-") }
}

impl Pattern {
    /// Whether a text matches; for examples, so plain rather than fast.
    pub(super) fn matches(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        ends(&self.hir, &letters, &BTreeSet::from([0])).contains(&letters.len())
    }
}

/// The places where matches end that begin at one of `starts`.
fn ends(hir: &Hir, letters: &[char], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
    match hir.kind() {
        HirKind::Empty => starts.clone(),
        HirKind::Literal(literal) => {
            let wanted: Vec<char> = String::from_utf8_lossy(&literal.0).chars().collect();
            let hit = |at: &usize| letters.get(*at..).is_some_and(|rest| rest.starts_with(&wanted));
            starts.iter().filter(|at| hit(at)).map(|at| at + wanted.len()).collect()
        }
        HirKind::Class(class) => {
            let holds = |letter: char| match class {
                Class::Unicode(class) => {
                    class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&letter))
                }
                Class::Bytes(class) => class
                    .ranges()
                    .iter()
                    .any(|range| (char::from(range.start())..=char::from(range.end())).contains(&letter)),
            };
            starts.iter().filter(|at| letters.get(**at).is_some_and(|letter| holds(*letter))).map(|at| at + 1).collect()
        }
        HirKind::Look(look) => starts
            .iter()
            .copied()
            .filter(|at| match look {
                Look::Start => *at == 0,
                _ => *at == letters.len(),
            })
            .collect(),
        HirKind::Repetition(repetition) => {
            let mut reached = if repetition.min == 0 { starts.clone() } else { BTreeSet::new() };
            let mut now = starts.clone();
            // A text has no more repetitions than letters; an empty one adds no place after the least count.
            let most =
                repetition.max.unwrap_or(u32::MAX).min(repetition.min.max(1).saturating_add(letters.len() as u32));
            for count in 1..=most {
                now = ends(&repetition.sub, letters, &now);
                if count >= repetition.min {
                    reached.extend(&now);
                }
                if now.is_empty() {
                    break;
                }
            }
            reached
        }
        HirKind::Capture(capture) => ends(&capture.sub, letters, starts),
        HirKind::Concat(parts) => parts.iter().fold(starts.clone(), |starts, part| ends(part, letters, &starts)),
        HirKind::Alternation(parts) => parts.iter().flat_map(|part| ends(part, letters, starts)).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proc_macro2::Span;

    fn checked(pattern: &str) -> Result<Pattern, String> {
        check(&LitStr::new(pattern, Span::call_site()), "text").map_err(|error| error.to_string())
    }

    #[test]
    fn what_means_the_same_in_both_is_accepted() {
        for pattern in [
            "^[a-z][a-z0-9-]{0,62}$",
            "^(a|b)+$",
            "^(?:a|b)?$",
            "^a[.]b$",
            "^a\\.b[\\-c]$",
            "^[^\\u0000-\\u001F]*$",
            "^\\x41$",
            "^[}\\]\\[{]$",
            "^$",
            "^ä$",
            "^a+?$",
        ] {
            checked(pattern).map(drop).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
    }

    #[test]
    fn what_differs_is_refused() {
        for (pattern, says) in [
            ("[a-z]+", "not anchored"),
            ("^a", "not anchored"),
            ("^a|b$", "not anchored"),
            ("^(?i)a$", "flags"),
            ("^(?i:a)$", "flags"),
            ("^(?P<x>a)$", "names a group"),
            ("^\\d$", "`\\d`"),
            ("^\\w+$", "`\\w`"),
            ("^[\\s]$", "`\\s`"),
            ("^a\\bb$", "`\\b`"),
            ("^\\pL$", "`\\p`"),
            ("^.$", "`.`"),
            ("^a$b$", "`$` inside"),
            ("^[a-z&&[^b]]$", "operator"),
            ("^[[:alpha:]]$", "[:name:]"),
            ("^[a[b]]$", "nests"),
            ("^\\x{41}$", "does not read"),
            ("^\\@$", "does not read"),
            ("^a]$", "does not read"),
            ("^[a$", "does not compile"),
            ("^a{1,2000}$", "more than 1000"),
            ("\\Aa\\z", "not anchored"),
            ("^a\\-b$", "does not read"),
            ("^a**$", "repeats a repetition"),
            ("^a{,5}$", "does not compile"),
            ("^a{1, 5}$", "writes a quantifier"),
            ("^[]a]$", "does not read"),
        ] {
            let Err(error) = checked(pattern) else { panic!("{pattern} was accepted") };
            assert!(error.contains(says), "{pattern}: {error}");
        }
    }

    #[test]
    fn bounds_are_seen() {
        assert!(checked("^[a-z]{1,9}(x|yz)?$").unwrap().bounded);
        assert!(!checked("^[a-z]+$").unwrap().bounded);
    }

    #[test]
    fn examples_are_matched() {
        for (pattern, text, is) in [
            ("^[a-z][a-z0-9-]{0,62}$", "web-01", true),
            ("^[a-z][a-z0-9-]{0,62}$", "Web", false),
            ("^(ab|c)*$", "abcab", true),
            ("^(ab|c)*$", "abca", false),
            ("^(a?){3}$", "aa", true),
            ("^(a?){3}$", "aaaa", false),
            ("^$", "", true),
            ("^ä+$", "ää", true),
        ] {
            assert_eq!(checked(pattern).unwrap().matches(text), is, "{pattern} {text}");
        }
    }
}
