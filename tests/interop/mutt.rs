//! Mutt shows a copy as many of its readers see it: text, protected subject, good signatures.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::outside::gpg::Person;
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

#[test]
fn mutt_shows_text_subject_and_signatures() {
    for tool in ["mutt", "script"] {
        if Command::new(tool).arg("-h").output().is_err() {
            return skip(tool);
        }
    }
    let Some(scene) = Scene::set() else { return };
    scene.announce("Releases on Monday");
    let emil = &scene.people.emil;
    emil.import(&scene.people.ada.cert());
    let copy = scene.sink.wait_for(&emil.address, 1).remove(0);
    // No line of a copy begins with "From ", so this is an mbox.
    let copy = String::from_utf8(copy.data).unwrap().replace("\r\n", "\n");
    let mbox = emil.file("mbox", format!("From relay Sat Nov 21 12:00:00 2026\n{copy}\n").as_bytes());
    for gpgme in ["yes", "no"] {
        let (piped, shown) = (emil.file("piped", b""), emil.file("shown", b""));
        let screen = emil.file("screen", b"");
        let show = emil.file("show", format!("cat \"$1\" > {}\n", shown.display()).as_bytes());
        let rc = emil.file("muttrc", settings(emil, gpgme, &show, &piped).as_bytes());
        let line = format!("mutt -n -F {} -R -f {}", rc.display(), mbox.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line]).arg(&screen);
        command.env("GNUPGHOME", emil.home()).env("HOME", emil.home());
        command.env("TERM", "vt100").env("LC_ALL", "C.UTF-8");
        let mut mutt = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
        let ended = until("mutt ends", || mutt.0.try_wait().unwrap());
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let (piped, shown, screen) = (read(&piped), read(&shown), read(&screen));
        assert!(ended.success(), "{screen}");
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
        assert!(!shown.contains("BAD") && !shown.contains("could not be verified"), "{shown}");
    }
}
