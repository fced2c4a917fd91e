//! Where a ledger is, by the same text as `SAFE_TOOL_LEDGER`.

#[cfg(feature = "postgres")]
use secrecy::SecretString;
use std::path::PathBuf;

/// A ledger that operators can reach.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A directory with a journal.
    Directory(PathBuf),
    /// The URL of a database; it may hold a password.
    #[cfg(feature = "postgres")]
    Database(SecretString),
}

const TEXTS: &str = "a ledger is a path, `sled:PATH` or `postgres://..`, as in SAFE_TOOL_LEDGER";
#[cfg(not(feature = "postgres"))]
const FEATURE: &str = "this `safe-tool` is built without the feature `postgres`; `cargo install safe-tool --features \
                       cli,postgres` builds one that reaches a ledger in a database";

impl Place {
    /// Reads a path, `sled:PATH` or `postgres://..`.
    ///
    /// Fails with what is wrong; the text is not repeated, because it may hold a password.
    pub(super) fn read(text: &str) -> Result<Place, String> {
        let path = match text.split_once(':') {
            Some(("memory", "")) => return Err("a ledger in memory has no journal that could be read".to_owned()),
            Some(("sled", path)) => path,
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => return Ok(Place::Database(text.into())),
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => return Err(FEATURE.to_owned()),
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                return Err(TEXTS.to_owned());
            }
            // A mistyped URL is no path.
            Some((_, rest)) if rest.starts_with("//") => return Err(TEXTS.to_owned()),
            _ => text,
        };
        if path.is_empty() {
            return Err(TEXTS.to_owned());
        }
        Ok(Place::Directory(path.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Place;
    use std::path::Path;

    fn is_directory(text: &str, path: &str) -> bool {
        matches!(Place::read(text), Ok(Place::Directory(found)) if found == Path::new(path))
    }

    #[test]
    fn the_texts_of_the_server() {
        assert!(is_directory("sled:./a", "./a") && is_directory("./a", "./a") && is_directory("./a:b", "./a:b"));
        for text in ["", "sled:", "memory:", "redis:secret", "Postgres://me:secret@host/db"] {
            assert!(!Place::read(text).unwrap_err().contains("secret"), "{text}");
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_database_does_not_show_its_password() {
        for text in ["postgres://me:secret@host/db", "postgresql://me:secret@host/db"] {
            let place = Place::read(text).unwrap();
            assert!(matches!(place, Place::Database(_)) && !format!("{place:?}").contains("secret"), "{text}");
        }
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn a_database_takes_a_feature() {
        let refusal = Place::read("postgres://me:secret@host/db").unwrap_err();
        assert!(refusal.contains("`postgres`") && !refusal.contains("secret"), "{refusal}");
    }
}
