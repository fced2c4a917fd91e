//! Where a ledger is, by the same text as `SAFE_TOOL_LEDGER`.

use std::path::PathBuf;

/// A ledger that operators can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory with a journal.
    Directory(PathBuf),
}

impl Place {
    /// Reads `sled:PATH` or a path.
    ///
    /// Fails with what is wrong; the text is not repeated, because it may hold a password.
    pub(super) fn read(text: &str) -> Result<Place, String> {
        let path = match text.split_once(':') {
            Some(("memory", "")) => return Err("a ledger in memory has no journal that could be read".to_owned()),
            Some(("sled", path)) => path,
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                return Err("a ledger is a path or `sled:PATH`, as in SAFE_TOOL_LEDGER".to_owned());
            }
            _ => text,
        };
        if path.is_empty() {
            return Err("a ledger is a path or `sled:PATH`, as in SAFE_TOOL_LEDGER".to_owned());
        }
        Ok(Place::Directory(path.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Place;

    #[test]
    fn the_texts_of_the_server() {
        for text in ["sled:./a", "./a"] {
            assert_eq!(Place::read(text).unwrap(), Place::Directory("./a".into()));
        }
        assert_eq!(Place::read("./a:b").unwrap(), Place::Directory("./a:b".into()));
        for text in ["", "sled:", "memory:", "redis:secret"] {
            assert!(!Place::read(text).unwrap_err().contains("secret"), "{text}");
        }
    }
}
