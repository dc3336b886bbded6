//! The terminal in which somebody types, as it was before.

use std::io::{self, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal as it was, given back at the end: the editor may be in the middle of a line then.
pub(crate) struct Terminal(Termios);

/// A line up and a line down again. The editor shows what it is given in a thread of its own, and holds one piece: once it has
/// taken two of these, it has shown what was before them.
pub(crate) const SETTLED: [&[u8]; 2] = [b"\x1b[1A\n"; 2];

/// The prompt away, and pasting as it was (xterm's bracketed paste mode).
const LEAVE: &[u8] = b"\r\x1b[K\x1b[?2004l";

impl Terminal {
    /// The state of standard input, if that is a terminal.
    pub(crate) fn keep() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
        let _ = io::stdout().write_all(LEAVE).and_then(|()| io::stdout().flush());
    }
}
