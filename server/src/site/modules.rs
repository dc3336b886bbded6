//! The page's modules, linked: in which order they are evaluated, and many of them as one file. Pure.
//!
//! Reads the part of ECMAScript's modules (ECMA-262 section 16.2) in which `static/js/` is written: `import ` and `export ` begin a line,
//! and an export is a constant, a function or a class, so that its value never changes. Any other statement that begins so is refused
//! by name. Modules are evaluated one after the other: one that waits holds up those behind it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The reason why modules cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LinkError {
    /// No file has the path of an import.
    #[error("there is no module {0}")]
    NoModule(String),
    /// A module imports itself by way of others.
    #[error("{0} imports itself by way of others")]
    Circle(String),
    /// An import or export is written in a form that is not read.
    #[error("{module}: {statement:?} is written in a way that is not linked")]
    Statement { module: String, statement: String },
    /// A name is imported that nobody exports.
    #[error("{module}: {name} is not exported by {from}")]
    Name { module: String, name: String, from: String },
}

/// Returns the text of a module by its path.
pub(super) type Source<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A module, taken apart.
struct Module {
    path: String,
    imports: Vec<Import>,
    exports: BTreeSet<String>,
    /// Its statements but for its imports, without `export`.
    body: String,
}

struct Import {
    from: String,
    what: Imported,
}

/// The names that an import binds.
enum Imported {
    /// `* as name`.
    Namespace(String),
    /// `{ exported as local }`; of `import local from`, `default`.
    Names(Vec<(String, String)>),
}

/// Modules in the order in which they are evaluated: each behind those that it imports.
pub(super) struct Graph(Vec<Module>);

impl Graph {
    /// Reads the modules that some entries need, entries included.
    ///
    /// # Errors
    /// The first reason why they cannot be linked.
    pub(super) fn read(entries: &[&str], source: Source<'_>) -> Result<Self, LinkError> {
        let mut graph = Self(Vec::new());
        for entry in entries {
            graph.visit(entry, &mut Vec::new(), source)?;
        }
        Ok(graph)
    }

    /// Depth first, in the order of the imports (ECMA-262 section 16.2.1.5.3).
    fn visit(&mut self, path: &str, above: &mut Vec<String>, source: Source<'_>) -> Result<(), LinkError> {
        if above.iter().any(|one| one == path) {
            return Err(LinkError::Circle(path.into()));
        }
        if self.module(path).is_some() {
            return Ok(());
        }
        let text = source(path).ok_or_else(|| LinkError::NoModule(path.into()))?;
        let module = Module::read(path, &text)?;
        above.push(path.into());
        for Import { from, .. } in &module.imports {
            self.visit(from, above, source)?;
        }
        above.pop();
        self.check(&module)?;
        self.0.push(module);
        Ok(())
    }

    fn module(&self, path: &str) -> Option<&Module> {
        self.0.iter().find(|module| module.path == path)
    }

    fn check(&self, module: &Module) -> Result<(), LinkError> {
        for Import { from, what } in &module.imports {
            let Imported::Names(names) = what else { continue };
            let exports = &self.module(from).expect("Bug: an import is read before its importer").exports;
            if let Some((name, _)) = names.iter().find(|(name, _)| !exports.contains(name)) {
                return Err(LinkError::Name { module: module.path.clone(), name: name.clone(), from: from.clone() });
            }
        }
        Ok(())
    }

    /// Returns the paths of the modules.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|module| module.path.as_str())
    }

    /// Returns a bundle: one module that is all of these but those of the bundles `before` it, and that exports what the last of them
    /// exports. The bundles of a page share the exports of each module by its path.
    pub(super) fn bundle(&self, before: &Self) -> String {
        let mut out = "const $linked = (globalThis.$linked ??= {});\n".to_owned();
        for module in self.0.iter().filter(|module| before.module(&module.path).is_none()) {
            module.write(&mut out);
        }
        let entry = self.0.last().expect("Bug: an entry is read");
        for name in &entry.exports {
            let binding = if name == "default" { "default".into() } else { format!("const {name} =") };
            out += &format!("export {binding} $linked[\"{}\"].{name};\n", entry.path);
        }
        out
    }
}

impl Module {
    fn read(path: &str, text: &str) -> Result<Self, LinkError> {
        let (imports, exports, body) = (Vec::new(), BTreeSet::new(), String::with_capacity(text.len()));
        let mut module = Self { path: path.into(), imports, exports, body };
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with("import ") && !line.starts_with("export ") {
                module.body += &dynamic_imports_from_the_root(path, line);
                module.body.push('\n');
                continue;
            }
            let mut statement = line.to_owned();
            let is_list = line.starts_with("import ") || line.starts_with("export {");
            while is_list && !statement.ends_with(';') {
                let Some(next) = lines.next() else { break };
                statement += next;
            }
            let read = if line.starts_with("import ") { module.import(&statement) } else { module.export(&statement) };
            read.ok_or_else(|| LinkError::Statement { module: path.into(), statement })?;
        }
        Ok(module)
    }

    fn import(&mut self, statement: &str) -> Option<()> {
        let whole = statement.strip_prefix("import ")?.strip_suffix("\";")?;
        // `import "./x.js"` binds nothing.
        let (clause, from) = whole.split_once(" from \"").or(whole.strip_prefix('"').map(|from| ("{}", from)))?;
        let what = if let Some(name) = clause.strip_prefix("* as ") {
            Imported::Namespace(identifier(name)?.into())
        } else if let Some(names) = list(clause) {
            Imported::Names(names?)
        } else {
            Imported::Names(vec![("default".into(), identifier(clause)?.into())])
        };
        self.imports.push(Import { from: resolved(&self.path, from)?, what });
        Some(())
    }

    fn export(&mut self, statement: &str) -> Option<()> {
        let declared = statement.strip_prefix("export ")?;
        if let Some(names) = declared.strip_suffix(';').and_then(list) {
            for (local, exported) in names? {
                // Another name would have to be kept beside it.
                (local == exported).then(|| self.exports.insert(exported))?;
            }
            return Some(());
        }
        if let Some(value) = declared.strip_prefix("default ") {
            self.exports.insert("default".into());
            writeln!(self.body, "const $default = {value}").ok()?;
            return Some(());
        }
        let kinds = ["const ", "class ", "function* ", "function ", "async function "];
        let rest = kinds.iter().find_map(|kind| declared.strip_prefix(kind))?;
        let end = rest.find(|letter: char| !is_in_identifier(letter)).unwrap_or(rest.len());
        self.exports.insert(identifier(&rest[..end])?.into());
        self.body += &dynamic_imports_from_the_root(&self.path, declared);
        self.body.push('\n');
        Some(())
    }

    /// A function is the module's scope. It is asynchronous because a module may wait for something (ECMA-262 section 16.2.1.6).
    fn write(&self, out: &mut String) {
        *out += &format!("$linked[\"{}\"] = await (async () => {{\n", self.path);
        for Import { from, what } in &self.imports {
            let names = match what {
                Imported::Namespace(name) => name.clone(),
                Imported::Names(names) => {
                    let names: Vec<_> = names.iter().map(|(name, local)| format!("{name}: {local}")).collect();
                    format!("{{ {} }}", names.join(", "))
                }
            };
            *out += &format!("const {names} = $linked[\"{from}\"];\n");
        }
        *out += &self.body;
        let name = |name: &String| if name == "default" { "default: $default".into() } else { name.clone() };
        let exports: Vec<_> = self.exports.iter().map(name).collect();
        *out += &format!("return {{ {} }};\n}})();\n", exports.join(", "));
    }
}

/// Reads `{ a, b as c }`; nothing if it is no list, and nothing inside if what stands in it is no name.
fn list(clause: &str) -> Option<Option<Vec<(String, String)>>> {
    let names = clause.strip_prefix('{')?.strip_suffix('}')?.split(',').map(str::trim).filter(|name| !name.is_empty());
    let pair = |name: &str| {
        let (name, local) = name.split_once(" as ").unwrap_or((name, name));
        Some((identifier(name)?.to_owned(), identifier(local)?.to_owned()))
    };
    Some(names.map(pair).collect())
}

fn identifier(name: &str) -> Option<&str> {
    (!name.is_empty() && name.chars().all(is_in_identifier)).then_some(name)
}

fn is_in_identifier(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '$'
}

/// Returns the path of a module that another one imports by a relative address.
fn resolved(importer: &str, address: &str) -> Option<String> {
    let mut folders: Vec<&str> = importer.split('/').collect();
    folders.pop();
    let mut segments = address.split('/').peekable();
    segments.next_if_eq(&".");
    for segment in segments {
        match segment {
            ".." => _ = folders.pop()?,
            segment => folders.push(segment),
        }
    }
    (address.starts_with("./") || address.starts_with("../")).then(|| folders.join("/"))
}

/// A module that is fetched on use is found from the folder in which the entries lie, because its importer is in the file of one.
fn dynamic_imports_from_the_root(importer: &str, line: &str) -> String {
    const CALL: &str = "import(\"";
    let mut parts = line.split(CALL);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (address, rest) = part.split_once('"').unwrap_or((part, ""));
        let path = resolved(importer, address);
        let path = path.as_deref().and_then(|path| path.strip_prefix(ROOT));
        out += &path.map_or_else(|| format!("{CALL}{part}"), |path| format!("{CALL}./{path}\"{rest}"));
    }
    out
}

/// The folder of the entries.
pub(super) const ROOT: &str = "js/";

#[cfg(test)]
mod tests {
    use super::*;

    /// Links some files, each as its path and its text, the last one of which is the entry.
    fn graph(files: &[(&str, &str)]) -> Result<Graph, LinkError> {
        let source = |path: &str| files.iter().find(|(one, _)| *one == path).map(|(_, text)| (*text).to_owned());
        Graph::read(&[files.last().expect("an entry").0], &source)
    }

    fn refusal(text: &str) -> String {
        let files =
            [("js/b.js", "export const b = 1;\n"), ("js/c.js", "import { a } from \"./a.js\";\n"), ("js/a.js", text)];
        graph(&files).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_module_is_evaluated_after_those_that_it_imports() {
        let files = [
            ("js/plane/line.js", "export const line = 1;\n"),
            ("js/plane/box.js", "import { line } from \"./line.js\";\nexport class Box {}\n"),
            (
                "js/main.js",
                "import * as box from \"./plane/box.js\";\nimport {\n  line as one,\n} from \"./plane/line.js\";\n",
            ),
        ];
        let graph = graph(&files).unwrap();
        assert_eq!(graph.paths().collect::<Vec<_>>(), ["js/plane/line.js", "js/plane/box.js", "js/main.js"]);
        let bundle = graph.bundle(&Graph(Vec::new()));
        assert!(bundle.starts_with("const $linked = (globalThis.$linked ??= {});\n$linked[\"js/plane/line.js\"] = await (async () => {\nconst line = 1;\nreturn { line };\n})();\n"), "{bundle}");
        assert!(bundle.ends_with(
            "$linked[\"js/main.js\"] = await (async () => {\nconst box = $linked[\"js/plane/box.js\"];\nconst { line: one } = $linked[\"js/plane/line.js\"];\nreturn {  };\n})();\n"
        ), "{bundle}");
    }

    #[test]
    fn a_bundle_has_what_the_one_before_it_has_not() {
        let files = [
            ("js/a.js", "export const a = 1;\n"),
            (
                "js/main.js",
                "import { a } from \"./a.js\";\nexport async function go() {\n  await import(\"./tools/b.js\");\n}\n",
            ),
            ("js/tools/b.js", "import { a } from \"../a.js\";\nexport default {\n};\nexport { c, d };\n"),
        ];
        let [a, main, b] = [1, 2, 3].map(|count| graph(&files[..count]).unwrap());
        let bundle = main.bundle(&a);
        assert!(bundle.starts_with("const $linked = (globalThis.$linked ??= {});\n$linked[\"js/main.js\"]"));
        assert!(bundle.ends_with("return { go };\n})();\nexport const go = $linked[\"js/main.js\"].go;\n"), "{bundle}");
        let bundle = b.bundle(&main);
        assert!(bundle.contains("const $default = {\n};\nreturn { c, d, default: $default };\n"), "{bundle}");
        assert!(bundle.ends_with("export default $linked[\"js/tools/b.js\"].default;\n"), "{bundle}");
    }

    #[test]
    fn a_module_that_is_fetched_on_use_is_named_from_the_folder_of_the_entries() {
        let read = |path| Module::read(path, "const words = { de: () => import(\"./words/de.js\") };\n").unwrap().body;
        assert_eq!(read("js/language.js"), "const words = { de: () => import(\"./words/de.js\") };\n");
        assert_eq!(read("js/panels/language.js"), "const words = { de: () => import(\"./panels/words/de.js\") };\n");
    }

    #[test]
    fn what_cannot_be_linked_is_refused_by_name() {
        assert_eq!(refusal("import { b } from \"./nothing.js\";\n"), "there is no module js/nothing.js");
        assert_eq!(refusal("import { c } from \"./c.js\";\n"), "js/a.js imports itself by way of others");
        assert_eq!(refusal("import { c } from \"./b.js\";\n"), "js/a.js: c is not exported by js/b.js");
        for statement in [
            "import b \"./b.js\";",
            "import { b } from './b.js';",
            "import { b } from \"b.js\";",
            "import { b } from \"../../../b.js\";",
            "import { b.c } from \"./b.js\";",
            "import b, { c } from \"./b.js\";",
            "import { b }",
            "export let b = 1;",
            "export const { b } = {};",
            "export * from \"./b.js\";",
            "export { b as c };",
            "export { b } from \"./b.js\";",
        ] {
            let words = refusal(&format!("{statement}\n"));
            assert_eq!(words, format!("js/a.js: {statement:?} is written in a way that is not linked"));
        }
    }
}
