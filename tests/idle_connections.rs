//! Ten thousand idle connections in one process: each takes little memory, all together take no processor time.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use greenhub::net::server::Server;
use greenhub::net::{TcpListener, TcpStream};
use support::process::{resident, settles, unlimit};
use support::{Watchdog, runtime};

const WANTED: usize = 10_000;

/// What one idle connection may take of this process: a page of stack, and two KiB for the rest (it is 4.8 KiB in all). Without
/// optimisation it needs more stack.
const BYTES_EACH: usize = if cfg!(debug_assertions) {
    16 * 1024
} else {
    6 * 1024
};

/// Tells the process with the clients where the server is, and how many it is to be.
const CLIENTS: &str = "GREENHUB_TEST_CLIENTS";

/// The soft limit on descriptors goes up to the hard one; how many connections fit then, beside what else is open.
fn connections() -> usize {
    unlimit(libc::RLIMIT_NOFILE);
    // SAFETY: zero is a valid value for each field, and the pointer is valid.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur
    };
    let fitting = usize::try_from(limit).unwrap_or(usize::MAX) - 100;
    if fitting < WANTED {
        eprintln!(
            "only {fitting} connections instead of {WANTED}: there are no descriptors for more"
        );
    }
    WANTED.min(fitting)
}

/// The other side, a process of its own: connects, says so, waits for a line, and uses each connection once more.
fn be_the_clients(order: &str) {
    let (address, count) = order.split_once(' ').expect("an address and a number");
    let (address, count): (SocketAddr, usize) = (address.parse().unwrap(), count.parse().unwrap());
    unlimit(libc::RLIMIT_NOFILE);
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        ask(&mut client);
        clients.push(client);
    }
    println!("connected");
    std::io::stdin().lines().next().unwrap().unwrap();
    clients.iter_mut().for_each(ask);
    println!("answered");
}

fn ask(stream: &mut std::net::TcpStream) {
    stream.write_all(b"?").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

fn used() -> Duration {
    // SAFETY: zero is valid for each field, and so is the pointer.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    [usage.ru_utime, usage.ru_stime]
        .map(|time| {
            Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
        })
        .iter()
        .sum()
}

#[test]
fn idle_connections_take_little_memory_and_no_time() {
    if let Ok(order) = std::env::var(CLIENTS) {
        return be_the_clients(&order);
    }
    let _watchdog = Watchdog::start();
    let count = connections();
    let runtime = runtime(2);
    let server = Server::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = server.listener().local_addr().unwrap();
    let handle = server.handle();
    let serving = runtime.spawn({
        let handle = handle.clone();
        move || {
            server.serve(move |mut stream: TcpStream, _| {
                let mut buffer = [0; 64];
                while let Some(Ok(n @ 1..)) = handle.idle(|| stream.read(&mut buffer)) {
                    stream.write_all(&buffer[..n]).unwrap();
                }
            })
        }
    });

    let before = resident();
    let mut clients = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "idle_connections_take_little_memory_and_no_time",
            "--nocapture",
        ])
        .env(CLIENTS, format!("{address} {count}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tell = clients.stdin.take().unwrap();
    let mut lines = BufReader::new(clients.stdout.take().unwrap()).lines();
    let mut hear = |what: &str| {
        let said = lines
            .by_ref()
            .map(Result::unwrap)
            .any(|line| line.ends_with(what));
        assert!(said, "the clients have not {what}");
    };
    hear("connected");
    assert_eq!(handle.metrics().active, count);
    let each = resident().saturating_sub(before) / count;
    eprintln!("{each} bytes for each of {count} idle connections");
    assert!(each <= BYTES_EACH, "{each} bytes a connection");

    // At rest no hub asks for events.
    let polls = || {
        runtime
            .metrics()
            .hubs()
            .iter()
            .map(|hub| hub.polls)
            .sum::<u64>()
    };
    let mut last = polls();
    let at_rest = settles(|| {
        std::thread::sleep(Duration::from_millis(50));
        std::mem::replace(&mut last, polls()) == last
    });
    assert!(at_rest, "the hubs never come to rest");
    // One window without a tick is enough: what this thread itself does may fall into another.
    let quiet = (0..20).any(|_| {
        let (before, polled) = (used(), polls());
        std::thread::sleep(Duration::from_millis(200));
        used() - before < Duration::from_millis(2) && polls() == polled
    });
    assert!(quiet, "the hubs use the processor all the time");

    // All of them work still.
    writeln!(tell).unwrap();
    hear("answered");
    assert!(clients.wait().unwrap().success());
    handle.stop(Duration::from_secs(60));
    let served = serving.join().unwrap().unwrap();
    assert_eq!(served.killed(), 0);
    assert_eq!(handle.metrics().accepted, count as u64);
}
