//! What the call instruction before a return address calls.

#[cfg(target_arch = "x86_64")]
use crate::primitive::peek;

/// A call, as far as its instruction tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Of the function that begins there.
    To(u64),
    /// Of one that only the running program knows.
    Somewhere,
}

/// The call that would return to `address`; `None` if what is before it is no call.
#[cfg(target_arch = "x86_64")]
pub(super) fn before(address: u64) -> Option<Call> {
    let mut code = [0; 7];
    read(address.checked_sub(code.len() as u64)?, &mut code)?;
    let displacement = i32::from_le_bytes([code[3], code[4], code[5], code[6]]).into();
    match code {
        // call relative
        [_, _, 0xe8, ..] => Some(Call::To(address.wrapping_add_signed(displacement))),
        // call [rip + displacement]: through the table of imports
        [_, 0xff, 0x15, ..] => {
            let mut target = [0; 8];
            let read = read(address.wrapping_add_signed(displacement), &mut target);
            Some(read.map_or(Call::Somewhere, |()| Call::To(u64::from_le_bytes(target))))
        }
        // call register, [register], [register + 1 byte], [register + 4 bytes], and those with an index
        [.., 0xff, 0x10..=0x17 | 0xd0..=0xd7]
        | [.., 0xff, 0x14 | 0x50..=0x57, _]
        | [.., 0xff, 0x54, _, _]
        | [_, 0xff, 0x90..=0x97, ..]
        | [0xff, 0x94, ..] => Some(Call::Somewhere),
        _ => None,
    }
}

/// Fills all of `to`, or says that it cannot.
#[cfg(target_arch = "x86_64")]
fn read(address: u64, to: &mut [u8]) -> Option<()> {
    let length = peek(usize::try_from(address).ok()?, to).ok()?;
    (length == to.len()).then_some(())
}

/// The call that would return to `address`: not told on this processor.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn before(_address: u64) -> Option<Call> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn before_the_end_of(code: &[u8]) -> Option<Call> {
        let code = [&[0x90; 8], code].concat();
        before(code.as_ptr_range().end as u64)
    }

    #[test]
    fn calls_are_told_from_other_instructions() {
        let imported = 0x1234_5678_u64;
        let mut code = Box::new([0x90_u8; 16]);
        code[1] = 0xff;
        code[2] = 0x15;
        code[3..7].copy_from_slice(&1_i32.to_le_bytes());
        code[8..].copy_from_slice(&imported.to_le_bytes());
        let end = code.as_ptr() as u64 + 7;
        assert_eq!(before(end), Some(Call::To(imported)));
        code[1] = 0x90;
        code[2] = 0xe8;
        assert_eq!(before(end), Some(Call::To(end + 1)));
        assert_eq!(before_the_end_of(&[0xff, 0xd0]), Some(Call::Somewhere));
        assert_eq!(
            before_the_end_of(&[0x41, 0xff, 0xd4]),
            Some(Call::Somewhere)
        );
        assert_eq!(
            before_the_end_of(&[0xff, 0x50, 0x18]),
            Some(Call::Somewhere)
        );
        assert_eq!(before_the_end_of(&[0x0f, 0x05]), None);
        assert_eq!(before(0), None);
        assert_eq!(before(64), None);
    }
}
