//! What must happen at once in Redis: one Lua script for each algorithm, each on the keys of one hash slot.

use std::sync::LazyLock;

/// A script, known to Redis by its hash.
pub(super) struct Script {
    /// Lua.
    pub(super) source: &'static str,
    hashed: LazyLock<redis::Script>,
}

impl Script {
    /// SHA-1 of the source in hexadecimal.
    pub(super) fn hash(&self) -> &str {
        self.hashed.get_hash()
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(
            #[doc = concat!("See `scripts/", $file, "`.")]
            pub(super) static $name: Script = Script {
                source: include_str!(concat!("scripts/", $file)),
                hashed: LazyLock::new(|| redis::Script::new(include_str!(concat!("scripts/", $file)))),
            };
        )*
        /// All of them.
        pub(super) static ALL: [&Script; [$($file),*].len()] = [$(&$name),*];
    };
}

scripts! {
    CHARGE = "charge.lua";
    SUSPECT = "suspect.lua";
    FADE = "fade.lua";
    DRAW = "draw.lua";
    NUMBER = "number.lua";
    PUT = "put.lua";
    SINCE = "since.lua";
}
