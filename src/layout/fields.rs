//! Field tables of the shared structs, and the hash over them.

use super::{header, object, process};

/// One field of a shared struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: usize,
    /// The field's size in bytes.
    pub size: usize,
}

/// Declares a `repr(C)` struct that lies in a shared file, together with the table of its fields.
macro_rules! shared_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)+ }

        impl $name {
            /// The fields in the order of the file.
            pub const FIELDS: &'static [$crate::layout::Field] = &[$($crate::layout::Field {
                name: stringify!($field),
                offset: core::mem::offset_of!($name, $field),
                size: core::mem::size_of::<$type>(),
            },)+];
        }
    };
}
pub(crate) use shared_struct;

/// Every shared struct by name, with its size and fields.
pub const STRUCTS: &[(&str, usize, &[Field])] = &[
    (
        "Header",
        size_of::<header::Header>(),
        header::Header::FIELDS,
    ),
    (
        "RawObject",
        size_of::<object::RawObject>(),
        object::RawObject::FIELDS,
    ),
    (
        "ObjectFixed",
        size_of::<object::ObjectFixed>(),
        object::ObjectFixed::FIELDS,
    ),
    (
        "ObjectTwin",
        size_of::<object::ObjectTwin>(),
        object::ObjectTwin::FIELDS,
    ),
    (
        "RawProcess",
        size_of::<process::RawProcess>(),
        process::RawProcess::FIELDS,
    ),
    (
        "ProcessTwin",
        size_of::<process::ProcessTwin>(),
        process::ProcessTwin::FIELDS,
    ),
];

/// A hash over the names, offsets and sizes of all shared fields. Two programs with the same hash agree about the file.
pub const LAYOUT_HASH: u64 = hash_structs(STRUCTS);

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

const fn hash_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    hash
}

const fn hash_fields(mut hash: u64, fields: &[Field]) -> u64 {
    let mut at = 0;
    while at < fields.len() {
        hash = hash_bytes(hash, fields[at].name.as_bytes());
        hash = hash_bytes(hash, &(fields[at].offset as u64).to_le_bytes());
        hash = hash_bytes(hash, &(fields[at].size as u64).to_le_bytes());
        at += 1;
    }
    hash
}

const fn hash_structs(structs: &[(&str, usize, &[Field])]) -> u64 {
    let mut hash = FNV_BASIS;
    let mut at = 0;
    while at < structs.len() {
        hash = hash_bytes(hash, structs[at].0.as_bytes());
        hash = hash_bytes(hash, &(structs[at].1 as u64).to_le_bytes());
        hash = hash_fields(hash, structs[at].2);
        at += 1;
    }
    hash
}
