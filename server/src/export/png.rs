//! A board as PNG: its SVG, drawn by resvg. Letters are drawn with the fonts of the machine.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::Tree;

use super::fonts;

/// Largest side of a picture, in pixels: a larger board is drawn smaller.
const LARGEST_SIDE: f32 = 8192.0;

/// The picture of an SVG, at two pixels for a board unit where that is not too large.
///
/// # Errors
/// If it cannot be drawn.
pub(super) fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    let tree = Tree::from_str(svg, &fonts::options())?;
    let size = tree.size();
    let scale = (LARGEST_SIDE / size.width().max(size.height())).min(2.0);
    let side = |length: f32| ((length * scale).ceil() as u32).max(1);
    let pixmap = Pixmap::new(side(size.width()), side(size.height()));
    let mut pixmap = pixmap.ok_or_else(|| anyhow::anyhow!("the picture is too large"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    Ok(pixmap.encode_png()?)
}
