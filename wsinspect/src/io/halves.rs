//! The two directions of a connection.

use smol::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection's directions apart. The second one's `close` says that nothing more comes.
pub(crate) type Halves = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// The directions of something that has them only together.
pub(crate) fn apart(stream: impl Duplex + 'static) -> Halves {
    let (incoming, outgoing) = smol::io::split(stream);
    (Box::new(incoming), Box::new(outgoing))
}
