//! The test of the test: what was not synced is not on the disk after a cut, and the verdict sees that it is lost.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::life::{CUTS, Life};
use crate::outside::daemon::Daemon;
use crate::outside::image::{Kind, Shelf};
use crate::outside::strace::Strace;
use crate::people::{Engine, Stage};

/// A file in each way that a program may write one, and what a cut right afterwards leaves of it.
pub(crate) fn files(shelf: &Shelf, kind: Kind) {
    let disk = shelf.mount(shelf.blank(kind));
    let (there, root) = (disk.place().join("there"), disk.place());
    fs::write(&there, "before").unwrap();
    rustix::fs::syncfs(File::open(root).unwrap()).unwrap();

    fs::write(root.join("written"), "not synced").unwrap();
    fs::write(root.join("over.tmp"), "after").unwrap();
    fs::rename(root.join("over.tmp"), &there).unwrap();
    // The content is synced here, and the name is not: that takes the directory's sync.
    renamed(root, "name-not-synced");
    let cut = shelf.mount_again(disk.cut(shelf));
    let names = names(cut.place());
    eprintln!(
        "{kind:?}: written and not synced, or renamed and its folder not synced; after the cut there is: {names:?}"
    );
    assert!(!names.contains(&"name-not-synced".to_owned()), "{names:?}");
    let after = |name: &str| fs::read_to_string(cut.place().join(name)).unwrap_or_default();
    assert_ne!(after("written"), "not synced", "what nobody synced is not on the disk");
    assert_ne!(after("there"), "after", "what nobody synced is not on the disk");
    drop(cut);

    renamed(root, "durable");
    File::open(root).unwrap().sync_all().unwrap();
    let cut = shelf.mount_again(disk.cut(shelf));
    assert_eq!(fs::read_to_string(cut.place().join("durable")).unwrap(), "synced");
}

fn renamed(root: &Path, name: &str) {
    let draft = root.join("draft");
    let mut file = File::create(&draft).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync_all().unwrap();
    fs::rename(&draft, root.join(name)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    fs::read_dir(dir).unwrap().map(|entry| name(entry.unwrap())).collect()
}

/// The same daemon, the same load, the same verdict; only that its syncs do nothing. It must be found out.
pub(crate) fn daemon_whose_syncs_do_nothing(shelf: &Shelf) {
    let stage = Stage::set_up(shelf, &Engine { name: "redb", keeps: false }, Kind::Journal);
    let figures = Life::lead_with(shelf, &stage, CUTS, lie).judge(shelf, &stage);
    eprintln!("redb, with fsync and fdatasync doing nothing: {CUTS} power cuts: {figures}");
    assert!(
        figures.found < figures.acknowledged,
        "a daemon that does not sync loses mail, and the test finds it"
    );
}

/// Makes a daemon's fsync and fdatasync return 0 at once.
fn lie(daemon: &Daemon) -> Strace {
    let syncs = "fsync,fdatasync";
    let (seen, changed) = (format!("trace={syncs}"), format!("inject={syncs}:retval=0"));
    Strace::attach(daemon, &["-o", "/dev/null", "-e", &seen, "-e", &changed])
}
