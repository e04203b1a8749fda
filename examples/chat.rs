//! A chat room in one process: each user is a greenlet that waits for several things at once, with `select!`.

use std::collections::BTreeMap;
use std::time::Duration;

use greenhub::channel::{Receiver, Sender, after, bounded, select, unbounded};

/// What users tell the room.
enum Event {
    Join(&'static str, Sender<String>),
    Say(&'static str, String),
    Leave(&'static str),
}

/// Passes on what is said, until it is told to close. Nobody else knows who is there.
fn room(events: &Receiver<Event>, closing: &Receiver<()>) -> usize {
    let mut users = BTreeMap::new();
    let mut passed_on = 0;
    loop {
        let line = select! {
            recv(events) -> event => match event {
                Ok(Event::Join(name, mailbox)) => {
                    users.insert(name, mailbox);
                    format!("* {name} has joined")
                }
                Ok(Event::Say(name, text)) => format!("{name}: {text}"),
                Ok(Event::Leave(name)) => {
                    users.remove(name);
                    format!("* {name} has left")
                }
                Err(_) => return passed_on,
            },
            recv(closing) -> _ => return passed_on,
        };
        for mailbox in users.values() {
            // One who has just gone away misses it.
            passed_on += usize::from(mailbox.send(line.clone()).is_ok());
        }
    }
}

/// Says its lines, one after the other, and reads what comes meanwhile; leaves when nothing has come for a while.
fn user(name: &'static str, lines: &[&str], events: &Sender<Event>) -> Vec<String> {
    let (mailbox, mail) = unbounded();
    let mut read = Vec::new();
    events
        .send(Event::Join(name, mailbox))
        .expect("the room is open");
    let mut to_say = lines.iter();
    let mut next = after(Duration::from_millis(5));
    loop {
        select! {
            recv(mail) -> line => read.extend(line),
            recv(next) -> _ => match to_say.next() {
                Some(text) => {
                    events.send(Event::Say(name, (*text).to_string())).expect("the room is open");
                    next = after(Duration::from_millis(10));
                }
                None => {
                    let _closed_already = events.send(Event::Leave(name));
                    return read;
                }
            },
        }
    }
}

fn main() {
    let (passed_on, seen_by_ada) = greenhub::run(|| {
        let (events, incoming) = unbounded();
        let (close, closing) = bounded(1);
        let room = greenhub::spawn(move || room(&incoming, &closing));
        let talk = |name, lines: &'static [&'static str]| {
            let events = events.clone();
            greenhub::spawn(move || user(name, lines, &events))
        };
        let ada = talk("ada", &["hello", "anybody here?", "ah", "bye"]);
        let grace = talk("grace", &["hi ada", "I am"]);
        let alan = talk("alan", &["a machine, perhaps"]);
        for guest in [grace, alan] {
            guest.join().expect("no user fails");
        }
        let seen = ada.join().expect("no user fails");
        close.send(()).expect("the room is open");
        (room.join().expect("the room does not fail"), seen)
    });
    for line in &seen_by_ada {
        println!("{line}");
    }
    println!("({passed_on} lines passed on)");
    assert!(seen_by_ada.iter().any(|line| line == "grace: I am"));
}
