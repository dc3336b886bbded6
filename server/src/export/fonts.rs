//! The fonts of the machine, for resvg.

use resvg::usvg::Options;

/// Returns the options for reading an SVG, with the machine's fonts.
pub(crate) fn options() -> Options<'static> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    // Where the machine has not the fonts that resvg takes, another one is better than none.
    let has = |wanted: &str| fonts.faces().any(|face| face.families.iter().any(|(name, _)| name == wanted));
    let (has_sans, has_serif) = (has("Arial"), has("Times New Roman"));
    let any =
        fonts.faces().find(|face| face.families.iter().any(|(name, _)| name.contains("Sans"))).or(fonts.faces().next());
    let Some((name, _)) = any.and_then(|face| face.families.first().cloned()) else { return options };
    if !has_sans {
        fonts.set_sans_serif_family(name.clone());
    }
    if !has_serif {
        fonts.set_serif_family(name.clone());
        options.font_family = name;
    }
    options
}
