//! The execution: boxes and registers from the first instruction to every exit.
//!
//! Instructions are taken in their order. As jumps only lead forward, all that can arrive at
//! an instruction has arrived when its turn comes, and boxes which differ in their words only
//! are joined there: a program that is one long chain of rules stays tractable.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::boxes::{Box, join};
use super::budget::Meter;
use super::evaluate::Evaluator;
use super::live::live_registers;
use super::region::Region;
use super::split::{Sides, split};
use super::truth::{Condition, Work};
use super::values::{Origin, ValueId, Values};
use super::{Analysis, AnalyzeError, Budget};
use crate::bpf::{
    AluOp, Cond, CtxField, Effect, Helpers, Insn, InsnError, InsnProblem, Op, Program, Reg, Size,
    Source, Width, decode, effect,
};
use crate::policy::Verdict;

/// Carries the requests of a box to every exit.
pub(super) fn execute(
    program: &Program,
    requests: Box,
    helpers: &dyn Helpers,
    budget: Budget,
) -> Result<Analysis, AnalyzeError> {
    let insns = program.insns();
    let mut meter = Meter::new(budget);
    let spent = |meter: &Meter, spent| meter.error(spent, 0);
    meter.charge(insns.len()).map_err(|error| spent(&meter, error))?;
    meter.hold(insns.len() * size_of::<u16>()).map_err(|error| spent(&meter, error))?;
    let mut run = Execution {
        live: live_registers(insns),
        insns,
        helpers,
        values: Values::new(),
        evaluator: Evaluator::default(),
        arrived: BTreeMap::new(),
        found: Analysis::default(),
        meter,
    };
    let mut registers = [Values::NOTHING; Reg::COUNT];
    registers[Reg::R1.index()] = Values::CONTEXT;
    registers[Reg::R10.index()] = run.values.unknown(Origin::Stack);
    run.arrive(0, Flow { registers, retval: false, boxes: vec![requests] })?;
    while let Some((index, flows)) = run.arrived.pop_first() {
        flows.iter().for_each(|flow| run.meter.release(flow.bytes()));
        for flow in merge(flows) {
            run.follow(index, flow)?;
        }
    }
    Ok(run.found)
}

/// Boxes for which the registers hold the same.
struct Flow {
    registers: [ValueId; Reg::COUNT],
    /// Whether the return value may have been set on the way.
    retval: bool,
    boxes: Vec<Box>,
}

impl Flow {
    fn bytes(&self) -> usize {
        size_of::<Flow>() + self.boxes.len() * size_of::<Box>()
    }
}

struct Execution<'p> {
    insns: &'p [Insn],
    helpers: &'p dyn Helpers,
    /// For each instruction, a bit for each register that is read before it is written.
    live: Vec<u16>,
    values: Values,
    evaluator: Evaluator,
    arrived: BTreeMap<usize, Vec<Flow>>,
    found: Analysis,
    meter: Meter,
}

impl Execution<'_> {
    fn charge(&mut self, index: usize, steps: usize) -> Result<(), AnalyzeError> {
        self.meter.charge(steps).map_err(|spent| self.meter.error(spent, index))
    }

    fn hold(&mut self, index: usize, bytes: usize) -> Result<(), AnalyzeError> {
        self.meter.hold(bytes).map_err(|spent| self.meter.error(spent, index))
    }

    fn arrive(&mut self, index: usize, mut flow: Flow) -> Result<(), AnalyzeError> {
        if flow.boxes.is_empty() {
            return Ok(());
        }
        let Some(live) = self.live.get(index) else {
            return Err(InsnError { index, problem: InsnProblem::Outside }.into());
        };
        for (number, value) in flow.registers.iter_mut().enumerate() {
            if live >> number & 1 == 0 {
                *value = Values::NOTHING;
            }
        }
        self.hold(index, flow.bytes())?;
        self.arrived.entry(index).or_default().push(flow);
        Ok(())
    }

    /// Takes a flow from instruction to instruction, up to where others may join it.
    fn follow(&mut self, mut index: usize, mut flow: Flow) -> Result<(), AnalyzeError> {
        loop {
            let waiting = self.arrived.keys().next().copied();
            self.charge(index, 1)?;
            let decoded = decode(self.insns, index)?;
            match decoded.op {
                Op::Jump { target } => index = target,
                Op::Branch { cond, width, dst, src, target } => {
                    let a = self.number(index, &flow, dst)?;
                    let b = self.source(index, &flow, src, width)?;
                    let condition = Condition { cond, width, a, b };
                    let Flow { registers, retval, boxes } = flow;
                    let (taken, not) = self.split(index, condition, boxes)?;
                    self.arrive(target, Flow { registers, retval, boxes: taken })?;
                    return self.arrive(decoded.next, Flow { registers, retval, boxes: not });
                }
                Op::Exit => return self.exit(index, flow),
                op => {
                    self.assign(index, &mut flow, op)?;
                    index = decoded.next;
                }
            }
            if waiting.is_some_and(|waiting| waiting <= index) {
                return self.arrive(index, flow);
            }
        }
    }

    fn assign(&mut self, index: usize, flow: &mut Flow, op: Op) -> Result<(), AnalyzeError> {
        let before = self.values.len();
        let (dst, value) = match op {
            Op::Alu { op: AluOp::Mov, width: Width::W64, dst, src: Source::Reg(src) } => {
                (dst, flow.registers[src.index()])
            }
            Op::Alu { op, width, dst, src } => {
                let b = self.source(index, flow, src, width)?;
                // A move doesn't read what it overwrites.
                let a = if op == AluOp::Mov { b } else { self.number(index, flow, dst)? };
                (dst, self.values.alu(op, width, a, b))
            }
            Op::Neg { width, dst } => {
                let zero = self.values.constant(0);
                let old = self.number(index, flow, dst)?;
                (dst, self.values.alu(AluOp::Sub, width, zero, old))
            }
            Op::Load { dst, base, off, size } => (dst, self.load(index, flow, base, (off, size))?),
            Op::LoadImm64 { dst, value } => (dst, self.values.constant(value)),
            Op::LoadObject { dst, .. } => (dst, self.values.unknown(Origin::Object { index })),
            // What memory holds is unknown already.
            Op::Atomic { fetch: Some(dst), .. } => {
                (dst, self.values.unknown(Origin::Memory { index }))
            }
            Op::Call { helper } => {
                return self.call(index, flow, helper);
            }
            Op::Store { .. } | Op::Atomic { .. } => return Ok(()),
            Op::Jump { .. } | Op::Branch { .. } | Op::Exit => return Ok(()),
        };
        flow.registers[dst.index()] = value;
        self.hold(index, (self.values.len() - before) * Values::BYTES)
    }

    /// A field of the context; memory is not kept track of.
    fn load(
        &mut self,
        index: usize,
        flow: &Flow,
        base: Reg,
        (off, size): (i16, Size),
    ) -> Result<ValueId, AnalyzeError> {
        let problem = match flow.registers[base.index()] {
            Values::CONTEXT => match CtxField::at(off, size) {
                Some(field) => return Ok(self.values.load(field)),
                None => InsnProblem::Load { off, bytes: size.bytes() },
            },
            Values::NOTHING => InsnProblem::NoContext(base.number()),
            _ => return Ok(self.values.unknown(Origin::Memory { index })),
        };
        Err(InsnError { index, problem }.into())
    }

    /// The kernel forgets r1 to r5 in a call; where it inlines a helper, they may be kept.
    fn call(&mut self, index: usize, flow: &mut Flow, helper: i32) -> Result<(), AnalyzeError> {
        match effect(self.helpers, helper) {
            Effect::None => {}
            Effect::SetsRetval(_) => flow.retval = true,
            Effect::TailCall => return Err(AnalyzeError::TailCall { index }),
        }
        let unknown = self.values.unknown(Origin::Helper { index, helper });
        flow.registers[Reg::R0.index()..=Reg::R5.index()].fill(unknown);
        Ok(())
    }

    fn number(&self, index: usize, flow: &Flow, register: Reg) -> Result<ValueId, AnalyzeError> {
        let value = flow.registers[register.index()];
        if self.values.is_number(value) {
            return Ok(value);
        }
        let problem = InsnProblem::NoNumber(register.number());
        Err(InsnError { index, problem }.into())
    }

    fn source(
        &mut self,
        index: usize,
        flow: &Flow,
        source: Source,
        width: Width,
    ) -> Result<ValueId, AnalyzeError> {
        match source {
            Source::Imm(imm) => Ok(self.values.constant(width.immediate(imm))),
            Source::Reg(register) => self.number(index, flow, register),
        }
    }

    fn exit(&mut self, index: usize, flow: Flow) -> Result<(), AnalyzeError> {
        let a = self.number(index, &flow, Reg::R0)?;
        let b = self.values.constant(1);
        // The kernel looks at bit 0.
        let allows = Condition { cond: Cond::Set, width: Width::W64, a, b };
        if flow.retval {
            let regions = flow.boxes.iter().flat_map(|one| one.regions(Verdict::Allow));
            self.found.retval.extend(regions);
            self.hold(index, 2 * flow.boxes.len() * size_of::<Region>())?;
        }
        let (allowed, denied) = self.split(index, allows, flow.boxes)?;
        self.hold(index, 2 * (allowed.len() + denied.len()) * size_of::<Region>())?;
        for (boxes, verdict) in [(allowed, Verdict::Allow), (denied, Verdict::Deny)] {
            self.found.regions.extend(boxes.into_iter().flat_map(|one| one.regions(verdict)));
        }
        Ok(())
    }

    /// The boxes on both sides of a condition. Where it hangs on something unknown, that is all of
    /// them on each.
    fn split(
        &mut self,
        index: usize,
        condition: Condition,
        boxes: Vec<Box>,
    ) -> Result<(Vec<Box>, Vec<Box>), AnalyzeError> {
        let Execution { values, evaluator, meter, .. } = self;
        match split(index, condition, boxes, &mut Work { values, evaluator, meter })? {
            Sides::Cut(taken, not) => Ok((taken, not)),
            Sides::Both(boxes, on) => {
                let helper = match on {
                    Origin::Helper { helper, .. } => self.helpers.name(helper),
                    _ => None,
                };
                let helper = helper.map(Cow::into_owned);
                let undecided = || AnalyzeError::Undecided { index, on, helper };
                self.found.undecided.get_or_insert_with(undecided);
                Ok((boxes.clone(), boxes))
            }
        }
    }
}

/// Flows with the same registers become one.
fn merge(mut flows: Vec<Flow>) -> Vec<Flow> {
    if flows.len() < 2 {
        return flows;
    }
    flows.sort_by_key(|flow| (flow.registers, flow.retval));
    let mut merged: Vec<Flow> = Vec::new();
    for flow in flows {
        match merged.last_mut() {
            Some(last) if (last.registers, last.retval) == (flow.registers, flow.retval) => {
                last.boxes.extend(flow.boxes)
            }
            _ => merged.push(flow),
        }
    }
    for flow in &mut merged {
        join(&mut flow.boxes);
    }
    merged
}
