//! Mutt shows a copy as many of its readers see it: text, protected subject, good signatures.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::outside::copy::header;
use crate::outside::gpg::Person;
use crate::outside::install::{ANNOUNCE, SECURITY};
use crate::outside::scene::Scene;
use crate::outside::{skip, until};

/// A program in a terminal of its own; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Mutt's settings: it shows the only mail by `show`, leaves its text in a file, and quits.
fn settings(reader: &Person, gpgme: &str, show: &Path, piped: &Path) -> String {
    let gpg = "gpg --status-fd=2 --batch --trust-model always --output -";
    format!(
        "set crypt_use_gpgme={gpgme} crypt_protected_headers_read=yes crypt_verify_sig=yes\n\
         set folder={home} record= postponed= wait_key=no pipe_decode=yes quit=yes move=no\n\
         set pager=\"sh {show}\" prompt_after=no\n\
         set pgp_check_gpg_decrypt_status_fd=yes pgp_good_sign=\"^\\\\[GNUPG:\\\\] GOODSIG\"\n\
         set pgp_verify_command=\"{gpg} --verify %s %f\" pgp_decrypt_command=\"{gpg} --decrypt %f\"\n\
         push \"<display-message><pipe-message>cat > {piped}<enter><exit>\"\n",
        home = reader.home().display(),
        show = show.display(),
        piped = piped.display(),
    )
}

/// Mutt's settings: it answers the only mail to all, as it would with any, and its editor keeps the draft.
fn answering(reader: &Person, editor: &Path) -> String {
    format!(
        "set crypt_use_gpgme=yes crypt_protected_headers_read=yes crypt_verify_sig=yes\n\
         set folder={home} record=\"\" postponed=\"\" wait_key=no quit=yes move=no postpone=no\n\
         set from={address} autoedit=yes edit_headers=yes fast_reply=yes include=yes\n\
         set abort_unmodified=no abort_nosubject=no recall=no reply_to=yes editor=\"sh {editor}\"\n\
         push \"<display-message><exit><group-reply><exit><exit>\"\n",
        home = reader.home().display(),
        address = reader.address,
        editor = editor.display(),
    )
}

/// Runs Mutt on a mailbox until it ends; what was on its screen.
fn mutt(reader: &Person, settings: &str, mbox: &Path) -> String {
    let (screen, rc) = (reader.file("screen", b""), reader.file("muttrc", settings.as_bytes()));
    let line = format!("mutt -n -F {} -R -f {}", rc.display(), mbox.display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line]).arg(&screen);
    command.env("GNUPGHOME", reader.home()).env("HOME", reader.home());
    command.env("TERM", "vt100").env("LC_ALL", "C.UTF-8");
    let mut mutt = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let ended = until("mutt ends", || mutt.0.try_wait().unwrap());
    let screen = read(&screen);
    assert!(ended.success(), "{screen}");
    screen
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Whether Mutt and a terminal for it are there; if not, that is said aloud.
fn is_there() -> bool {
    let missing = ["mutt", "script"].into_iter().find(|tool| Command::new(tool).arg("-h").output().is_err());
    missing.map(skip).is_none()
}

/// A mailbox with a reader's copy of an announcement, and that copy. No line of a copy begins with "From ".
fn mailbox(scene: &Scene, reader: &Person) -> (PathBuf, Vec<u8>) {
    reader.import(&scene.people.ada.cert());
    let copy = scene.sink.wait_for(&reader.address, 1).remove(0).data;
    let text = String::from_utf8(copy.clone()).unwrap().replace("\r\n", "\n");
    (reader.file("mbox", format!("From relay Sat Nov 21 12:00:00 2026\n{text}\n").as_bytes()), copy)
}

#[test]
fn mutt_answers_to_the_list_and_in_its_thread() {
    if !is_there() {
        return;
    }
    let Some(scene) = Scene::set() else { return };
    scene.announce("Releases on Tuesday");
    // Another one than in the other test: both leave files in their reader's home.
    let dora = &scene.people.dora;
    let (mbox, copy) = mailbox(&scene, dora);
    let draft = dora.file("draft", b"");
    let editor = dora.file("editor", format!("cat \"$1\" > {}\n", draft.display()).as_bytes());
    let screen = mutt(dora, &answering(dora, &editor), &mbox);
    let draft = read(&draft).replace('\n', "\r\n");
    let field = |name: &str| header(draft.as_bytes(), name).unwrap_or_default();
    assert_eq!(field("Subject"), "Re: [Distributors] Releases on Tuesday", "{draft}\n{screen}");
    assert_eq!(Some(field("In-Reply-To")), header(&copy, "Message-ID"), "{draft}");
    let bare = |value: String| value.rsplit('<').next().unwrap_or_default().trim_end_matches('>').to_owned();
    assert_eq!((bare(field("To")), bare(field("Cc"))), (SECURITY.to_owned(), ANNOUNCE.to_owned()), "{draft}");
    assert!(field("Bcc").is_empty() && draft.contains("> Update by Monday."), "{draft}");
}

#[test]
fn mutt_shows_text_subject_and_signatures() {
    if !is_there() {
        return;
    }
    let Some(scene) = Scene::set() else { return };
    scene.announce("Releases on Monday");
    let emil = &scene.people.emil;
    let (mbox, _) = mailbox(&scene, emil);
    for gpgme in ["yes", "no"] {
        let (piped, shown) = (emil.file("piped", b""), emil.file("shown", b""));
        let show = emil.file("show", format!("cat \"$1\" > {}\n", shown.display()).as_bytes());
        let screen = mutt(emil, &settings(emil, gpgme, &show, &piped), &mbox);
        let (piped, shown) = (read(&piped), read(&shown));
        for text in ["Signature:  good, by ada", "Update by Monday."] {
            assert!(
                piped.contains(text) && shown.contains(text),
                "gpgme={gpgme}: {piped}\n{shown}\n{screen}"
            );
        }
        let subject = "[Distributors] Releases on Monday";
        assert!(screen.contains(subject), "the list of mails: {screen}");
        assert!(shown.contains(&format!("Subject: {subject}\n")), "{shown}");
        // The list's signature over the whole, the author's over what she wrote.
        let good = ["Good signature from: Distributors", "Good signature from: ada@team.example"];
        let good = if gpgme == "yes" {
            good
        } else {
            ["gpg: Good signature from \"Distributors", "gpg: Good signature from \"ada@"]
        };
        for line in good {
            assert!(shown.contains(line), "gpgme={gpgme}: {line} is missing: {shown}");
        }
        // The bare word may stand in a fingerprint.
        assert!(!shown.contains("BAD signature") && !shown.contains("could not be verified"), "{shown}");
    }
}
