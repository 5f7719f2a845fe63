//! What `make install` leaves beside the program: manual pages that render without a warning, and completions that
//! complete.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A day in November 2026.
const EPOCH: &str = "1795000000";

/// `make install` into a folder of its own, with the program under test.
fn installed() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let binary = concat!("BINARY=", env!("CARGO_BIN_EXE_vouchsafe"));
    let goals = ["manual", "install", "PREFIX=/usr", binary];
    make(&root, &goals);
    root
}

/// Runs make for a root of its own.
fn make(root: &TempDir, goals: &[&str]) {
    // What make makes first goes into the root too: tests run beside each other.
    let manual = format!("MANUAL={}", root.path().join("made").display());
    let mut make = Command::new("make");
    make.current_dir(env!("CARGO_MANIFEST_DIR")).args(goals).arg(manual);
    let output =
        make.arg(format!("DESTDIR={}", root.path().display())).env("SOURCE_DATE_EPOCH", EPOCH).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// `None`, aloud, where the program is not installed; in CI that is a failure.
fn run(program: &str, args: &[&str]) -> Option<Output> {
    let output = Command::new(program).args(args).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "100").output();
    if output.is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is not installed");
        eprintln!("SKIPPED: {program} is not installed");
    }
    output.ok()
}

/// All words of help, as people type them: `member add`.
fn commands(path: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(path).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let Some((_, below)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let own = below.lines().take_while(|line| !line.is_empty());
    // What is said of a command may go on in further lines, deeper in.
    let own = own.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let own = own.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    own.map(str::to_owned).collect()
}

#[test]
fn every_command_has_its_page_after_an_installation_and_goes_with_it() {
    let root = installed();
    let pages = names(&root.path().join("usr/share/man/man1"));
    let mut expected = BTreeSet::from(["vouchsafe.1".to_owned()]);
    for noun in commands(&[]) {
        for verb in commands(&[&noun]) {
            let below = commands(&[&noun, &verb]);
            expected.extend(below.iter().map(|more| format!("vouchsafe-{noun}-{verb}-{more}.1")));
            expected.insert(format!("vouchsafe-{noun}-{verb}.1"));
        }
        expected.insert(format!("vouchsafe-{noun}.1"));
    }
    assert!(expected.contains("vouchsafe-member-add.1"), "{expected:?}");
    assert_eq!(pages, expected);
    let settings = root.path().join("usr/share/man/man5/vouchsafe-relay.toml.5");
    assert!(fs::read_to_string(settings).unwrap().contains("tls_listen"));
    assert!(root.path().join("usr/bin/vouchsafe").is_file());
    make(&root, &["uninstall", "PREFIX=/usr"]);
    fs::remove_dir_all(root.path().join("made")).unwrap();
    assert_eq!(files(root.path()), Vec::<PathBuf>::new(), "it takes away all that it brought");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()))
        } else {
            found.push(entry.path())
        }
    }
    found
}

#[test]
fn two_installations_are_the_same_and_dated_by_the_sources() {
    let [one, other] = [installed(), installed()];
    for place in ["man/man1/vouchsafe-journal-verify.1", "man/man5/vouchsafe-relay.toml.5"] {
        let read = |root: &TempDir| fs::read_to_string(root.path().join("usr/share").join(place)).unwrap();
        assert_eq!(read(&one), read(&other));
        assert!(read(&one).contains(" 2026-11-18 "), "{place}");
    }
}

#[test]
fn man_renders_every_page_without_a_warning() {
    let root = installed();
    let mut shown = 0;
    for section in ["man1", "man5"] {
        let folder = root.path().join("usr/share/man").join(section);
        for name in names(&folder) {
            let page = folder.join(&name);
            let Some(output) = run("man", &["--warnings", "-l", page.to_str().unwrap()]) else { return };
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{name}: {said}");
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains("SEE ALSO"), "{name}:\n{text}");
            shown += 1;
        }
    }
    assert!(shown > 40, "only {shown} pages were rendered");
}

/// What a shell offers behind `vouchsafe member `.
fn offered(shell: &str, script: &str) -> Option<BTreeSet<String>> {
    let output = run(shell, &["-c", script])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
    Some(String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect())
}

#[test]
fn bash_completes_the_verbs_of_a_noun() {
    let root = installed();
    let script = root.path().join("usr/share/bash-completion/completions/vouchsafe");
    // The function that the script registers, called as bash calls it when Tab is pressed.
    let press = format!(
        "source {}; spec=$(complete -p vouchsafe); call=${{spec#*-F }}; COMP_WORDS=(vouchsafe member ''); \
         COMP_CWORD=2; ${{call%% *}} vouchsafe '' member; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display()
    );
    let Some(offered) = offered("bash", &press) else { return };
    for verb in commands(&["member"]) {
        assert!(offered.contains(&verb), "{verb}: {offered:?}");
    }
    assert!(!offered.contains("pause"), "{offered:?}");
}

#[test]
fn fish_completes_the_verbs_of_a_noun() {
    let root = installed();
    let script = root.path().join("usr/share/fish/vendor_completions.d/vouchsafe.fish");
    let press = format!("source {}; complete -C 'vouchsafe member ' | cut -f1", script.display());
    let Some(offered) = offered("fish", &press) else { return };
    for verb in commands(&["member"]) {
        assert!(offered.contains(&verb), "{verb}: {offered:?}");
    }
    assert!(!offered.contains("pause"), "{offered:?}");
}

#[test]
fn zsh_loads_its_completion() {
    let root = installed();
    let folder = root.path().join("usr/share/zsh/vendor-completions");
    // compinit reads the head of each file on fpath; the function then has to load without an error.
    let load = format!(
        "fpath=({} $fpath); autoload -Uz compinit; compinit -u -D; autoload +X _vouchsafe; \
         echo ${{_comps[vouchsafe]}}",
        folder.display()
    );
    let Some(offered) = offered("zsh", &load) else { return };
    assert_eq!(offered, BTreeSet::from(["_vouchsafe".to_owned()]));
}
