//! `arenactl put`.

use std::path::{Path, PathBuf};

use arena_client::{Client, Shared, Sharing};
use arena_core::protocol::Object;
use arena_core::{Dtype, ObjectName};
use clap::Args;

use crate::context::Context;
use crate::error::CliError;
use crate::object::{ObjectView, name_text, shape_text};
use crate::shape::Shape;
use crate::source::{Raw, Source};
use crate::units::Bytes;

/// Put an array from a file into the arena
///
/// The file is a .npy file, or raw little-endian numbers with --dtype. The object gets the file's name without its ending
/// unless --name says another one: an object without a name would end with this command.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  arenactl put prices.npy --name prices\n  arenactl put samples.bin --dtype float32 --shape 1000,3"
)]
pub(crate) struct Put {
    /// The file
    file: PathBuf,
    /// The object's name [default: the file's name without its ending]
    #[arg(long)]
    name: Option<ObjectName>,
    /// Read raw little-endian elements of this type: bool, int8-int64, uint8-uint64, float16-float64, complex64, complex128, bytes
    #[arg(long, value_name = "TYPE")]
    dtype: Option<Dtype>,
    /// The shape of raw elements, in C order [default: one axis]
    #[arg(long, value_name = "A,B,...", requires = "dtype")]
    shape: Option<Shape>,
    /// Make the object mutable under slice locks instead of immutable
    #[arg(long)]
    shared: bool,
    /// Cut a shared object into this many stripes, one lock each [default: 256, or the axis' length if that is less]
    #[arg(long, value_name = "N", requires = "shared")]
    stripes: Option<u32>,
    /// Cut a shared object along this axis
    #[arg(long, value_name = "AXIS", requires = "shared", default_value_t = 0)]
    lock_axis: u8,
    /// Keep a copy of what is overwritten, so that a writer that dies can be rolled back
    #[arg(long, requires = "shared")]
    before_images: bool,
}

impl Put {
    pub(crate) fn run(self, context: &Context) -> Result<(), CliError> {
        let raw = self.dtype.map(|dtype| Raw {
            dtype,
            shape: self.shape.clone().map(|shape| shape.0),
        });
        let source = Source::open(&self.file, raw.as_ref())?;
        let name = match self.name.clone() {
            Some(name) => name,
            None => stem(&self.file)?,
        };
        let client = context.client()?;
        let object = if self.shared {
            self.put_shared(&client, &source, &name)?
        } else {
            put_sealed(&client, &source, &name)?
        };
        context
            .screen
            .show(&ObjectView::of(&object), || to_text(&self.file, &object))
    }
}

impl Put {
    fn put_shared(
        &self,
        client: &Client,
        source: &Source,
        name: &ObjectName,
    ) -> Result<Object, CliError> {
        let sharing = Sharing {
            lock_axis: self.lock_axis,
            stripes: self.stripes,
            before_images: self.before_images,
        };
        let shared = client.create_shared(source.layout().clone(), name.as_str(), sharing)?;
        let filled = fill_shared(&shared, source);
        if filled.is_err() {
            // The file can't be read; a shared object is seen from its creation on, so it is taken back.
            shared.remove()?;
        }
        filled.map(|()| shared.info().clone())
    }
}

fn fill_shared(shared: &Shared, source: &Source) -> Result<(), CliError> {
    let mut guard = shared.overwrite(..)?;
    source.read_into(guard.bytes_mut()?)?;
    Ok(guard.commit()?)
}

fn put_sealed(client: &Client, source: &Source, name: &ObjectName) -> Result<Object, CliError> {
    let mut filling = client.create(source.layout().clone(), name.as_str())?;
    source.read_into(filling.bytes_mut()?)?;
    Ok(filling.seal()?.info().clone())
}

/// The name of an object that the user has given none.
fn stem(file: &Path) -> Result<ObjectName, CliError> {
    let no_stem = |source| CliError::NoStem {
        path: file.to_owned(),
        source,
    };
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .ok_or_else(|| no_stem(None))?;
    stem.parse().map_err(|error| no_stem(Some(error)))
}

fn to_text(file: &Path, object: &Object) -> String {
    let shared = if object.stripes.is_some() {
        ", shared"
    } else {
        ""
    };
    format!(
        "put {} as {}: {} of {}, {} at offset {}{shared}",
        file.display(),
        name_text(object),
        shape_text(object.layout.shape()),
        object.layout.dtype(),
        Bytes(object.layout.extent_bytes()),
        object.extent.offset,
    )
}
