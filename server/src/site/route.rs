//! The routes of the site.

use inkwire_protocol::ImageHash;

use crate::name::{BoardName, NameError};

/// The resource of a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/`: the boards that were opened in this browser.
    Start,
    /// `/new`: a new board.
    NewBoard,
    /// `/b/NAME`: the page of a board.
    Board(Result<BoardName, NameError>),
    /// `/ws/NAME`: its members' connections.
    BoardSocket(Result<BoardName, NameError>),
    /// `/echo`: a WebSocket echo.
    Echo,
    /// `/images/HASH`: the bytes of a picture.
    Image(ImageHash),
    /// `/static/PATH`: a file of the page.
    Asset(&'a str),
    /// `/healthz`: whether the server runs.
    Healthz,
    /// `/readyz`: whether it can take what is drawn.
    Readyz,
    /// `/metrics`: counters and gauges.
    Metrics,
    /// Nothing.
    Nothing,
}

impl Route<'_> {
    /// Whether it says how the server is, and nothing else.
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Healthz | Self::Readyz | Self::Metrics)
    }
}

/// Returns the route of a path below the base path.
pub(super) fn route(path: &str) -> Route<'_> {
    match path {
        "" => Route::Start,
        "new" => Route::NewBoard,
        "echo" => Route::Echo,
        "healthz" => Route::Healthz,
        "readyz" => Route::Readyz,
        "metrics" => Route::Metrics,
        "favicon.ico" => Route::Asset("icon.svg"),
        _ => match path.split_once('/') {
            Some(("b", name)) => Route::Board(name.parse()),
            Some(("ws", name)) => Route::BoardSocket(name.parse()),
            Some(("images", hash)) => hash.parse().map_or(Route::Nothing, Route::Image),
            Some(("static", path)) => Route::Asset(path),
            _ => Route::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_should() {
        assert_eq!(route(""), Route::Start);
        assert_eq!(route("new"), Route::NewBoard);
        assert_eq!(route("b/x"), Route::Board(Ok("x".parse().unwrap())));
        assert_eq!(route("b/x/y"), Route::Board(Err(NameError)));
        assert_eq!(route("ws/x"), Route::BoardSocket(Ok("x".parse().unwrap())));
        assert_eq!(route("static/js/main.js"), Route::Asset("js/main.js"));
        assert_eq!(route(&format!("images/{}", "5a".repeat(32))), Route::Image(ImageHash([0x5a; 32])));
        for path in ["b", "images/", "images/5a", &format!("images/{}", "5A".repeat(32))] {
            assert_eq!(route(path), Route::Nothing);
        }
    }
}
