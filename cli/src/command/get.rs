//! `arenactl get`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use arena_core::protocol::{Object, ObjectState};
use arena_core::{ArrayLayout, ObjectName};
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::destination::Target;
use crate::error::CliError;
use crate::npy::encode_header;
use crate::object::{ObjectView, name_text, shape_text};
use crate::progress::Progress;
use crate::units::Bytes;
use crate::{destination, gather, transfer};

/// Write an object to a .npy file
///
/// C and Fortran order are kept; anything else becomes C order. A shared object is read under all of its locks.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  arenactl get prices out.npy\n  arenactl get prices out.bin --raw\n  arenactl get prices - --raw | sha256sum"
)]
pub(crate) struct Get {
    /// The object
    name: ObjectName,
    /// The file to write, `-` for stdout; it appears when it is whole
    file: PathBuf,
    /// Write the elements alone, in C order and little-endian
    #[arg(long)]
    raw: bool,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let client = context.client()?;
        let info = client.info(&self.name)?;
        let written = if info.state == ObjectState::Shared {
            let shared = client.shared(info.id)?;
            let guard = shared.read(..)?;
            self.write(shared.layout(), guard.bytes()?)
        } else {
            let object = client.get(info.id)?;
            self.write(object.layout(), object.bytes())
        };
        let bytes = written.map_err(|source| CliError::WriteFile {
            path: self.file.clone(),
            source,
        })?;
        self.tell(context, &info, bytes)
    }

    /// Writes the file and counts its bytes.
    fn write(&self, layout: &ArrayLayout, bytes: &[u8]) -> io::Result<u64> {
        let header = if self.raw {
            Vec::new()
        } else {
            encode_header(
                layout.dtype(),
                layout.shape(),
                is_kept_in_fortran_order(layout),
            )
        };
        let is_ready = layout.is_c_contiguous() || (!self.raw && is_kept_in_fortran_order(layout));
        destination::replace(&self.file, |target| {
            target.file.write_all(&header)?;
            if is_ready {
                write_bytes(target, header.len() as u64, bytes)
            } else {
                gather_bytes(&target.file, layout, bytes)
            }
        })?;
        let elements = layout.element_count() * layout.dtype().size_bytes();
        Ok(header.len() as u64 + elements)
    }

    /// Says what was written, but not into the midst of what went to stdout.
    fn tell(&self, context: &Context, info: &Object, file_bytes: u64) -> Result<(), CliError> {
        if destination::is_stdout(&self.file) {
            return Ok(());
        }
        let document = json!({
            "object": ObjectView::of(info),
            "file": self.file.to_string_lossy(),
            "file_bytes": file_bytes,
        });
        context.screen.show(&document, || {
            format!(
                "got {} into {}: {} of {}, {}",
                name_text(info),
                self.file.display(),
                shape_text(info.layout.shape()),
                info.layout.dtype(),
                Bytes(file_bytes),
            )
        })
    }
}

/// NumPy calls an array that is both C's and Fortran's C's.
fn is_kept_in_fortran_order(layout: &ArrayLayout) -> bool {
    layout.is_fortran_contiguous() && !layout.is_c_contiguous()
}

fn write_bytes(target: &mut Target, offset: u64, bytes: &[u8]) -> io::Result<()> {
    if target.is_new {
        let progress = Progress::new("writing", bytes.len() as u64);
        transfer::write(&target.file, offset, bytes, &progress)
    } else {
        target.file.write_all(bytes)
    }
}

fn gather_bytes(file: &File, layout: &ArrayLayout, bytes: &[u8]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    gather::write_c_order(layout, bytes, &mut out)?;
    out.flush()
}
