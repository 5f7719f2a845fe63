//! The page of one command: what the grammar knows, and what it does not: examples, exit codes, places.

use clap::Command;
use clap_mangen::Man;

use super::roff::{MANUAL, Page, Text, source, written};
use super::settings;
use crate::cli::examples;

/// The exit codes that scripts see: those of sysexits.h.
const EXIT: &[(&str, &str)] = &[
    ("0", "It is done."),
    ("64", "The command makes no sense so, or it needs a consent that was not given (--yes)."),
    ("65", "What came along cannot be used, a rule is against it, or the journal is broken."),
    ("66", "There is no such list, member, mail, copy or file."),
    ("69", "The daemon does not run, or is of another release."),
    ("70", "A fault of the program."),
    ("73", "It exists already."),
    ("74", "Reading or writing failed."),
    ("75", "Somebody else was at it: try again. Or you said no."),
    ("77", "You may not do that."),
    ("78", "The settings or the keys are not right."),
];

/// The page of the command that is typed as `path`; the program's own for an empty one.
pub(super) fn page(command: &Command, path: &str, date: &str) -> Page {
    let name = name(path);
    // The library's own usage leaves out what an option takes.
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let man = Man::new(command.clone().override_usage(usage))
        .title(&name)
        .date(written(date))
        .source(source())
        .manual(MANUAL);
    let mut rendered = Vec::new();
    // Memory takes everything.
    let _ = man.render(&mut rendered);
    let mut text = Text::after(String::from_utf8_lossy(&rendered).into_owned());
    let examples = examples::of(path);
    if !examples.is_empty() {
        text.heading("EXAMPLES");
        for (nth, (what, line)) in examples.iter().enumerate() {
            let what = format!("{what}:");
            if nth == 0 {
                text.text(what)
            } else {
                text.paragraph(what)
            }
            text.typed(line);
        }
    }
    if path.is_empty() {
        common(&mut text)
    } else {
        brief(&mut text, path)
    }
    text.see_also(&next(command, path));
    Page { name, section: 1, text: text.end() }
}

fn name(path: &str) -> String {
    format!("vouchsafe {path}").trim().replace(' ', "-")
}

/// What all commands share stands on the program's page alone.
fn common(text: &mut Text) {
    text.heading("EXIT STATUS");
    text.text("The codes of sysexits.h:");
    for (code, meaning) in EXIT {
        text.terms([*code], meaning);
    }
    text.heading("ENVIRONMENT");
    text.terms(["VOUCHSAFE_CONFIG"], "The configuration, where --config names none.");
    text.terms(
        ["VOUCHSAFE_LOG"],
        "What the daemon logs: a filter such as debug or vouchsafe::egress=trace. No filter makes content appear.",
    );
    text.terms(["CREDENTIALS_DIRECTORY"], "Where systemd puts the credential with the keys' passphrase.");
    text.heading("FILES");
    text.terms(["/etc/vouchsafe/relay.toml"], "The configuration, where nothing else names one.");
    text.terms(
        ["/usr/share/doc/vouchsafe"],
        "How to operate the relay, what it does not protect, and examples.",
    );
}

fn brief(text: &mut Text, path: &str) {
    text.heading("EXIT STATUS");
    let special = match path {
        "check" => "0 when the daemon would start, 78 when something has to be mended before. ",
        "journal verify" => "0 when all is sound, 65 when a chain is broken or does not hold the head. ",
        _ => "0 when it is done. ",
    };
    text.text(format!("{special}The other codes are those of sysexits.h: see vouchsafe(1)."));
}

/// The page above, those below, and that of the settings.
fn next(command: &Command, path: &str) -> Vec<(String, u8)> {
    let mut pages = Vec::new();
    if let Some((above, _)) = path.rsplit_once(' ') {
        pages.push((name(above), 1));
    }
    if !path.is_empty() {
        pages.push((name(""), 1));
    }
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    pages.extend(below.map(|sub| (name(format!("{path} {}", sub.get_name()).trim()), 1)));
    pages.push((settings::NAME.to_owned(), 5));
    pages
}
