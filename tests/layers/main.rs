//! The layers of greenhub hold: no import points up, no two files use each other, and each foreign name has its one place.
//!
//! The first test reads `src/`; the others show, on small made-up houses, that each rule can fail.

mod rules;
mod source;

use std::fs;
use std::path::Path;

#[test]
fn the_house_keeps_its_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &src, &mut files);
    files.sort();
    assert!(
        files.iter().any(|(path, _)| path == "lib.rs"),
        "no lib.rs among {} files",
        files.len()
    );
    let breaches = rules::check(&files);
    assert!(
        breaches.is_empty(),
        "{} breaches of the layers:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path
                .strip_prefix(root)
                .expect("a path below src")
                .components();
            let below: Vec<_> = below
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            files.push((
                below.join("/"),
                fs::read_to_string(&path).expect("a readable file"),
            ));
        }
    }
}

/// The breaches in a made-up house; its `lib.rs` need not be given.
fn check(files: &[(&str, &str)]) -> Vec<String> {
    let mut house = vec![("lib.rs".to_string(), String::new())];
    house.extend(
        files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string())),
    );
    rules::check(&house)
}

/// `text` in `path`, beside a few files that it may name, is one breach that begins with `start`.
#[track_caller]
fn refused(path: &str, text: &str, start: &str) {
    let breaches = check_beside(path, text);
    assert!(
        breaches.len() == 1 && breaches[0].starts_with(start),
        "{text:?} gave {breaches:#?}"
    );
}

#[track_caller]
fn accepted(path: &str, text: &str) {
    let breaches = check_beside(path, text);
    assert!(breaches.is_empty(), "{text:?} gave {breaches:#?}");
}

fn check_beside(path: &str, text: &str) -> Vec<String> {
    let mut files = vec![
        ("primitive/mod.rs", "pub(crate) mod sync {}"),
        ("wait/mod.rs", "mod park; pub(crate) use park::park;"),
        ("wait/park.rs", "pub(crate) fn park() {}"),
        ("scheduler/mod.rs", "pub(crate) mod hub;"),
        ("scheduler/hub.rs", ""),
        ("net/mod.rs", "mod tcp; pub use self::tcp::TcpStream;"),
        ("net/tcp.rs", ""),
    ];
    files.retain(|(other, _)| *other != path);
    files.push((path, text));
    check(&files)
}

#[test]
fn an_import_may_point_down_or_along() {
    accepted(
        "net/tcp.rs",
        "use crate::wait::park;\nuse crate::scheduler::hub::Hub;",
    );
    accepted(
        "scheduler/hub.rs",
        "use crate::{primitive::sync::Arc, wait::{self, park}};\nfn f() { wait::park(); }",
    );
    accepted("time.rs", "use crate::net::TcpStream;");
    accepted(
        "lib.rs",
        "mod net;\npub use crate::net::TcpStream;\npub use net::TcpStream as Stream;",
    );
}

#[test]
fn an_import_that_points_up_is_refused() {
    refused(
        "wait/park.rs",
        "use std::fmt;\nuse crate::scheduler::hub::Hub;",
        "src/wait/park.rs:2: `crate::scheduler::hub::Hub` points up, to `scheduler`",
    );
    refused(
        "wait/park.rs",
        "use crate::{\n  primitive::sync,\n  scheduler::{hub::Hub},\n};",
        "src/wait/park.rs:3: ",
    );
    refused(
        "wait/park.rs",
        "\nfn f() { crate::scheduler::hub::wake(); }",
        "src/wait/park.rs:2: ",
    );
    refused(
        "wait/park.rs",
        "fn f() { use super::super::scheduler::hub; }",
        "src/wait/park.rs:1: ",
    );
    refused(
        "wait/mod.rs",
        "pub(crate) use super::scheduler::hub::park;",
        "src/wait/mod.rs:1: ",
    );
    refused(
        "wait/park.rs",
        "mod inner { use super::super::super::net::TcpStream; }",
        "src/wait/park.rs:1: ",
    );
    refused(
        "context.rs",
        "fn f() -> Option<&'static crate::wait::Waiter> { None }",
        "src/context.rs:1: ",
    );
}

#[test]
fn naming_the_facade_from_below_points_up() {
    refused(
        "scheduler/hub.rs",
        "use crate::Greenlet;",
        "src/scheduler/hub.rs:1: `crate::Greenlet` points up, to `lib`",
    );
    accepted(
        "primitive/mod.rs",
        "#[macro_export] macro_rules! note { () => { $crate::spawn() } }\nfn f() { crate::note!() }",
    );
}

#[test]
fn a_file_outside_the_table_is_refused() {
    refused("attic.rs", "", "src/attic.rs:1: `attic` has no row");
}

#[test]
fn two_files_that_use_each_other_are_refused() {
    let circle = "src/net/tcp.rs:1: circle: net/tcp.rs -> net/udp.rs -> net/tcp.rs";
    let net = (
        "net/mod.rs",
        "mod tcp; mod udp; pub use self::{tcp::Tcp, udp::Udp};",
    );
    let there = ("net/tcp.rs", "use super::udp::Udp;");
    assert_eq!(
        check(&[net, there, ("net/udp.rs", "use crate::net::tcp::Tcp;")]),
        [circle]
    );
    assert_eq!(check(&[net, there, ("net/udp.rs", "")]), [""; 0]);
}

#[test]
fn a_circle_through_a_facade_or_a_third_file_is_refused() {
    let breaches = check(&[
        ("net/mod.rs", "mod tcp; pub use tcp::Tcp;"),
        ("net/tcp.rs", "use crate::time::sleep;"),
        ("time/mod.rs", "mod sleep; pub use self::sleep::*;"),
        ("time/sleep.rs", "use crate::pool::Pool;"),
        ("pool.rs", "fn f() -> crate::net::Tcp {}"),
    ]);
    assert_eq!(
        breaches,
        ["src/net/tcp.rs:1: circle: net/tcp.rs -> time/sleep.rs -> pool.rs -> net/tcp.rs"]
    );
}

#[test]
fn a_child_may_use_its_siblings_but_not_its_parent() {
    accepted("wait/deadline.rs", "use super::park::park;");
    refused(
        "wait/deadline.rs",
        "use super::park;\nuse super::Waiter;",
        "src/wait/deadline.rs:2: `super::Waiter` is a circle: src/wait/mod.rs declares",
    );
    refused(
        "wait/deadline.rs",
        "use crate::wait::Waiter;",
        "src/wait/deadline.rs:1: ",
    );
    refused(
        "wait/deadline.rs",
        "use super::*;",
        "src/wait/deadline.rs:1: ",
    );
    accepted(
        "wait/deadline.rs",
        "pub(in crate::wait) fn f() {}\nmod inner { use super::park; }",
    );
}

#[test]
fn foreign_names_keep_to_their_places() {
    for (name, home) in [
        ("corosensei::Fiber", "fiber/mod.rs"),
        ("polling::Poller", "driver/poller.rs"),
        ("crossbeam_deque::Worker", "scheduler/queue.rs"),
        ("std::sync::atomic::AtomicU8", "primitive/std_impl.rs"),
        ("core::sync::atomic::fence", "primitive/std_impl.rs"),
        ("loom::cell::Cell", "primitive/loom_impl.rs"),
    ] {
        accepted(home, &format!("use {name};"));
        refused(
            "scheduler/hub.rs",
            &format!("use {name};"),
            "src/scheduler/hub.rs:1: ",
        );
        refused(
            "scheduler/hub.rs",
            &format!("\nfn f() {{ let x = ::{name}(); }}"),
            "src/scheduler/hub.rs:2: ",
        );
    }
}

#[test]
fn foreign_names_are_found_in_disguise() {
    refused(
        "scheduler/hub.rs",
        "use std::{fmt, sync::{\nArc, atomic::{self}}};",
        "src/scheduler/hub.rs:2: ",
    );
    refused(
        "scheduler/hub.rs",
        "use std::sync::*;",
        "src/scheduler/hub.rs:1: ",
    );
    refused(
        "scheduler/hub.rs",
        "extern crate polling as p;",
        "src/scheduler/hub.rs:1: ",
    );
    let breaches = check_beside(
        "scheduler/hub.rs",
        "use std::sync;\nuse std as s;\nfn f() { sync::atomic::fence(); s::sync::atomic::fence() }",
    );
    assert_eq!(breaches.len(), 1, "{breaches:#?}"); // both stand on one line
    accepted(
        "scheduler/hub.rs",
        "use crate::primitive::sync;\nfn f(polling: u8) { sync::atomic::fence(); self.polling; polling + 1 }",
    );
}

#[test]
fn thread_local_stands_in_context_alone() {
    accepted("context.rs", "thread_local! { static HUB: u8 = 0; }");
    accepted("primitive/std_impl.rs", "pub(crate) use std::thread_local;");
    refused(
        "scheduler/hub.rs",
        "std::thread_local! { static HUB: u8 = 0; }",
        "src/scheduler/hub.rs:1: `thread_local!`",
    );
    refused(
        "primitive/mod.rs",
        "thread_local! { static HUB: u8 = 0; }",
        "src/primitive/mod.rs:1: `thread_local!`",
    );
    refused(
        "scheduler/hub.rs",
        "use std::thread_local;",
        "src/scheduler/hub.rs:1: `thread_local!`",
    );
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    accepted(
        "scheduler/hub.rs",
        r####"
        //! Unlike `thread_local!`, or loom::x.
        /* use polling::Poller; /* use loom::x; */ use crate::net::TcpStream; */
        const A: (&str, &str) = ("use loom::x; \" crate::net::f()", r#"polling::x " crate::net"#);
        const B: (char, u8, char) = ('"', b'\'', '\''); // a quote opens no string
        fn lifetime<'a>(x: &'a u8) -> impl Sized + use<'a> { x }
        #[cfg(test)] use crate::net::TcpStream;
        #[cfg(test)]
        #[expect(dead_code)]
        mod tests { use super::*; use std::sync::atomic::AtomicU8; fn f() { { crate::net::f() } } }
        struct S { #[cfg(test)] a: std::sync::atomic::AtomicU8, b: u8 }
        #[cfg(all(test, not(greenhub_loom)))] fn g() { loom::model(f) }
        #[cfg(test)] mod model;
        "####,
    );
    let test_files = [
        ("wait/mod.rs", "#[cfg(test)] mod tests; mod park;"),
        ("wait/tests.rs", "use crate::net::TcpStream;"),
        (
            "wait/park.rs",
            "#[cfg(test)] #[path = \"park_tests.rs\"] mod tests;",
        ),
        ("wait/park_tests.rs", "use crate::net::TcpStream;"),
    ];
    assert_eq!(check(&test_files), [""; 0]);
    refused(
        "scheduler/hub.rs",
        "#[cfg(not(test))]\nuse crate::net::TcpStream;",
        "src/scheduler/hub.rs:2: ",
    );
    refused(
        "scheduler/hub.rs",
        "#[cfg(test)] mod tests { }\nuse crate::net::TcpStream;",
        "src/scheduler/hub.rs:2: ",
    );
}
