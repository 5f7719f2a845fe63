//! A new installation from a preset: settings, policy, keys and passphrase in one folder. Nothing that exists is
//! overwritten, and what a failed attempt made is taken away again.

mod list;
mod made;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use self::list::{NewListError, new_list};
pub use self::made::{Made, MadeList};
use crate::config::{Config, ConfigError};
use crate::id::{Entropy, Fingerprint};
use crate::mail::address::Domain;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::time::Clock;

/// The one annotated settings file; its example lists give way to the preset's.
const TEMPLATE: &str = include_str!("../config/relay.toml");

/// The line of the template that names the passphrase.
const PASSPHRASE_LINE: &str = "passphrase_file = \"passphrase\"\n";

/// A published policy that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// An intake list and a list of distributors.
    KubeEdge,
    /// An intake list and an openly archived list.
    EdgeX,
}

/// One list of a preset.
struct Seed {
    name: &'static str,
    display: &'static str,
}

impl Preset {
    /// Every preset, as written on the command line.
    pub const NAMES: [&'static str; 2] = ["kubeedge", "edgex"];

    /// Its name, which is also its file's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KubeEdge => "kubeedge",
            Self::EdgeX => "edgex",
        }
    }

    /// Its policy file.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::KubeEdge => include_str!("../config/policies/kubeedge.toml"),
            Self::EdgeX => include_str!("../config/policies/edgex.toml"),
        }
    }

    const fn lists(self) -> [Seed; 2] {
        match self {
            Self::KubeEdge => [
                Seed { name: "security", display: "Security Team" },
                Seed { name: "distrib-announce", display: "Distributors" },
            ],
            Self::EdgeX => [
                Seed { name: "security-issues", display: "Security Issue Review Team" },
                Seed { name: "tsc-security", display: "TSC Security" },
            ],
        }
    }

    /// `relay.toml` for this preset: the template with the preset's lists, and the passphrase's place.
    fn settings(self, domain: &Domain, passphrase: &Path) -> Result<String, InitError> {
        let head = TEMPLATE.split("\n[list.").next().unwrap_or(TEMPLATE);
        let place = passphrase.to_str().ok_or_else(|| InitError::NotUtf8(passphrase.to_owned()))?;
        let place = toml::Value::from(place).to_string();
        let mut text = head.replacen(PASSPHRASE_LINE, &format!("passphrase_file = {place}\n"), 1);
        for Seed { name, display } in self.lists() {
            let policy = self.name();
            text.push_str(&format!(
                "\n[list.{name}]\naddress = \"{name}@{domain}\"\nname = \"{display}\"\npolicy = \"policies/{policy}.toml\"\n"
            ));
        }
        Ok(text)
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kubeedge" => Ok(Self::KubeEdge),
            "edgex" => Ok(Self::EdgeX),
            _ => Err(format!("\"{text}\" is not a preset, expected one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// Why there is no new installation. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Some of it is there already.
    #[error(
        "{} already there, and nothing is overwritten: choose another folder, or move what is there away",
        exist(.0)
    )]
    Exists(Vec<PathBuf>),
    /// The passphrase file that was given is not there.
    #[error(
        "there is no passphrase file {}: write a passphrase to it (mode 0600), or leave the option out and one is made",
        .0.display()
    )]
    NoPassphrase(PathBuf),
    /// A path that no settings file can hold.
    #[error("the path {} is not UTF-8, and so cannot stand in relay.toml: choose another", .0.display())]
    NotUtf8(PathBuf),
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings do not fit together, for example because the domain makes an address too long.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

fn exist(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Makes a new installation in `dir`, which need not exist: `relay.toml`, `policies/`, `keys/`, and a `passphrase`
/// unless a file with one is given. Every path in `relay.toml` counts from `dir`.
///
/// # Errors
/// When any of it exists, or cannot be made. Whatever this call made is removed again.
pub fn init(
    dir: &Path,
    domain: &Domain,
    preset: Preset,
    passphrase_file: Option<&Path>,
    clock: &dyn Clock,
    entropy: &Entropy,
) -> Result<Made, InitError> {
    let dir = std::path::absolute(dir).map_err(io("find", dir))?;
    let given = passphrase_file.map(|p| std::path::absolute(p).map_err(io("find", p))).transpose()?;
    let plan = Plan::new(&dir, preset, given);
    plan.refuse_to_overwrite()?;
    let settings = preset.settings(domain, plan.given.as_deref().unwrap_or(Path::new("passphrase")))?;

    let mut undo = Undo::default();
    undo.folder(&dir)?;
    undo.folder(plan.policy.parent().unwrap_or(&dir))?;
    undo.file(&plan.policy, preset.policy())?;
    // Under another name until the keys are there: a folder with a relay.toml is a whole installation.
    undo.file(&plan.draft, &settings)?;
    let config = Config::load(&plan.draft)?;
    let passphrase = plan.passphrase(&mut undo, entropy)?;
    undo.tree(&plan.keys);
    let (lists, spool) = make_keys(&config, &passphrase, clock, entropy)?;
    // A link fails when the name is taken, a rename would not.
    fs::hard_link(&plan.draft, &plan.config).map_err(io("create", &plan.config))?;
    undo.made(&plan.config);
    fs::remove_file(&plan.draft).map_err(io("remove", &plan.draft))?;
    sync(&dir)?;
    undo.keep();
    Ok(Made {
        config: plan.config,
        policy: plan.policy,
        keys: plan.keys,
        passphrase_made: plan.given.is_none(),
        passphrase: plan.given.unwrap_or(plan.passphrase),
        lists,
        spool,
    })
}

/// Where everything goes.
struct Plan {
    config: PathBuf,
    draft: PathBuf,
    policy: PathBuf,
    keys: PathBuf,
    passphrase: PathBuf,
    given: Option<PathBuf>,
}

impl Plan {
    fn new(dir: &Path, preset: Preset, given: Option<PathBuf>) -> Self {
        Self {
            config: dir.join("relay.toml"),
            draft: dir.join("relay.toml.new"),
            policy: dir.join("policies").join(preset.name()).with_extension("toml"),
            keys: dir.join("keys"),
            passphrase: dir.join("passphrase"),
            given,
        }
    }

    fn refuse_to_overwrite(&self) -> Result<(), InitError> {
        let passphrase = self.given.is_none().then_some(&self.passphrase);
        let all = [&self.config, &self.draft, &self.policy, &self.keys].into_iter().chain(passphrase);
        // A link that leads nowhere is there as well.
        let there: Vec<PathBuf> = all.filter(|p| p.symlink_metadata().is_ok()).cloned().collect();
        if there.is_empty() { Ok(()) } else { Err(InitError::Exists(there)) }
    }

    fn passphrase(&self, undo: &mut Undo, entropy: &Entropy) -> Result<Passphrase, InitError> {
        match &self.given {
            Some(file) if !file.exists() => Err(InitError::NoPassphrase(file.clone())),
            Some(file) => Ok(Passphrase::from_file(file)?),
            None => {
                let passphrase = Passphrase::random(entropy);
                let written = passphrase.write_new(&self.passphrase);
                if !matches!(written, Err(KeyError::Exists(_))) {
                    undo.made(&self.passphrase);
                }
                written?;
                Ok(passphrase)
            }
        }
    }
}

fn make_keys(
    config: &Config,
    passphrase: &Passphrase,
    clock: &dyn Clock,
    entropy: &Entropy,
) -> Result<(Vec<MadeList>, Fingerprint), InitError> {
    let keys = KeyDir::new(&config.keys.path);
    let now = clock.now();
    let mut lists = Vec::new();
    for list in &config.lists {
        let fingerprint = if list.kind.takes_mail() {
            Some(keys.create_list(&list.name, &list.user_ids(), passphrase, now)?.fingerprint())
        } else {
            None
        };
        let (name, addresses) = (list.name.clone(), list.addresses.clone());
        lists.push(MadeList { name, kind: list.kind, addresses, fingerprint });
    }
    let spool = keys.create_spool(passphrase, now)?.fingerprint();
    keys.create_tags(passphrase, entropy)?;
    Ok((lists, spool))
}

/// What has been made so far; removed again, newest first, unless it is kept.
#[derive(Default)]
struct Undo(Vec<Step>);

enum Step {
    File(PathBuf),
    Folder(PathBuf),
    /// A folder with everything that others put in it.
    Tree(PathBuf),
}

impl Undo {
    /// Makes a folder and those above it that are missing.
    fn folder(&mut self, path: &Path) -> Result<(), InitError> {
        let missing: Vec<&Path> = path.ancestors().take_while(|p| p.symlink_metadata().is_err()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(io("create", folder))?;
            self.0.push(Step::Folder(folder.to_owned()));
        }
        Ok(())
    }

    /// Writes a new file that everybody may read: it holds addresses and rules, no secrets.
    fn file(&mut self, path: &Path, text: &str) -> Result<(), InitError> {
        let open = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
        let mut file = open.map_err(io("create", path))?;
        self.made(path);
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", path))?;
        path.parent().map_or(Ok(()), sync)
    }

    /// Remembers a file that has been made.
    fn made(&mut self, file: &Path) {
        self.0.push(Step::File(file.to_owned()));
    }

    /// Remembers a folder that is about to be made and filled.
    fn tree(&mut self, path: &Path) {
        self.0.push(Step::Tree(path.to_owned()));
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for step in self.0.iter().rev() {
            // Best effort: the error that led here is the one to tell.
            let _ = match step {
                Step::File(path) => fs::remove_file(path),
                Step::Folder(path) => fs::remove_dir(path),
                Step::Tree(path) => fs::remove_dir_all(path),
            };
        }
    }
}

fn sync(dir: &Path) -> Result<(), InitError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(io("sync", dir))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> InitError {
    let path = path.to_owned();
    move |source| InitError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_the_lines_that_are_replaced() {
        assert_eq!(TEMPLATE.matches(PASSPHRASE_LINE).count(), 1);
        assert!(TEMPLATE.contains("\n[list."));
    }

    #[test]
    fn presets_have_names() {
        for name in Preset::NAMES {
            assert_eq!(name.parse::<Preset>().unwrap().name(), name);
        }
        assert!("debian".parse::<Preset>().unwrap_err().contains("kubeedge, edgex"));
    }
}
