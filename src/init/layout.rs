//! Where the parts of an installation lie: all in one folder, or where the service expects them.

use std::path::{Path, PathBuf};

use super::error::{InitError, io};
use super::preset::Preset;
use crate::group::{Group, User};

/// The user that the service runs as (`deploy/sysusers.d/vouchsafe.conf`).
const USER: &str = "vouchsafe";
/// The group that Postfix runs in, where it is installed.
const POSTFIX: &str = "postfix";

/// How an installation is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Everything in one folder, which need not exist. Paths in `relay.toml` count from it.
    Folder(PathBuf),
    /// As the unit has it: settings below `/etc/vouchsafe`, keys and data below `/var/lib/vouchsafe`, sockets below
    /// `/run/vouchsafe`, mail by LMTP.
    Service,
}

/// Where everything goes.
pub(super) struct Plan {
    pub(super) config: PathBuf,
    pub(super) draft: PathBuf,
    pub(super) policy: PathBuf,
    pub(super) keys: PathBuf,
    pub(super) passphrase: PathBuf,
    /// A passphrase file that is there already.
    pub(super) given: Option<PathBuf>,
    /// For a service: who gets the keys, and what holds them.
    pub(super) state: Option<State>,
}

/// The folder that belongs to the daemon's user.
pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) owner: User,
    /// Whether this machine has Postfix's group.
    postfix: bool,
}

impl Plan {
    /// # Errors
    /// When a path cannot be made absolute, or the service's user does not exist.
    pub(super) fn new(layout: &Layout, preset: Preset, given: Option<&Path>) -> Result<Self, InitError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(io("find", path));
        let (dir, state) = match layout {
            Layout::Folder(dir) => (absolute(dir)?, None),
            Layout::Service => (PathBuf::from("/etc/vouchsafe"), Some(State::of_this_machine()?)),
        };
        Ok(Self {
            config: dir.join("relay.toml"),
            draft: dir.join("relay.toml.new"),
            policy: dir.join("policies").join(preset.name()).with_extension("toml"),
            keys: state.as_ref().map_or(dir.as_path(), |state| &state.dir).join("keys"),
            passphrase: dir.join("passphrase"),
            given: given.map(absolute).transpose()?,
            state,
        })
    }

    /// The lines of the annotated settings that this layout wants otherwise: each stands there exactly once.
    pub(super) fn edits(&self) -> Result<Vec<(&'static str, String)>, InitError> {
        let Some(state) = &self.state else {
            let file = self.given.as_deref().unwrap_or(Path::new("passphrase"));
            let file = file.to_str().ok_or_else(|| InitError::NotUtf8(file.to_owned()))?;
            return Ok(vec![(PASSPHRASE, format!("passphrase_file = {}", toml::Value::from(file)))]);
        };
        let mut edits: Vec<_> = SERVICE.iter().map(|(from, to)| (*from, (*to).to_owned())).collect();
        if state.postfix {
            edits.push((LMTP_GROUP, format!("group = \"{POSTFIX}\"")));
        }
        Ok(edits)
    }

    /// What to do now, for a person.
    pub(super) fn next(&self) -> String {
        let config = self.config.display();
        match &self.state {
            None => format!(
                "next: look through the settings, then `vouchsafe check --config {config}` and \
                 `vouchsafe serve --config {config}`"
            ),
            Some(_) => format!(
                "next: write the passphrase down where the keys are not, look through {config}, show the lists to your \
                 mail server (`vouchsafe routes`), then `vouchsafe check` and `systemctl enable --now vouchsafe`"
            ),
        }
    }
}

impl State {
    fn of_this_machine() -> Result<Self, InitError> {
        let owner = User::find(USER).ok_or(InitError::NoUser(USER))?;
        Ok(Self { dir: PathBuf::from("/var/lib/vouchsafe"), owner, postfix: Group::find(POSTFIX).is_ok() })
    }
}

/// The line of the settings that names the passphrase.
const PASSPHRASE: &str = "passphrase_file = \"passphrase\"";
/// The line of the settings for who may open the LMTP socket.
const LMTP_GROUP: &str = "#group = \"postfix\"";

/// What a service has elsewhere than a folder.
const SERVICE: [(&str, &str); 7] = [
    ("listen = [\"127.0.0.1:2525\"]", "listen = []"),
    ("#listen = [\"unix:lmtp.sock\"]", "listen = [\"unix:/run/vouchsafe/lmtp.sock\"]"),
    ("path = \"data\"", "path = \"/var/lib/vouchsafe/data\""),
    ("path = \"keys\"", "path = \"/var/lib/vouchsafe/keys\""),
    (PASSPHRASE, "passphrase_credential = \"vouchsafe-passphrase\""),
    ("socket = \"control.sock\"", "socket = \"/run/vouchsafe/control.sock\""),
    ("#group = \"vouchsafe-admin\"", "group = \"vouchsafe-admin\""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::preset::TEMPLATE;

    #[test]
    fn the_settings_have_each_line_that_is_replaced_once() {
        let lines = SERVICE.iter().map(|(from, _)| *from).chain([LMTP_GROUP]);
        for line in lines {
            assert_eq!(TEMPLATE.lines().filter(|found| *found == line).count(), 1, "{line}");
        }
    }

    #[test]
    fn a_folder_counts_its_paths_from_itself() {
        let layout = Layout::Folder("/srv/relay".into());
        let plan = Plan::new(&layout, Preset::KubeEdge, None).unwrap();
        assert_eq!(plan.keys, Path::new("/srv/relay/keys"));
        assert_eq!(plan.edits().unwrap(), [(PASSPHRASE, PASSPHRASE.to_owned())]);
    }

    #[test]
    fn a_service_has_its_keys_where_it_may_write() {
        let owner = User { uid: 990, gid: 990 };
        let state = State { dir: "/var/lib/vouchsafe".into(), owner, postfix: true };
        let mut plan = Plan::new(&Layout::Folder("/etc/vouchsafe".into()), Preset::KubeEdge, None).unwrap();
        plan.state = Some(state);
        let text = Preset::KubeEdge.settings(&"lists.example.org".parse().unwrap(), &plan.edits().unwrap());
        let settings: toml::Table = text.parse().unwrap();
        let of = |section: &str, key: &str| {
            settings[section].get(key).map(ToString::to_string).unwrap_or_default()
        };
        assert_eq!(of("keys", "path"), "\"/var/lib/vouchsafe/keys\"");
        assert_eq!(of("keys", "passphrase_file"), "", "the unit's credential has it");
        assert_eq!(of("keys", "passphrase_credential"), "\"vouchsafe-passphrase\"");
        assert_eq!(of("lmtp", "group"), "\"postfix\"");
        assert_eq!(of("smtp", "listen"), "[]");
    }
}
