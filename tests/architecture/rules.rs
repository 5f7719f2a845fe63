//! The guards: each takes a house and a table, and returns what is wrong, one line for each find.

use std::collections::{BTreeMap, BTreeSet};

use crate::house::House;

/// Whether a file is in one of these places: a folder (`pgp/`), a file (`secret.rs`), or a module with its folder
/// (`store/redb` is `store/redb.rs` and all below `store/redb/`).
pub(crate) fn within(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| {
        file == *place
            || (place.ends_with('/') && file.starts_with(place))
            || file.strip_prefix(place).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    })
}

/// The room that a file belongs to: its folder at the top, or itself.
pub(crate) fn room(file: &str) -> &str {
    let top = file.split('/').next().unwrap_or(file);
    top.strip_suffix(".rs").unwrap_or(top)
}

/// Every room has a floor, and imports only from floors below its own.
pub(crate) fn floors(house: &House, table: &[(&str, u8)]) -> Vec<String> {
    let floors: BTreeMap<&str, u8> = table.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, _) in house.product().filter(|(file, _)| *file != "lib.rs") {
        let Some(floor) = floors.get(room(file)) else {
            wrong.push(format!("{file}: the room {} has no floor", room(file)));
            continue;
        };
        for target in house.imports(file).iter().filter(|t| room(t) != room(file)) {
            if floors.get(room(target)).is_none_or(|below| below >= floor) {
                wrong.push(format!("{file} (floor {floor}) imports {target}, which is not below it"));
            }
        }
    }
    let rooms: BTreeSet<&str> = house.product().map(|(file, _)| room(file)).collect();
    let empty = table.iter().filter(|(name, _)| !rooms.contains(name));
    wrong.extend(empty.map(|(name, _)| format!("the table has the room {name}, the house has not")));
    wrong
}

/// No file reaches itself.
pub(crate) fn circles(house: &House) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (file, _) in house.product() {
        for next in house.imports(file) {
            if let Some(back) = house.reach(&next).get(file) {
                let mut members = back.clone();
                members.sort();
                members.dedup();
                found.insert(format!("these import each other in a circle: {}", members.join(", ")));
            }
        }
    }
    found.into_iter().collect()
}

/// A crate is named only within its places.
pub(crate) fn doors(house: &House, table: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, _) in house.product() {
        for outside in house.outside(file) {
            let name = outside.split("::").next().unwrap_or_default();
            for (_, places) in table.iter().filter(|(door, _)| *door == name || *door == outside) {
                if !within(file, places) {
                    wrong.push(format!("{file} names {outside}, which belongs to {}", places.join(", ")));
                }
            }
        }
    }
    wrong
}

/// What is in `from` never reaches what is in `to`, on whatever way; `to` may also name crates and modules outside.
pub(crate) fn never_reaches(house: &House, from: &[&str], to: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, _) in house.product().filter(|(file, _)| within(file, from)) {
        for (reached, way) in house.reach(file) {
            let outside = house.outside(&reached);
            let named = |to: &&&str| {
                reached != file && within(&reached, &[**to])
                    || outside.iter().any(|o| o == *to || o.split("::").next() == Some(**to))
            };
            wrong.extend(to.iter().filter(named).map(|to| format!("{} reaches {to}", way.join(" > "))));
        }
    }
    wrong
}

/// What is in `to` is imported directly only by what is in `by`, or by its neighbours within `to`.
pub(crate) fn only_imported_by(house: &House, to: &[&str], by: &[&str]) -> Vec<String> {
    let others =
        house.product().filter(|(file, _)| !within(file, by) && !within(file, to) && *file != "lib.rs");
    let imports =
        others.flat_map(|(file, _)| house.imports(file).into_iter().map(move |target| (file, target)));
    imports.filter(|(_, t)| within(t, to)).map(|(file, t)| format!("{file} imports {t}")).collect()
}

/// Whoever calls this method is on the list, and whoever is on the list calls it.
pub(crate) fn callers(house: &House, method: &str, allowed: &[(&str, &str)]) -> Vec<String> {
    let calling: BTreeSet<&str> =
        house.product().filter(|(_, f)| f.parsed.calls.contains_key(method)).map(|(file, _)| file).collect();
    let listed: BTreeSet<&str> = allowed.iter().map(|(file, _)| *file).collect();
    let extra = calling.difference(&listed).map(|f| format!("{f} calls .{method}() and is not on the list"));
    let idle =
        listed.difference(&calling).map(|f| format!("{f} is on the list and does not call .{method}()"));
    extra.chain(idle).collect()
}

/// Nobody calls these. A file with a method of that name calls its own; clippy, which knows types, sees to the rest.
pub(crate) fn uncalled(house: &House, methods: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, content) in house.product() {
        for method in methods.iter().filter(|method| !content.parsed.items.contains(**method)) {
            let lines = content.parsed.calls.get(*method).into_iter().flatten();
            wrong.extend(lines.map(|line| format!("{file}:{line} calls .{method}()")));
        }
    }
    wrong
}

/// Exactly these traits are defined.
pub(crate) fn traits(house: &House, wanted: &[(&str, &str)]) -> Vec<String> {
    let found = house.product().flat_map(|(file, f)| f.parsed.traits.iter().map(move |t| (file, t.as_str())));
    let (found, wanted): (BTreeSet<_>, BTreeSet<_>) = (found.collect(), wanted.iter().copied().collect());
    let extra = found.difference(&wanted).map(|(file, name)| format!("{file} defines the trait {name}"));
    let gone =
        wanted.difference(&found).map(|(file, name)| format!("{file} does not define the trait {name}"));
    extra.chain(gone).collect()
}

/// How long files and functions may be. A function's lines are those with code on them.
pub(crate) fn sizes(house: &House, file_lines: usize, function_lines: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, file) in &house.files {
        let lines: Vec<&str> = file.text.lines().collect();
        if lines.len() > file_lines {
            wrong.push(format!("{name} has {} lines, at most {file_lines}", lines.len()));
        }
        for (function, first, last) in &file.parsed.functions {
            let body = lines.get(*first..last.saturating_sub(1)).unwrap_or_default().iter().map(|l| l.trim());
            let code = body.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
            if code > function_lines {
                wrong.push(format!("{name}: {function} has {code} lines of code, at most {function_lines}"));
            }
        }
    }
    wrong
}

/// Every file says in its first line what it is for.
pub(crate) fn heads(house: &House) -> Vec<String> {
    let without = house.files.iter().filter(|(_, f)| !f.text.starts_with("//! "));
    without.map(|(name, _)| format!("{name} does not begin with a line of //!")).collect()
}

/// The public functions of these files take what proves something of their input, and no bare bytes.
pub(crate) fn takes(house: &House, files: &[&str], proof: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in files {
        let Some(file) = house.files.get(*name) else {
            wrong.push(format!("{name} is not there"));
            continue;
        };
        let product = file.text.split("#[cfg(test)]").next().unwrap_or_default();
        for function in product.split("\npub fn ").skip(1) {
            let signature = function.split('{').next().unwrap_or_default();
            let bare = ["[u8]", "Vec<u8>", "Plaintext)", "Plaintext,"];
            let input = signature.split("->").next().unwrap_or_default();
            if !input.contains(proof) || bare.iter().any(|bytes| input.contains(bytes)) {
                let what = function.split(['(', '<']).next().unwrap_or_default();
                wrong.push(format!("{name}: {what} takes something else than {proof}"));
            }
        }
    }
    wrong
}

/// A word that stands in these files and in no other.
pub(crate) fn only_in(house: &House, word: &str, files: &[&str]) -> Vec<String> {
    let product = |text: &str| text.split("#[cfg(test)]").next().unwrap_or_default().contains(word);
    let naming: BTreeSet<&str> =
        house.product().filter(|(_, f)| product(&f.text)).map(|(name, _)| name).collect();
    let listed: BTreeSet<&str> = files.iter().copied().collect();
    let extra = naming.difference(&listed).map(|name| format!("{name} has {word}"));
    extra.chain(listed.difference(&naming).map(|name| format!("{name} has no {word}"))).collect()
}

/// Texts that hold none of these words.
pub(crate) fn words(texts: &[(String, String)], forbidden: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, text) in texts {
        for (number, line) in text.lines().enumerate() {
            let found = forbidden.iter().filter(|word| line.contains(word.as_str()));
            wrong.extend(found.map(|word| format!("{name}:{}: {word}", number + 1)));
        }
    }
    wrong
}

/// What the map of the house leaves out, and what it names that is not there.
pub(crate) fn map(house: &House, text: &str, lines: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.lines().count() > lines {
        wrong.push(format!("the map has {} lines, at most {lines}", text.lines().count()));
    }
    let quoted: BTreeSet<&str> = text.split('`').skip(1).step_by(2).collect();
    let rooms: BTreeSet<&str> = house.product().map(|(file, _)| room(file)).filter(|r| *r != "lib").collect();
    for name in rooms {
        if !quoted.contains(format!("{name}/").as_str()) && !quoted.contains(format!("{name}.rs").as_str()) {
            wrong.push(format!("the map does not name the room {name}"));
        }
    }
    let files =
        quoted.iter().filter(|q| q.ends_with(".rs") && !q.contains(['*', ' ']) && !q.starts_with("tests/"));
    let gone = files.filter(|q| !house.files.contains_key(**q));
    wrong.extend(gone.map(|q| format!("the map names {q}, which is not there")));
    wrong
}
