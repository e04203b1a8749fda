//! What is loaded into this process, and its unwind tables.
//!
//! A module is copied out of memory when an address in it is first met, while the dynamic loader holds the lock under which
//! it unloads: so nothing that is looked at goes away, and the copies stay whatever the program does. When it has unloaded
//! anything, all are forgotten.

use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::path::Path;

use framehop::{
    ExplicitModuleSectionInfo, MayAllocateDuringUnwind, Module, Unwinder, UnwinderNative,
};

/// Copies of the unwind tables of the modules that have been met.
pub(super) struct Modules {
    unwinder: UnwinderNative<Vec<u8>, MayAllocateDuringUnwind>,
    known: Vec<Known>,
    /// How often the loader had unloaded something when they were copied.
    unloads: u64,
}

/// What is remembered of a module.
struct Known {
    name: String,
    is_program: bool,
    /// What is added to the addresses in the file.
    bias: u64,
    code: Range<u64>,
    table: Option<Table>,
}

/// The unwind tables of a module, by the addresses that they have in memory.
struct Table {
    header: Range<u64>,
    header_bytes: Vec<u8>,
    frames: Range<u64>,
    frames_bytes: Vec<u8>,
}

impl Modules {
    pub(super) fn new() -> Modules {
        Modules {
            unwinder: UnwinderNative::new(),
            known: Vec::new(),
            unloads: 0,
        }
    }

    /// What walks over the modules that have been met.
    pub(super) fn unwinder(&self) -> &UnwinderNative<Vec<u8>, MayAllocateDuringUnwind> {
        &self.unwinder
    }

    /// Forgets all if something has been unloaded since.
    pub(super) fn refresh(&mut self) {
        let mut unloads = 0;
        for_each_object(|object| {
            unloads = object.unloads;
            Next::Stop
        });
        if unloads != self.unloads {
            *self = Modules {
                unloads,
                ..Modules::new()
            };
        }
    }

    /// Meets the module with the code at `address`; `false` if there is none.
    pub(super) fn meet(&mut self, address: u64) -> bool {
        if self.find(address).is_some() {
            return true;
        }
        let mut found = None;
        for_each_object(|object| {
            let Some(code) = object.code().filter(|code| code.contains(&address)) else {
                return Next::Continue;
            };
            found = Some(Known {
                name: object.name.clone(),
                is_program: object.is_program,
                bias: object.bias,
                code,
                // SAFETY: the loader holds its lock, so the object stays loaded.
                table: unsafe { object.table() },
            });
            Next::Stop
        });
        let Some(known) = found else { return false };
        self.unwinder.add_module(module(&known));
        self.known.push(known);
        true
    }

    /// The file that the code at `address` comes from and its address there, if its module has been met.
    pub(super) fn place(&self, address: u64) -> Option<(&str, u64)> {
        let known = self.find(address)?;
        let path = if known.is_program {
            "/proc/self/exe"
        } else {
            &known.name
        };
        Some((path, address.wrapping_sub(known.bias)))
    }

    /// What people call that file.
    pub(super) fn file_name(&self, address: u64) -> &str {
        self.find(address)
            .and_then(|known| Path::new(&known.name).file_name()?.to_str())
            .unwrap_or("?")
    }

    /// How often the loader had unloaded something at the last refresh.
    pub(super) fn unloads(&self) -> u64 {
        self.unloads
    }

    /// Where the function begins that `address` is in, if its module has been met.
    pub(super) fn function_start(&self, address: u64) -> Option<u64> {
        let table = self.find(address)?.table.as_ref()?;
        let start = search(&table.header_bytes, table.header.start, address)?;
        Some(start)
    }

    fn find(&self, address: u64) -> Option<&Known> {
        self.known
            .iter()
            .find(|known| known.code.contains(&address))
    }
}

fn module(known: &Known) -> Module<Vec<u8>> {
    let mut sections = ExplicitModuleSectionInfo::default();
    if let Some(table) = &known.table {
        let in_file = |range: &Range<u64>| {
            range.start.wrapping_sub(known.bias)..range.end.wrapping_sub(known.bias)
        };
        sections.eh_frame_hdr_svma = Some(in_file(&table.header));
        sections.eh_frame_hdr = Some(table.header_bytes.clone());
        sections.eh_frame_svma = Some(in_file(&table.frames));
        sections.eh_frame = Some(table.frames_bytes.clone());
    }
    Module::new(known.name.clone(), known.code.clone(), known.bias, sections)
}

/// Encodings of the header's fields (`DW_EH_PE_*`): relative to the field, to the header; numbers of 4 bytes.
const RELATIVE_TO_FIELD: u8 = 0x1b;
const RELATIVE_TO_HEADER: u8 = 0x3b;
const PLAIN: u8 = 0x03;

/// Where the header's search table begins, after its three other fields.
const ENTRIES: usize = 12;

/// Bytes of an entry: where a function begins, and where its frames are told.
const ENTRY: usize = 8;

/// Where the frames begin that the `.eh_frame_hdr` at `address` belongs to.
fn frames_start(header: &[u8], address: u64) -> Option<u64> {
    if header.get(..4)? != [1, RELATIVE_TO_FIELD, PLAIN, RELATIVE_TO_HEADER] {
        return None;
    }
    let offset = i32::from_ne_bytes(header.get(4..8)?.try_into().ok()?);
    Some((address + 4).wrapping_add_signed(offset.into()))
}

/// The beginning of the last function in the search table of the `.eh_frame_hdr` at `header_address` that does not begin
/// after `address`.
fn search(header: &[u8], header_address: u64, address: u64) -> Option<u64> {
    let entries = header.get(ENTRIES..)?.chunks_exact(ENTRY);
    let start = |index: usize| {
        let entry = &header[ENTRIES + index * ENTRY..][..4];
        let offset = i32::from_ne_bytes([entry[0], entry[1], entry[2], entry[3]]);
        header_address.wrapping_add_signed(offset.into())
    };
    let (mut from, mut to) = (0, entries.len());
    while from < to {
        let middle = from.midpoint(to);
        if start(middle) <= address {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from.checked_sub(1).map(start)
}

/// What the loader tells of one thing that is loaded, while it is asked.
struct Object<'l> {
    name: String,
    is_program: bool,
    bias: u64,
    headers: &'l [libc::Elf64_Phdr],
    unloads: u64,
}

impl Object<'_> {
    fn range(&self, header: &libc::Elf64_Phdr) -> Range<u64> {
        let start = self.bias.wrapping_add(header.p_vaddr);
        start..start.saturating_add(header.p_memsz)
    }

    fn loaded(&self) -> impl Iterator<Item = &libc::Elf64_Phdr> {
        self.headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
    }

    /// From the first to the last of its code.
    fn code(&self) -> Option<Range<u64>> {
        let ranges = || {
            self.loaded()
                .filter(|header| header.p_flags & libc::PF_X != 0)
                .map(|header| self.range(header))
        };
        let start = ranges().map(|range| range.start).min()?;
        let end = ranges().map(|range| range.end).max()?;
        Some(start..end)
    }

    /// Copies its unwind tables.
    ///
    /// # Safety
    ///
    /// The object must stay loaded meanwhile.
    unsafe fn table(&self) -> Option<Table> {
        let header = self
            .headers
            .iter()
            .find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
        let header = self.range(header);
        // SAFETY: passed on.
        let header_bytes = unsafe { self.bytes(&header) }?;
        let start = frames_start(&header_bytes, header.start)?;
        // They end somewhere in the same segment, and say where.
        let segment = self.readable(start)?;
        let frames = start..segment.end;
        // SAFETY: passed on.
        let frames_bytes = unsafe { self.bytes(&frames) }?;
        Some(Table {
            header,
            header_bytes,
            frames,
            frames_bytes,
        })
    }

    /// The part of a segment that `address` is in which comes from the file, if it may be read.
    fn readable(&self, address: u64) -> Option<Range<u64>> {
        self.loaded()
            .filter(|header| header.p_flags & libc::PF_R != 0)
            .map(|header| {
                let start = self.range(header).start;
                start..start.saturating_add(header.p_filesz)
            })
            .find(|range| range.contains(&address))
    }

    /// # Safety
    ///
    /// The object must stay loaded meanwhile.
    unsafe fn bytes(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        let segment = self.readable(range.start)?;
        if range.end > segment.end || range.end < range.start {
            return None;
        }
        let start = std::ptr::with_exposed_provenance::<u8>(range.start as usize);
        let length = (range.end - range.start) as usize;
        // SAFETY: a readable part of an object that stays loaded; nobody writes to its constants.
        Some(unsafe { std::slice::from_raw_parts(start, length) }.to_vec())
    }
}

/// Whether to go on to the next object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Continue,
    Stop,
}

/// Asks the loader for everything that is loaded. `f` must not panic.
fn for_each_object(mut f: impl FnMut(&Object<'_>) -> Next) {
    unsafe extern "C" fn each<F: FnMut(&Object<'_>) -> Next>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        f: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader's information, and what was given to it below, which nobody else uses.
        let (info, f) = unsafe { (&*info, &mut *f.cast::<F>()) };
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        let count = usize::from(info.dlpi_phnum);
        // SAFETY: the loader says that there are so many.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, count) };
        let object = Object {
            name: name(info.dlpi_name),
            is_program: is_empty(info.dlpi_name),
            bias: info.dlpi_addr,
            headers,
            unloads: info.dlpi_subs,
        };
        c_int::from(f(&object) == Next::Stop)
    }

    fn with<F: FnMut(&Object<'_>) -> Next>(f: &mut F) {
        let data = std::ptr::from_mut(f).cast();
        // SAFETY: `each` is given the closure of its own type, and is called from within this call alone.
        unsafe { libc::dl_iterate_phdr(Some(each::<F>), data) };
    }

    with(&mut f);
}

/// The loader has no name for the program itself.
fn is_empty(name: *const std::ffi::c_char) -> bool {
    // SAFETY: null, or a string of the loader's.
    name.is_null() || unsafe { CStr::from_ptr(name) }.is_empty()
}

/// The name of a module, given the loader's.
fn name(name: *const std::ffi::c_char) -> String {
    // SAFETY: null, or a string of the loader's.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
    match name.filter(|name| !name.is_empty()) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => std::env::current_exe().map_or_else(
            |_| "program".into(),
            |path| path.to_string_lossy().into_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_the_program_and_of_libraries_are_found() {
        let mut modules = Modules::new();
        modules.refresh();
        let here = (functions_of_the_program_and_of_libraries_are_found as *const ()).addr() as u64;
        assert_eq!(modules.place(here), None);
        for function in [here, (libc::getpid as *const ()).addr() as u64] {
            assert!(modules.meet(function + 1));
            assert_eq!(modules.function_start(function + 1), Some(function));
            let (path, offset) = modules.place(function).unwrap();
            assert!(
                Path::new(path).is_absolute() && offset <= function,
                "{path}"
            );
            assert!(!modules.file_name(function).contains('/'));
        }
        let on_the_stack = std::ptr::from_ref(&here) as u64;
        for nowhere in [0, 1, u64::MAX, on_the_stack] {
            assert!(!modules.meet(nowhere));
            assert_eq!(modules.function_start(nowhere), None);
        }
    }

    #[test]
    fn tables_that_are_anything_are_no_fault() {
        for length in 0..40 {
            for byte in [0, 1, 0x3b, 0xff] {
                let bytes = vec![byte; length];
                assert_eq!(frames_start(&bytes, 0), None);
                let _ = search(&bytes, u64::MAX, 7);
            }
        }
    }
}
