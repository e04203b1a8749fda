//! Several buffers in one call: more than a call takes, and empty ones.

use std::io::{IoSlice, IoSliceMut, Read, Write};

use greenhub::net::Shutdown;
use greenhub::net::unix::UnixStream;

use crate::worlds::{SHORT, World, everywhere, pair, pattern};

/// Far more than a call takes: that is 1,024.
const MANY: usize = 3_000;

/// For both ends of one connection of each kind, which have been waited for: what is known of a socket counts only then.
fn for_streams(test: impl Fn(World, Box<dyn Stream>, Box<dyn Stream>) + Copy + Send + 'static) {
    everywhere(move |world| {
        let (near, far) = pair();
        test(world, waited_for(near), waited_for(far));
        let (near, far) = UnixStream::pair().unwrap();
        test(world, waited_for(near), waited_for(far));
    });
}

fn waited_for(mut stream: impl Stream + 'static) -> Box<dyn Stream> {
    assert!(greenhub::timeout(SHORT / 10, || stream.read(&mut [0])).is_err());
    Box::new(stream)
}

trait Stream: Read + Write + Send {
    fn end(&self);
}

impl Stream for greenhub::net::TcpStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

impl Stream for UnixStream {
    fn end(&self) {
        self.shutdown(Shutdown::Write).unwrap();
    }
}

/// Once the second write, and the second read, waited for ever.
#[test]
fn more_buffers_than_one_call_takes_are_moved_by_several() {
    for_streams(|world, mut near, mut far| {
        let writer = world.spawn(move || {
            let bytes = pattern(MANY);
            let mut slices: Vec<_> = bytes.chunks(1).map(IoSlice::new).collect();
            let mut left = &mut slices[..];
            while !left.is_empty() {
                let sent = near.write_vectored(left).unwrap();
                assert!((1..=1_024).contains(&sent));
                IoSlice::advance_slices(&mut left, sent);
            }
            near
        });
        let near = writer.join();
        let mut bytes = vec![0; MANY];
        let mut slices: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let received = far.read_vectored(left).unwrap();
            assert!((1..=1_024).contains(&received));
            IoSliceMut::advance_slices(&mut left, received);
        }
        assert!(bytes == pattern(MANY));
        drop(near);
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn empty_buffers_before_between_and_behind_the_others_count_for_nothing() {
    for_streams(|_, mut near, mut far| {
        let empties = || (0..MANY).map(|_| IoSlice::new(&[]));
        let slices: Vec<_> = empties()
            .chain([IoSlice::new(b"ab"), IoSlice::new(&[]), IoSlice::new(b"c")])
            .chain(empties())
            .collect();
        assert_eq!(near.write_vectored(&slices).unwrap(), 3);
        let (mut first, mut second) = ([0; 1], [0; 7]);
        let mut slices: Vec<_> = (0..MANY).map(|_| IoSliceMut::new(&mut [])).collect();
        slices.push(IoSliceMut::new(&mut first));
        slices.push(IoSliceMut::new(&mut []));
        slices.push(IoSliceMut::new(&mut second));
        // Zero would mean that the stream has ended.
        assert_eq!(far.read_vectored(&mut slices).unwrap(), 3);
        assert_eq!((&first, &second[..2]), (b"a", &b"bc"[..]));
    });
}

/// std's go through `readv` and `writev`, which return at once. A receiving call without a buffer would wait.
#[test]
fn vectored_transfers_of_nothing_return_at_once() {
    for_streams(|_, mut near, _far| {
        for _ in 0..3 {
            assert_eq!(near.read_vectored(&mut []).unwrap(), 0);
            assert_eq!(
                near.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])])
                    .unwrap(),
                0
            );
            assert_eq!(near.write_vectored(&[]).unwrap(), 0);
            assert_eq!(near.write_vectored(&[IoSlice::new(&[])]).unwrap(), 0);
        }
        near.end();
        assert_eq!(near.write_vectored(&[]).unwrap(), 0);
    });
}
