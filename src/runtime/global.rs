//! The runtime that starts by itself.

use super::builder::Builder;
use super::instance::Runtime;
use crate::primitive::sync::{Arc, OnceLock};
use crate::scheduler::{Shared, with_current_runtime};

/// How many hubs the global runtime has, if it is set.
const HUBS: &str = "GREENHUB_HUBS";

static GLOBAL: OnceLock<Runtime> = OnceLock::new();

/// Applies `f` to the runtime of the current greenlet or, outside of greenlets, the global one. `f` must not suspend.
#[track_caller]
#[inline]
pub(crate) fn current_or_global<R>(f: impl FnOnce(&Arc<Shared>) -> R) -> R {
    let mut f = Some(f);
    let mut call = |shared: &Arc<Shared>| f.take().map(|f| f(shared));
    match with_current_runtime(&mut call).flatten() {
        Some(result) => result,
        None => call(global().shared()).expect("it was not called yet"),
    }
}

#[cold]
#[track_caller]
fn global() -> &'static Runtime {
    GLOBAL.get_or_init(|| match from_environment().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("could not start the global runtime: {error}"),
    })
}

#[track_caller]
fn from_environment() -> Builder {
    let builder = Builder::new();
    match std::env::var(HUBS) {
        Err(std::env::VarError::NotPresent) => builder,
        Err(error) => panic!("{HUBS} must be a number of hubs: {error}"),
        Ok(value) => match value.trim().parse() {
            Ok(hubs) => builder.hubs(hubs),
            Err(_) => panic!("{HUBS} must be a number of hubs, not '{value}'"),
        },
    }
}
