//! The demo's steps, in their order.

use std::io;
use std::time::{Duration, Instant};

use arena_client::{ArrayLayout, Client, Object, Sharing};
use arena_core::BLOCK_BYTES;
use arena_core::protocol::Value;

use super::jobs::Jobs;
use super::numbers::{ADD, Float, Reference, SCALE, is_updated};
use super::plan::Plan;
use super::report::{Checks, Report, gb_per_s};
use super::serialised::{COPIES, Pool};
use crate::error::CliError;
use crate::measure::{limits, memory};
use crate::progress::during;
use crate::value;

/// How often a reduction is run; the best time counts, as for the limits it is judged by.
const REPETITIONS: usize = 4;

/// Runs all steps on the numbers that `load` fills in.
pub(super) fn run<T: Float>(
    plan: &Plan,
    load: impl FnOnce(&mut [T]) -> Result<(), CliError>,
) -> Result<Report, CliError> {
    let (client, start) = during("starting a daemon", || start(plan))?;
    let workers = client.worker_count()?;
    let mut elements = vec![T::zeroed(); plan.elements as usize];
    load(&mut elements)?;
    let reference = during("computing in one process, to compare with", || {
        Reference::of(&elements)
    });
    let (serialised_sum, serialised) = during("computing the serialising way", || {
        sum_serialised(&elements, workers)
    })?;
    let (object, put_first, put) = during("putting the array into the arena", || {
        put_twice(&client, &elements)
    })?;
    drop(elements);

    let mut jobs = Jobs::new(&client);
    let mut sum = Reduction::of("sum");
    let mut std = Reduction::of("std");
    let mut read = Duration::MAX;
    during("running sum and std", || {
        for _ in 0..REPETITIONS {
            sum.run(&mut jobs, &object)?;
            std.run(&mut jobs, &object)?;
            // In turns, so that what else the machine does weighs on the limit too.
            read = read.min(limits::read_once(object.bytes()));
        }
        Ok::<(), CliError>(())
    })?;
    let memory_total_bytes = memory_total(&client)?;
    let copy = during("measuring how fast memory is copied", || {
        copy_limit::<T>(&client, plan, &object)
    })?;
    let (is_update_right, update) = during("updating a shared array in place", || {
        update::<T>(&client, &mut jobs, plan, &object)
    })?;

    let bytes = object.layout().extent_bytes();
    let size = size_of::<T>() as u64;
    let checks = Checks {
        sum: reference.agrees_on_sum(sum.value),
        std: reference.agrees_on_std(std.value),
        update: is_update_right,
        serialised_sum: reference.agrees_on_sum(serialised_sum),
    };
    let speed = |time: Duration| gb_per_s(bytes, time.as_secs_f64());
    Ok(Report {
        bytes,
        elements: plan.elements,
        dtype: T::DTYPE.name(),
        workers,
        page_size: page_size(&client)?,
        arena_offset: object.info().extent.offset.get(),
        start_seconds: start.as_secs_f64(),
        put_first_seconds: put_first.as_secs_f64(),
        put_seconds: put.as_secs_f64(),
        sum_seconds: sum.best.as_secs_f64(),
        std_seconds: std.best.as_secs_f64(),
        update_bytes: plan.update_elements * size,
        update_seconds: update.as_secs_f64(),
        serialised_seconds: serialised.as_secs_f64(),
        sum_gb_per_s: speed(sum.best),
        put_first_gb_per_s: speed(put_first),
        put_gb_per_s: speed(put),
        read_limit_gb_per_s: speed(read),
        copy_limit_gb_per_s: gb_per_s(plan.copy_elements * size, copy.as_secs_f64()),
        speedup: serialised.as_secs_f64() / (put + sum.best).as_secs_f64(),
        speedup_first: serialised.as_secs_f64() / (put_first + sum.best).as_secs_f64(),
        bytes_copied: bytes,
        serialised_bytes_copied: bytes * COPIES,
        memory_total_bytes,
        workers_died: client.stats()?.counters.workers_died,
        sum: value::to_json(&Value::Float(sum.value)),
        std: value::to_json(&Value::Float(std.value)),
        results_ok: checks.all(),
        checks,
    })
}

fn start(plan: &Plan) -> Result<(Client, Duration), CliError> {
    let mut builder = Client::builder()
        .program("arenactl demo")
        .size(plan.arena_bytes);
    if std::env::var_os("ARENAD_BIN").is_none() {
        // Whatever this program's file is called, it is arenad too.
        builder = builder.executable("/proc/self/exe");
    }
    if let Some(workers) = plan.workers {
        builder = builder.workers(workers);
    }
    timed(|| builder.embedded())
}

fn sum_serialised<T: Float>(elements: &[T], workers: u32) -> Result<(f64, Duration), CliError> {
    let failed = |source: io::Error| CliError::Demo {
        action: "compute the serialising way",
        source,
    };
    let attempt = || {
        let mut pool = Pool::start(workers as usize)?;
        let result = pool.sum(elements)?;
        pool.finish()?;
        Ok(result)
    };
    // A pool is broken by the death of one worker; somebody who kills arenad's may hit one of these.
    attempt().or_else(|_| attempt()).map_err(failed)
}

/// Puts the array, removes it, and puts it again, into the pages that the first one has left.
fn put_twice<T: Float>(
    client: &Client,
    elements: &[T],
) -> Result<(Object, Duration, Duration), CliError> {
    let layout =
        ArrayLayout::c_order(T::DTYPE, &[elements.len() as u64]).map_err(CliError::Layout)?;
    let put = || client.put_bytes(layout.clone(), None, bytemuck::cast_slice(elements));
    let (object, first) = timed(put)?;
    object.remove()?;
    drop(object);
    let (object, again) = timed(put)?;
    Ok((object, first, again))
}

/// A kernel that is run several times.
struct Reduction {
    kernel: &'static str,
    value: f64,
    best: Duration,
    is_first: bool,
}

impl Reduction {
    const fn of(kernel: &'static str) -> Self {
        Self {
            kernel,
            value: f64::NAN,
            best: Duration::MAX,
            is_first: true,
        }
    }

    /// Runs it once more. A value that differs between runs is none: the kernels promise the same bits.
    fn run(&mut self, jobs: &mut Jobs, object: &Object) -> Result<(), CliError> {
        let kernel = self.kernel;
        let (ran, time) = timed(|| jobs.run(|client| client.run(kernel).input(object).call()))?;
        let found = ran.float()?;
        let is_same = self.is_first || found.to_bits() == self.value.to_bits();
        self.value = if is_same { found } else { f64::NAN };
        self.best = self.best.min(time);
        self.is_first = false;
        Ok(())
    }
}

/// Copies from the array into another object of the same arena, whose pages are like its own.
fn copy_limit<T: Float>(
    client: &Client,
    plan: &Plan,
    object: &Object,
) -> Result<Duration, CliError> {
    let layout = ArrayLayout::c_order(T::DTYPE, &[plan.copy_elements]).map_err(CliError::Layout)?;
    let mut target = client.create(layout, None)?;
    let source = &object.bytes()[..target.layout().extent_bytes() as usize];
    let plain = limits::copy_time(source, target.bytes_mut()?);
    let (_, own) = timed(|| target.copy_from(source))?;
    Ok(plain.min(own))
}

/// Has all workers update a shared copy of the array's beginning, and compares every element.
fn update<T: Float>(
    client: &Client,
    jobs: &mut Jobs,
    plan: &Plan,
    object: &Object,
) -> Result<(bool, Duration), CliError> {
    let layout =
        ArrayLayout::c_order(T::DTYPE, &[plan.update_elements]).map_err(CliError::Layout)?;
    let sharing = Sharing {
        before_images: true,
        ..Sharing::default()
    };
    let before = &object.slice::<T>()?[..plan.update_elements as usize];
    let shared = client.create_shared(layout, None, sharing)?;
    let mut time = Duration::ZERO;
    jobs.run(|client| {
        // A job that failed has updated some stripes, so each attempt starts from the beginning.
        let mut guard = shared.overwrite(..)?;
        guard.slice_mut::<T>()?.copy_from_slice(before);
        guard.commit()?;
        let started = Instant::now();
        let ran = client
            .run("scale_add")
            .input(&shared)
            .param("scale", SCALE)
            .param("offset", ADD)
            .call();
        time = started.elapsed();
        ran
    })?;
    let after = shared.read(..)?;
    Ok((is_updated(before, after.slice::<T>()?), time))
}

fn memory_total(client: &Client) -> Result<u64, CliError> {
    let pages = client.stats()?.pages;
    let populated = (pages.huge_blocks + pages.small_blocks) * BLOCK_BYTES;
    memory::family_bytes(populated).map_err(|source| CliError::Demo {
        action: "find out how much memory its processes take",
        source,
    })
}

/// The smallest pages that the arena has.
fn page_size(client: &Client) -> Result<u64, CliError> {
    let is_huge = client.stats()?.pages.small_blocks == 0;
    Ok(if is_huge {
        BLOCK_BYTES
    } else {
        arena_core::PAGE_BYTES
    })
}

fn timed<R>(work: impl FnOnce() -> arena_client::Result<R>) -> Result<(R, Duration), CliError> {
    let started = Instant::now();
    let result = work()?;
    Ok((result, started.elapsed()))
}
