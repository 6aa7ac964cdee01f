//! Runs the targets that the crates list, each under libFuzzer in a binary of its name.

pub use libfuzzer_sys::fuzz_target;

/// The target of a crate that is called as this binary is.
#[macro_export]
macro_rules! run {
    ($crate_with_targets:ident) => {
        $crate::fuzz_target!(|bytes: &[u8]| {
            const NAME: &str = env!("CARGO_BIN_NAME");
            let target = $crate_with_targets::fuzzing::TARGETS.iter().find(|(name, _)| *name == NAME);
            let (_, check) = target.expect("the binary is called as a target is");
            check(bytes);
        });
    };
}
