//! Builds the engine: what the compiler accepts, and where instances live.

use wasmtime::{
    Config as EngineConfig, Enabled, Engine, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

use crate::config::{Allocation, Config, Metering, Optimization};
use crate::error::{Error, Result};

/// Live instances per worker, counting a worker that helps a second batch.
const SLOTS_PER_THREAD: u32 = 2;
/// Slots beyond the workers' own.
const SLOTS_SPARE: u32 = 8;
/// Bytes of a slot that are cleared by writing rather than by giving pages back.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Address space of a pooled memory: all of a 32-bit index, so no bounds checks are compiled.
const POOLED_RESERVATION_BYTES: u64 = 4 << 30;

/// Builds the engine for a configuration; says whether it has a pool.
pub(crate) fn build(config: &Config, n_threads: usize) -> Result<(Engine, bool)> {
    if config.allocation == Allocation::Auto {
        match Engine::new(&pooled(config, n_threads)) {
            Ok(engine) => return Ok((engine, true)),
            Err(error) => tracing::warn!(%error, "no pool of address space, instances on demand"),
        }
    }
    Engine::new(&on_demand(config))
        .map(|engine| (engine, false))
        .map_err(|error| Error::Engine { message: format!("{error:#}") })
}

fn common(config: &Config) -> EngineConfig {
    let mut engine = EngineConfig::new();
    engine
        .wasm_wide_arithmetic(true)
        .wasm_relaxed_simd(false)
        .wasm_simd(false)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_extended_const(false)
        .wasm_branch_hinting(true)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .parallel_compilation(false)
        .max_wasm_stack(config.limits.stack_bytes_max)
        .cranelift_nan_canonicalization(config.canonicalize_nans)
        .cranelift_opt_level(match config.optimization {
            Optimization::None => OptLevel::None,
            Optimization::Speed => OptLevel::Speed,
        });
    if config.metering == Metering::Epoch {
        engine.epoch_interruption(true).consume_fuel(true);
    }
    engine
}

fn pooled(config: &Config, n_threads: usize) -> EngineConfig {
    let slots = u32::try_from(n_threads)
        .unwrap_or(u32::MAX)
        .saturating_mul(SLOTS_PER_THREAD)
        .saturating_add(SLOTS_SPARE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .max_memory_size(config.limits.memory_bytes_max.next_multiple_of(1 << 16))
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(config.limits.table_elements_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(slots);
    let mut engine = common(config);
    engine
        .memory_reservation(POOLED_RESERVATION_BYTES)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    engine
}

/// Little address space: explicit bounds checks and memories that move when they grow.
fn on_demand(config: &Config) -> EngineConfig {
    let mut engine = common(config);
    engine
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(0)
        .memory_reservation_for_growth(1 << 20)
        .memory_guard_size(1 << 16)
        .guard_before_linear_memory(false)
        .memory_may_move(true);
    engine
}
