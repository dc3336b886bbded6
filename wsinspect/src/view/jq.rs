//! Expressions of jq over messages: which are shown, and what of them.

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, Error, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

/// Results of one message; more are left out.
const MOST: usize = 1000;

/// An expression, ready to be run.
pub struct Jq(Filter<JustLut<Val>>);

impl std::fmt::Debug for Jq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jq").finish_non_exhaustive()
    }
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no expression of jq: {0}")]
pub struct JqError(String);

impl Jq {
    /// Reads an expression.
    ///
    /// # Errors
    /// If it is invalid, or names something unknown.
    pub fn parse(code: &str) -> Result<Self, JqError> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let (arena, program) = (Arena::default(), File { code, path: () });
        let modules = Loader::new(definitions).load(&arena, program).map_err(|errors| {
            let words = errors.iter().find_map(|(_, error)| expected(error));
            JqError(words.unwrap_or_else(|| "it cannot be read".into()))
        })?;
        let filter = Compiler::default().with_funs(functions).compile(modules).map_err(|errors| {
            let names = errors.iter().flat_map(|(_, names)| names).map(|(name, _)| format!("{name} is not known"));
            JqError(names.collect::<Vec<_>>().join(", "))
        })?;
        Ok(Self(filter))
    }

    /// Applies the expression to a value.
    ///
    /// # Errors
    /// The error of the expression.
    pub fn run(&self, value: &Value) -> Result<Vec<Value>, String> {
        let input = read::parse_single(value.to_string().as_bytes()).map_err(|error| error.to_string())?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let results = self.0.id.run((context, input)).map(unwrap_valr).take(MOST);
        results
            .map(|result| {
                let text = result.map_err(|error| error.to_string())?.to_string();
                serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))
            })
            .collect()
    }
}

fn expected(error: &Error<&str>) -> Option<String> {
    let near = |rest: &str| {
        let near: String = rest.chars().take(20).collect();
        if near.is_empty() { "at its end".to_owned() } else { format!("before {near:?}") }
    };
    match error {
        Error::Io(files) => files.first().map(|(name, _)| format!("{name} cannot be loaded")),
        Error::Lex(all) => all.first().map(|(expect, rest)| format!("{} is expected {}", expect.as_str(), near(rest))),
        Error::Parse(all) => {
            all.first().map(|(expect, rest)| format!("{} is expected {}", expect.as_str(), near(rest)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_expression_chooses_and_makes() {
        let run = |code: &str, value: Value| Jq::parse(code).unwrap().run(&value);
        assert_eq!(run(".a", json!({"a": [1, "x"]})), Ok(vec![json!([1, "x"])]));
        assert_eq!(run(".[] | select(. > 1) | {n: .}", json!([1, 2, 3])), Ok(vec![json!({"n": 2}), json!({"n": 3})]));
        assert_eq!(run("empty", json!(1)), Ok(vec![]));
        assert!(run(".a", json!(1)).is_err());
        assert_eq!(run("repeat(1)", json!(1)).unwrap().len(), MOST, "and has an end");
    }

    #[test]
    fn what_is_none_is_told_with_the_place() {
        let wrong = |code: &str| Jq::parse(code).unwrap_err().to_string();
        assert_eq!(wrong("(.a"), "this is no expression of jq: closing parenthesis is expected at its end");
        assert_eq!(wrong(".a |"), "this is no expression of jq: term is expected at its end");
        assert_eq!(wrong("nonsense"), "this is no expression of jq: nonsense is not known");
    }
}
