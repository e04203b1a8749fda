//! The server and its clients in one process: what it can do, checked.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenhub::{join_all, sleep, spawn};
use greenhub_ecosystem::http::{Answer, Client, Payload};
use greenhub_ecosystem::noise;
use greenhub_ecosystem::service::{HELLO, Service};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients at once.
const CLIENTS: usize = 200;

/// Requests of each on its connection.
const ROUNDS: usize = 20;

/// Bytes of a streamed body.
const BODY: u64 = 100_000;

/// Goes through all of it. The server stops at the end with `grace`.
pub(crate) fn take(grace: Duration) -> Result<(), String> {
    let service = Arc::new(Service::default());
    let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = crate::start(free_port, CLIENTS + 8, &service)
        .map_err(|error| format!("cannot listen: {error}"))?;
    let address = server.address();
    println!("listening on http://{address}");

    stage("kept connections", address, many)?;
    stage("pipelined requests", address, pipelined)?;
    stage("streamed bodies", address, streamed)?;
    stage("HEAD, refusals", address, refusals)?;

    // A stop waits for this answer, and not for the connection that does nothing.
    let idle = Client::connect(address, TIMEOUT).map_err(|error| format!("stop: {error}"))?;
    let before = service.counts().requests;
    let slow = spawn(move || -> io::Result<Answer> {
        Client::connect(address, TIMEOUT)?.request("GET", "/slow?ms=300", Payload::None, |_| Ok(()))
    });
    while server.open() < 2 || service.counts().requests == before {
        sleep(Duration::from_millis(1));
    }
    let begun = Instant::now();
    let summary = server
        .stop(grace)
        .map_err(|error| format!("stop: {error}"))?;
    let answer = slow.join().map_err(|error| format!("stop: {error}"))?;
    expect(answer, 200, 13).map_err(|error| format!("stop: {error}"))?;
    drop(idle);
    println!(
        "{:<20} in {:.0?}, after the last answer was out",
        "stopped",
        begun.elapsed()
    );
    crate::print(summary, service.counts());
    match summary.killed {
        0 => Ok(()),
        killed => Err(format!("{killed} connections had to be killed")),
    }
}

/// Does `work`, which tells how many requests it has made.
fn stage(
    name: &str,
    address: SocketAddr,
    work: impl FnOnce(SocketAddr) -> io::Result<usize>,
) -> Result<(), String> {
    let begun = Instant::now();
    let requests = work(address).map_err(|error| format!("{name}: {error}"))?;
    let time = begun.elapsed();
    let rate = requests as f64 / time.as_secs_f64();
    println!("{name:<20} {requests} requests in {time:.0?}, {rate:.0} a second");
    Ok(())
}

fn many(address: SocketAddr) -> io::Result<usize> {
    let clients = (0..CLIENTS).map(|_| {
        spawn(move || -> io::Result<()> {
            let mut client = Client::connect(address, TIMEOUT)?;
            for _ in 0..ROUNDS {
                hello(client.request("GET", "/", Payload::None, same(HELLO)))?;
            }
            Ok(())
        })
    });
    for client in join_all(clients) {
        client.map_err(io::Error::other)??;
    }
    Ok(CLIENTS * ROUNDS)
}

fn pipelined(address: SocketAddr) -> io::Result<usize> {
    let requests = 1000;
    let mut client = Client::connect(address, TIMEOUT)?;
    for _ in 0..requests {
        client.send("GET", "/", Payload::None)?;
    }
    for _ in 0..requests {
        hello(client.receive(false, same(HELLO)))?;
    }
    Ok(requests)
}

fn streamed(address: SocketAddr) -> io::Result<usize> {
    let mut client = Client::connect(address, TIMEOUT)?;
    let mut offset = 0;
    let download = client.request("GET", &format!("/bytes/{BODY}"), Payload::None, |piece| {
        noise::check(offset, piece)?;
        offset += piece.len() as u64;
        Ok(())
    });
    expect(download, 200, BODY)?;
    let body: Vec<u8> = (0..BODY).map(|at| noise::from(at, 1)[0]).collect();
    for payload in [Payload::Whole(&body), Payload::Chunks(&body, 1234)] {
        let mut offset = 0;
        let echo = client.request("POST", "/echo", payload, |piece| {
            noise::check(offset, piece)?;
            offset += piece.len() as u64;
            Ok(())
        });
        expect(echo, 200, BODY)?;
    }
    Ok(3)
}

fn refusals(address: SocketAddr) -> io::Result<usize> {
    let mut client = Client::connect(address, TIMEOUT)?;
    expect(
        client.request("HEAD", "/", Payload::None, |_| Ok(())),
        200,
        0,
    )?;
    hello(client.request("GET", "/", Payload::None, same(HELLO)))?;
    let refused = [
        ("GET", "/nothing", 404),
        ("PUT", "/", 405),
        ("GET", "/bytes/x", 400),
    ];
    for (method, path, status) in refused {
        let answer = client.request(method, path, Payload::None, |_| Ok(()))?;
        expect(Ok(answer), status, answer.length)?;
    }
    Ok(5)
}

/// Takes a body that is `whole`, piece by piece.
fn same(whole: &'static [u8]) -> impl FnMut(&[u8]) -> io::Result<()> {
    let mut rest = whole;
    move |piece| match rest.strip_prefix(piece) {
        Some(behind) => {
            rest = behind;
            Ok(())
        }
        None => Err(io::Error::other("the answer is not what it should be")),
    }
}

fn hello(answer: io::Result<Answer>) -> io::Result<()> {
    expect(answer, 200, HELLO.len() as u64)
}

fn expect(answer: io::Result<Answer>, status: u16, length: u64) -> io::Result<()> {
    let answer = answer?;
    if answer == (Answer { status, length }) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "an unexpected answer: {answer:?}"
        )))
    }
}
