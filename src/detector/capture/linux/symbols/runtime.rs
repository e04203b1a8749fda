//! Which frames are not the greenlet's own.
//!
//! They are known by the names of their functions, and where line tables leave no more than the last part of a name, by
//! their files: this crate's lie where the one lies that this code is in.

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use super::super::super::super::frame::Frame;

/// Leaves out the frames below the greenlet's closure, and of those by which a greenlet parks all but the call that its
/// code has made.
pub(super) fn leave_out(frames: &mut Vec<Frame>) {
    let source = source();
    let source = source.as_deref();
    // A suspension is in the same files as the root. The innermost frame stays whatever it is: where names are all there is, a
    // closure may have become a part of it.
    let first = frames.iter().position(|frame| !is_internal(frame, source));
    let begin = first.unwrap_or(0).max(1);
    let root = frames
        .iter()
        .skip(begin)
        .position(|frame| is_root(frame, source))
        .map(|at| at + begin);
    if let Some(root) = root {
        frames.truncate(root);
        // What calls the closure and catches its panic.
        while frames.len() > 1 && frames.last().is_some_and(is_caller) {
            frames.pop();
        }
    }
    let first = frames.iter().position(|frame| !is_internal(frame, source));
    if let Some(first @ 2..) = first {
        frames.drain(..first - 1);
    }
}

/// Where this crate's source lies, as debug information has it.
fn source() -> Option<PathBuf> {
    const HERE: &str = "detector/capture/linux/symbols/runtime.rs";
    let mut source = None;
    // What it is given it takes for a return address, and looks one before.
    let here = (source_anchor as *const ()).addr() + 1;
    let here = std::ptr::without_provenance_mut::<c_void>(here);
    backtrace::resolve(here, |symbol| {
        let file = symbol.filename().filter(|file| file.ends_with(HERE));
        let root = file.and_then(|file| file.ancestors().nth(Path::new(HERE).iter().count()));
        source = source.take().or(root.map(Path::to_owned));
    });
    source
}

/// A function whose file is known.
#[inline(never)]
fn source_anchor() {
    std::hint::black_box(());
}

/// The path of the frame's file below this crate's source, if it is there.
fn own<'f>(frame: &'f Frame, source: Option<&Path>) -> Option<&'f Path> {
    frame.file.as_deref()?.strip_prefix(source?).ok()
}

/// Is between the greenlet's closure and the root of its stack, or is corosensei's.
fn is_root(frame: &Frame, source: Option<&Path>) -> bool {
    const FILES: [&str; 5] = [
        "greenlet/discard.rs",
        "greenlet/body.rs",
        "greenlet/header.rs",
        "scheduler/slice.rs",
        "fiber/coroutine.rs",
    ];
    const NAMES: [&str; 5] = [
        "greenhub::greenlet::discard::",
        "greenhub::greenlet::body::Body<",
        "greenhub::greenlet::header::Header>",
        "greenhub::greenlet::header::Header::run",
        "greenhub::fiber::coroutine::Fiber",
    ];
    let name = frame.function.trim_start_matches('<');
    NAMES.iter().any(|root| name.starts_with(root))
        || own(frame, source).is_some_and(|file| FILES.iter().any(|root| file == Path::new(root)))
}

/// Calls a closure, and catches its panic.
fn is_caller(frame: &Frame) -> bool {
    const FILES: [&str; 5] = [
        "library/core/src/ops/function.rs",
        "library/core/src/panic/unwind_safe.rs",
        "library/std/src/panic.rs",
        "library/std/src/panicking.rs",
        "library/alloc/src/boxed.rs",
    ];
    const NAMES: [&str; 6] = [
        "std::panic",
        "core::panic",
        "__rust_try",
        "core::ops::function::",
        "alloc::boxed::Box<F,A> as core::ops::function::",
        "greenhub::spawn::",
    ];
    let name = frame.function.trim_start_matches('<');
    let file = frame.file.as_deref();
    NAMES.iter().any(|caller| name.starts_with(caller))
        || file.is_some_and(|file| FILES.iter().any(|caller| file.ends_with(caller)))
}

/// Belongs to this crate or to what it is built on.
fn is_internal(frame: &Frame, source: Option<&Path>) -> bool {
    const CRATES: [&str; 2] = ["greenhub::", "corosensei::"];
    let name = frame.function.trim_start_matches('<');
    let is_test = |text: &str| text.contains("tests");
    match own(frame, source) {
        Some(file) => !file.to_str().is_some_and(is_test),
        None if is_in_corosensei(frame) => true,
        None => CRATES.iter().any(|own| name.starts_with(own)) && !is_test(name),
    }
}

/// Its file is one of corosensei's, wherever that crate was unpacked.
fn is_in_corosensei(frame: &Frame) -> bool {
    let parts = frame.file.iter().flat_map(|file| file.iter());
    parts
        .filter_map(|part| part.to_str())
        .any(|part| part.starts_with("corosensei-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, file: &str) -> Frame {
        Frame {
            function: function.into(),
            file: (!file.is_empty()).then(|| file.into()),
            line: None,
        }
    }

    #[test]
    fn the_runtime_is_known_by_its_files_where_names_are_short() {
        let source = source().expect("test builds have debug information");
        let own = |path: &str| source.join(path).to_str().unwrap().to_owned();
        let mut frames = vec![
            frame("suspend", &own("fiber/coroutine.rs")),
            frame("park", &own("wait/park.rs")),
            frame("sleep", &own("time/sleep.rs")),
            frame("poll", "/app/src/main.rs"),
            frame("{closure#0}", "/app/src/main.rs"),
            frame("call_once", "/rustc/1/library/core/src/ops/function.rs"),
            frame("catch_unwind", "/rustc/1/library/std/src/panic.rs"),
            frame("caught", &own("greenlet/discard.rs")),
            frame("run", &own("greenlet/body.rs")),
        ];
        let switch = "/registry/corosensei-0.3.4/src/unwind.rs";
        frames.insert(0, frame("switch_yield", switch));
        leave_out(&mut frames);
        let names: Vec<&str> = frames.iter().map(|frame| &*frame.function).collect();
        assert_eq!(names, ["sleep", "poll", "{closure#0}"]);
    }

    #[test]
    fn the_runtime_is_known_by_its_names_where_there_are_no_files() {
        let mut frames = vec![
            frame("app::work", ""),
            frame(
                "<greenhub::greenlet::body::Body<app::main::{closure#0}, ()>>::run",
                "",
            ),
            frame("greenhub::fiber::coroutine::Fiber::new", ""),
        ];
        leave_out(&mut frames);
        assert_eq!(frames, [frame("app::work", "")]);
        // The closure was made a part of what calls it: then that is all there is to tell.
        let only = [frame("greenhub::greenlet::body::Body<F,T>::run", "")];
        let mut frames = only.to_vec();
        leave_out(&mut frames);
        assert_eq!(frames, only);
    }
}
