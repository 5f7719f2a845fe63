//! A new installation from a preset: settings, policy, keys and passphrase in one folder. Nothing that exists is
//! overwritten, and what a failed attempt made is taken away again.

mod dkim;
mod error;
mod layout;
mod list;
mod made;
mod preset;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

pub use self::dkim::{DkimError, DomainKeys, activate_dkim, dkim_keys, make_dkim};
pub use self::error::InitError;
use self::error::io;
pub use self::layout::Layout;
use self::layout::Plan;
pub use self::list::{NewListError, new_list};
pub use self::made::{Made, MadeList, PUBLISH};
pub use self::preset::Preset;
use crate::config::Config;
use crate::failpoint::{self, Point};
use crate::group::User;
use crate::id::{Entropy, Fingerprint};
use crate::mail::address::Domain;
use crate::pgp::keyring::{KeyDir, KeyError, Passphrase};
use crate::time::Clock;

/// Makes a new installation: `relay.toml`, `policies/`, `keys/`, and a `passphrase` unless a file with one is given.
///
/// # Errors
/// When any of it exists, or cannot be made. Whatever this call made is removed again.
pub fn init(
    layout: &Layout,
    domain: &Domain,
    preset: Preset,
    passphrase_file: Option<&Path>,
    clock: &dyn Clock,
    entropy: &Entropy,
) -> Result<Made, InitError> {
    let plan = Plan::new(layout, preset, passphrase_file)?;
    plan.refuse_to_overwrite()?;
    let settings = preset.settings(domain, &plan.edits()?);

    let mut undo = Undo::default();
    for made in [&plan.policy, &plan.config] {
        made.parent().map_or(Ok(()), |dir| undo.folder(dir))?;
    }
    undo.file(&plan.policy, preset.policy())?;
    if let Some((name, text)) = preset.terms() {
        undo.file(&plan.policy.with_file_name(name), text)?;
    }
    // Under another name until the keys are there: a folder with a relay.toml is a whole installation.
    undo.file(&plan.draft, &settings)?;
    failpoint::hit(Point::InitDrafted);
    let config = Config::load(&plan.draft)?;
    let passphrase = plan.passphrase(&mut undo, entropy)?;
    if let Some(state) = &plan.state {
        undo.private_folder(&state.dir)?;
    }
    undo.tree(&plan.keys);
    let (lists, spool) = make_keys(&config, &KeyDir::new(&plan.keys), &passphrase, clock, entropy)?;
    let dkim = config.domains().into_iter().map(|domain| DomainKeys::read(&config, domain));
    let dkim = dkim.collect::<Result<_, _>>()?;
    if let Some(state) = &plan.state {
        give(&plan.keys, state.owner)?;
        own(&state.dir, state.owner)?;
    }
    failpoint::hit(Point::InitKeysMade);
    // A link fails when the name is taken, a rename would not.
    fs::hard_link(&plan.draft, &plan.config).map_err(io("create", &plan.config))?;
    undo.made(&plan.config);
    failpoint::hit(Point::InitLinked);
    fs::remove_file(&plan.draft).map_err(io("remove", &plan.draft))?;
    plan.config.parent().map_or(Ok(()), sync)?;
    undo.keep();
    Ok(Made {
        next: plan.next(),
        config: plan.config,
        policy: plan.policy,
        keys: plan.keys,
        passphrase_made: plan.given.is_none(),
        passphrase: plan.given.unwrap_or(plan.passphrase),
        lists,
        spool,
        dkim,
    })
}

impl Plan {
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
    keys: &KeyDir,
    passphrase: &Passphrase,
    clock: &dyn Clock,
    entropy: &Entropy,
) -> Result<(Vec<MadeList>, Fingerprint), InitError> {
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
    for domain in config.domains() {
        keys.create_dkim(domain.as_str(), passphrase, now)?;
    }
    Ok((lists, spool))
}

/// Gives a folder of keys, and everything in it, to the daemon's user.
fn give(path: &Path, owner: User) -> Result<(), InitError> {
    own(path, owner)?;
    if path.symlink_metadata().map_err(io("read", path))?.is_dir() {
        for entry in fs::read_dir(path).map_err(io("list", path))? {
            give(&entry.map_err(io("list", path))?.path(), owner)?;
        }
    }
    Ok(())
}

fn own(path: &Path, owner: User) -> Result<(), InitError> {
    lchown(path, Some(owner.uid), Some(owner.gid)).map_err(io("give to its user", path))?;
    if path.is_symlink() { Ok(()) } else { sync(path) }
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
    /// Makes a folder and those above it that are missing, each durable in the one that it lies in.
    fn folder(&mut self, path: &Path) -> Result<(), InitError> {
        let missing: Vec<&Path> = path.ancestors().take_while(|p| p.symlink_metadata().is_err()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(io("create", folder))?;
            self.0.push(Step::Folder(folder.to_owned()));
            // Whatever the umask of who runs this: the daemon's user has to get in.
            fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(io("open", folder))?;
            folder.parent().map_or(Ok(()), sync)?;
        }
        Ok(())
    }

    /// Makes a folder that only its owner may enter, unless it is there.
    fn private_folder(&mut self, path: &Path) -> Result<(), InitError> {
        path.parent().map_or(Ok(()), |above| self.folder(above))?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                self.0.push(Step::Folder(path.to_owned()));
                path.parent().map_or(Ok(()), sync)?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(io("create", path)(e)),
        }
        Ok(())
    }

    /// Writes a new file that everybody may read: it holds addresses and rules, no secrets.
    fn file(&mut self, path: &Path, text: &str) -> Result<(), InitError> {
        let open = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
        let mut file = open.map_err(io("create", path))?;
        self.made(path);
        file.set_permissions(Permissions::from_mode(0o644)).map_err(io("open", path))?;
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
