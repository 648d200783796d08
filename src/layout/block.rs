//! The state byte of a 2 MiB block.

/// What is known about the pages of a 2 MiB block. One byte in the file; the codes differ in several bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum BlockState {
    /// No promise: touching it may fail.
    #[default]
    Cold = 0x00,
    /// Populated with 4 KiB pages.
    Small = 0x5a,
    /// Populated with one 2 MiB page.
    Huge = 0xa5,
}

impl BlockState {
    /// The state that `code` stands for, or `None`.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Cold, Self::Small, Self::Huge]
            .into_iter()
            .find(|state| *state as u8 == code)
    }

    /// Whether the block can be granted.
    #[must_use]
    pub const fn is_warm(self) -> bool {
        !matches!(self, Self::Cold)
    }
}
