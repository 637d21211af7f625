//! The execution: boxes and registers from the first instruction to every exit.
//!
//! Instructions are taken in their order. As jumps only lead forward, all that can arrive at
//! an instruction has arrived when its turn comes, and boxes which differ in their words only
//! are joined there: a program that is one long chain of rules stays tractable.

use std::collections::BTreeMap;

use super::AnalyzeError;
use super::boxes::{Box, join};
use super::region::Region;
use super::truth::{Condition, MOST_INTERVALS, NotCut, Tests};
use super::values::{ValueId, Values};
use crate::bpf::{
    AluOp, Cond, Decoded, InsnError, InsnProblem, Op, Program, Reg, Source, Width, decode,
};
use crate::policy::Verdict;

/// Boxes, and parts of intervals, that may be looked at in all: some seconds.
const MOST_STEPS: usize = 1 << 27;

pub(super) fn execute(program: &Program) -> Result<Vec<Region>, AnalyzeError> {
    let insns = program.insns();
    let decoded = (0..insns.len()).map(|index| decode(insns, index)).collect::<Vec<_>>();
    let mut run = Execution {
        live: live_registers(&decoded),
        decoded,
        values: Values::new(),
        arrived: BTreeMap::new(),
        regions: Vec::new(),
        budget: MOST_STEPS,
    };
    let mut registers = [Values::NOTHING; Reg::COUNT];
    registers[Reg::R1.index()] = Values::CONTEXT;
    run.arrive(0, Flow { registers, boxes: vec![Box::ALL] })?;
    while let Some((index, flows)) = run.arrived.pop_first() {
        for flow in merge(flows) {
            run.follow(index, flow)?;
        }
    }
    Ok(run.regions)
}

/// Boxes for which the registers hold the same.
struct Flow {
    registers: [ValueId; Reg::COUNT],
    boxes: Vec<Box>,
}

struct Execution {
    decoded: Vec<Result<Decoded, InsnError>>,
    /// For each instruction, a bit for each register that is read before it is written.
    live: Vec<u16>,
    values: Values,
    arrived: BTreeMap<usize, Vec<Flow>>,
    regions: Vec<Region>,
    /// Steps left.
    budget: usize,
}

impl Execution {
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
        self.arrived.entry(index).or_default().push(flow);
        Ok(())
    }

    /// Takes a flow from instruction to instruction, up to where others may join it.
    fn follow(&mut self, mut index: usize, mut flow: Flow) -> Result<(), AnalyzeError> {
        loop {
            let waiting = self.arrived.keys().next().copied();
            let Some(Ok(decoded)) = self.decoded.get(index).cloned() else {
                let known = self.decoded.get(index).cloned().and_then(Result::err);
                let outside = InsnError { index, problem: InsnProblem::Outside };
                return Err(known.unwrap_or(outside).into());
            };
            match decoded.op {
                Op::Jump { target } => index = target,
                Op::Branch { cond, width, dst, src, target } => {
                    let a = self.number(index, &flow, dst)?;
                    let b = self.source(index, &flow, src, width)?;
                    let condition = Condition { cond, width, a, b };
                    let (taken, not) = self.split(index, condition, flow.boxes)?;
                    self.arrive(target, Flow { registers: flow.registers, boxes: taken })?;
                    let rest = Flow { registers: flow.registers, boxes: not };
                    return self.arrive(decoded.next, rest);
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
        let too_deep = AnalyzeError::TooLong { index, limit: MOST_STEPS };
        let (dst, value) = match op {
            Op::Alu { op: AluOp::Mov, width: Width::W64, dst, src: Source::Reg(src) } => {
                (dst, flow.registers[src.index()])
            }
            Op::Alu { op, width, dst, src } => {
                let b = self.source(index, flow, src, width)?;
                // A move doesn't read what it overwrites.
                let a = if op == AluOp::Mov { b } else { self.number(index, flow, dst)? };
                (dst, self.values.alu(op, width, a, b).ok_or(too_deep)?)
            }
            Op::Neg { width, dst } => {
                let zero = self.values.constant(0);
                let old = self.number(index, flow, dst)?;
                (dst, self.values.alu(AluOp::Sub, width, zero, old).ok_or(too_deep)?)
            }
            Op::Load { dst, base, field } => {
                if flow.registers[base.index()] != Values::CONTEXT {
                    let problem = InsnProblem::NoContext(base.number());
                    return Err(InsnError { index, problem }.into());
                }
                (dst, self.values.load(field))
            }
            Op::LoadImm64 { dst, value } => (dst, self.values.constant(value)),
            Op::Jump { .. } | Op::Branch { .. } | Op::Exit => return Ok(()),
        };
        flow.registers[dst.index()] = value;
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
        let (allowed, denied) = self.split(index, allows, flow.boxes)?;
        for (boxes, verdict) in [(allowed, Verdict::Allow), (denied, Verdict::Deny)] {
            self.regions.extend(boxes.into_iter().flat_map(|one| one.regions(verdict)));
        }
        Ok(())
    }

    /// The parts of the boxes for which the condition holds, and the others.
    fn split(
        &mut self,
        index: usize,
        condition: Condition,
        boxes: Vec<Box>,
    ) -> Result<(Vec<Box>, Vec<Box>), AnalyzeError> {
        let too_long = AnalyzeError::TooLong { index, limit: MOST_STEPS };
        self.budget = self.budget.checked_sub(boxes.len()).ok_or(too_long.clone())?;
        let (mut taken, mut not) = (Vec::new(), Vec::new());
        match condition.tests(&self.values) {
            Tests::Nothing(true) => taken = boxes,
            Tests::Nothing(false) => not = boxes,
            Tests::Words(words) => {
                let part = |words| {
                    let cut = move |one: &Box| Box { words: one.words & words, ..*one };
                    boxes.iter().map(cut).filter(|one| one.words != 0).collect()
                };
                (taken, not) = (part(words), part(!words));
            }
            Tests::Number(field) => {
                for one in boxes {
                    let interval = one.interval(field);
                    let parts = condition
                        .cut(&self.values, field, interval, &mut self.budget)
                        .map_err(|error| match error {
                            NotCut::TooLong => too_long.clone(),
                            NotCut::Fragmented => {
                                AnalyzeError::Fragmented { index, limit: MOST_INTERVALS }
                            }
                        })?;
                    for (interval, holds) in parts {
                        let side = if holds { &mut taken } else { &mut not };
                        side.push(one.with(field, interval));
                    }
                }
            }
            Tests::Mix => return Err(AnalyzeError::Mixed { index }),
        }
        Ok((taken, not))
    }
}

/// Flows with the same registers become one.
fn merge(mut flows: Vec<Flow>) -> Vec<Flow> {
    if flows.len() < 2 {
        return flows;
    }
    flows.sort_by_key(|flow| flow.registers);
    let mut merged: Vec<Flow> = Vec::new();
    for flow in flows {
        match merged.last_mut() {
            Some(last) if last.registers == flow.registers => last.boxes.extend(flow.boxes),
            _ => merged.push(flow),
        }
    }
    for flow in &mut merged {
        join(&mut flow.boxes);
    }
    merged
}

/// Backwards over the program: what is read before it is written. An instruction that is not
/// understood counts as reading everything.
fn live_registers(decoded: &[Result<Decoded, InsnError>]) -> Vec<u16> {
    let bit = |register: Reg| 1u16 << register.index();
    let reads = |source| match source {
        Source::Reg(register) => bit(register),
        Source::Imm(_) => 0,
    };
    let mut live = vec![u16::MAX; decoded.len()];
    for (index, decoded) in decoded.iter().enumerate().rev() {
        let Ok(Decoded { op, next }) = decoded else { continue };
        let after = |index: usize| live.get(index).copied().unwrap_or(0);
        live[index] = match *op {
            Op::Alu { op: AluOp::Mov, dst, src, .. } => after(*next) & !bit(dst) | reads(src),
            Op::Alu { dst, src, .. } => after(*next) | bit(dst) | reads(src),
            Op::Neg { dst, .. } => after(*next) | bit(dst),
            Op::Load { dst, base, .. } => after(*next) & !bit(dst) | bit(base),
            Op::LoadImm64 { dst, .. } => after(*next) & !bit(dst),
            Op::Jump { target } => after(target),
            Op::Branch { dst, src, target, .. } => {
                after(*next) | after(target) | bit(dst) | reads(src)
            }
            Op::Exit => bit(Reg::R0),
        };
    }
    live
}
