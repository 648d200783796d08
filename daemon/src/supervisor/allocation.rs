//! New objects: bytes are claimed in the order of the requests, and granted when all their blocks have pages.

use std::ops::Range;

use arena_core::lock::cell_generation;
use arena_core::protocol::{Create, Failure, ObjectState, Reply, Sharing, Shortage, Stripes};
use arena_core::{ArrayLayout, SessionId};

use super::effect::Effect;
use super::machine::{Asked, Supervisor};
use super::memory::{Claim, blocks_of_extent};
use super::moment::Moment;
use super::objects::Object;
use super::records::ObjectRecord;
use super::requests::{Handled, busy};
use super::session::Deferred;
use super::timers::Timer;

/// Stripes of a shared object unless told.
const STRIPES_DEFAULT: u64 = 256;

/// Object rows are reserved so many at a time.
const ROWS_AT_ONCE: u32 = 128;

/// A request that waits for pages.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) index: u32,
    pub(super) session: SessionId,
    pub(super) request: u64,
    pub(super) bytes: u64,
    /// The blocks of the object and of its before-image.
    pub(super) blocks: [Range<u64>; 2],
    /// Where the search for cold blocks goes on, for each.
    pub(super) cursors: [u64; 2],
    /// How many of them have no pages yet.
    pub(super) missing: u64,
    pub(super) since: Moment,
    pub(super) due: Moment,
}

impl Allocation {
    /// Takes note of blocks that have become warm.
    pub(super) fn warmed(&mut self, range: &Range<u64>) {
        for blocks in &self.blocks {
            let start = blocks.start.max(range.start);
            let end = blocks.end.min(range.end);
            self.missing -= end.saturating_sub(start);
        }
    }

    /// Looks for cold blocks from the start again.
    pub(super) fn rewind(&mut self) {
        self.cursors = [self.blocks[0].start, self.blocks[1].start];
    }
}

impl Supervisor {
    pub(super) fn create(
        &mut self,
        session: SessionId,
        request: u64,
        create: Box<Create>,
    ) -> Handled {
        self.check_create(session, &create)?;
        let row = self
            .objects
            .next_row()
            .ok_or_else(|| self.full(Shortage::Objects, &create.layout))?;
        if row >= self.rows_reserved {
            let rows = (row / ROWS_AT_ONCE + 1).saturating_mul(ROWS_AT_ONCE);
            let rows = rows.min(self.identity.geometry.object_rows);
            self.asked.push_back(Asked::Rows {
                session,
                request,
                create,
            });
            self.out.push(Effect::ReserveRows { rows });
            return Ok(None);
        }
        self.claim(session, request, *create)
    }

    pub(super) fn rows_reserved(&mut self, rows: u32) {
        let Some(Asked::Rows {
            session,
            request,
            create,
        }) = self.asked.pop_front()
        else {
            return;
        };
        self.rows_reserved = self.rows_reserved.max(rows);
        let has_row = self
            .objects
            .next_row()
            .is_some_and(|row| row < self.rows_reserved);
        let handled = if has_row {
            self.claim(session, request, *create)
        } else {
            Err(self.full(Shortage::Filesystem, &create.layout))
        };
        match handled {
            Ok(None) => {}
            Ok(Some(reply)) => self.reply(session, request, Ok(reply)),
            Err(failure) => self.reply(session, request, Err(failure)),
        }
    }

    fn check_create(&self, session: SessionId, create: &Create) -> Result<(), Failure> {
        if let Some(name) = &create.name
            && self.objects.named(name).is_some()
        {
            return Err(Failure::NameTaken {
                name: name.to_string(),
            });
        }
        let limit = self.policy.objects_per_session_max;
        let made = self
            .sessions
            .get(&session)
            .map_or(0, |session| session.made.len());
        if made >= limit as usize {
            return Err(busy("objects per session", u64::from(limit)));
        }
        self.check_pins(session)?;
        if let Some(sharing) = create.sharing {
            stripe_count(&create.layout, sharing)?;
        }
        Ok(())
    }

    fn full(&self, shortage: Shortage, layout: &ArrayLayout) -> Failure {
        self.shortage(shortage, layout.extent_bytes())
    }

    fn shortage(&self, shortage: Shortage, requested_bytes: u64) -> Failure {
        Failure::ArenaFull {
            shortage,
            requested_bytes,
            free_bytes: self.memory.free_bytes(),
            holders: self.largest_holders(),
        }
    }

    /// Takes cells, bytes and a row for a new object, or nothing.
    fn claim(&mut self, session: SessionId, request: u64, create: Create) -> Handled {
        let layout = create.layout;
        let stripes = match create.sharing {
            Some(sharing) => Some(self.take_cells(&layout, sharing)?),
            None => None,
        };
        let with_image = create.sharing.is_some_and(|sharing| sharing.before_images);
        let claim = self.memory.claim(layout.extent_bytes(), with_image);
        let id = claim.as_ref().and_then(|_| self.objects.take_id());
        let (Some(claim), Some(id)) = (claim, id) else {
            if let Some(stripes) = stripes {
                self.cells
                    .give_back(&(stripes.first_cell..stripes.first_cell + stripes.count));
            }
            return Err(self.full(Shortage::Arena, &layout));
        };
        let state = if stripes.is_some() {
            ObjectState::Shared
        } else {
            ObjectState::Filling
        };
        let mut object = Object::new(ObjectRecord {
            id,
            state,
            layout,
            extent: claim.extent,
            name: create.name,
            session,
            uid: self
                .sessions
                .get(&session)
                .map_or(0, |session| session.peer.uid),
            stripes,
            image: claim.image,
        });
        object.is_waiting = claim.missing > 0;
        self.charge(&object);
        self.objects.insert(object);
        self.pin(session, id.index);
        self.last_allocation = self.now;
        if claim.missing == 0 {
            return Ok(Some(self.grant(id.index)));
        }
        self.wait_for_pages(session, request, id.index, &claim);
        Ok(None)
    }

    fn take_cells(&mut self, layout: &ArrayLayout, sharing: Sharing) -> Result<Stripes, Failure> {
        let count = stripe_count(layout, sharing)?;
        let cells = self
            .cells
            .take(count)
            .ok_or_else(|| self.full(Shortage::Cells, layout))?;
        Ok(Stripes {
            axis: sharing.lock_axis,
            first_cell: cells.start,
            count,
        })
    }

    /// The object exists from here on: its cells are ready before its row is written, and its row before anyone is told.
    fn grant(&mut self, index: u32) -> Reply {
        let Some(object) = self.objects.at_mut(index) else {
            return Reply::Done;
        };
        object.is_waiting = false;
        let generation = cell_generation(object.record.id);
        if let Some(cells) = object.cells() {
            self.out.push(Effect::OpenCells { cells, generation });
        }
        self.counters.objects_created += 1;
        self.write_object(index);
        self.object_reply(index)
    }

    fn wait_for_pages(&mut self, session: SessionId, request: u64, index: u32, claim: &Claim) {
        let blocks = [
            blocks_of_extent(claim.extent),
            claim.image.map_or(0..0, blocks_of_extent),
        ];
        let number = self.next_allocation;
        self.next_allocation += 1;
        let due = self.now.after(self.policy.allocation_timeout);
        self.allocations.insert(
            number,
            Allocation {
                index,
                session,
                request,
                bytes: claim.extent.len + claim.image.map_or(0, |image| image.len),
                cursors: [blocks[0].start, blocks[1].start],
                blocks,
                missing: claim.missing,
                since: self.now,
                due,
            },
        );
        self.timers.set(due, Timer::Allocation(number));
        if let Some(session) = self.sessions.get_mut(&session) {
            session
                .in_flight
                .insert((request, Deferred::Allocation(number)));
        }
        self.groom();
    }

    /// Grants what waited for nothing but these blocks.
    pub(super) fn blocks_warmed(&mut self, range: &Range<u64>) {
        let mut ready = Vec::new();
        for (&number, allocation) in &mut self.allocations {
            allocation.warmed(range);
            if allocation.missing == 0 {
                ready.push(number);
            }
        }
        for number in ready {
            if let Some(allocation) = self.take_allocation(number) {
                let reply = self.grant(allocation.index);
                self.reply(allocation.session, allocation.request, Ok(reply));
            }
        }
    }

    fn take_allocation(&mut self, number: u64) -> Option<Allocation> {
        let allocation = self.allocations.remove(&number)?;
        self.timers.clear(allocation.due, Timer::Allocation(number));
        if let Some(session) = self.sessions.get_mut(&allocation.session) {
            session
                .in_flight
                .remove(&(allocation.request, Deferred::Allocation(number)));
        }
        Some(allocation)
    }

    /// Gives up an allocation nobody waits for any more. No one has seen its bytes.
    pub(super) fn drop_allocation(&mut self, number: u64) -> Option<Allocation> {
        let allocation = self.take_allocation(number)?;
        if let Some(session) = self.sessions.get_mut(&allocation.session)
            && session.pins.remove(&allocation.index).is_some()
        {
            self.objects.unpin(allocation.index);
        }
        self.free_object(allocation.index);
        Some(allocation)
    }

    pub(super) fn fail_allocation(&mut self, number: u64, failure: Failure) {
        if let Some(allocation) = self.drop_allocation(number) {
            self.reply(allocation.session, allocation.request, Err(failure));
        }
    }

    pub(super) fn allocation_timed_out(&mut self, number: u64) {
        if let Some(allocation) = self.allocations.get(&number) {
            let after_ms = self.now.millis_since(allocation.since);
            self.fail_allocation(number, Failure::DeadlineExceeded { after_ms });
        }
    }

    /// Memory is short: whoever waits for pages hears it.
    pub(super) fn fail_allocations_short(&mut self, shortage: Shortage) {
        let waiting: Vec<(u64, u64)> = self
            .allocations
            .iter()
            .map(|(&number, allocation)| (number, allocation.bytes))
            .collect();
        for (number, bytes) in waiting {
            let failure = self.shortage(shortage, bytes);
            self.fail_allocation(number, failure);
        }
    }

    pub(super) fn fail_all_allocations(&mut self, failure: &Failure) {
        let waiting: Vec<u64> = self.allocations.keys().copied().collect();
        for number in waiting {
            self.fail_allocation(number, failure.clone());
        }
    }
}

/// Into how many stripes an object is cut.
fn stripe_count(layout: &ArrayLayout, sharing: Sharing) -> Result<u32, Failure> {
    let shape = layout.shape();
    let axis = usize::from(sharing.lock_axis);
    if axis >= shape.len().max(1) {
        return Err(Failure::BadArguments {
            detail: format!(
                "the lock axis must be below {}, got {axis}",
                shape.len().max(1)
            ),
        });
    }
    let len = shape.get(axis).copied().unwrap_or(1).max(1);
    let count = sharing.stripes.map_or(len.min(STRIPES_DEFAULT), u64::from);
    match u32::try_from(count) {
        Ok(count) if (1..=len).contains(&u64::from(count)) => Ok(count),
        _ => Err(Failure::BadArguments {
            detail: format!(
                "an axis of length {len} can be cut into 1 to {len} stripes, asked for {count}"
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use arena_core::Dtype;

    use super::*;

    #[test]
    fn stripes_are_checked() {
        let layout = ArrayLayout::c_order(Dtype::Float64, &[1000, 3]).unwrap();
        let count = |lock_axis, stripes| {
            let sharing = Sharing {
                lock_axis,
                stripes,
                before_images: false,
            };
            stripe_count(&layout, sharing).ok()
        };
        assert_eq!(count(0, None), Some(256));
        assert_eq!(count(1, None), Some(3));
        assert_eq!(count(0, Some(1000)), Some(1000));
        assert_eq!(
            (count(0, Some(1001)), count(0, Some(0)), count(2, None)),
            (None, None, None)
        );
        let scalar = ArrayLayout::c_order(Dtype::Float64, &[]).unwrap();
        let empty = ArrayLayout::c_order(Dtype::Float64, &[0]).unwrap();
        assert_eq!(stripe_count(&scalar, Sharing::default()), Ok(1));
        assert_eq!(stripe_count(&empty, Sharing::default()), Ok(1));
    }
}
