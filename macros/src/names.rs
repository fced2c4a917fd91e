//! Names: wire names from Rust names, and names in expansions that collide with nothing of the user's.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Makes identifiers that do not occur in the user's tokens.
///
/// Items have no hygiene in procedural macros: were our `Arguments` named like a type of the user's, the
/// user's would silently mean ours inside the expansion.
pub(crate) struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// Takes note of every identifier in the user's tokens.
    pub(crate) fn new(tokens: &TokenStream) -> Self {
        let mut used = BTreeSet::new();
        collect(tokens.clone(), &mut used);
        Names { used }
    }

    /// `base`, with as many underscores behind it as make it unique. Equal bases give equal names.
    pub(crate) fn fresh(&self, base: &str) -> Ident {
        let mut name = base.to_owned();
        while self.used.contains(&name) {
            name.push('_');
        }
        Ident::new(&name, Span::call_site())
    }
}

fn collect(tokens: TokenStream, used: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                used.insert(ident.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), used),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// A local variable of an expansion; the user's tokens cannot see it.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The name of a Rust identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// The wire name of a parameter or field: the Rust name, without the underscores that mark an unused one.
pub(crate) fn wire(ident: &Ident) -> String {
    plain(ident).trim_start_matches('_').to_owned()
}

/// An identifier for a wire name, raw where it is a keyword.
pub(crate) fn member(wire: &str, span: Span) -> Ident {
    syn::parse_str::<Ident>(wire).map_or_else(
        |_| Ident::new_raw(wire, span),
        |mut ident| {
            ident.set_span(span);
            ident
        },
    )
}

/// `FindHost` as `find_host`.
pub(crate) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_lower = at > 0 && letters.get(at - 1).is_some_and(|c| c.is_lowercase() || c.is_ascii_digit());
        let ends_acronym = at > 0
            && letters.get(at - 1).is_some_and(|c| c.is_uppercase())
            && letters.get(at + 1).is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (after_lower || ends_acronym) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// `[a-z][a-z0-9_]{0,63}`: what a target is of.
pub(crate) fn is_thing(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// `[a-z][a-z0-9_]{0,63}`, and not a word that no Rust identifier may be.
pub(crate) fn is_wire_name(name: &str) -> bool {
    is_thing(name) && !matches!(name, "self" | "super" | "crate")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quote::quote;

    #[test]
    fn generated_names_avoid_the_users() {
        let names = Names::new(&quote!(fn f(a: Vec<Arguments>, b: p::Arguments_)));
        assert_eq!(names.fresh("Arguments").to_string(), "Arguments__");
        assert_eq!(names.fresh("p").to_string(), "p_");
        assert_eq!(names.fresh("FIELDS").to_string(), "FIELDS");
    }

    #[test]
    fn cases() {
        for (rust, wire) in
            [("FindHost", "find_host"), ("EDRHost", "edr_host"), ("V2", "v2"), ("Ipv4Only", "ipv4_only"), ("A", "a")]
        {
            assert_eq!(snake(rust), wire);
        }
        assert_eq!(wire(&Ident::new("_order", Span::call_site())), "order");
        assert_eq!(wire(&Ident::new_raw("type", Span::call_site())), "type");
        assert_eq!(member("type", Span::call_site()).to_string(), "r#type");
    }
}
