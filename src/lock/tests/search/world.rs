//! The abstraction that is searched: one cell, its processes, and the steps that each may take next.

/// What may be wrong in a variant of the protocol. All false is the protocol.
#[derive(Clone, Copy, Default)]
pub(super) struct Variant {
    pub(super) wake_one: bool,
    pub(super) sweep_wakes_nobody: bool,
    pub(super) sweep_ignores_intent: bool,
    pub(super) sweep_clears_waiters: bool,
    pub(super) no_second_look: bool,
    pub(super) back_out_wakes_nobody: bool,
    pub(super) hint_binds_for_ever: bool,
}

/// Where a process stands. `Seen` has read the event, `Flagged` has set WAITERS, `Looked` has looked again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum At {
    Start,
    Blocked,
    Seen,
    Flagged,
    Looked,
    Asleep,
    /// A reader whose bit is set.
    Marked,
    /// A writer that drains, and the same steps of its waiting.
    Draining,
    DrainBlocked,
    DrainSeen,
    DrainFlagged,
    DrainLooked,
    DrainAsleep,
    Inside,
    /// A reader whose bit is cleared.
    Unmarked,
    /// The wake-up: intent recorded, WAITERS cleared, event counted, woken.
    Intending,
    Cleared,
    Counted,
    Woken,
    Done,
    /// Killed. Whether its record says that a wake-up may be unfinished.
    Dead {
        intended: bool,
    },
    /// The supervisor is at this step of its sweep, and has changed the cell or not.
    Swept {
        intended: bool,
        step: u8,
        changed: bool,
    },
}

/// What the cell says of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Mark {
    None,
    Reader,
    Claimed,
    Granted,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Process {
    at: At,
    mark: Mark,
    writes: bool,
    /// Whether the event that it read is still the latest.
    fresh: bool,
    /// Whether it tries again after its wake-up: it backed out.
    again: bool,
    ignores_hint: bool,
    pub(super) frozen: bool,
    round_over: bool,
}

impl Process {
    fn new(role: Option<char>) -> Self {
        Self {
            at: if role.is_some() { At::Start } else { At::Done },
            mark: Mark::None,
            writes: role == Some('w'),
            fresh: false,
            again: false,
            ignores_hint: false,
            frozen: false,
            round_over: false,
        }
    }

    fn is_asleep(&self) -> bool {
        matches!(self.at, At::Asleep | At::DrainAsleep)
    }

    /// Whether nothing will become of it any more.
    fn is_over(&self) -> bool {
        matches!(self.at, At::Done)
    }

    fn die(&mut self) {
        let intended = matches!(
            self.at,
            At::Intending | At::Cleared | At::Counted | At::Woken
        );
        *self = Self {
            at: At::Dead { intended },
            mark: self.mark,
            ..Self::new(None)
        };
    }
}

/// Processes are kept sorted: those of one role are interchangeable, so worlds that differ in their order alone are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct World {
    waiters: bool,
    pending: bool,
    poisoned: bool,
    pub(super) processes: [Process; 4],
    kills_left: u8,
    sweep_deaths_left: u8,
    pub(super) freezes_left: u8,
}

impl World {
    /// A world of readers (`r`) and writers (`w`).
    pub(super) fn new(roles: &str, kills: u8, freezes: u8) -> Self {
        let mut roles = roles.chars();
        Self {
            waiters: false,
            pending: false,
            poisoned: false,
            processes: [(); 4].map(|()| Process::new(roles.next())),
            kills_left: kills,
            sweep_deaths_left: 1,
            freezes_left: freezes,
        }
    }

    /// The same with a supervisor that lives.
    pub(super) fn without_sweep_deaths(self) -> Self {
        self.with(|world| world.sweep_deaths_left = 0)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn moved(self, who: usize, at: At) -> Self {
        self.with(|world| world.processes[who].at = at)
    }

    fn marked(self, who: usize, mark: Mark) -> Self {
        self.with(|world| world.processes[who].mark = mark)
    }

    fn any(&self, test: impl Fn(&Process) -> bool) -> bool {
        self.processes.iter().any(test)
    }

    fn has_reader(&self) -> bool {
        self.any(|process| process.mark == Mark::Reader)
    }

    /// Whether the process would wait now, before it marks anything.
    fn blocks(&self, who: usize) -> bool {
        let process = &self.processes[who];
        let hinted = self.pending && !process.writes && !process.ignores_hint;
        hinted || self.any(|other| matches!(other.mark, Mark::Claimed | Mark::Granted))
    }

    fn count_event(&mut self) {
        for process in &mut self.processes {
            process.fresh = false;
        }
    }

    fn wake(&mut self, who: usize) {
        let process = &mut self.processes[who];
        process.fresh = false;
        process.at = match process.at {
            At::DrainAsleep => At::Draining,
            _ => At::Start,
        };
    }

    /// The worlds after a wake-up of everybody, or of each single sleeper.
    fn after_wake(self, one: bool) -> Vec<Self> {
        let sleepers: Vec<_> = (0..4)
            .filter(|&who| self.processes[who].is_asleep())
            .collect();
        if one && !sleepers.is_empty() {
            return sleepers
                .into_iter()
                .map(|who| self.with(|world| world.wake(who)))
                .collect();
        }
        vec![self.with(|world| sleepers.into_iter().for_each(|who| world.wake(who)))]
    }

    /// The worlds after the next step of a living process.
    pub(super) fn step(self, who: usize, variant: Variant) -> Vec<Self> {
        let process = self.processes[who];
        let next = match process.at {
            At::Start if self.poisoned && !process.writes => self.finished(who),
            At::Start if self.blocks(who) => self.moved(who, At::Blocked),
            At::Start if process.writes => self
                .moved(who, At::Draining)
                .marked(who, Mark::Claimed)
                .with(|world| world.pending = false),
            At::Start => self.moved(who, At::Marked).marked(who, Mark::Reader),
            At::Blocked => self.saw_event(who, At::Seen),
            At::DrainBlocked => self.saw_event(who, At::DrainSeen),
            At::Seen => self.moved(who, At::Flagged).with(|world| {
                world.waiters = true;
                world.pending |= process.writes;
            }),
            At::Flagged if self.blocks(who) || variant.no_second_look => {
                self.moved(who, At::Looked)
            }
            At::Looked if process.fresh => self.moved(who, At::Asleep),
            At::Flagged | At::Looked => self.moved(who, At::Start),
            At::Marked if self.poisoned || self.blocks(who) => {
                let at = if variant.back_out_wakes_nobody {
                    At::Start
                } else {
                    At::Unmarked
                };
                self.moved(who, at)
                    .marked(who, Mark::None)
                    .with(|world| world.processes[who].again = true)
            }
            At::Marked => self.moved(who, At::Inside),
            At::Draining if !self.has_reader() => {
                self.moved(who, At::Inside).marked(who, Mark::Granted)
            }
            At::Draining => self.moved(who, At::DrainBlocked),
            At::DrainSeen => self
                .moved(who, At::DrainFlagged)
                .with(|world| world.waiters = true),
            At::DrainFlagged if self.has_reader() || variant.no_second_look => {
                self.moved(who, At::DrainLooked)
            }
            At::DrainLooked if process.fresh => self.moved(who, At::DrainAsleep),
            At::DrainFlagged | At::DrainLooked => self.moved(who, At::Draining),
            At::Inside if !process.writes => self.moved(who, At::Unmarked).marked(who, Mark::None),
            At::Inside if self.waiters => self.moved(who, At::Intending),
            At::Inside => self.committed(who).finished(who),
            At::Unmarked if self.waiters => self.moved(who, At::Intending),
            At::Unmarked | At::Woken => self.finished(who),
            At::Intending if process.writes => self.committed(who).moved(who, At::Cleared),
            At::Intending => self
                .moved(who, At::Cleared)
                .with(|world| world.waiters = false),
            At::Cleared => self.moved(who, At::Counted).with(Self::count_event),
            At::Counted => return self.moved(who, At::Woken).after_wake(variant.wake_one),
            At::Asleep | At::DrainAsleep | At::Done | At::Dead { .. } | At::Swept { .. } => {
                return Vec::new();
            }
        };
        vec![next]
    }

    fn saw_event(self, who: usize, at: At) -> Self {
        self.moved(who, at)
            .with(|world| world.processes[who].fresh = true)
    }

    /// Commits in one step with clearing WAITERS.
    fn committed(self, who: usize) -> Self {
        self.marked(who, Mark::None).with(|world| {
            world.waiters = false;
            world.poisoned = false;
        })
    }

    /// Goes back to the start after a back-out, else is done.
    fn finished(self, who: usize) -> Self {
        self.with(|world| {
            let process = &mut world.processes[who];
            if process.again {
                process.at = At::Start;
                process.again = false;
            } else {
                *process = Process::new(None);
            }
        })
    }

    /// The worlds after the supervisor's next step. It sweeps one process at a time.
    pub(super) fn sweep(self, variant: Variant) -> Vec<Self> {
        let sweeping = self.any(|process| matches!(process.at, At::Swept { .. }));
        (0..4)
            .flat_map(|who| match self.processes[who].at {
                At::Dead { intended } if !sweeping => {
                    vec![self.moved(who, swept(intended, 0, false))]
                }
                At::Swept {
                    intended,
                    step,
                    changed,
                } => {
                    let mut worlds = self.sweep_step(who, (intended, step, changed), variant);
                    if self.sweep_deaths_left > 0 && step > 0 {
                        worlds.push(
                            self.moved(who, At::Dead { intended })
                                .with(|world| world.sweep_deaths_left -= 1),
                        );
                    }
                    worlds
                }
                _ => Vec::new(),
            })
            .collect()
    }

    fn sweep_step(
        self,
        who: usize,
        (intended, step, changed): (bool, u8, bool),
        variant: Variant,
    ) -> Vec<Self> {
        let mark = self.processes[who].mark;
        let over = self.moved(who, At::Done);
        let next = |changed| self.moved(who, swept(intended, step + 1, changed));
        match step {
            0 if mark == Mark::Reader => vec![next(true).marked(who, Mark::None)],
            1 if mark == Mark::Granted => vec![next(changed).with(|world| world.poisoned = true)],
            2 if mark != Mark::None => vec![next(true).marked(who, Mark::None)],
            0..=2 => vec![next(changed)],
            3 => {
                let intended = intended && !variant.sweep_ignores_intent;
                let wakes = changed || self.waiters || self.pending || intended;
                if variant.sweep_wakes_nobody || !wakes {
                    return vec![over];
                }
                vec![next(changed).with(|world| {
                    world.pending = false;
                    world.waiters &= !variant.sweep_clears_waiters;
                })]
            }
            4 => vec![next(changed).with(Self::count_event)],
            _ => over.after_wake(variant.wake_one),
        }
    }

    /// Kills and freezes that may happen now.
    pub(super) fn accidents(self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for who in 0..4 {
            let process = self.processes[who];
            if matches!(process.at, At::Done | At::Dead { .. } | At::Swept { .. }) {
                continue;
            }
            if self.kills_left > 0 {
                worlds.push(self.with(|world| {
                    world.kills_left -= 1;
                    world.processes[who].die();
                }));
            }
            let pends =
                process.writes && matches!(process.at, At::Flagged | At::Looked | At::Asleep);
            if self.freezes_left > 0 && pends && !process.frozen {
                worlds.push(self.with(|world| {
                    world.freezes_left -= 1;
                    world.processes[who].frozen = true;
                }));
            }
        }
        worlds
    }

    /// One round of waiting is over for a sleeper: a reader ignores the hint from here on, and clears it.
    pub(super) fn rounds(self, variant: Variant) -> Vec<Self> {
        (0..4)
            .filter(|&who| {
                let process = self.processes[who];
                process.is_asleep() && !process.round_over && !process.frozen
            })
            .map(|who| {
                self.with(|world| {
                    world.wake(who);
                    let process = &mut world.processes[who];
                    process.round_over = true;
                    if !process.writes && !variant.hint_binds_for_ever {
                        process.ignores_hint = true;
                        world.pending = false;
                    }
                })
            })
            .collect()
    }

    pub(super) fn is_stuck(&self) -> bool {
        let left = |process: &&Process| !process.frozen && !process.is_over();
        let mut left = self.processes.iter().filter(left).peekable();
        left.peek().is_some() && left.all(Process::is_asleep)
    }

    pub(super) fn assert_exclusive(&self) {
        let inside = |writes| {
            let inside = |p: &&Process| p.at == At::Inside && p.writes == writes;
            self.processes.iter().filter(inside).count()
        };
        let writers = inside(true);
        assert!(
            writers <= 1 && (writers == 0 || inside(false) == 0),
            "{self:?}"
        );
    }
}

fn swept(intended: bool, step: u8, changed: bool) -> At {
    At::Swept {
        intended,
        step,
        changed,
    }
}
