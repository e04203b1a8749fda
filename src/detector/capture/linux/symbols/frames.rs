//! What is known of an address.
//!
//! The `backtrace` crate knows where debug information may be (in the program, in a file beside it, compressed or split) and
//! which calls were inlined. The first look reads the program's tables and takes some ten milliseconds; it is always a
//! thread of the detector's, or whoever asks for a dump, that pays. What has been found is remembered.

use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;

use super::super::super::super::frame::Frame;
use super::super::unwind::{Trace, Unwinder};
use super::{runtime, table};

/// So many addresses are remembered before all are forgotten: a program has few where it gets stuck.
const MOST: usize = 4096;

/// What has been found.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    known: HashMap<u64, Vec<Frame>>,
    /// How often the loader had unloaded something then.
    unloads: u64,
}

impl Symbols {
    /// The frames of a trace: those of the runtime at either end are left out.
    pub(crate) fn frames(&mut self, trace: &Trace, unwinder: &Unwinder) -> Vec<Frame> {
        if self.unloads != unwinder.unloads() || self.known.len() > MOST {
            self.known.clear();
            self.unloads = unwinder.unloads();
        }
        self.learn(trace, unwinder);
        let known = trace.addresses.iter().filter_map(|at| self.known.get(at));
        let mut frames: Vec<Frame> = known.flatten().cloned().collect();
        runtime::leave_out(&mut frames);
        if trace.is_cut {
            frames.push(Frame {
                function: "... and more calls, further out".into(),
                file: None,
                line: None,
            });
        }
        frames
    }

    /// Looks up what is not known yet, with one look into the symbol table of each file.
    fn learn(&mut self, trace: &Trace, unwinder: &Unwinder) {
        let mut unknown: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
        for &address in &trace.addresses {
            if self.known.contains_key(&address) {
                continue;
            }
            match unwinder.place(address) {
                Some((file, offset)) => unknown.entry(file).or_default().push((address, offset)),
                None => {
                    self.known
                        .insert(address, vec![nameless(format!("{address:#x}"))]);
                }
            }
        }
        for (file, addresses) in unknown {
            let offsets: Vec<u64> = addresses.iter().map(|&(_, offset)| offset).collect();
            let names = table::names(file, &offsets);
            for ((address, offset), name) in addresses.into_iter().zip(names) {
                let frames = look_up(address, name.as_deref(), || {
                    format!("{}+{offset:#x}", unwinder.file_name(address))
                });
                self.known.insert(address, frames);
            }
        }
    }
}

/// The calls at `address`, the innermost first: all but the last are inlined. `symbol` is the name of the function whose
/// code it is, as the symbol table has it.
fn look_up(address: u64, symbol: Option<&str>, offset: impl FnOnce() -> String) -> Vec<Frame> {
    let mut frames = Vec::new();
    // What it is given it takes for a return address, and looks one before.
    let place = std::ptr::without_provenance_mut::<c_void>((address as usize).wrapping_add(1));
    backtrace::resolve(place, |symbol| {
        frames.push(Frame {
            function: symbol
                .name()
                .map_or_else(String::new, |name| short(&format!("{name:#}"))),
            file: symbol.filename().map(Into::into),
            line: symbol.lineno(),
        });
    });
    if frames.is_empty() {
        frames.push(nameless(String::new()));
    }
    if let (Some(last), Some(symbol)) = (frames.last_mut(), symbol) {
        let name = backtrace::SymbolName::new(symbol.as_bytes());
        last.function = format!("{name:#}");
    }
    let mut offset = Some(offset);
    for frame in &mut frames {
        if frame.function.is_empty() {
            frame.function = offset.take().map_or_else(|| "?".into(), |offset| offset());
        }
    }
    frames
}

/// A name without the types that stand behind it where line tables give its last part only.
fn short(name: &str) -> String {
    match name.split_once('<') {
        Some((part, _)) if !part.is_empty() && !part.contains("::") => part.into(),
        _ => name.into(),
    }
}

fn nameless(function: String) -> Frame {
    Frame {
        function,
        file: None,
        line: None,
    }
}
