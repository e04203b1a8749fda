//! A chat room over WebSocket: `tungstenite`, unchanged, on greenlets.
//!
//! ```text
//! cargo run --release -p greenhub-ecosystem --bin websocket
//! cargo run --release -p greenhub-ecosystem --bin websocket -- --listen 127.0.0.1:9000
//! ```
//!
//! `tungstenite` blocks: whoever reads cannot write. So a connection has two greenlets. One reads; what the protocol wants
//! written on the way (the handshake, pongs, the answer to a close) goes into the same queue as what the room says, and the
//! other greenlet writes the queue to the socket. The room is a greenlet too, which hears all and tells all: everyone sees
//! the same lines in the same order.
//!
//! Without `--listen` it is its own guests: each says something, reads until its own line has come back, and goes on. They
//! check that all have heard the same.
//!
//! | file | what it does |
//! | --- | --- |
//! | `room.rs` | who is there, and telling them |
//! | `member.rs` | a connection: its reader and its writer |
//! | `guest.rs` | the other side |

mod guest;
mod member;
mod room;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use greenhub::channel::Sender;
use greenhub::net::server::{Served, Server, ServerHandle};
use greenhub::{JoinHandle, spawn};
use greenhub_ecosystem::options::{self, Arguments, Usage};
use greenhub_ecosystem::{files, listening, signals};

use room::Event;

const HELP: &str = "\
A chat room over WebSocket, with a few greenlets for each guest.

Usage: websocket [OPTIONS]

Without --listen it serves on a free port and is its own guests, who check what they hear.

Options:
  --guests N        guests at once [default: 100]
  --lines N         lines that each of them says [default: 20]
  --listen ADDRESS  serve real guests on this address until SIGTERM or SIGINT
  --help            print this

It ends with status 1 if something is wrong, and with 2 if it was called in a wrong way.
";

const MOST_GUESTS: u64 = 20_000;

/// The room says goodbye, and then waits so long for the guests to leave.
const FAREWELL: Duration = Duration::from_secs(5);

struct Options {
    guests: u64,
    lines: u64,
    listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    options::run("websocket", HELP, parse, |options| match options.listen {
        Some(address) => serve(address),
        None => chat(&options),
    })
}

fn parse(arguments: &mut Arguments) -> Result<Options, Usage> {
    let mut options = Options {
        guests: 100,
        lines: 20,
        listen: None,
    };
    while let Some(option) = arguments.option()? {
        match option.as_str() {
            "--guests" => options.guests = arguments.number(&option, 1, MOST_GUESTS)?,
            "--lines" => options.lines = arguments.number(&option, 1, 100_000)?,
            "--listen" => {
                options.listen = Some(arguments.value(&option, "an address with a port")?);
            }
            _ => return Err(options::unknown(&option)),
        }
    }
    Ok(options)
}

/// A room with its door open.
struct House {
    address: SocketAddr,
    door: JoinHandle<io::Result<Served>>,
    handle: ServerHandle,
    room: JoinHandle<room::Tally>,
    events: Sender<Event>,
}

impl House {
    fn open(address: SocketAddr, most: u64) -> Result<House, String> {
        let listener = listening::on(address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("cannot listen: {error}"))?;
        let (events, heard) = room::channel();
        let server = Server::new(listener).max_connections(most as usize);
        let handle = server.handle();
        let door = spawn({
            let (events, numbers) = (events.clone(), AtomicU64::new(1));
            move || {
                server.serve(move |stream, _peer| {
                    member::serve(stream, numbers.fetch_add(1, Relaxed), &events);
                })
            }
        });
        Ok(House {
            address,
            door,
            handle,
            room: spawn(move || room::keep(&heard)),
            events,
        })
    }

    /// Asks everybody to leave, and tells what has happened here.
    fn close(self) -> Result<room::Tally, String> {
        let _ = self.events.send(Event::Close);
        self.handle.stop(FAREWELL);
        let served = self.door.join();
        let served = served.map_err(|error| format!("the door: {error}"))?;
        let served = served.map_err(|error| format!("the door: {error}"))?;
        // The room ends when nobody can tell it anything any more.
        drop(self.events);
        let tally = self.room.join();
        let tally = tally.map_err(|error| format!("the room: {error}"))?;
        match served.killed() {
            0 => Ok(tally),
            killed => Err(format!("{killed} guests would not leave")),
        }
    }
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let signals =
        signals::stop(false).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let most = files::room_for(MOST_GUESTS)
        .map_err(|error| format!("cannot ask for open files: {error}"))?;
    greenhub::run(|| {
        let house = House::open(address, most)?;
        println!("listening on ws://{}", house.address);
        let why = signals.recv().unwrap_or("no signal can come any more");
        println!("stopping: {why}");
        println!("{}", house.close()?);
        Ok(())
    })
}

fn chat(options: &Options) -> Result<(), String> {
    let (guests, lines) = (options.guests, options.lines);
    let room = files::room_for(2 * guests)
        .map_err(|error| format!("cannot ask for open files: {error}"))?;
    if room < 2 * guests {
        return Err(format!(
            "the system allows {} guests (ulimit -Hn)",
            room / 2
        ));
    }
    greenhub::run(move || {
        let house = House::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), guests)?;
        println!(
            "{guests} guests say {lines} lines each in ws://{}",
            house.address
        );
        let begun = Instant::now();
        let result = guest::party(house.address, guests, lines);
        let time = begun.elapsed();
        let tally = house.close()?;
        let heard = result?;

        println!("{tally}");
        println!(
            "all heard the same {} lines; {:.0} lines a second were told",
            guests * lines,
            (tally.told as f64) / time.as_secs_f64()
        );
        println!(
            "a line came back after {:?} in the median, {:?} at p99, {:?} at most",
            heard.quantile(0.5),
            heard.quantile(0.99),
            heard.longest()
        );
        match tally.expelled {
            0 => Ok(()),
            expelled => Err(format!("{expelled} guests were expelled")),
        }
    })
}
