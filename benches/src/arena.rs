//! A private arena with one large array of float64 in it, and the heap array it came from.

use std::error::Error;

use arena_client::{Client, Object};

/// What most sections measure with.
pub(crate) struct Arena {
    pub client: Client,
    /// The array in private memory, as a user has it.
    pub heap: Vec<f64>,
}

impl Arena {
    /// Starts a supervisor whose arena has room for three such arrays.
    pub(crate) fn start(bytes: u64, workers: u32) -> Result<Self, Box<dyn Error>> {
        let client = Client::builder()
            .size(arena_bytes(bytes))
            .workers(workers)
            .embedded()?;
        Ok(Self {
            client,
            heap: numbers(bytes),
        })
    }

    /// The heap array, copied into the arena.
    pub(crate) fn put(&self) -> Result<Object, arena_client::Error> {
        self.client.put(None, &ndarray::aview1(&self.heap))
    }

    /// The processes that work for this one.
    pub(crate) fn helpers(&self) -> Result<Vec<u32>, arena_client::Error> {
        let workers = self.client.workers()?.into_iter().map(|worker| worker.pid);
        Ok(workers.chain([self.client.supervisor_pid()?]).collect())
    }
}

/// Room for three arrays of `bytes` and some small ones.
pub(crate) fn arena_bytes(bytes: u64) -> u64 {
    3 * bytes + (64 << 20)
}

/// Float64 between 0 and 1 that look random and are the same each time.
pub(crate) fn numbers(bytes: u64) -> Vec<f64> {
    (0..bytes / 8)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 53) as f64)
        .collect()
}
