//! A file that holds one array: `.npy`, or raw bytes whose type and shape the user tells.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use arena_core::{ArrayLayout, Dtype};
use rustix::fs::OFlags;

use crate::error::CliError;
use crate::npy::{ByteOrder, Header, MAGIC, NpyError};
use crate::progress::Progress;
use crate::transfer::{self, Turn};

/// An opened file, checked to hold exactly the array it announces.
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    layout: ArrayLayout,
    data_offset: u64,
    turn: Turn,
}

/// How raw bytes are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// The type of each element.
    pub(crate) dtype: Dtype,
    /// In C order; one axis over the whole file unless told.
    pub(crate) shape: Option<Vec<u64>>,
}

impl Source {
    /// Opens `path` as raw bytes where `raw` says how, else as a `.npy` file.
    pub(crate) fn open(path: &Path, raw: Option<&Raw>) -> Result<Self, CliError> {
        let failed = |source| CliError::ReadFile {
            path: path.to_owned(),
            source,
        };
        // Without waiting: opening a pipe that nobody writes to would never end. Regular files don't know the difference.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(CliError::NotAFile {
                path: path.to_owned(),
            });
        }
        if raw.is_some() && is_npy(&file, metadata.len()).map_err(failed)? {
            return Err(CliError::RawNpy {
                path: path.to_owned(),
            });
        }
        let (layout, data_offset, byte_order) = match raw {
            Some(raw) => (raw.layout(path, metadata.len())?, 0, ByteOrder::Little),
            None => {
                let header =
                    read_header(&mut file, metadata.len()).map_err(|source| CliError::Npy {
                        path: path.to_owned(),
                        source,
                    })?;
                (header.layout, header.data_offset, header.byte_order)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            turn: turn(layout.dtype(), byte_order),
            layout,
            data_offset,
        })
    }

    /// Element type, shape and order of axes.
    pub(crate) const fn layout(&self) -> &ArrayLayout {
        &self.layout
    }

    /// Reads all elements into `target`, as long as the layout's extent.
    pub(crate) fn read_into(&self, target: &mut [u8]) -> Result<(), CliError> {
        let progress = Progress::new("reading", target.len() as u64);
        transfer::read(&self.file, self.data_offset, target, self.turn, &progress).map_err(
            |source| CliError::ReadFile {
                path: self.path.clone(),
                source,
            },
        )
    }
}

impl Raw {
    fn layout(&self, path: &Path, file_bytes: u64) -> Result<ArrayLayout, CliError> {
        let element_bytes = self.dtype.size_bytes();
        let shape = match &self.shape {
            Some(shape) => shape.clone(),
            None => vec![file_bytes / element_bytes],
        };
        let layout = ArrayLayout::c_order(self.dtype, &shape).map_err(CliError::Layout)?;
        if layout.extent_bytes() == file_bytes {
            Ok(layout)
        } else {
            Err(CliError::RawLength {
                path: path.to_owned(),
                dtype: self.dtype,
                shape,
                expected: layout.extent_bytes(),
                actual: file_bytes,
            })
        }
    }
}

/// Whether the file starts as `.npy` files do: its header would become elements.
fn is_npy(file: &File, file_bytes: u64) -> io::Result<bool> {
    let mut start = [0; MAGIC.len()];
    if file_bytes < start.len() as u64 {
        return Ok(false);
    }
    file.read_exact_at(&mut start, 0)?;
    Ok(&start == MAGIC)
}

fn read_header(file: &mut File, file_bytes: u64) -> Result<Header, NpyError> {
    let header = Header::read(file)?;
    header.check_file_len(file_bytes)?;
    Ok(header)
}

/// Complex elements are two numbers, each turned by itself.
fn turn(dtype: Dtype, byte_order: ByteOrder) -> Turn {
    if byte_order == ByteOrder::Little {
        return Turn::Nothing;
    }
    let bytes = dtype.size_bytes() as usize;
    match dtype {
        Dtype::Complex64 | Dtype::Complex128 => Turn::Numbers { bytes: bytes / 2 },
        _ => Turn::Numbers { bytes },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::encode_header;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn an_npy_file_must_hold_exactly_its_array() {
        let mut bytes = encode_header(Dtype::Uint16, &[2], false);
        bytes.extend([1, 0, 2]);
        let short = file_of(&bytes);
        assert!(matches!(
            Source::open(short.path(), None),
            Err(CliError::Npy {
                source: NpyError::DataTruncated { .. },
                ..
            })
        ));
        bytes.push(0);
        let whole = file_of(&bytes);
        let mut target = [0; 4];
        Source::open(whole.path(), None)
            .unwrap()
            .read_into(&mut target)
            .unwrap();
        assert_eq!(target, [1, 0, 2, 0]);
    }

    #[test]
    fn raw_bytes_must_fit_the_shape() {
        let file = file_of(&[0; 24]);
        let open = |dtype, shape: Option<&[u64]>| {
            let shape = shape.map(<[u64]>::to_vec);
            Source::open(file.path(), Some(&Raw { dtype, shape }))
        };
        assert_eq!(open(Dtype::Int32, None).unwrap().layout().shape(), [6]);
        assert_eq!(
            open(Dtype::Int16, Some(&[3, 4])).unwrap().layout().shape(),
            [3, 4]
        );
        assert!(matches!(
            open(Dtype::Int16, Some(&[3, 5])),
            Err(CliError::RawLength {
                expected: 30,
                actual: 24,
                ..
            })
        ));
        assert!(matches!(
            open(Dtype::Complex128, None),
            Err(CliError::RawLength { expected: 16, .. })
        ));
        assert!(matches!(
            open(Dtype::Int16, Some(&[u64::MAX, 2])),
            Err(CliError::Layout(_))
        ));
    }

    #[test]
    fn an_npy_file_is_not_read_as_raw_bytes() {
        let raw = Raw {
            dtype: Dtype::Uint8,
            shape: None,
        };
        let npy = file_of(&encode_header(Dtype::Uint8, &[0], false));
        assert!(matches!(
            Source::open(npy.path(), Some(&raw)),
            Err(CliError::RawNpy { .. })
        ));
        let short = file_of(b"\x93NUM");
        assert!(Source::open(short.path(), Some(&raw)).is_ok());
    }

    #[test]
    fn a_directory_is_no_array() {
        assert!(matches!(
            Source::open(Path::new("/"), None),
            Err(CliError::NotAFile { .. })
        ));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert!(matches!(
            Source::open(&path, None),
            Err(CliError::NotAFile { .. })
        ));
    }
}
