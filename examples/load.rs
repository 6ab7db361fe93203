//! Many readers of one page: what `tests/bench-serve` measures with.
//!
//! `load HOST:PORT TOKEN READERS SECONDS PATH...` keeps READERS connections busy, each asking for one
//! path again as soon as it is answered, path after path for SECONDS each, on loopback only. One line
//! for each path: answers, their median and 99th percentile in microseconds, and bytes of one. Any
//! answer but 200 ends it, and so does one that takes longer than 30 seconds.

#![allow(clippy::print_stdout, reason = "it is a program of its own")]

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Whoever waits longer has no page.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, token, readers, seconds, paths @ ..] = args.as_slice() else {
        return Err(io::Error::other("load HOST:PORT TOKEN READERS SECONDS PATH..."));
    };
    let wrong = |what: &str| io::Error::other(format!("{what} is not a number, or no loopback"));
    let address: SocketAddr = address.parse().map_err(|_| wrong("the address"))?;
    if !address.ip().is_loopback() {
        return Err(wrong("the address"));
    }
    let readers: usize = readers.parse().map_err(|_| wrong("READERS"))?;
    let seconds: f64 = seconds.parse().map_err(|_| wrong("SECONDS"))?;
    for path in paths {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let read = || reader(address, request.as_bytes(), end);
        let all: io::Result<Vec<(Vec<u64>, usize)>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..readers).map(|_| scope.spawn(read)).collect();
            let ended = |t: std::thread::ScopedJoinHandle<'_, _>| {
                t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))
            };
            threads.into_iter().map(ended).collect()
        });
        let all = all.map_err(|e| io::Error::other(format!("{path}: {e}")))?;
        let bytes = all.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let mut times: Vec<u64> = all.into_iter().flat_map(|(times, _)| times).collect();
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() - 1) * percent / 100).unwrap_or(&0);
        if times.is_empty() {
            return Err(io::Error::other(format!("{path}: nothing was answered")));
        }
        println!("{} {} {} {bytes} {path}", times.len(), at(50), at(99));
    }
    Ok(())
}

/// Asks until the end; how long each answer took in microseconds, and how long the last one was.
fn reader(address: SocketAddr, request: &[u8], end: Instant) -> io::Result<(Vec<u64>, usize)> {
    let mut stream = BufReader::new(TcpStream::connect(address)?);
    stream.get_ref().set_nodelay(true)?;
    stream.get_ref().set_read_timeout(Some(PATIENCE))?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    let mut body = Vec::new();
    while Instant::now() < end {
        let began = Instant::now();
        stream.get_mut().write_all(request)?;
        bytes = answer(&mut stream, &mut body)?;
        times.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok((times, bytes))
}

fn answer(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> io::Result<usize> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("the answer is {}", line.trim())));
    }
    let mut length: Option<usize> = None;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let head = line.trim().to_ascii_lowercase();
        if head.is_empty() {
            break;
        }
        if let Some(value) = head.strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    body.resize(length, 0);
    stream.read_exact(body)?;
    Ok(length)
}
