//! Pages and their sections in roff.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// A manual page.
pub(super) struct Page {
    /// Its name, without the section.
    pub(super) name: String,
    /// Its section: 1 for a command, 5 for a file.
    pub(super) section: u8,
    /// Its text, in roff.
    pub(super) text: String,
}

/// What each rendered piece begins with: how an apostrophe is written. It belongs in a page once.
fn without_preamble(text: &str) -> &str {
    let preamble = Roff::new().render();
    text.strip_prefix(preamble.as_str()).unwrap_or(text)
}

/// A page that grows.
pub(super) struct Text(String);

impl Text {
    /// One that begins with what the library has rendered.
    pub(super) fn after(rendered: String) -> Self {
        Self(rendered)
    }

    /// One that begins with its title.
    pub(super) fn titled(name: &str, section: u8, date: &str) -> Self {
        let (section, date, source) = (section.to_string(), written(date), source());
        let mut roff = Roff::new();
        roff.control("TH", [name, section.as_str(), date.as_str(), source.as_str(), MANUAL]);
        Self(roff.render())
    }

    fn add(&mut self, roff: &Roff) {
        self.0.push_str(without_preamble(&roff.render()));
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.add(Roff::new().control("SH", [text]));
    }

    pub(super) fn subheading(&mut self, text: &str) {
        self.add(Roff::new().control("SS", [text]));
    }

    pub(super) fn paragraph(&mut self, text: impl Into<String>) {
        self.add(Roff::new().control("PP", []).text([roman(text)]));
    }

    /// Text right below a heading, which begins a paragraph itself.
    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.add(Roff::new().text([roman(text)]));
    }

    /// Terms, one below the other, and what they mean.
    pub(super) fn terms<T: Into<String>>(&mut self, terms: impl IntoIterator<Item = T>, meaning: &str) {
        let mut roff = Roff::new();
        for (nth, term) in terms.into_iter().enumerate() {
            roff.control(if nth == 0 { "TP" } else { "TQ" }, []).text([bold(term)]);
        }
        self.add(roff.text([roman(meaning)]));
    }

    /// A line as it is typed.
    pub(super) fn typed(&mut self, line: &str) {
        let mut roff = Roff::new();
        roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        self.add(roff.text([roman(line)]).control("fi", []).control("RE", []));
    }

    /// Pages to read next.
    pub(super) fn see_also(&mut self, pages: &[(String, u8)]) {
        self.heading("SEE ALSO");
        let words = pages.iter().enumerate().flat_map(|(nth, (name, section))| {
            let end = if nth + 1 == pages.len() { "" } else { ", " };
            [bold(name.as_str()), roman(format!("({section}){end}"))]
        });
        self.add(Roff::new().text(words.collect::<Vec<Inline>>()));
    }

    pub(super) fn end(self) -> String {
        self.0
    }
}

/// The manual that all pages belong to.
pub(super) const MANUAL: &str = "Vouchsafe";

/// Program and version, for a page's foot.
pub(super) fn source() -> String {
    concat!("vouchsafe ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// A date as an argument: an empty one has to be written as such, or the next argument takes its place.
pub(super) fn written(date: &str) -> String {
    if date.is_empty() { "\"\"".to_owned() } else { date.to_owned() }
}
