//! The path below which the page lives.

use std::str::FromStr;

/// The path below which the page lives: begins and ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePath(String);

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |segment: &str| {
            let byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(byte)
        };
        if text == "/" {
            return Ok(Self(text.into()));
        }
        let path = text.strip_prefix('/').ok_or("a base path begins with a slash")?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.split('/').all(plain) {
            Ok(Self(format!("/{path}/")))
        } else {
            Err("a base path has segments of A-Z a-z 0-9 - _ . between single slashes".into())
        }
    }
}

impl BasePath {
    /// The path, with a slash at both ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a path below the base path, whether a proxy has stripped that or not.
    pub(super) fn strip<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.0).or(path.strip_prefix('/')).unwrap_or(path)
    }

    /// Whether a path is the base path without its last slash.
    pub(super) fn lacks_slash(&self, path: &str) -> bool {
        self.0 != "/" && self.0.strip_suffix('/') == Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_stripped_where_the_proxy_has_not() {
        let base: BasePath = "/draw".parse().unwrap();
        assert_eq!(base.as_str(), "/draw/");
        assert_eq!(base.strip("/draw/b/x"), "b/x");
        assert_eq!(base.strip("/b/x"), "b/x");
        assert!(base.lacks_slash("/draw"));
        for wrong in ["draw", "//", "/a//b", "/../", "/a b", "/a?b", "/a/./"] {
            assert!(wrong.parse::<BasePath>().is_err(), "{wrong}");
        }
    }
}
