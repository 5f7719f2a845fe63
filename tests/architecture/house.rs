//! The house as it stands: which file imports which, followed through re-exports to the file that defines a name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use crate::source::{Named, Parsed, parse};

/// All files of `src/`, by their path below it.
pub(crate) struct House {
    pub(crate) files: BTreeMap<String, File>,
    modules: BTreeMap<Vec<String>, String>,
}

/// One file.
pub(crate) struct File {
    pub(crate) text: String,
    pub(crate) parsed: Parsed,
    module: Vec<String>,
    /// Whether it exists for tests only.
    pub(crate) test: bool,
}

/// The program beside the library: it names the library by the crate's name.
const PROGRAM: &str = "main.rs";

impl House {
    /// The real one.
    pub(crate) fn read(src: &Path) -> Self {
        Self::of(below(src).into_iter().map(|path| {
            let name = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        }))
    }

    /// A house of these files; `lib.rs` and `main.rs` are where it begins.
    pub(crate) fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut house = Self { files: BTreeMap::new(), modules: BTreeMap::new() };
        for (name, text) in files {
            let (parsed, module) = (parse(&text), module_of(&name));
            house.files.insert(name, File { text, parsed, module, test: true });
        }
        let mut open: VecDeque<String> = ["lib.rs", PROGRAM].map(str::to_owned).into();
        while let Some(name) = open.pop_front() {
            let Some(file) = house.files.get_mut(&name) else { continue };
            file.test = false;
            if name != PROGRAM {
                house.modules.insert(file.module.clone(), name.clone());
            }
            let children = file.parsed.modules.iter().map(|child| joined(&file.module, child));
            let found: Vec<String> =
                children.collect::<Vec<_>>().iter().filter_map(|module| house.file_of(module)).collect();
            open.extend(found);
        }
        house
    }

    /// The files that are not for tests.
    pub(crate) fn product(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().filter(|(_, f)| !f.test).map(|(name, file)| (name.as_str(), file))
    }

    /// Files that nobody declares, not even for tests.
    pub(crate) fn orphans(&self) -> Vec<String> {
        let for_tests: BTreeSet<String> =
            self.files.iter().flat_map(|(name, file)| test_files(name, file)).collect();
        let hidden = self.files.iter().filter(|(name, file)| file.test && !for_tests.contains(*name));
        hidden.map(|(name, _)| name.clone()).collect()
    }

    /// What a file imports, files of this house only.
    pub(crate) fn imports(&self, name: &str) -> BTreeSet<String> {
        let Some(file) = self.files.get(name) else { return BTreeSet::new() };
        let mut found: BTreeSet<String> =
            file.parsed.paths.iter().filter_map(|path| self.target(name, path)).collect();
        found.remove(name);
        found
    }

    /// The outside names that a file uses, as `crate::module`: `std::fs`, `tokio::net`, or the bare crate.
    pub(crate) fn outside(&self, name: &str) -> BTreeSet<String> {
        let Some(file) = self.files.get(name) else { return BTreeSet::new() };
        let paths = file.parsed.paths.iter().filter(|path| self.absolute(name, path).is_none());
        paths.map(|path| path.segments.iter().take(2).cloned().collect::<Vec<_>>().join("::")).collect()
    }

    /// Everything that a file reaches through its imports, with the way there.
    pub(crate) fn reach(&self, from: &str) -> BTreeMap<String, Vec<String>> {
        let mut ways = BTreeMap::from([(from.to_owned(), vec![from.to_owned()])]);
        let mut open = VecDeque::from([from.to_owned()]);
        while let Some(name) = open.pop_front() {
            for next in self.imports(&name) {
                if !ways.contains_key(&next) {
                    let way = [ways[&name].clone(), vec![next.clone()]].concat();
                    ways.insert(next.clone(), way);
                    open.push_back(next);
                }
            }
        }
        ways
    }

    /// The file that defines what a path names.
    fn target(&self, name: &str, path: &Named) -> Option<String> {
        let mut absolute = self.absolute(name, path)?;
        // A chain of re-exports is short; one that is not would be a circle.
        for _ in 0..8 {
            let (module, file) = self.longest(&absolute)?;
            let rest = absolute[module.len()..].to_vec();
            let Some(first) = rest.first() else { return Some(file) };
            if self.files[&file].parsed.items.contains(first) {
                return Some(file);
            }
            match self.exported(&file, first) {
                Some(front) => absolute = [front, rest[1..].to_vec()].concat(),
                None => return Some(file),
            }
        }
        None
    }

    /// Where a name comes from that a file only passes on.
    fn exported(&self, file: &str, name: &str) -> Option<Vec<String>> {
        let uses =
            || self.files[file].parsed.paths.iter().filter(|p| p.alias.is_some() && p.inside.is_empty());
        let plain = uses().find(|p| p.alias.as_deref() == Some(name));
        if let Some(path) = plain {
            return self.absolute(file, path);
        }
        uses().filter(|p| p.alias.as_deref() == Some("*")).find_map(|glob| {
            let from = self.absolute(file, glob)?;
            let (module, target) = self.longest(&from)?;
            let has = module == from && self.files[&target].parsed.items.contains(name);
            has.then(|| joined(&from, name))
        })
    }

    /// The path from the crate's root; `None` when it leads outside or names nothing but locals.
    fn absolute(&self, name: &str, path: &Named) -> Option<Vec<String>> {
        let file = &self.files[name];
        let mut here = [file.module.clone(), path.inside.clone()].concat();
        let mut rest = path.segments.as_slice();
        match rest.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &rest[1..]),
            "vouchsafe" if name == PROGRAM => (here, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|s| s == "super") {
                    here.pop()?;
                    rest = &rest[1..];
                }
            }
            first if name != PROGRAM && self.modules.contains_key(&joined(&here, first)) => {}
            first => {
                // A module that a `use` of this file brought in.
                let same = |p: &&Named| p.alias.as_deref() == Some(first) && p.segments != path.segments;
                let brought = file.parsed.paths.iter().find(same)?;
                if path.alias.is_some() {
                    return None;
                }
                let front = self.absolute(name, brought)?;
                return self.modules.contains_key(&front).then(|| [front, rest[1..].to_vec()].concat());
            }
        }
        Some([here, rest.to_vec()].concat())
    }

    fn longest(&self, absolute: &[String]) -> Option<(Vec<String>, String)> {
        let prefixes = (0..=absolute.len()).rev().map(|n| absolute[..n].to_vec());
        prefixes.into_iter().find_map(|module| self.modules.get(&module).map(|f| (module.clone(), f.clone())))
    }

    fn file_of(&self, module: &[String]) -> Option<String> {
        let stem = module.join("/");
        [format!("{stem}.rs"), format!("{stem}/mod.rs")].into_iter().find(|f| self.files.contains_key(f))
    }
}

fn joined(front: &[String], last: &str) -> Vec<String> {
    [front, &[last.to_owned()]].concat()
}

fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(stem, "lib" | "main") { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// Where the test modules that a file declares may lie.
fn test_files(name: &str, file: &File) -> Vec<String> {
    let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let own = file.module.iter().map(|s| format!("{s}/")).collect::<String>();
    let places = |module: &String| {
        if module.contains('.') {
            vec![format!("{folder}{module}")]
        } else {
            vec![format!("{own}{module}.rs")]
        }
    };
    // Whatever a file for tests declares is for tests.
    let own_modules = file.parsed.modules.iter().filter(|_| file.test);
    file.parsed.test_modules.iter().chain(own_modules).flat_map(places).collect()
}

/// Every Rust file below a folder.
pub(crate) fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn house(files: &[(&str, &str)]) -> House {
        House::of(files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    fn imports(house: &House, file: &str) -> Vec<String> {
        house.imports(file).into_iter().collect()
    }

    #[test]
    fn imports_lead_to_the_file_that_defines_the_name() {
        let house = house(&[
            ("lib.rs", "pub mod a; pub mod b;"),
            ("a/mod.rs", "mod deep; pub mod other; pub use self::deep::Thing; pub use other::*;"),
            ("a/deep.rs", "pub struct Thing;"),
            ("a/other.rs", "pub struct Globbed; use super::Thing;"),
            ("b.rs", "use crate::a::{Globbed, Thing}; use crate::a; fn f() { a::other::g(); }"),
        ]);
        assert_eq!(imports(&house, "b.rs"), ["a/deep.rs", "a/mod.rs", "a/other.rs"]);
        assert_eq!(imports(&house, "a/other.rs"), ["a/deep.rs"]);
        assert_eq!(house.reach("b.rs")["a/deep.rs"].len(), 2);
    }

    #[test]
    fn what_is_outside_and_what_is_an_orphan_is_told_apart() {
        let house = house(&[
            ("lib.rs", "pub mod a;"),
            (
                "a.rs",
                "use std::fs::File; use tokio::net; fn f<'a>() -> impl Sized + use<'a> { redb::open(); } #[cfg(test)] mod tests;",
            ),
            ("a/tests.rs", "mod desk;"),
            ("a/tests/desk.rs", ""),
            ("lost.rs", ""),
            ("main.rs", "use vouchsafe::a::X; fn main() {}"),
        ]);
        let outside: Vec<String> = house.outside("a.rs").into_iter().collect();
        assert_eq!(outside, ["redb::open", "std::fs", "tokio::net"]);
        assert_eq!(house.orphans(), ["lost.rs"]);
        assert_eq!(imports(&house, "main.rs"), ["a.rs"]);
    }
}
