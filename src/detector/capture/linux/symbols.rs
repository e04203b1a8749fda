//! From addresses to functions, files and lines.
//!
//! The `backtrace` crate knows where debug information may be (in the program, in a file beside it, compressed or split) and
//! which calls were inlined. The first look reads the program's tables and takes some ten milliseconds; it is always the
//! watchdog's thread, or whoever asks for a dump, that pays.

use std::ffi::c_void;

use super::super::super::frame::Frame;
use super::unwind::{Trace, Unwinder};

/// The frames of a trace: those of the runtime at either end are left out.
pub(super) fn frames(trace: &Trace, unwinder: &Unwinder) -> Vec<Frame> {
    let mut frames = Vec::new();
    for &address in &trace.addresses {
        let before = frames.len();
        let place = std::ptr::without_provenance_mut::<c_void>(address as usize);
        backtrace::resolve(place, |symbol| {
            if let Some(name) = symbol.name() {
                frames.push(Frame {
                    function: format!("{name:#}"),
                    file: symbol.filename().map(Into::into),
                    line: symbol.lineno(),
                });
            }
        });
        if frames.len() == before {
            frames.push(nameless(address, unwinder));
        }
    }
    leave_out_the_runtime(&mut frames);
    if trace.is_cut {
        frames.push(Frame {
            function: "... and more calls, further out".into(),
            file: None,
            line: None,
        });
    }
    frames
}

/// A frame of which nobody knows the function.
fn nameless(address: u64, unwinder: &Unwinder) -> Frame {
    let function = match unwinder.place(address) {
        Some((file, offset)) => format!("{file}+{offset:#x}"),
        None => format!("{address:#x}"),
    };
    Frame {
        function,
        file: None,
        line: None,
    }
}

/// Leaves out the frames below the greenlet's closure, and of those by which a greenlet parks all but the call that its
/// code has made.
fn leave_out_the_runtime(frames: &mut Vec<Frame>) {
    if let Some(root) = frames.iter().position(|frame| is_root(&frame.function)) {
        frames.truncate(root);
        // What calls the closure and catches its panic.
        while frames
            .last()
            .is_some_and(|frame| is_caller(&frame.function))
        {
            frames.pop();
        }
    }
    let first = frames
        .iter()
        .position(|frame| !is_internal(&frame.function));
    if let Some(first @ 2..) = first {
        frames.drain(..first - 1);
    }
}

/// Catches what a greenlet's closure panics with.
fn is_root(function: &str) -> bool {
    function.starts_with("greenhub::greenlet::discard::")
        || function.starts_with("<greenhub::greenlet::body::Body<")
        || function.starts_with("greenhub::greenlet::body::Body<")
        || function.starts_with("greenhub::greenlet::header::Header::run")
        || function.starts_with("greenhub::scheduler::slice::enter")
        || function.starts_with("greenhub::fiber::coroutine::Fiber::new")
}

/// Is between that and the closure.
fn is_caller(function: &str) -> bool {
    const PREFIXES: [&str; 7] = [
        "std::panic",
        "core::panic",
        "<core::panic",
        "__rust_try",
        "core::ops::function::",
        "<alloc::boxed::Box<F,A> as core::ops::function::",
        "greenhub::spawn::",
    ];
    PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

/// Belongs to this crate or to what it is built on.
fn is_internal(function: &str) -> bool {
    const CRATES: [&str; 2] = ["greenhub::", "corosensei::"];
    let function = function.trim_start_matches('<');
    CRATES.iter().any(|name| function.starts_with(name)) && !function.contains("tests::")
}
