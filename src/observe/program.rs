//! The observer: a program that counts each request in its maps, and allows it.
//!
//! Most requests are allowed. One that counts denials alone is done with them once it was told the
//! verdict; but a node that is made there makes the container's room, since that is what runtimes do
//! in its cgroup first.
//!
//! A request that was seen before costs one lookup. A new one gets a row if the room of its
//! container has one left. Rooms belong to cgroups, and a cgroup below one that has a room has no
//! room of its own: a container makes cgroups as it likes and gets no more rows for that. Its own
//! cgroup comes first, because the runtime opens /dev/null there before the workload starts.

use super::code::{Code, FRAME};
use super::layout::{
    ALLOWED, COMM, DENIED, EVENTS, REQUESTS, ROOMS, UNTOLD, event, key, room, row,
};
use super::{Method, Requests, Scope};
use crate::bpf::{
    AluOp, AssembleError, Assembler, Cond, Helper, Object, Program, Reg, Size, Source, Straight,
    Width,
};

/// Levels of the hierarchy that are searched for a room, from below the root on. The deepest
/// containers seen, in a cluster in a container, are at 8.
const LEVELS: i32 = 12;

/// What the program is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub method: Method,
    pub scope: Scope,
    /// Which requests are counted. [`Method::Computed`] can't tell them apart and counts all.
    pub requests: Requests,
    /// Rows in a room.
    pub rows: u32,
    /// Whether there is a ring. It takes what only [`Method::Told`] knows.
    pub events: bool,
}

/// Places on the stack. An event begins with the key.
mod stack {
    use super::{event, room, row};
    pub const KEY: i16 = -(event::BYTES as i16);
    pub const ROW: i16 = KEY - row::BYTES as i16;
    pub const ROOM_KEY: i16 = ROW - 8;
    pub const ROOM: i16 = ROOM_KEY - room::BYTES as i16;
}

const CONTEXT: Reg = Reg::R6;
/// The room, then the row.
const FOUND: Reg = Reg::R7;
const TIME: Reg = Reg::R8;
const CGROUP: Reg = Reg::R9;
const RESULT: Reg = Reg::R0;

/// Bit of the context's word: a node is made (`BPF_DEVCG_ACC_MKNOD`).
const MKNOD: u32 = 1 << 16;
/// Nanoseconds in which no process becomes another program: execve(2) takes longer.
const NO_EXEC: u64 = 100_000;
/// `BPF_RB_NO_WAKEUP`: readers look by themselves.
const NO_WAKEUP: i32 = 1;

/// The program of a plan.
pub(super) fn program(plan: Plan) -> Result<Program, AssembleError> {
    let mut asm = Assembler::new();
    let (allow, room, found) = (asm.label(), asm.label(), asm.label());
    let mut code = Code { asm, plan, allow, room };
    code.copy(CONTEXT, Reg::R1);
    code.call(Helper::GetCurrentCgroupId);
    code.copy(CGROUP, RESULT);
    if let Scope::One { cgroup, level } = plan.scope {
        code.only(cgroup, level);
    }
    code.ask();
    code.look_up(REQUESTS, stack::KEY);
    code.asm.branch64(Cond::Ne, RESULT, 0, found);
    code.make_row();
    code.asm.bind(found);
    code.count();
    if code.asm.is_awaited(room) {
        code.asm.jump(allow);
        code.asm.bind(room);
        code.find_room();
    }
    code.asm.bind(allow);
    code.asm.mov(RESULT, 1);
    code.asm.exit();
    code.asm.finish()
}

impl Code {
    /// Goes on for processes in the cgroup and below it alone.
    fn only(&mut self, cgroup: u64, level: Option<i32>) {
        let levels = match (self.plan.method, level) {
            (Method::Computed, _) => {
                self.asm.op(Straight::Constant(Reg::R1, cgroup));
                self.asm.branch_on(Cond::Ne, CGROUP, Reg::R1, self.allow);
                return;
            }
            (Method::Told, Some(level)) => level..=level,
            (Method::Told, None) => 1..=LEVELS,
        };
        let mine = self.asm.label();
        for level in levels {
            self.asm.mov(Reg::R1, level);
            self.call(Helper::GetCurrentAncestorCgroupId);
            self.asm.op(Straight::Constant(Reg::R1, cgroup));
            self.asm.branch_on(Cond::Eq, RESULT, Reg::R1, mine);
            // There are no cgroups below that level.
            self.asm.branch64(Cond::Eq, RESULT, 0, self.allow);
        }
        self.asm.jump(self.allow);
        self.asm.bind(mine);
    }

    /// Puts the request on the stack, and the time where it is kept.
    fn ask(&mut self) {
        const FIELDS: [(i16, i16); 3] = [(0, key::ACCESS_TYPE), (4, key::MAJOR), (8, key::MINOR)];
        let seen = stack::KEY + key::SEEN;
        match (self.plan.method, self.plan.requests) {
            (Method::Computed, _) => self.store_constant(Size::Word, seen, UNTOLD),
            (Method::Told, Requests::Denied) => {
                let denied = self.asm.label();
                self.call(Helper::GetRetval);
                self.asm.branch(Cond::Ne, RESULT, 0, denied);
                self.make_room_for_mknod();
                self.asm.bind(denied);
                self.store_constant(Size::Word, seen, DENIED);
            }
            (Method::Told, Requests::All) => {
                let store = self.asm.label();
                self.call(Helper::GetRetval);
                self.asm.mov(Reg::R1, ALLOWED);
                self.asm.branch(Cond::Eq, RESULT, 0, store);
                self.asm.mov(Reg::R1, DENIED);
                self.asm.bind(store);
                self.store(Size::Word, FRAME, seen, Reg::R1);
            }
        }
        self.store(Size::Double, FRAME, stack::KEY + key::CGROUP, CGROUP);
        for (from, to) in FIELDS {
            self.asm.op(Straight::Load(Size::Word, Reg::R1, CONTEXT, from));
            self.store(Size::Word, FRAME, stack::KEY + to, Reg::R1);
        }
        self.call(Helper::KtimeGetNs);
        self.copy(TIME, RESULT);
    }

    /// Ends with what was allowed.
    fn make_room_for_mknod(&mut self) {
        self.asm.op(Straight::Load(Size::Word, Reg::R1, CONTEXT, 0));
        self.asm.branch(Cond::Set, Reg::R1, MKNOD, self.room);
        self.asm.jump(self.allow);
    }

    /// Makes a row for the request, in the room that is to hold it.
    fn make_row(&mut self) {
        let (full, again, made) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.find_room();
        self.copy(FOUND, RESULT);
        self.asm.op(Straight::Load(Size::Double, Reg::R1, FOUND, room::ROWS));
        self.asm.op(Straight::Constant(Reg::R2, self.plan.rows.into()));
        self.asm.branch_on(Cond::Ge, Reg::R1, Reg::R2, full);
        self.add(FOUND, room::ROWS, 1);
        for off in (0..row::BYTES as i16).step_by(8) {
            self.store_constant(Size::Double, stack::ROW + off, 0);
        }
        self.store(Size::Double, FRAME, stack::ROW + row::FIRST, TIME);
        self.asm.op(Straight::Load(Size::Double, Reg::R1, FRAME, stack::ROOM_KEY));
        self.store(Size::Word, FRAME, stack::ROW + row::ROOM, Reg::R1);
        self.make(REQUESTS, stack::KEY, stack::ROW);
        self.asm.branch64(Cond::Eq, RESULT, 0, again);
        // Another processor made it meanwhile, or there is no memory.
        self.add(FOUND, room::ROWS, -1);
        self.asm.bind(again);
        self.look_up(REQUESTS, stack::KEY);
        self.asm.branch64(Cond::Ne, RESULT, 0, made);
        self.asm.bind(full);
        self.add(FOUND, room::LOST, 1);
        self.asm.jump(self.allow);
        self.asm.bind(made);
    }

    /// Leaves the room's address in the result and its key on the stack, or ends.
    fn find_room(&mut self) {
        let (found, own) = (self.asm.label(), self.asm.label());
        match (self.plan.scope, self.plan.method) {
            // It was made before.
            (Scope::One { cgroup, .. }, _) => {
                self.asm.op(Straight::Constant(Reg::R1, cgroup));
                self.store(Size::Double, FRAME, stack::ROOM_KEY, Reg::R1);
                self.look_up(ROOMS, stack::ROOM_KEY);
                self.asm.branch64(Cond::Eq, RESULT, 0, self.allow);
                return;
            }
            (Scope::All, Method::Told) => {
                for level in 1..=LEVELS {
                    self.asm.mov(Reg::R1, level);
                    self.call(Helper::GetCurrentAncestorCgroupId);
                    self.asm.branch64(Cond::Eq, RESULT, 0, own);
                    self.store(Size::Double, FRAME, stack::ROOM_KEY, RESULT);
                    self.look_up(ROOMS, stack::ROOM_KEY);
                    self.asm.branch64(Cond::Ne, RESULT, 0, found);
                }
            }
            (Scope::All, Method::Computed) => {}
        }
        self.asm.bind(own);
        self.store(Size::Double, FRAME, stack::ROOM_KEY, CGROUP);
        self.look_up(ROOMS, stack::ROOM_KEY);
        self.asm.branch64(Cond::Ne, RESULT, 0, found);
        for off in (0..room::BYTES as i16).step_by(8) {
            self.store_constant(Size::Double, stack::ROOM + off, 0);
        }
        self.make(ROOMS, stack::ROOM_KEY, stack::ROOM);
        self.look_up(ROOMS, stack::ROOM_KEY);
        self.asm.branch64(Cond::Ne, RESULT, 0, found);
        self.store_constant(Size::Double, stack::ROOM_KEY, 0);
        self.look_up(ROOMS, stack::ROOM_KEY);
        self.asm.branch64(Cond::Eq, RESULT, 0, self.allow);
        self.copy(FOUND, RESULT);
        self.add(FOUND, room::LOST, 1);
        self.asm.jump(self.allow);
        self.asm.bind(found);
    }

    /// Counts the request in its row.
    fn count(&mut self) {
        const BEFORE: Reg = CONTEXT;
        self.copy(FOUND, RESULT);
        self.add(FOUND, row::COUNT, 1);
        self.asm.op(Straight::Load(Size::Double, BEFORE, FOUND, row::LAST));
        self.store(Size::Double, FOUND, row::LAST, TIME);
        if self.plan.method == Method::Computed {
            return;
        }
        let other = self.asm.label();
        self.call(Helper::GetCurrentPidTgid);
        // The upper half is the process, the lower one the thread.
        self.asm.op(Straight::Alu(AluOp::Rsh, Width::W64, RESULT, Source::Imm(32)));
        self.copy(CGROUP, RESULT);
        self.asm.op(Straight::Load(Size::Word, Reg::R1, FOUND, row::PID));
        self.asm.branch_on(Cond::Ne, Reg::R1, CGROUP, other);
        // The same process has the same name, unless it became another program since.
        self.asm.op(Straight::Alu(AluOp::Sub, Width::W64, TIME, Source::Reg(BEFORE)));
        self.asm.op(Straight::Constant(Reg::R1, NO_EXEC));
        self.asm.branch_on(Cond::Lt, TIME, Reg::R1, self.allow);
        self.command(FOUND, row::COMMAND);
        self.asm.jump(self.allow);
        self.asm.bind(other);
        self.store(Size::Word, FOUND, row::PID, CGROUP);
        self.command(FOUND, row::COMMAND);
        if self.plan.events {
            self.tell();
        }
    }

    /// The process's name, to this place.
    fn command(&mut self, base: Reg, off: i16) {
        self.copy(Reg::R1, base);
        self.asm.op(Straight::Alu(AluOp::Add, Width::W64, Reg::R1, Source::Imm(off.into())));
        self.asm.mov(Reg::R2, COMM as i32);
        self.call(Helper::GetCurrentComm);
    }

    /// Sends an event. Where the ring is full it is lost; the row has been counted.
    fn tell(&mut self) {
        self.store(Size::Double, FRAME, stack::KEY + event::TIME, TIME);
        self.asm.op(Straight::Load(Size::Double, Reg::R1, FOUND, row::COUNT));
        self.store(Size::Double, FRAME, stack::KEY + event::COUNT, Reg::R1);
        self.store(Size::Word, FRAME, stack::KEY + event::PID, CGROUP);
        self.store_constant(Size::Word, stack::KEY + event::PADDING, 0);
        self.command(FRAME, stack::KEY + event::COMMAND);
        self.asm.op(Straight::Map(Reg::R1, Object(EVENTS)));
        self.address(Reg::R2, stack::KEY);
        self.asm.mov(Reg::R3, event::BYTES as i32);
        self.asm.mov(Reg::R4, NO_WAKEUP);
        self.call(Helper::RingbufOutput);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::layout::SHAPES;
    use crate::verify::prove_allows_all;

    #[test]
    fn every_plan_is_proven_to_allow_everything() {
        let one = Scope::One { cgroup: 7, level: Some(2) };
        let somewhere = Scope::One { cgroup: 7, level: None };
        let plans = [
            (Method::Told, Scope::All, Requests::All, false, 239),
            (Method::Told, Scope::All, Requests::All, true, 255),
            (Method::Told, Scope::All, Requests::Denied, false, 395),
            (Method::Told, Scope::All, Requests::Denied, true, 411),
            (Method::Told, one, Requests::All, false, 101),
            (Method::Told, somewhere, Requests::All, false, 167),
            (Method::Computed, Scope::All, Requests::All, false, 96),
            (Method::Computed, one, Requests::All, false, 74),
        ];
        for (method, scope, requests, events, insns) in plans {
            let plan = Plan { method, scope, requests, rows: 256, events };
            let program = program(plan).expect("it can be assembled");
            assert_eq!(program.insns().len(), insns, "{plan:?}");
            let maps = SHAPES[..if events { 3 } else { 2 }].to_vec();
            prove_allows_all(program, maps).unwrap_or_else(|error| panic!("{plan:?}: {error:?}"));
        }
    }
}
