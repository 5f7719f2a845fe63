//! A copy as a reader sees it.

/// A copy that was opened: the entity that the list signed.
pub struct Copy {
    pub entity: Vec<u8>,
}

impl Copy {
    /// What was inside the encryption.
    pub fn new(entity: Vec<u8>) -> Self {
        Self { entity }
    }

    /// The protected subject.
    pub fn subject(&self) -> String {
        header(&self.entity, "Subject").expect("a subject")
    }

    /// A protected header field.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.entity, name)
    }

    /// Whether these bytes are inside, one after the other.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        contains(&self.entity, bytes)
    }

    /// The relay's note, as text: soft line breaks of quoted-printable undone.
    pub fn note(&self) -> String {
        let text = String::from_utf8_lossy(&self.entity).replace("\r\n", "\n").replace("=\n", "");
        let from = text.find("[This note is from the list").expect("a note");
        text[from..].split("\n--").next().unwrap_or_default().to_owned()
    }
}

/// The value of the first header field of this name, unfolded.
pub fn header(mail: &[u8], name: &str) -> Option<String> {
    let end = find(mail, b"\r\n\r\n").unwrap_or(mail.len());
    let head = String::from_utf8_lossy(&mail[..end]).replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut named = field.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().to_owned())
}

/// The armored message of a PGP/MIME mail.
pub fn armored_part(mail: &[u8]) -> Vec<u8> {
    let begin = find(mail, b"-----BEGIN PGP MESSAGE-----").expect("an armored message");
    let end = b"-----END PGP MESSAGE-----\r\n";
    let length = find(&mail[begin..], end).expect("its end") + end.len();
    mail[begin..begin + length].to_vec()
}

/// Where `needle` is.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = haystack.get(from..)?.iter().position(|b| *b == first)? + from;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Whether `needle` is in there.
pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    find(haystack, needle).is_some()
}
