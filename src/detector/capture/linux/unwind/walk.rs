//! The way from frame to frame.

use framehop::{
    CacheNative, FrameAddress, MayAllocateDuringUnwind, UnwindRegsNative, Unwinder as _,
};

use super::super::snapshot::{Registers, Snapshot};
use super::calls::{self, Call};
use super::modules::Modules;

/// The most frames of a stack that are told.
const MOST: usize = 128;

/// How far above a frame's end its frame pointer is looked for, where the system did not tell it.
const REACH: u64 = 8 << 10;

/// Addresses in the calls of a stack, the innermost first. Each is within the instruction meant: the call, not what comes
/// after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Trace {
    pub(crate) addresses: Vec<u64>,
    /// There are more calls, further out.
    pub(crate) is_cut: bool,
}

/// Unwinds stacks, and remembers what it has learnt of the program.
pub(crate) struct Unwinder {
    modules: Modules,
}

/// A frame: the address that it goes on at, and its registers there.
#[derive(Clone, Copy)]
struct Position {
    address: FrameAddress,
    registers: UnwindRegsNative,
}

/// Where a walk has ended.
enum End {
    /// At the stack's root.
    Root,
    /// At the end of what was copied, or of patience.
    Cut,
    /// In a frame that tells no way on.
    Lost(Position),
}

impl Unwinder {
    pub(crate) fn new() -> Unwinder {
        Unwinder {
            modules: Modules::new(),
        }
    }

    /// Finds the calls on a stack.
    pub(crate) fn unwind(&mut self, snapshot: &Snapshot) -> Trace {
        self.modules.refresh();
        let mut addresses = Vec::new();
        let start = Position {
            address: FrameAddress::from_instruction_pointer(snapshot.registers.pc),
            registers: framehop_registers(&snapshot.registers),
        };
        let mut end = self.walk(snapshot, start, &mut addresses);
        if let (End::Lost(position), None) = (&end, snapshot.registers.fp) {
            if let Some((better, rest)) = self.find_frame_pointer(snapshot, *position) {
                addresses.pop();
                addresses.extend(rest);
                end = better;
            }
        }
        if matches!(end, End::Root) {
            // corosensei's, which the greenlet knows nothing of.
            addresses.pop();
        }
        addresses.truncate(MOST);
        Trace {
            addresses,
            is_cut: matches!(end, End::Cut),
        }
    }

    /// The file that an address from a trace is in, and its address there.
    pub(crate) fn place(&self, address: u64) -> Option<(&str, u64)> {
        self.modules.place(address)
    }

    /// What people call that file.
    pub(crate) fn file_name(&self, address: u64) -> &str {
        self.modules.file_name(address)
    }

    /// How often the loader had unloaded something when the last stack was unwound.
    pub(crate) fn unloads(&self) -> u64 {
        self.modules.unloads()
    }

    /// Walks from `position` on, as far as the way is known, and adds the address of each frame.
    fn walk(
        &mut self,
        snapshot: &Snapshot,
        mut position: Position,
        addresses: &mut Vec<u64>,
    ) -> End {
        // Not kept: where a frame's registers make no sense, framehop remembers for its address the rule that it falls back
        // to, and would apply it to frames that are in order.
        let mut cache = CacheNative::<MayAllocateDuringUnwind>::new();
        loop {
            let address = position.address.address_for_lookup();
            let is_code = self.modules.meet(address);
            if position.address.is_return_address() && !is_code {
                return End::Lost(position);
            }
            addresses.push(address);
            if self.is_root(snapshot, sp_and_fp(&position.registers)) {
                return End::Root;
            }
            if addresses.len() > MOST {
                return End::Cut;
            }
            let mut registers = position.registers;
            let mut highest = 0;
            let mut read = |address| {
                highest = highest.max(address);
                snapshot.word(address).ok_or(())
            };
            let next = self.modules.unwinder().unwind_frame(
                position.address,
                &mut registers,
                &mut cache,
                &mut read,
            );
            // Each call has its place above the one that it makes.
            let is_above =
                registers.sp() > position.registers.sp() || !position.address.is_return_address();
            let next = next.ok().flatten().filter(|_| is_above);
            match next.and_then(FrameAddress::from_return_address) {
                Some(address) => position = Position { address, registers },
                None if snapshot.ends_below(highest) => return End::Cut,
                None => return End::Lost(position),
            }
        }
    }

    /// The frame with these registers is corosensei's, the first on the stack: its frame pointer points to the link to
    /// whoever has resumed the greenlet, two words below the stack's base, and its stack pointer to what was given to
    /// the fiber's first function, two words below that. Other frames may lie like that by chance. But above the link is the
    /// beginning of a function, the stack's first, and not an address to return to.
    fn is_root(&mut self, snapshot: &Snapshot, (sp, fp): (u64, u64)) -> bool {
        let base = fp.wrapping_add(16);
        if sp.wrapping_add(32) != base || base % 128 != 0 {
            return false;
        }
        snapshot.word(fp.wrapping_add(8)).is_some_and(|first| {
            self.modules.meet(first) && self.modules.function_start(first) == Some(first)
        })
    }

    /// Goes on from a frame that cannot be unwound without the frame pointer, which the system does not tell of a thread
    /// that waits. So it is looked for: a frame pointer points to two words, of which the second is the address that
    /// the function returns to. The best is one before which there is a call of this very function; otherwise one
    /// before which there is some call will do. From there the way must lead to the root, or to where the copy ends.
    fn find_frame_pointer(
        &mut self,
        snapshot: &Snapshot,
        lost: Position,
    ) -> Option<(End, Vec<u64>)> {
        let function = self
            .modules
            .function_start(lost.address.address_for_lookup());
        let sp = lost.registers.sp();
        let first = sp.checked_next_multiple_of(16)?;
        let candidates: Vec<(u64, Call)> = (first..sp.saturating_add(REACH))
            .step_by(16)
            .filter_map(|frame| {
                let returns_to = snapshot.word(frame.checked_add(8)?)?;
                let call = self
                    .modules
                    .meet(returns_to.wrapping_sub(1))
                    .then(|| calls::before(returns_to));
                Some((frame, call??))
            })
            .collect();
        let is_of_this = |call: &Call| function.is_some_and(|function| *call == Call::To(function));
        let (best, others): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|(_, call)| is_of_this(call));
        best.into_iter().chain(others).find_map(|(frame, _)| {
            let mut position = lost;
            set_fp(&mut position.registers, frame);
            let mut addresses = Vec::new();
            let end = self.walk(snapshot, position, &mut addresses);
            (!matches!(end, End::Lost(_))).then_some((end, addresses))
        })
    }
}

impl std::fmt::Debug for Unwinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").finish_non_exhaustive()
    }
}

impl Snapshot {
    /// A word at `address` was wanted, which is on the stack but was not copied.
    fn ends_below(&self, address: u64) -> bool {
        /// More than a frame is long.
        const FAR: u64 = 1 << 20;
        let end = self.registers.sp.saturating_add(self.stack.len() as u64);
        self.is_cut && (end.saturating_sub(7)..end.saturating_add(FAR)).contains(&address)
    }
}

#[cfg(target_arch = "x86_64")]
fn framehop_registers(registers: &Registers) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.pc, registers.sp, registers.fp.unwrap_or(0))
}

#[cfg(target_arch = "x86_64")]
fn sp_and_fp(registers: &UnwindRegsNative) -> (u64, u64) {
    (registers.sp(), registers.bp())
}

#[cfg(target_arch = "x86_64")]
fn set_fp(registers: &mut UnwindRegsNative, fp: u64) {
    registers.set_bp(fp);
}

#[cfg(target_arch = "aarch64")]
fn framehop_registers(registers: &Registers) -> UnwindRegsNative {
    let fp = registers.fp.unwrap_or(0);
    UnwindRegsNative::new(registers.lr.unwrap_or(0), registers.sp, fp)
}

#[cfg(target_arch = "aarch64")]
fn sp_and_fp(registers: &UnwindRegsNative) -> (u64, u64) {
    (registers.sp(), registers.fp())
}

#[cfg(target_arch = "aarch64")]
fn set_fp(registers: &mut UnwindRegsNative, fp: u64) {
    registers.set_fp(fp);
}
