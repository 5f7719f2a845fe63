//! Examples, for `--help` and for the manual pages. A test parses each.

mod belonging;
mod roster;

use clap::Command;

/// What is done, and the line that does it.
pub(super) type Example = (&'static str, &'static str);

/// The examples of a command: `member add`.
pub(super) fn of(command: &str) -> &'static [Example] {
    all().find(|(path, _)| *path == command).map_or(&[], |(_, examples)| *examples)
}

/// All of them, by command.
fn all() -> impl Iterator<Item = &'static (&'static str, &'static [Example])> {
    EXAMPLES.iter().chain(belonging::EXAMPLES).chain(roster::EXAMPLES)
}

/// The grammar, with the examples below each command's help.
pub(super) fn shown(grammar: Command) -> Command {
    below(grammar, "")
}

fn below(command: Command, path: &str) -> Command {
    let examples = of(path);
    let command = command.mut_subcommands(|sub| {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        below(sub, &path)
    });
    if examples.is_empty() {
        return command;
    }
    let lines = examples.iter().map(|(what, line)| format!("  # {what}\n  {line}\n"));
    command.after_help(format!("Examples:\n{}", lines.collect::<String>().trim_end()))
}

const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("A new installation in a folder", INIT),
            ("How the running daemon is", "vouchsafe status"),
            ("What one command takes", "vouchsafe help member add"),
        ],
    ),
    ("demo", &[("See a relay at work, with invented people", "vouchsafe demo")]),
    (
        "init",
        &[
            ("A service on this machine, with lists after KubeEdge's policy", SERVICE),
            ("Everything in one folder", INIT),
        ],
    ),
    ("serve", &[("In the foreground, with settings of one's own", "vouchsafe serve --config ./relay.toml")]),
    (
        "check",
        &[
            ("Before a start, and after each change of the settings", "vouchsafe check"),
            ("For a program that watches", "vouchsafe check --json"),
            ("With what DNS says of the lists' domains", "vouchsafe check --dns"),
        ],
    ),
    (
        "ingest",
        &[
            (
                "As a mail server's pipe runs it",
                "vouchsafe ingest --socket /run/vouchsafe/lmtp.sock -f rita@reporter.example -- security@lists.example.org",
            ),
            (
                "Where the recipient stands in the mail, in procmail's or maildrop's filter",
                "vouchsafe ingest --recipient-from delivered-to",
            ),
        ],
    ),
    (
        "routes",
        &[(
            "For Postfix in front, and anew with each list",
            "vouchsafe routes > vouchsafe.new && mv vouchsafe.new /etc/postfix/vouchsafe",
        )],
    ),
    (
        "completions",
        &[
            ("For the Bash that runs", "source <(vouchsafe completions bash)"),
            (
                "For every new Zsh of yours, where ~/.zfunc is on fpath",
                "vouchsafe completions zsh > ~/.zfunc/_vouchsafe",
            ),
        ],
    ),
    ("man", &[("All pages, for a package", "vouchsafe man --dir build/man")]),
    ("reload", &[("After a change of relay.toml, of a policy, or of a certificate", "vouchsafe reload")]),
    (
        "status",
        &[
            ("How the daemon is, and what needs attention", "vouchsafe status"),
            ("The same, again and again", "vouchsafe status --watch"),
            ("For a program that watches, every ten seconds", "vouchsafe status --watch 10 --json"),
        ],
    ),
    ("list ls", &[("All lists", "vouchsafe list ls")]),
    ("list show", &[("One list, for a program", "vouchsafe list show security --json")]),
    ("list pause", &[("Hold all new posts back", "vouchsafe list pause distrib-announce")]),
    ("list resume", &[("Work off what has come meanwhile", "vouchsafe list resume distrib-announce")]),
    ("roster export", &[("For git, and for whoever takes over", "vouchsafe roster export ./roster")]),
    (
        "roster import",
        &[
            ("What a directory would change", "vouchsafe roster import --dry-run ./roster"),
            (
                "From another relay, whose list signed it",
                "vouchsafe roster import --signed-by security.asc ./roster",
            ),
            (
                "A list of Schleuder",
                "vouchsafe roster import --from schleuder --list security /var/lib/schleuder/db.sqlite",
            ),
            (
                "A table of people and a folder of certificates",
                "vouchsafe roster import --from csv --list distrib-announce --certificates ./certs people.csv",
            ),
        ],
    ),
    ("store restored", &[("After the machine went back to a snapshot", "vouchsafe store restored")]),
    ("store resume", &[("Once roster and queue are what they should be", "vouchsafe store resume")]),
    ("key ls", &[("Which key has which list, and until when", "vouchsafe key ls")]),
    ("key export", &[("Into a file to publish", "vouchsafe key export security > security.asc")]),
    ("key new", &[("For a list that was added to relay.toml", "vouchsafe key new partners")]),
    (
        "key dkim",
        &[
            ("What to publish", "vouchsafe key dkim"),
            ("New keys, once a year", "vouchsafe key dkim --rotate lists.example.org"),
            ("Once they are published", "vouchsafe key dkim --activate lists.example.org"),
        ],
    ),
    (
        "key import",
        &[(
            "A key that people know already",
            "vouchsafe key import security secret.asc --passphrase-file ./passphrase",
        )],
    ),
    (
        "queue ls",
        &[
            ("What has not been delivered yet", "vouchsafe queue ls"),
            ("What waits for one destination", "vouchsafe queue ls --destination mail.example.org:25"),
        ],
    ),
    ("queue show", &[("One copy", "vouchsafe queue show agm4vvc2abcdefghijklmnopqa")]),
    (
        "queue retry",
        &[
            ("One copy, now", "vouchsafe queue retry agm4vvc2abcdefghijklmnopqa"),
            (
                "All copies of a list, once the next hop is back",
                "vouchsafe queue retry --all --list security",
            ),
        ],
    ),
    ("queue drop", &[("A copy that cannot arrive", "vouchsafe queue drop agm4vvc2abcdefghijklmnopqa")]),
    ("journal ls", &[("The newest twenty entries", "vouchsafe journal ls --limit 20")]),
    (
        "journal verify",
        &[
            ("All chains", "vouchsafe journal verify"),
            (
                "Against a head that was kept elsewhere",
                "vouchsafe journal verify security --head \
                 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ],
    ),
];

const INIT: &str = "vouchsafe init --dir relay --domain lists.example.org --preset kubeedge";
const SERVICE: &str = "vouchsafe init --service --domain lists.example.org --preset kubeedge";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::{Args, grammar, parse_from};
    use super::*;

    /// The commands that do something, as they are typed.
    fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            if sub.has_subcommands() { leaves(sub, &path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn each_command_has_an_example_and_each_example_a_command() {
        let mut commands = Vec::new();
        leaves(&Args::command(), "", &mut commands);
        let mut shown: Vec<&str> = all().map(|(path, _)| *path).filter(|p| !p.is_empty()).collect();
        commands.sort();
        shown.sort_unstable();
        assert_eq!(commands, shown);
    }

    #[test]
    fn each_example_is_understood_as_its_command() {
        for (path, examples) in all() {
            assert!(!examples.is_empty(), "{path}");
            for (_, line) in *examples {
                // The program's own words: behind a pipe, before a redirection.
                let own = line.split_once("vouchsafe ").unwrap().1;
                let own = own.split([')', '>']).next().unwrap().replace('\'', "");
                if let Some(about) = own.strip_prefix("help ") {
                    assert!(all().any(|(path, _)| *path == about), "{line}");
                    continue;
                }
                assert!(own.starts_with(path), "{line} is no example of {path}");
                let own = ["Example Linux", "Ada Lovelace", "key lost", "has left"]
                    .iter()
                    .fold(own, |text, words| text.replace(words, &words.replace(' ', "-")));
                let words = std::iter::once("vouchsafe").chain(own.split_whitespace()).map(Into::into);
                if let Err(error) = parse_from(words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn help_shows_them() {
        let mut grammar = grammar();
        let member = grammar.find_subcommand_mut("member").unwrap().find_subcommand_mut("add").unwrap();
        let help = member.render_help().to_string();
        assert!(help.contains("Examples:\n  # A distributor's contact\n  vouchsafe member add "), "{help}");
    }
}
