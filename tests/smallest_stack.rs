//! The smallest stack is large enough for a panic with a backtrace: it is reported, and the process lives.

mod common;

use std::hint::black_box;

use common::{in_child, stderr};

/// Panics so many frames down.
#[inline(never)]
fn panic_below(frames: usize) -> usize {
    if frames == 0 {
        panic!("as far down as {}", black_box("this"));
    }
    panic_below(black_box(frames - 1)) + 1
}

/// A type whose name is long, as iterators and futures have them, and takes a deep recursion to print where names are mangled by the
/// newer scheme.
struct Nested<T>(T);

trait Panics {
    fn panic(&self, frames: usize) -> usize;
}

impl Panics for () {
    fn panic(&self, frames: usize) -> usize {
        panic_below(frames)
    }
}

impl<T: Panics> Panics for Nested<T> {
    #[inline(never)]
    fn panic(&self, frames: usize) -> usize {
        self.0.panic(black_box(frames)) + 1
    }
}

type Four<T> = Nested<Nested<Nested<Nested<T>>>>;

fn four<T>(inner: T) -> Four<T> {
    Nested(Nested(Nested(Nested(inner))))
}

/// A greenlet with the smallest stack that one can ask for panics, with all that a backtrace needs. The first of a process
/// needs most: std reads the program's debug information then.
fn panics_on_the_smallest_stack() {
    let frames: usize = std::env::var("FRAMES").unwrap().parse().unwrap();
    let by_default = greenhub::runtime::Runtime::builder()
        .hubs(1)
        .stack_size(16 * 1024)
        .build()
        .unwrap();
    by_default.run(|| {
        let asked_for = greenhub::Builder::new().stack_size(16 * 1024);
        let error = asked_for
            .spawn(move || panic_below(frames))
            .unwrap()
            .join()
            .unwrap_err();
        assert!(error.is_panic() && error.to_string().contains("as far down as this"));
        let nested = greenhub::spawn(|| four(four(four(four(())))).panic(0));
        assert!(nested.join().unwrap_err().is_panic());
    });
}

/// On the old code, where it had 16 KiB, each of these children ended by an overflow of the stack.
#[test]
fn a_panic_with_a_backtrace_fits_on_the_smallest_stack() {
    let test = "a_panic_with_a_backtrace_fits_on_the_smallest_stack";
    for backtrace in ["0", "1", "full"] {
        for frames in ["0", "100"] {
            let settings = [("RUST_BACKTRACE", backtrace), ("FRAMES", frames)];
            let output = in_child(test, &settings, panics_on_the_smallest_stack);
            let told = stderr(&output);
            assert!(output.status.success(), "{settings:?}: {told}");
            assert_eq!(told.matches("as far down as this").count(), 2, "{told}");
            if backtrace != "0" {
                assert!(told.contains("panic_below"), "no backtrace: {told}");
            }
        }
    }
}
