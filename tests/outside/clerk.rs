//! Letters of the relay as people read them with gpg, and their answers.

use super::faketime::Wall;
use super::gpg::Person;
use super::mail::pgp_mime;
use super::scene::Scene;
use super::until;

/// A letter, opened.
pub struct Letter {
    pub subject: String,
    pub text: String,
    /// Its tokens, in their order.
    pub tokens: Vec<String>,
}

/// A scene, and the clock of its daemon where the test moves it.
pub struct Office {
    pub scene: Scene,
    pub wall: Option<Wall>,
}

impl Office {
    /// The usual scene with the machine's own clock.
    pub fn set(changes: &[(&str, &str)]) -> Option<Self> {
        Some(Self { scene: Scene::edited(changes)?, wall: None })
    }

    /// The usual scene, whose daemon has a clock that the test moves.
    pub fn with_clock(changes: &[(&str, &str)]) -> Option<Self> {
        Self::clocked(Scene::edited(changes)?)
    }

    fn clocked(scene: Scene) -> Option<Self> {
        let wall = Wall::kept_in(&scene.install.root())?;
        let environment = wall.environment();
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Some(Self { scene: scene.restarted_with(&environment), wall: Some(wall) })
    }

    /// The same with other files beside the settings, such as another policy.
    pub fn by_policy(files: &[(&str, &str)]) -> Option<Self> {
        let scene = Scene::beside_sink(&[], files)?;
        Self::clocked(scene)
    }

    /// Moves the daemon's clock.
    pub fn days_later(&mut self, days: i64) {
        self.wall.as_mut().expect("a clock that can be moved").advance_days(days);
    }

    /// The fingerprint of a list's certificate.
    pub fn list_key(&self, list: &str) -> String {
        let keys = self.scene.install.json(&["key", "ls"]);
        let row = keys.as_array().unwrap().iter().find(|row| row["list"] == list).unwrap();
        row["fingerprint"].as_str().unwrap().to_owned()
    }

    /// All letters of a list to somebody whose subject holds these words, once there are `count` of them.
    pub fn letters(&self, to: &Person, list: &str, about: &str, count: usize) -> Vec<Letter> {
        until(&format!("{count} letters to {} about {about:?}", to.address), || {
            let letters: Vec<Letter> =
                self.all(to, list).into_iter().filter(|l| l.subject.contains(about)).collect();
            (letters.len() >= count).then_some(letters)
        })
    }

    /// The newest of them, which is the `nth`.
    pub fn letter(&self, to: &Person, list: &str, about: &str, nth: usize) -> Letter {
        self.letters(to, list, about, nth).into_iter().nth(nth - 1).unwrap()
    }

    /// Every letter of a list that somebody has got so far.
    pub fn all(&self, to: &Person, list: &str) -> Vec<Letter> {
        let key = self.list_key(list);
        let copies = self.scene.sink.taken_for(&to.address).into_iter();
        let signed =
            copies.filter(|copy| copy.header("From").is_some_and(|from| from.contains(&format!("{list}@"))));
        signed.filter_map(|copy| self.open(to, &copy.data, &key)).collect()
    }

    /// A letter, if it is one: posts are none.
    fn open(&self, to: &Person, data: &[u8], list_key: &str) -> Option<Letter> {
        let armored = super::copy::armored_part(data);
        let faked = self.wall.as_ref().map(Wall::for_gpg);
        let mut args = vec!["--decrypt"];
        args.extend(faked.as_deref());
        args.rotate_left(1);
        let output = to.run(&args, &armored);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.contains("Good signature"), "{said}");
        assert!(said.replace(' ', "").contains(list_key), "the list signed it: {said}");
        let entity = output.stdout;
        let text =
            String::from_utf8_lossy(&entity).replace("\r\n", "\n").replace("=\n", "").replace("=3D", "=");
        let body = text.find("[This mail is from the relay of").map(|at| text[at..].to_owned())?;
        let body = body.split("\n--").next().unwrap_or_default().to_owned();
        let is_token =
            |line: &&str| line.len() == 26 && line.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        let tokens = body.lines().map(str::trim).filter(is_token).map(str::to_owned).collect();
        let subject = super::copy::header(&entity, "Subject").unwrap();
        Some(Letter { subject, text: body, tokens })
    }

    /// A text entity, signed by this person and encrypted to a list, as a mail to its address for requests.
    pub fn request(&self, by: &Person, list: &str, entity: &[u8]) -> Vec<u8> {
        let key = self.list_key(list);
        let faked = self.wall.as_ref().map(Wall::for_gpg);
        let mut args: Vec<&str> = faked.as_deref().into_iter().collect();
        args.extend(["--armor", "-u", by.fingerprint.as_str(), "-r", &key, "--sign", "--encrypt"]);
        pgp_mime(&by.address, &format!("{list}-request@lists.example"), &by.ok(&args, entity))
    }

    /// Sends a plain text to a list's address for requests, signed and encrypted.
    pub fn ask(&self, by: &Person, list: &str, text: &str) {
        let entity = format!(
            "Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
            text.replace("\r\n", "\n").replace('\n', "\r\n")
        );
        let mail = self.request(by, list, entity.as_bytes());
        self.scene.taken(&by.address, &format!("{list}-request@lists.example"), &mail);
    }

    /// Answers with a token.
    pub fn answer(&self, by: &Person, list: &str, token: &str) {
        self.ask(by, list, &format!("VOUCHSAFE {token}"));
    }

    /// The journal's roster changes of this kind, once there are so many.
    pub fn changes(&self, change: &str, count: usize) -> Vec<serde_json::Value> {
        until(&format!("{count} changes {change}"), || {
            let all = self.scene.install.events("roster");
            let of: Vec<_> = all.into_iter().filter(|row| row["event"]["change"] == change).collect();
            (of.len() >= count).then_some(of)
        })
    }
}
