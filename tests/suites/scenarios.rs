//! Every script in `tests/scenarios/` has the same transcript in simulated time and over real sockets.

use inkwire_tests::scenario::{Simulated, Sockets, run};
use inkwire_tests::tools::root;

#[test]
fn scripts_go_the_same_way_with_and_without_sockets() {
    let mut scripts: Vec<_> =
        std::fs::read_dir(root().join("tests/scenarios")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(scripts.len() >= 5, "scripts have gone");
    for path in scripts.iter().filter(|path| path.extension().is_some_and(|ending| ending == "ink")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let script = std::fs::read_to_string(path).unwrap();
        let simulated = run(&script, &mut Simulated::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let sockets = run(&script, &mut Sockets::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(simulated, sockets, "{name}: the board alone and the server do not agree");
        insta::with_settings!({ snapshot_path => "../scenarios", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, simulated);
        });
    }
}
