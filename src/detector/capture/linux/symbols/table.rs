//! Names from a file's symbol table: what is left without debug information, and the only full names of functions where
//! there are line tables alone.

use std::fs::File;

use object::read::elf::ElfFile64;
use object::{Endianness, Object as _, ObjectSymbol as _, ReadCache, SymbolKind};

/// The names, as compilers write them, of the functions that `addresses` are in, as the file at `path` numbers them. Nothing
/// is kept: a large program's table would be tens of megabytes.
pub(super) fn names(path: &str, addresses: &[u64]) -> Vec<Option<String>> {
    look_up(path, addresses).unwrap_or_else(|| vec![None; addresses.len()])
}

fn look_up(path: &str, addresses: &[u64]) -> Option<Vec<Option<String>>> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = ElfFile64::<Endianness, _>::parse(&cache).ok()?;
    let mut names = vec![None; addresses.len()];
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        if symbol.kind() != SymbolKind::Text {
            continue;
        }
        let start = symbol.address();
        let end = start.saturating_add(symbol.size());
        for (address, name) in addresses.iter().zip(&mut names) {
            if name.is_none() && (start..end).contains(address) {
                *name = symbol.name().ok().map(str::to_owned);
            }
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_program_has_no_names() {
        assert_eq!(names("/proc/self/status", &[1, 2]), [None, None]);
        assert_eq!(names("/nowhere", &[1]), [None]);
        assert_eq!(names("/proc/self/exe", &[0, u64::MAX]), [None, None]);
    }
}
