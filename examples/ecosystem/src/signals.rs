//! What tells a server to stop.

use std::io;
use std::thread;

use greenhub::channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A channel that says why it is time to stop: SIGTERM, SIGINT or, if `with_input`, the end of standard input. Greenlets
/// wait for it as they do for anything else; OS threads do the waiting that would block.
///
/// # Errors
///
/// If the system refuses.
pub fn stop(with_input: bool) -> io::Result<Receiver<&'static str>> {
    // Nobody needs to hear more than one reason, and nobody who tells one may wait.
    let (sender, receiver) = bounded(1);
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let tell = sender.clone();
    let thread = thread::Builder::new().name("signals".to_string());
    thread.spawn(move || {
        for signal in signals.forever() {
            let why = match signal {
                SIGTERM => "SIGTERM",
                _ => "SIGINT",
            };
            let _ = tell.try_send(why);
        }
    })?;
    if with_input {
        let thread = thread::Builder::new().name("input".to_string());
        thread.spawn(move || until_end_of_input(&sender))?;
    }
    Ok(receiver)
}

fn until_end_of_input(sender: &Sender<&'static str>) {
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    let _ = sender.try_send("the end of standard input");
}
