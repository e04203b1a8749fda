//! Many connections at once, none of them in a hurry.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use greenhub::net::{ListenOptions, Shutdown, TcpStream};
use socket2::SockRef;

use crate::worlds::{LONG, World, alone, pattern, within};

/// So many, each with a server's greenlet, a writer and a reader.
const CONNECTIONS: usize = 2_000;

/// What each sends and gets back. In a release build that is more than the kernel holds for it on both ways, so that everybody
/// waits for everybody.
const BYTES: usize = if cfg!(debug_assertions) {
    32 << 10
} else {
    192 << 10
};

/// More memory than each may take: its greenlets' stacks and the test's own buffers.
const MOST: usize = 100 << 10;

/// As many descriptors as there may be.
fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit outlives the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// The memory that this process has in use.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    // SAFETY: no pointer is passed.
    pages * usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// A small buffer in the kernel, too. (Not for what is received: a segment of the loopback interface would not fit in a small one,
/// and be sent again and again.)
fn narrow(stream: &TcpStream) {
    SockRef::from(stream).set_send_buffer_size(8 << 10).unwrap();
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 2048];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return stream.shutdown(Shutdown::Write).unwrap(),
            n => stream.write_all(&buffer[..n]).unwrap(),
        }
    }
}

/// Sends in pieces, with pauses; and reads in others, of another size.
fn converse(world: World, stream: TcpStream, number: usize, bytes: &Arc<[u8]>) {
    let (writer, sent) = (stream.try_clone().unwrap(), Arc::clone(bytes));
    let writing = world.spawn_greenlet(move || {
        for piece in sent.chunks(3_000 + number % 5_000) {
            (&writer).write_all(piece).unwrap();
            greenhub::sleep(Duration::from_millis(number as u64 % 5));
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // What is written piles up meanwhile, until the writers wait.
    greenhub::sleep(Duration::from_millis(100 + number as u64 % 100));
    let (mut received, mut buffer) = (0, [0; 8192]);
    let piece = 4_000 + number % 4_000;
    loop {
        match (&stream).read(&mut buffer[..piece]).unwrap() {
            0 => break,
            n => {
                assert!(buffer[..n] == bytes[received..received + n]);
                received += n;
            }
        }
        greenhub::sleep(Duration::from_millis(number as u64 % 3));
    }
    assert_eq!(received, BYTES);
    writing.join().unwrap();
}

fn scenario(world: World) {
    let listener = ListenOptions::new()
        .backlog(1024)
        .listen("127.0.0.1:0")
        .unwrap();
    let address = listener.local_addr().unwrap();
    let limit = raise_descriptor_limit();
    // A connection has two ends, one of which is cloned.
    let connections = CONNECTIONS.min((limit - 200) / 3);
    let bytes: Arc<[u8]> = pattern(BYTES).into();
    let before = resident();
    let server = world.spawn_greenlet(move || {
        let served: Vec<_> = listener
            .incoming()
            .take(connections)
            .map(|stream| {
                let stream = stream.unwrap();
                narrow(&stream);
                world.spawn_greenlet(move || echo(stream))
            })
            .collect();
        served.into_iter().for_each(|it| it.join().unwrap());
    });
    let clients: Vec<_> = (0..connections)
        .map(|number| {
            let stream = TcpStream::connect(address).unwrap();
            narrow(&stream);
            let bytes = Arc::clone(&bytes);
            world.spawn_greenlet(move || converse(world, stream, number, &bytes))
        })
        .collect();
    let mut most = 0;
    for client in clients {
        client.join().unwrap();
        most = most.max(resident().saturating_sub(before));
    }
    server.join().unwrap();
    let each = most / connections;
    assert!(each < MOST, "{each} bytes a connection");
}

#[test]
fn two_thousand_slow_conversations_are_complete_and_take_bounded_memory() {
    alone(
        "crowds::two_thousand_slow_conversations_are_complete_and_take_bounded_memory",
        || {
            for world in [World::Settled, World::Migrating] {
                within(LONG, move || world.run(scenario), &format!("{world:?}"));
            }
        },
    );
}
