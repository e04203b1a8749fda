//! Builds the production files of this package with loom's types. A build script, so that nobody has to set `RUSTFLAGS`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=greenhub_loom");
}
