//! What does not compile, and what it says.
//!
//! To bless: `TRYBUILD=overwrite cargo test -p safe-tool-tests --test ui`, then read every text that changed.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ui")
}

#[test]
fn refusals_say_what_to_write() {
    trybuild::TestCases::new().compile_fail("ui/*/*.rs");
}

/// `family/slug` of every file with an extension.
fn files(extension: &str) -> BTreeSet<String> {
    let mut slugs = BTreeSet::new();
    for family in fs::read_dir(here()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(family.path()).unwrap().map(Result::unwrap) {
            let path = file.path();
            if path.extension().is_some_and(|found| found == extension) {
                let family = family.file_name().into_string().unwrap();
                slugs.insert(format!("{family}/{}", path.file_stem().unwrap().to_str().unwrap()));
            }
        }
    }
    slugs
}

/// The rows of the table in `ui/README.md`: slug and mechanism.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(here().join("README.md")).unwrap();
    text.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let [slug, _promise, mechanism] = cells.as_slice() else { return None };
            Some((slug.strip_prefix('`')?.strip_suffix('`')?.to_owned(), (*mechanism).to_owned()))
        })
        .collect()
}

/// The functions of the catalogue: `policy_no_effect` is `policy/no-effect`.
fn catalogue() -> BTreeSet<String> {
    let source = here().join("../../macros/src/messages.rs");
    fs::read_to_string(source)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("pub(crate) fn ")?.split(['(', '<']).next())
        .map(|name| {
            let (family, slug) = name.split_once('_').unwrap();
            format!("{family}/{}", slug.replace('_', "-"))
        })
        .collect()
}

#[test]
fn catalogue_fixtures_and_table_are_one_list() {
    let rows = rows();
    let table: BTreeSet<String> = rows.iter().map(|(slug, _)| slug.clone()).collect();
    assert_eq!(table.len(), rows.len(), "a slug is twice in the table");
    assert_eq!(table, files("rs"), "the table and the fixtures");
    assert_eq!(table, files("stderr"), "the table and the blessed texts");
    let syntactic = |mechanism: &str| mechanism == "S";
    let at_expansion: BTreeSet<String> =
        rows.iter().filter(|(_, mechanism)| syntactic(mechanism)).map(|(slug, _)| slug.clone()).collect();
    assert_eq!(at_expansion, catalogue(), "the rows with mechanism S and `macros/src/messages.rs`");
}

/// The style of every text that is ours.
#[test]
fn every_text_of_ours_has_one_style() {
    for (slug, mechanism) in rows() {
        let text = fs::read_to_string(here().join(format!("{slug}.stderr"))).unwrap();
        if mechanism != "S" {
            continue;
        }
        for error in text.split("\n\n").filter(|part| part.starts_with("error")) {
            let (first, rest) = error.split_once('\n').unwrap();
            let first = first.strip_prefix("error: ").unwrap_or_else(|| panic!("{slug}: {first}"));
            assert!(!first.starts_with(char::is_uppercase) && !first.ends_with('.'), "{slug}: {first}");
            assert!(rest.trim_start().starts_with("help: "), "{slug}: no help first: {rest}");
            assert!(rest.matches("\n       note: ").count() <= 1, "{slug}: {rest}");
        }
    }
}
