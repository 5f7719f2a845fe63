//! The web server of a domain's MTA-STS policy, on port 443 of a loopback address of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A running server, gone when dropped.
pub struct Web {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Mutex<String>,
    /// First line and host of each request.
    asked: Mutex<Vec<String>>,
    closed: AtomicBool,
}

impl Web {
    /// Gives this answer, header and all, to every request.
    pub fn start(ip: &str, config: Arc<ServerConfig>, answer: String) -> Self {
        let address = format!("{ip}:443");
        let listener = TcpListener::bind(&address).unwrap_or_else(|e| panic!("{address}: {e}"));
        let (asked, closed) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { answer: Mutex::new(answer), asked, closed });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if theirs.closed.load(Ordering::SeqCst) {
                    return;
                }
                let (config, shared) = (Arc::clone(&config), Arc::clone(&theirs));
                std::thread::spawn(move || serve(stream, config, &shared));
            }
        });
        Self { address, shared }
    }

    /// Gives another answer from now on.
    pub fn answer(&self, answer: String) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then ends and closes the port.
        let _ = TcpStream::connect(&self.address);
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> Option<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let (mut request, mut input) = (Vec::new(), BufReader::new(&mut stream));
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => request.push(line.to_owned()),
        }
    }
    drop(input);
    let host = request.iter().find(|line| line.to_ascii_lowercase().starts_with("host:"))?;
    shared.asked.lock().unwrap().push(format!("{} {}", request[0], host.split_once(' ')?.1));
    let answer = shared.answer.lock().unwrap().clone();
    stream.write_all(answer.as_bytes()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

/// An answer with a policy.
pub fn policy(mode: &str, mx: &str) -> String {
    let lines: String = mx.split(' ').map(|mx| format!("mx: {mx}\r\n")).collect();
    text(&format!("version: STSv1\r\nmode: {mode}\r\n{lines}max_age: 604800\r\n"))
}

/// An answer with this text.
pub fn text(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
