//! Real data against NumPy: the GSHHG shorelines, 10.6 million points, 84 MB of float32.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::Path;

use arena_tests::{Daemon, Site, testdata};
use serde_json::Value;

/// The kernels add in float64, pairwise over a tree: what is documented is a relative error of n * epsilon at most.
const RELATIVE: f64 = 1e-9;

fn assert_near(what: &str, ours: f64, theirs: f64, scale: f64) {
    assert!(
        (ours - theirs).abs() <= RELATIVE * scale,
        "{what}: {ours} is not NumPy's {theirs}"
    );
}

struct Loaded {
    site: Site,
    _daemon: Daemon,
    numpy: Value,
}

impl Loaded {
    fn with(files: &[(&str, &str)]) -> Self {
        let site = Site::new().size("192MiB");
        let daemon = site.start();
        for (file, name) in files {
            let path = testdata(file);
            let put = site.arenactl([Path::new("put"), &path, "--name".as_ref(), name.as_ref()]);
            assert_eq!(put.code, Some(0), "{put:?}");
        }
        let numpy = std::fs::read(testdata("shorelines.json")).unwrap();
        Self {
            site,
            _daemon: daemon,
            numpy: serde_json::from_slice(&numpy).unwrap(),
        }
    }

    fn run(&self, words: &[&str]) -> Value {
        let words = [&["run"], words, &["--json"]].concat();
        self.site.arenactl(words).json()["value"].take()
    }

    fn numpys(&self, what: &str) -> f64 {
        self.numpy[what].as_f64().unwrap()
    }
}

#[test]
fn reductions_of_real_data_are_numpys() {
    let loaded = Loaded::with(&[("shorelines.npy", "shorelines")]);
    let elements = loaded.numpy["shape"][0].as_f64().unwrap() * 2.0;
    for kernel in ["sum", "mean", "var", "std", "min", "max"] {
        let ours = loaded.run(&[kernel, "shorelines"]).as_f64().unwrap();
        // The bound of a sum is relative to the sum of the absolute values, which are below 360.
        let scale = match kernel {
            "sum" => 360.0 * elements,
            "min" | "max" => 0.0,
            _ => loaded.numpys("var"),
        };
        assert_near(kernel, ours, loaded.numpys(kernel), scale);
    }
}

#[test]
fn a_dot_product_of_two_real_arrays_is_numpys() {
    let loaded = Loaded::with(&[("longitudes.npy", "x"), ("latitudes.npy", "y")]);
    let elements = loaded.numpy["shape"][0].as_f64().unwrap();
    let ours = loaded.run(&["dot", "x", "y"]).as_f64().unwrap();
    assert_near("dot", ours, loaded.numpys("dot"), 360.0 * 90.0 * elements);
}

#[test]
fn a_histogram_of_real_data_counts_as_numpy_does() {
    let loaded = Loaded::with(&[("shorelines.npy", "shorelines")]);
    let ours = loaded.run(&["histogram", "shorelines", "--param", "bins=36"]);
    assert_eq!(ours["counts"], loaded.numpy["histogram_counts"]);
    let edges = |value: &Value| -> Vec<f64> {
        let edges = value.as_array().unwrap();
        edges.iter().map(|edge| edge.as_f64().unwrap()).collect()
    };
    let pairs = edges(&ours["edges"]);
    let theirs = edges(&loaded.numpy["histogram_edges"]);
    assert_eq!(pairs.len(), 37);
    for (ours, theirs) in pairs.into_iter().zip(theirs) {
        // NumPy rounds its edges to the elements' type.
        assert!((ours - theirs).abs() <= 360.0 * f64::from(f32::EPSILON));
    }
}

#[test]
fn a_file_comes_back_byte_for_byte() {
    let loaded = Loaded::with(&[("shorelines.npy", "shorelines")]);
    let out = loaded.site.path("out.npy");
    let get = loaded
        .site
        .arenactl([Path::new("get"), "shorelines".as_ref(), &out]);
    assert_eq!(get.code, Some(0), "{get:?}");
    let original = std::fs::read(testdata("shorelines.npy")).unwrap();
    assert!(std::fs::read(&out).unwrap() == original);
}
