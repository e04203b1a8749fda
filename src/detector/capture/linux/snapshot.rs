//! What was copied of a stack, to be unwound at leisure.

/// The registers that an unwinder begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// The next instruction.
    pub(crate) pc: u64,
    /// The stack pointer.
    pub(crate) sp: u64,
    /// The frame pointer, where it is known.
    pub(crate) fp: Option<u64>,
    /// The link register, on processors that have one and where it is known.
    pub(crate) lr: Option<u64>,
}

/// Registers, and the piece of the stack from the stack pointer upwards.
///
/// Nothing in it is to be trusted: the stack is what some program has left there, and a copy that raced with it may be
/// torn. It is only ever looked up in, never followed into memory.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) registers: Registers,
    /// What lies at `registers.sp` and above.
    pub(crate) stack: Box<[u8]>,
    /// The stack goes on above what was copied, or may do so.
    pub(crate) is_cut: bool,
}

impl Snapshot {
    /// The word at `address`, if it was copied.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let from = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        let bytes = self.stack.get(from..from.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_ne_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_copied_can_be_read() {
        let registers = Registers {
            sp: 0x1000,
            ..Registers::default()
        };
        let snapshot = Snapshot {
            registers,
            stack: [7_u64.to_ne_bytes(), 8_u64.to_ne_bytes()].concat().into(),
            is_cut: false,
        };
        assert_eq!(snapshot.word(0x1000), Some(7));
        assert_eq!(snapshot.word(0x1008), Some(8));
        for outside in [0, 0xfff, 0x1009, 0x1010, u64::MAX, u64::MAX - 7] {
            assert_eq!(snapshot.word(outside), None, "{outside:#x}");
        }
    }
}
