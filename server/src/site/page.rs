//! The pages, with their scripts and style: a file for each while the page is developed, and otherwise as few as there can be.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::assets::{Asset, asset, text, version};
use super::modules::{Graph, LinkError, ROOT, Source};

/// The form in which a page gets its scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scripts {
    /// One file for each page, in which all modules are; what comes before it, and the style, is in the page.
    Bundled,
    /// A file for each module, for those who develop the page.
    Modules,
}

impl Scripts {
    /// The form if nobody says another one: modules in a debug build, so that a debugger shows the files that are written.
    pub const DEFAULT: Self = if cfg!(debug_assertions) { Self::Modules } else { Self::Bundled };

    /// Returns the path of a script below `static/`, as the page names it.
    pub(super) fn path(self, script: &str) -> String {
        match self {
            Self::Bundled => format!("{BUNDLED}{script}"),
            Self::Modules => script.into(),
        }
    }
}

/// The folder of the bundles, below `static/`.
pub(super) const BUNDLED: &str = "bundled/";
/// The board's script that waits for nothing.
const ARRIVAL: &str = "js/arrival.js";
/// The board's script.
const MAIN: &str = "js/main.js";

/// A page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// Its bytes.
    pub(super) asset: Asset,
    /// The address of the script that is to be fetched first, if the page names it behind what is in it.
    pub(super) first: Option<String>,
    /// The scripts inside the page, as sources of a Content-Security-Policy (CSP 3 section 2.3.1).
    pub(super) script_sources: String,
    /// The styles inside the page, likewise.
    pub(super) style_sources: String,
}

/// Returns a page, which is made once of the files of one version.
pub(super) fn page(path: &str, scripts: Scripts) -> Option<Page> {
    static MADE: LazyLock<Made<Page>> = LazyLock::new(Made::default);
    MADE.get(&format!("{path} {scripts:?}"), || {
        let html = asset(path)?;
        let html = html.with_text(with_version(&String::from_utf8_lossy(&html.bytes)));
        let page = match scripts {
            Scripts::Bundled => bundled(&html, &text),
            Scripts::Modules => with_links(&html, &text),
        };
        Some(page.unwrap_or_else(|error| {
            tracing::error!(page = path, %error, "its scripts cannot be linked");
            Page::plain(html)
        }))
    })
}

/// Returns the bundle of an entry, which is the path of a module.
pub(super) fn bundle(path: &str) -> Option<Asset> {
    static MADE: LazyLock<Made<Asset>> = LazyLock::new(Made::default);
    MADE.get(path, || {
        let module = asset(path).filter(|_| path.starts_with(ROOT) && path.ends_with(".js"))?;
        let bundle = bundle_of(path, &text).inspect_err(|error| tracing::error!(path, %error, "it cannot be linked"));
        Some(module.with_text(bundle.ok()?))
    })
}

/// Pages or bundles by name, made from the files of one version.
struct Made<T>(Mutex<(String, HashMap<String, T>)>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Made<T> {
    fn get(&self, key: &str, make: impl FnOnce() -> Option<T>) -> Option<T> {
        let now = version();
        let mut made = self.0.lock();
        if made.0 != now {
            *made = (now, HashMap::new());
        }
        if let Some(one) = made.1.get(key) {
            return Some(one.clone());
        }
        let one = make()?;
        made.1.insert(key.to_owned(), one.clone());
        Some(one)
    }
}

impl Page {
    fn plain(asset: Asset) -> Self {
        Self { asset, first: None, script_sources: String::new(), style_sources: String::new() }
    }
}

/// A page that has its version in `data-version`: it is loaded again if the server has a newer one, and only then.
fn with_version(html: &str) -> String {
    html.replacen("<html ", &format!("<html data-version=\"{}\" ", version()), 1)
}

/// A page with a link to each module that its scripts import, so that all come in one round trip.
fn with_links(html: &Asset, source: Source<'_>) -> Result<Page, LinkError> {
    let html_text = String::from_utf8_lossy(&html.bytes);
    let addresses =
        html_text.split(" src=\"").skip(1).filter_map(|rest| rest.split_once('"').map(|(address, _)| address));
    let entries: Vec<_> = addresses.filter_map(|address| address.split_once("static/")).collect();
    let paths: Vec<_> = entries.iter().map(|(_, path)| *path).collect();
    let graph = Graph::read(&paths, source)?;
    let root = entries.first().map_or("", |(root, _)| root);
    let imported = graph.paths().filter(|path| !paths.contains(path));
    let links = imported.map(|path| format!("<link rel=\"modulepreload\" href=\"{root}static/{path}\">\n"));
    Ok(Page::plain(html.with_text(html_text.replacen("</head>", &format!("{}</head>", links.collect::<String>()), 1))))
}

/// A page with its style and the script that waits for nothing in it: each would cost a round trip, and often two.
fn bundled(html: &Asset, source: Source<'_>) -> Result<Page, LinkError> {
    let mut html_text = String::from_utf8_lossy(&html.bytes).into_owned();
    let (mut script_sources, mut style_sources) = (String::new(), String::new());
    if let Some(tag) = tag_of(&html_text, "<link rel=\"stylesheet\"", ">") {
        let style = source("style.css").ok_or_else(|| LinkError::NoModule("style.css".into()))?;
        style_sources = source_of(&style);
        html_text = html_text.replacen(&tag, &format!("<style>{style}</style>"), 1);
    }
    if let Some(tag) = tag_of(&html_text, "<script async", "</script>") {
        let script = bundle_of(ARRIVAL, source)?;
        script_sources = source_of(&script);
        html_text = html_text.replacen(&tag, &format!("<script type=\"module\">{script}</script>"), 1);
    }
    let of_modules = format!("static/{ROOT}");
    let of_bundles = format!("static/{}", Scripts::Bundled.path(ROOT));
    let address = tag_of(&html_text, "<script type=\"module\" src=\"", "\">");
    let first = address.and_then(|tag| Some(tag.split('"').nth(3)?.replace(&of_modules, &of_bundles)));
    let asset = html.with_text(html_text.replace(&of_modules, &of_bundles));
    Ok(Page { asset, first, script_sources, style_sources })
}

/// The first tag that begins so, to its end.
fn tag_of(html: &str, begin: &str, end: &str) -> Option<String> {
    let (_, rest) = html.split_once(begin)?;
    let (inside, _) = rest.split_once(end)?;
    Some(format!("{begin}{inside}{end}"))
}

/// Returns the source that names a script or style inside a page: its hash (CSP 3 section 2.3.1).
fn source_of(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// The modules that an entry needs and no bundle has that the page runs before it.
fn bundle_of(entry: &str, source: Source<'_>) -> Result<String, LinkError> {
    let before: &[&str] = match entry {
        ARRIVAL | "js/start.js" => &[],
        MAIN => &[ARRIVAL],
        _ => &[ARRIVAL, MAIN],
    };
    Ok(Graph::read(&[entry], source)?.bundle(&Graph::read(before, source)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(page: &Page) -> String {
        String::from_utf8(page.asset.bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_page_of_modules_names_every_module() {
        for (name, entries) in [("index.html", &[ARRIVAL, MAIN][..]), ("start.html", &["js/start.js"])] {
            let html = html(&page(name, Scripts::Modules).unwrap());
            let graph = Graph::read(entries, &text).unwrap();
            for path in graph.paths() {
                assert_eq!(html.matches(&format!("static/{path}\"")).count(), 1, "{name}: {path}");
            }
            assert_eq!(html.matches("modulepreload").count(), graph.paths().count() - entries.len());
        }
    }

    #[test]
    fn a_bundled_page_names_one_script_and_nothing_else_that_it_waits_for() {
        // `data-on-use` names a script that is fetched on use.
        let on_use = "static/bundled/js/files/timelapse.js";
        for (name, root, entry, on_use) in
            [("index.html", "../", MAIN, Some(on_use)), ("start.html", "", "js/start.js", None)]
        {
            let page = page(name, Scripts::Bundled).unwrap();
            let html = html(&page);
            let address = format!("{root}static/bundled/{entry}");
            assert_eq!(page.first.as_deref(), Some(address.as_str()));
            let named: Vec<_> =
                html.match_indices("static/").map(|(at, _)| &html[at..html[at..].find('"').unwrap() + at]).collect();
            let own =
                ["static/icon.svg", "static/inkwire.webmanifest", &address[root.len()..]].into_iter().chain(on_use);
            assert_eq!(named, own.collect::<Vec<_>>(), "{name}");
            for tag in ["<style>", "</style>"] {
                assert_eq!(html.matches(tag).count(), 1, "{name}");
            }
            // No script inside the page ends it early.
            assert_eq!(html.matches("<script").count(), html.matches("</script>").count(), "{name}");
            assert!(!html.contains("<!--"), "{name}");
        }
    }

    #[test]
    fn a_page_says_its_version() {
        for name in ["index.html", "start.html"] {
            let html = html(&page(name, Scripts::Bundled).unwrap());
            assert!(html.contains(&format!("<html data-version=\"{}\" lang=\"en\">", version())), "{name}");
        }
    }

    #[test]
    fn what_is_in_a_page_is_named_by_its_hash() {
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert_eq!(source_of("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
        let page = page("index.html", Scripts::Bundled).unwrap();
        let html = html(&page);
        let script = html.split("<script type=\"module\">").nth(1).unwrap().split("</script>").next().unwrap();
        assert_eq!(page.script_sources, source_of(script));
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert_eq!(page.style_sources, source_of(style));
    }

    #[test]
    fn a_module_is_in_one_bundle_of_a_page() {
        let bundles = [ARRIVAL, MAIN, "js/files/timelapse.js"].map(|entry| bundle_of(entry, &text).unwrap());
        let graph = Graph::read(&[ARRIVAL, MAIN, "js/files/timelapse.js"], &text).unwrap();
        for path in graph.paths() {
            let is_linked = |bundle: &&String| bundle.contains(&format!("$linked[\"{path}\"] = "));
            assert_eq!(bundles.iter().filter(is_linked).count(), 1, "{path}");
        }
        // Words are fetched by the start page too, which has neither of the others.
        assert!(
            bundle_of("js/words/de.js", &text)
                .unwrap()
                .ends_with("export default $linked[\"js/words/de.js\"].default;\n")
        );
    }

    #[test]
    fn a_bundle_is_made_of_a_module_only() {
        assert!(bundle("js/start.js").is_some());
        for path in ["js/nothing.js", "", "../Cargo.toml", "index.html", "style.css", "offline.js"] {
            assert!(bundle(path).is_none(), "{path}");
        }
    }
}
