//! What people write: `relay.toml` and policies.

use std::path::Path;

use vouchsafe::config::{Config, ConfigError, Source};
use vouchsafe::policy::Policy;

/// A text as settings and as a policy. Each error names its place and says something, and both readings agree.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = Path::new("/nowhere/relay.toml");
    let source = Source::of(file, text);
    let problems = Config::problems_in(source.clone(), file);
    match Config::from_source(source.clone(), file) {
        Ok(config) => {
            assert!(problems.is_empty());
            let _ = (config.directory(), config.snapshot(), config.domains(), config.open_files());
        }
        Err(error) => {
            assert!(!problems.is_empty(), "{error}");
            problems.iter().for_each(|problem| placed(problem, text));
        }
    }
    match source.parse::<Policy>() {
        Ok(policy) => {
            assert!(policy.lint().iter().all(|finding| !format!("{finding:?}").is_empty()));
            let _ = policy.without_effect();
        }
        Err(error) => placed(&error, text),
    }
}

fn placed(error: &ConfigError, text: &str) {
    assert!(!error.what.is_empty());
    if let Some((line, column)) = error.place.at {
        assert!(line >= 1 && column >= 1 && line <= text.split('\n').count() + 1, "{error}");
    }
}
