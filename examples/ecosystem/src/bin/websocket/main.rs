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

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use greenhub::channel::Sender;
use greenhub::net::TcpListener;
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
            "--guests" => options.guests = arguments.number(&option, 1, 20_000)?,
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
    door: JoinHandle<()>,
    room: JoinHandle<room::Tally>,
    events: Sender<Event>,
}

impl House {
    fn open(address: SocketAddr) -> Result<House, String> {
        let listener = listening::on(address)
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let address = listener
            .local_addr()
            .map_err(|error| format!("cannot listen: {error}"))?;
        let (events, heard) = room::channel();
        Ok(House {
            address,
            door: spawn({
                let events = events.clone();
                move || admit(&listener, &events)
            }),
            room: spawn(move || room::keep(&heard)),
            events,
        })
    }

    fn close(self) -> Result<room::Tally, String> {
        self.door.kill();
        let _killed = self.door.join();
        let _ = self.events.send(Event::Close);
        drop(self.events);
        match self.room.join_timeout(FAREWELL) {
            Ok(tally) => tally.map_err(|error| format!("the room: {error}")),
            Err(_) => Err("some guests would not leave".to_string()),
        }
    }
}

fn admit(listener: &TcpListener, events: &Sender<Event>) {
    for (stream, id) in listener.incoming().zip(1..) {
        // An accept that fails is the business of its peer, or waits a little by itself when there are no descriptors left.
        if let Ok(stream) = stream {
            let events = events.clone();
            spawn(move || member::serve(stream, id, &events));
        }
    }
}

fn serve(address: SocketAddr) -> Result<(), String> {
    let signals =
        signals::stop(false).map_err(|error| format!("cannot wait for signals: {error}"))?;
    greenhub::run(|| {
        let house = House::open(address)?;
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
        let house = House::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
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
