//! Objects as commands show them.

use arena_core::ArrayLayout;
use arena_core::protocol::{Object, ObjectState};
use serde::Serialize;
use serde_json::json;

use crate::screen::pairs;
use crate::units::{Bytes, grouped};

/// An object, flat, for JSON.
#[derive(Serialize, Debug)]
pub(crate) struct ObjectView {
    name: Option<String>,
    id: String,
    state: ObjectState,
    dtype: &'static str,
    shape: Vec<u64>,
    strides: Vec<u64>,
    order: &'static str,
    bytes: u64,
    arena_offset: u64,
    uid: u32,
    pins: u32,
    stripes: serde_json::Value,
    before_images: bool,
}

impl ObjectView {
    pub(crate) fn of(object: &Object) -> Self {
        Self {
            name: object.name.as_ref().map(ToString::to_string),
            id: object.id.to_string(),
            state: object.state,
            dtype: object.layout.dtype().name(),
            shape: object.layout.shape().to_vec(),
            strides: object.layout.strides().to_vec(),
            order: order(&object.layout),
            bytes: object.layout.extent_bytes(),
            arena_offset: object.extent.offset.get(),
            uid: object.uid,
            pins: object.pins,
            stripes: object.stripes.map_or(
                serde_json::Value::Null,
                |stripes| json!({ "axis": stripes.axis, "count": stripes.count }),
            ),
            before_images: object.image.is_some(),
        }
    }
}

/// Name and value of everything there is to say.
pub(crate) fn details(object: &Object) -> String {
    let layout = &object.layout;
    let mut rows = vec![
        ("name", name_text(object)),
        ("id", object.id.to_string()),
        ("state", state_text(object.state).to_owned()),
        ("dtype", layout.dtype().to_string()),
        ("shape", shape_text(layout.shape())),
        ("order", order(layout).to_owned()),
        ("size", size_text(layout.extent_bytes())),
        ("offset", object.extent.offset.to_string()),
        ("owner", format!("uid {}", object.uid)),
        ("pins", object.pins.to_string()),
    ];
    if let Some(stripes) = object.stripes {
        let images = if object.image.is_some() {
            ", with before-images"
        } else {
            ""
        };
        let text = format!("{} along axis {}{images}", stripes.count, stripes.axis);
        rows.push(("stripes", text));
    }
    pairs(rows)
}

fn size_text(bytes: u64) -> String {
    if bytes < 1024 {
        return Bytes(bytes).to_string();
    }
    format!("{} ({} bytes)", Bytes(bytes), grouped(bytes))
}

pub(crate) fn name_text(object: &Object) -> String {
    object
        .name
        .as_ref()
        .map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// `1000 x 3`; a single value for the shape of no dimension.
pub(crate) fn shape_text(shape: &[u64]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
    axes.join(" x ")
}

pub(crate) const fn state_text(state: ObjectState) -> &'static str {
    match state {
        ObjectState::Filling => "filling",
        ObjectState::Sealed => "sealed",
        ObjectState::Shared => "shared",
        ObjectState::Removed => "removed",
        ObjectState::Lingering => "lingering",
    }
}

fn order(layout: &ArrayLayout) -> &'static str {
    if layout.is_c_contiguous() {
        "C"
    } else if layout.is_fortran_contiguous() {
        "F"
    } else {
        "strided"
    }
}
