//! The annotated files that come with the program.

use std::path::{Path, PathBuf};

use vouchsafe::config::{Clear, Config, Source};
use vouchsafe::ingress::settings::Limits;
use vouchsafe::mail::directory::{Kind, Purpose};
use vouchsafe::policy::Poster;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/relay.toml")
}

/// The annotated file with every setting in it: what stands behind a bare `#` is a setting.
fn everything() -> String {
    let text = std::fs::read_to_string(shipped()).unwrap();
    let is_setting = |line: &str| {
        line.starts_with('#') && line.chars().nth(1).is_some_and(|c| c.is_ascii_lowercase() || c == '[')
    };
    let lines = text.lines().map(|line| if is_setting(line) { line.trim_start_matches('#') } else { line });
    // What excludes another.
    let others = ["passphrase_credential", "password_credential", "token_command", "recipient =", "move_to"];
    let lines = lines.filter(|line| !others.iter().any(|other| line.starts_with(other)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn load(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let policies = shipped().with_file_name("policies");
    for name in ["kubeedge.toml", "edgex.toml", "embargo-kubeedge.md"] {
        std::fs::copy(policies.join(name), dir.path().join("policies").join(name)).unwrap();
    }
    let file = dir.path().join("relay.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_annotated_file_loads_as_it_is() {
    let config = Config::load(&shipped()).unwrap();
    let folder = shipped().parent().unwrap().to_owned();
    assert_eq!(config.keys.path, folder.join("keys"));
    assert_eq!(config.store.path, folder.join("data"));
    assert_eq!(config.keys.passphrase_file, Some(folder.join("passphrase")));
    assert!(config.control.socket.is_absolute());
    let [security, distributors] = config.lists.as_slice() else { panic!("{:?}", config.lists) };
    assert_eq!(
        (security.kind, security.clear, security.posters.as_slice()),
        (Kind::Intake, Clear::Seal, &[Poster::Anyone][..])
    );
    assert_eq!(security.user_ids().len(), 3, "posting, -request and -reporter");
    assert_eq!((distributors.kind, distributors.team.as_ref()), (Kind::Announce, Some(&security.name)));
    assert_eq!(distributors.policy.as_ref().unwrap().policy.id.as_str(), "kubeedge");
    let reporter = config.directory().resolve(&"security-reporter@example.org".parse().unwrap()).unwrap();
    assert_eq!(reporter.purpose, Purpose::Reporter);
}

#[test]
fn every_documented_setting_is_accepted_and_shows_its_default() {
    let config = load(&everything());
    // This one follows two others when it is not set.
    assert_eq!(config.limits.max_in_memory_per_client, Some(Limits::default().in_memory_per_client()));
    assert_eq!(
        Limits { max_in_memory_per_client: None, max_memory: None, ..config.limits.clone() },
        Limits::default()
    );
    let plain = load("[list.a]\naddress = \"a@example.org\"\nkind = \"intake\"\n");
    assert_eq!(format!("{:?}", config.egress.timeouts), format!("{:?}", plain.egress.timeouts));
    let clocks =
        |c: &Config| (c.egress.retry_first, c.egress.retry_max, c.egress.give_up_after, c.egress.lease);
    assert_eq!(clocks(&config), clocks(&plain));
    let rest =
        |c: &Config| (c.egress.connections, c.egress.connections_total, c.egress.drain, c.egress.keep_idle);
    assert_eq!(rest(&config), rest(&plain));
    assert_eq!(config.keys.spool_rotate, plain.keys.spool_rotate);
    assert_eq!(config.process, plain.process);
    assert_eq!(config.admin.alert_every, plain.admin.alert_every);
    let least = "host = \"imap.provider.example\"\nport = 993\nca_file = \"tls/provider.pem\"\n\
                 server_name = \"mail.provider.example\"\nuser = \"security@provider.example\"\n\
                 password_file = \"imap-password\"\nrecipient_from = \"delivered-to\"\naside = \"Not relayed\"\n";
    let list = "[list.a]\naddress = \"a@example.org\"\nkind = \"intake\"\n";
    let mailbox = |c: &Config| {
        let mut shown = c.imap["inbox"].clone();
        // Paths count from folders of their own.
        (shown.ca_file, shown.password_file) = (None, None);
        format!("{shown:?}")
    };
    assert_eq!(mailbox(&config), mailbox(&load(&format!("[imap.inbox]\n{least}{list}"))));
    assert_eq!((config.admin.notify.map(|n| n.len()), plain.admin.notify), (Some(1), None));
    assert_eq!(config.store.kind, plain.store.kind);
    assert!(plain.smtp.listen.is_empty() && plain.lmtp.listen.is_empty(), "nothing listens unless told to");
}

#[test]
fn every_setting_there_is_is_documented() {
    let text = std::fs::read_to_string(shipped()).unwrap();
    for section in [
        "smtp",
        "lmtp",
        "imap.a",
        "egress",
        "dns",
        "store",
        "control",
        "limits",
        "rates",
        "maildir.a",
        "keys",
        "process",
        "admin",
        "list.a",
    ] {
        let wrong = Source::of(Path::new("x"), &format!("[{section}]\nno_such_key = 1\n"));
        let told = load_error(wrong.text());
        assert!(told.contains("`no_such_key`"), "{told}");
        // The error names all keys of the section: `a`, `b`.
        for key in told.split('`').skip(3).step_by(2) {
            let documented = text.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.starts_with(&format!("{key} "))
                    || line.starts_with(&format!("[{section}.{key}]"))
                    || line.starts_with(&format!("[{section}.{key}.\""))
            });
            assert!(documented, "[{section}] {key} is not in config/relay.toml");
        }
    }
}

fn load_error(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("relay.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap_err().what
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let text = "[smtp]\nlisten = [\"unix:in.sock\", \"127.0.0.1:0\"]\n[control]\nsocket = \"/run/v.sock\"\n\
                [list.a]\naddress = \"a@example.org\"\nkind = \"intake\"\n";
    let config = load(text);
    assert_eq!(
        config.smtp.listen[0].to_string(),
        format!("unix:{}", config.folder.join("in.sock").display())
    );
    assert_eq!(config.smtp.listen[1].to_string(), "127.0.0.1:0");
    assert_eq!(config.control.socket, Path::new("/run/v.sock"));
}
