//! The client, which checks what comes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use greenhub::{join_all, sleep, spawn};
use greenhub_ecosystem::http::{Answer, Client, Payload};
use greenhub_ecosystem::noise;
use greenhub_ecosystem::service::HELLO;

use crate::Running;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Requests of each client on its connection.
const ROUNDS: usize = 20;

/// Bytes of a streamed body: more than the sockets hold at once, so that it is read while it is written.
const DOWNLOAD: u64 = 20_000_000;
const ECHO: u64 = 100_000;

/// Starts a server and visits it in all ways.
pub(crate) fn visit(clients: u64) -> Result<(), String> {
    let running = Running::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = running.address;
    println!("listening on http://{address}");

    let begun = Instant::now();
    kept(address, clients).map_err(|error| format!("kept connections: {error}"))?;
    let requests = clients as usize * ROUNDS;
    let rate = requests as f64 / begun.elapsed().as_secs_f64();
    println!("{requests} requests on {clients} connections, {rate:.0} a second");

    let begun = Instant::now();
    streamed(address).map_err(|error| format!("streamed bodies: {error}"))?;
    let megabytes = (DOWNLOAD + 2 * ECHO) / 1_000_000;
    println!(
        "{megabytes} MB of streamed bodies in {:.0?}",
        begun.elapsed()
    );

    // Both wait at once, each handler in a greenlet of its own; and the stop waits for one of them.
    let slow = [300, 100].map(|ms| {
        spawn(move || -> io::Result<Answer> {
            let mut client = Client::connect(address, TIMEOUT)?;
            client.request("GET", &format!("/slow?ms={ms}"), Payload::None, |_| Ok(()))
        })
    });
    let [longer, shorter] = slow;
    let answer = shorter.join().map_err(|error| error.to_string())?;
    expect(answer, 200, 13).map_err(|error| format!("a slow answer: {error}"))?;
    while running.handle.metrics().active > 1 {
        sleep(Duration::from_millis(1));
    }
    let served = running.stop()?;
    let answer = longer.join().map_err(|error| error.to_string())?;
    expect(answer, 200, 13).map_err(|error| format!("the last answer: {error}"))?;
    println!("stopped, {} connections drained", served.drained());
    Ok(())
}

fn kept(address: SocketAddr, clients: u64) -> io::Result<()> {
    let clients = (0..clients).map(|_| {
        spawn(move || -> io::Result<()> {
            let mut client = Client::connect(address, TIMEOUT)?;
            for _ in 0..ROUNDS {
                let mut page = Vec::new();
                let answer = client.request("GET", "/", Payload::None, |piece| {
                    page.extend_from_slice(piece);
                    Ok(())
                });
                expect(answer, 200, HELLO.len() as u64)?;
                if page != HELLO {
                    return Err(io::Error::other("the page is not what it should be"));
                }
            }
            Ok(())
        })
    });
    for client in join_all(clients) {
        client.map_err(io::Error::other)??;
    }
    Ok(())
}

fn streamed(address: SocketAddr) -> io::Result<()> {
    let mut client = Client::connect(address, TIMEOUT)?;
    let body: Vec<u8> = (0..ECHO).map(|at| noise::from(at, 1)[0]).collect();
    for (method, path, payload, length) in [
        ("GET", format!("/bytes/{DOWNLOAD}"), Payload::None, DOWNLOAD),
        ("POST", "/echo".to_string(), Payload::Whole(&body), ECHO),
        (
            "POST",
            "/echo".to_string(),
            Payload::Chunks(&body, 1234),
            ECHO,
        ),
    ] {
        let mut offset = 0;
        let answer = client.request(method, &path, payload, |piece| {
            noise::check(offset, piece)?;
            offset += piece.len() as u64;
            Ok(())
        });
        expect(answer, 200, length)?;
    }
    let answer = client.request("GET", "/nothing", Payload::None, |_| Ok(()))?;
    expect(Ok(answer), 404, answer.length)
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
