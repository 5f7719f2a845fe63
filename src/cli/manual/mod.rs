//! What `make install` puts beside the program, made from the same grammar that reads the command line: manual pages,
//! and what shells complete with.

mod page;
mod roff;
mod settings;

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
pub use clap_complete::Shell;

use self::roff::Page;
use super::args::Args;

/// The script that has a shell complete this program's command lines.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::args::grammar(), "vouchsafe", &mut script);
    script
}

/// Writes all pages below `dir`, as `man1/NAME.1` and `man5/NAME.5`, and makes the folders that are missing. They bear
/// the date that `$SOURCE_DATE_EPOCH` says, in seconds, or none: today's would make each build another.
///
/// # Errors
/// When a page cannot be written.
pub fn write_pages(dir: &Path) -> io::Result<()> {
    for page in pages(&date()) {
        let folder = dir.join(format!("man{}", page.section));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{}.{}", page.name, page.section)), page.text)?;
    }
    Ok(())
}

/// `2026-11-18`, or nothing.
fn date() -> String {
    let said = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let at = said.map(|secs| crate::time::Timestamp::from_secs(secs).to_string());
    at.map(|at| at.chars().take_while(|c| *c != 'T').collect()).unwrap_or_default()
}

fn pages(date: &str) -> Vec<Page> {
    // The examples of the help have a section of their own there.
    let mut grammar = Args::command().disable_help_subcommand(true);
    grammar.build();
    let mut pages = vec![settings::page(date)];
    add(&grammar, "", date, &mut pages);
    pages
}

fn add(command: &Command, path: &str, date: &str, pages: &mut Vec<Page>) {
    pages.push(page::page(command, path, date));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name()).trim().to_owned();
        add(sub, &path, date, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_the_program_each_noun_and_each_verb() {
        let pages = pages("2026-11-18");
        let has = |name: &str, section| pages.iter().any(|p| p.name == name && p.section == section);
        for name in ["vouchsafe", "vouchsafe-member", "vouchsafe-member-set-cert", "vouchsafe-serve"] {
            assert!(has(name, 1), "{name}");
        }
        assert!(has(settings::NAME, 5));
        assert!(!pages.iter().any(|p| p.name.contains("help")), "help is no command of its own");
    }

    #[test]
    fn pages_are_the_same_each_time_and_bear_the_date_that_is_given() {
        let dated = |date| pages(date).into_iter().map(|p| p.text).collect::<Vec<_>>();
        assert_eq!(dated("2026-11-18"), dated("2026-11-18"));
        assert!(dated("2026-11-18").iter().all(|text| text.contains(" 2026-11-18 ")));
        assert!(
            dated("").iter().all(|text| text.contains(" \"\" \"vouchsafe ")),
            "no date is not the next word"
        );
    }

    #[test]
    fn each_other_page_that_a_page_names_is_there() {
        let pages = pages("");
        let word = |text: &str| text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        for page in &pages {
            let text = word(&page.text);
            for named in
                text.split([' ', '\n', ',']).filter_map(|w| w.trim_end_matches('.').strip_suffix(')'))
            {
                let Some((name, section)) = named.split_once('(') else { continue };
                if name.starts_with("vouchsafe") {
                    let there = pages.iter().any(|p| p.name == name && p.section.to_string() == section);
                    assert!(there, "{} names {named})", page.name);
                }
            }
        }
    }
}
