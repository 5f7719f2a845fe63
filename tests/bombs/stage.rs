//! A daemon with a poster, a reader and a scale.

use std::fs;
use std::time::{Duration, Instant};

use sequoia_openpgp::Cert;

use crate::outside::daemon::Daemon;
use crate::outside::install::{ANNOUNCE, Install};
use crate::outside::mail::{entity, pgp_mime};
use crate::outside::openpgp::{armored, cert, person, sign_encrypt};
use crate::outside::release::{release, use_release};
use crate::outside::sink::Sink;
use crate::outside::smtp::Client;

pub(crate) const ADA: &str = "ada@kubeedge.example";
const DORA: &str = "dora@distributor.example";
const REQUEST: &str = "distrib-announce-request@lists.example";

/// What one bomb may take.
const MEMORY: usize = 100 << 20;
const TIME: Duration = Duration::from_secs(1);
/// The same for a build without optimisation.
const TIME_UNOPTIMISED: Duration = Duration::from_secs(5);
/// In which the kernel counts a process's time (proc(5)): 100 to the second on all that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// What becomes of a bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// The session refuses it with one of these codes.
    Refused(&'static [u16]),
    /// It waits for a person, for this reason.
    Held(&'static str),
    /// It is dear, but nothing is wrong with it.
    Relayed,
}

/// A mail made to exhaust.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) mail: Vec<u8>,
    pub(crate) becomes: Becomes,
}

/// An announce list at work.
pub(crate) struct Stage {
    pub(crate) ada: Cert,
    pub(crate) list: Cert,
    daemon: Daemon,
    install: Install,
    sink: Sink,
    relayed: usize,
    most: Duration,
}

/// What the process has used so far.
#[derive(Clone, Copy)]
struct Scale {
    time: Duration,
    memory: usize,
}

impl Stage {
    pub(crate) fn set() -> Self {
        // The first to ask settles it for all tests of this program.
        static CHOSEN: std::sync::Once = std::sync::Once::new();
        CHOSEN.call_once(use_release);
        let given = std::env::var_os("VOUCHSAFE_TEST_BINARY").is_some();
        let most = if given || release().is_some() { TIME } else { TIME_UNOPTIMISED };
        let sink = Sink::start();
        let install = Install::new(&sink.smarthost());
        let daemon = Daemon::start(&install);
        let ada = person(ADA);
        install.team(ADA, &armored(&ada));
        install.distributor(DORA, &armored(&person(DORA)));
        let list = cert(&install.ok(&["key", "export", "distrib-announce"]));
        let mut stage = Self { ada, list, daemon, install, sink, relayed: 0, most };
        // What is loaded once is no bomb's doing.
        let mut client = Client::tcp(stage.daemon.smtp()).ehlo();
        stage.honest(&mut client);
        stage
    }

    /// Sends each bomb, with an honest mail right behind it, and sees what both took and what became of them.
    pub(crate) fn survives(&mut self, bombs: &[Bomb]) {
        let failed: Vec<String> = bombs.iter().filter_map(|bomb| self.survives_one(bomb).err()).collect();
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), bombs.len(), failed.join("\n"));
    }

    fn survives_one(&mut self, bomb: &Bomb) -> Result<(), String> {
        let mut client = Client::tcp(self.daemon.smtp()).ehlo();
        let before = self.scale(true);
        let reply = client.mail(ADA, &[ANNOUNCE], &bomb.mail);
        let answered = Instant::now();
        // A session that refused may have closed.
        if reply.code != 250 {
            client = Client::tcp(self.daemon.smtp()).ehlo();
        }
        let became = match bomb.becomes {
            Becomes::Refused(codes) if codes.contains(&reply.code) => Ok(()),
            _ if reply.code != 250 => Err(format!("was answered {} {}", reply.code, reply.text)),
            Becomes::Refused(_) => Err("was taken in".to_owned()),
            Becomes::Held(reason) => {
                let id = reply.text.rsplit(' ').next().unwrap_or_default().to_owned();
                // Any word on it: it is held for another reason, or the worker broke down over it.
                self.daemon.hears(&format!("mail={id} "), Duration::from_secs(60));
                let held = self.about(&id).ends_with(&format!("reason={reason}"));
                held.then_some(()).ok_or_else(|| format!("was not held as {reason}: {}", self.about(&id)))
            }
            Becomes::Relayed => {
                self.relayed += 1;
                self.sink.wait_for(DORA, self.relayed);
                Ok(())
            }
        };
        let wall = answered.elapsed();
        self.honest(&mut client);
        assert!(self.daemon.is_alive(), "{}: the daemon has ended", bomb.name);
        self.judge(bomb.name, bomb.mail.len(), before, wall)?;
        became.map_err(|what| format!("{} {what}", bomb.name))
    }

    /// The same for mail to the list's address for requests, which goes to the team whatever it is.
    pub(crate) fn survives_as_request(&mut self, bombs: &[Bomb]) {
        for bomb in bombs {
            let mut client = Client::tcp(self.daemon.smtp()).ehlo();
            let (before, copies) = (self.scale(true), self.sink.taken_for(ADA).len());
            let sent = Instant::now();
            let reply = client.mail(ADA, &[REQUEST], &bomb.mail);
            assert_eq!(reply.code, 250, "{}: {reply:?}", bomb.name);
            self.sink.wait_for(ADA, copies + 1);
            let wall = sent.elapsed();
            self.honest(&mut client);
            assert!(self.daemon.is_alive(), "{}: the daemon has ended", bomb.name);
            self.judge(bomb.name, bomb.mail.len(), before, wall).unwrap();
        }
    }

    fn judge(&self, name: &str, size: usize, before: Scale, wall: Duration) -> Result<(), String> {
        let after = self.scale(false);
        let time = after.time.saturating_sub(before.time);
        let memory = after.memory.saturating_sub(before.memory);
        eprintln!("{name}: {} KiB; {wall:.0?}, {time:?} at work, {} MiB", size >> 10, memory >> 20);
        if time >= self.most || memory >= MEMORY {
            return Err(format!("{name} took {time:?} at work ({wall:?} in all) and {} MiB", memory >> 20));
        }
        Ok(())
    }

    /// What the log says of a mail.
    fn about(&self, id: &str) -> String {
        self.daemon.log().lines().filter(|line| line.contains(id)).collect::<Vec<_>>().join("; ")
    }

    fn honest(&mut self, client: &mut Client) {
        let entity = entity(ADA, "Honest", "Update by Monday.");
        let mail = pgp_mime(ADA, ANNOUNCE, &sign_encrypt(&self.ada, &self.list, &entity));
        let reply = client.mail(ADA, &[ANNOUNCE], &mail);
        assert_eq!(reply.code, 250, "{reply:?}");
        self.relayed += 1;
        self.sink.wait_for(DORA, self.relayed);
    }

    /// Sees that each certificate is refused, with its words, and what the daemon had to do with it.
    pub(crate) fn refuses(&mut self, certs: &[(&'static str, Vec<u8>, &str)]) {
        let one =
            |(name, cert, said): &(&'static str, Vec<u8>, &str)| self.refuses_one(name, cert, said).err();
        let failed: Vec<String> = certs.iter().filter_map(one).collect();
        assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), certs.len(), failed.join("\n"));
    }

    fn refuses_one(&mut self, name: &str, cert: &[u8], said: &str) -> Result<(), String> {
        let file = self.install.file("bomb.asc", cert);
        let before = self.scale(true);
        let start = Instant::now();
        let args = ["team", "add", "security", "bomb@kubeedge.example", "--name", "bomb", "--cert"];
        let ran = self.install.run(&[&args[..], &[file.to_str().unwrap()]].concat());
        let wall = start.elapsed();
        assert!(self.daemon.is_alive(), "{name}: the daemon has ended");
        let mut client = Client::tcp(self.daemon.smtp()).ehlo();
        self.honest(&mut client);
        self.judge(name, cert.len(), before, wall)?;
        let refused = ran.code != 0 && ran.err.contains(said);
        refused.then_some(()).ok_or_else(|| format!("{name}: {ran:?}"))
    }

    /// What the daemon has used. With `anew` its peak of memory begins here, where the kernel lets us say so (proc(5),
    /// `clear_refs`); elsewhere the peak is that of all bombs so far, which is no less.
    fn scale(&self, anew: bool) -> Scale {
        let process = format!("/proc/{}", self.daemon.pid());
        if anew {
            let _ = fs::write(format!("{process}/clear_refs"), "5");
        }
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let name = if anew { "VmRSS:" } else { "VmHWM:" };
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10;
        let stat = fs::read_to_string(format!("{process}/stat")).unwrap();
        // Behind the program's name, which stands in parentheses: utime and stime are the 12th and 13th.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u32 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        Scale { time: TICK * ticks, memory }
    }
}
