//! The rules of DESIGN.md section 6, in as few lines as it takes. Knows nothing of journals, indexes and slots: it keeps
//! every run that there ever was and looks through all of them.

/// Actions, by their place in [`NAMES`](super::NAMES).
pub(super) type Name = usize;
/// Callers, each an owner.
pub(super) type Caller = usize;
/// Records that change an action, counted from 1: what a version stands for. 0 is the version of nothing.
pub(super) type Version = usize;

pub(super) const ACTIONS: usize = 4;
pub(super) const CALLERS: usize = 2;
/// The subjects of each action, each a set of pairs. The second and third are hit by the first two, not the other way round.
pub(super) const SUBJECTS: [&[&[u8]]; ACTIONS] = [&[&[1]], &[&[1]], &[&[1, 2]], &[&[3], &[2, 1]]];
/// The action whose key has a bucket of time, a quarter of the retention long.
pub(super) const BUCKETED: Name = 3;
/// Quarters of the retention for which an ended action answers.
const RETENTION: u64 = 4;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stand {
    AwaitingApproval {
        expired: bool,
        approved: Option<bool>,
    },
    Started {
        epoch: u64,
    },
    Completed {
        payload: u8,
        stored_error: bool,
    },
    Failed,
    /// May be running still, by the server of this epoch; 0 when it is not.
    InDoubt {
        epoch: u64,
    },
}

impl Stand {
    /// The epoch of the server that may be running it; 0 when none is.
    pub(super) fn epoch(&self) -> u64 {
        match self {
            Stand::Started { epoch } | Stand::InDoubt { epoch } => *epoch,
            Stand::AwaitingApproval { .. } | Stand::Completed { .. } | Stand::Failed => 0,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Stand::Completed { .. } | Stand::Failed)
    }
}

/// One run of an action, or the wish for one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) name: Name,
    pub(super) owner: Caller,
    pub(super) stand: Stand,
    pub(super) version: Version,
    /// The record that began it,
    pub(super) intent: Version,
    /// the record that ended its body,
    pub(super) ended: Option<Version>,
    /// the call that asked for it, and with which arguments.
    pub(super) call: usize,
    pub(super) arguments: u8,
    pub(super) again_after: Option<usize>,
    pub(super) subjects: Vec<Vec<u8>>,
    /// Quarter of the retention in which it was asked for, for a key with buckets.
    pub(super) bucket: Option<u64>,
    /// The completed run that it repeats.
    pub(super) replaced: Option<usize>,
    /// Quarter in which it stops answering.
    pub(super) until: u64,
    /// Another run of its key began while its outcome was not known.
    gone: bool,
}

impl Run {
    /// It had, or may have had, an effect.
    fn touches(&self) -> bool {
        match self.stand {
            Stand::Started { .. } | Stand::InDoubt { .. } => !self.gone,
            Stand::Completed { stored_error, .. } => !stored_error,
            Stand::Failed | Stand::AwaitingApproval { .. } => false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) arguments: u8,
    pub(super) natural: bool,
    pub(super) again_after: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    /// `undo`: its ready undo call is this action.
    Completed {
        payload: u8,
        undo: Option<Name>,
        stored_error: bool,
    },
    Failed,
    InDoubt {
        running: bool,
    },
}

/// From this `how` on it is an operator who settles.
pub(super) const OPERATOR: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Ask {
    Claim {
        wanted: Wanted,
        by_approval: bool,
    },
    Approval {
        wanted: Wanted,
        expired: bool,
    },
    Decide {
        approved: bool,
    },
    Settle {
        end: End,
        how: usize,
    },
    /// The call that ran it says how it ended, whatever was recorded in the meantime.
    Late {
        end: End,
    },
}

/// One caller asks something about one action; where that takes a version, it is the last one that it heard of.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) caller: Caller,
    pub(super) name: Name,
    pub(super) ask: Ask,
}

/// What a known action means to a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stands {
    Free,
    Awaiting {
        run: Run,
        void: bool,
    },
    /// One of these calls.
    Running(Vec<usize>),
    InDoubt {
        run: Run,
        may_run: bool,
    },
    SubjectInDoubt(Vec<usize>),
    Replay(Run),
    Differs(usize),
    Superseded {
        by: Option<usize>,
        first: Option<usize>,
        earlier: Option<Run>,
        effect: Effect,
    },
    DoneForAnother(usize),
}

/// What may be said of the effect of a call that is superseded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    Never,
    Before,
    /// No repeat that names the same call ever had one.
    MayBeNever,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Won(Version),
    Awaits(Run),
    Stands(Stands),
    Recorded(Version),
    Superseded,
    Latched,
}

#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Retention is over as soon as an action is completed.
    pub(super) forgets: bool,
    pub(super) latched: bool,
    pub(super) runs: Vec<Run>,
    /// The run that each key names now.
    pub(super) actions: [Option<usize>; ACTIONS],
    /// The version that each caller heard of last.
    pub(super) heard: [[Version; ACTIONS]; CALLERS],
    pub(super) calls: usize,
    /// The last turns: the version that each named, and what is said to it.
    pub(super) said: Vec<(Version, Said)>,
    /// That of the server that has it open.
    pub(super) epoch: u64,
    /// Quarters of the retention that have passed.
    quarter: u64,
    records: Version,
}

impl Reference {
    pub(super) fn new(forgets: bool) -> Reference {
        Reference {
            forgets,
            latched: false,
            runs: Vec::new(),
            actions: [None; ACTIONS],
            heard: [[0; ACTIONS]; CALLERS],
            calls: 0,
            said: Vec::new(),
            epoch: 1,
            quarter: 0,
            records: 0,
        }
    }

    /// All at once: each caller has heard what was said before, and they are decided on in this order.
    pub(super) fn take(&mut self, turns: &[Turn]) {
        let heard = self.heard;
        let begun = self.actions.map(|run| run.map_or(0, |run| self.runs[run].intent));
        self.said.clear();
        for Turn { caller, name, ask } in turns {
            let named = match ask {
                Ask::Late { .. } => begun[*name],
                _ => heard[*caller][*name],
            };
            let said = self.answer(*caller, *name, ask, named);
            self.calls += 1;
            if let Said::Won(version)
            | Said::Recorded(version)
            | Said::Awaits(Run { version, .. })
            | Said::Stands(
                Stands::Replay(Run { version, .. })
                | Stands::Awaiting { run: Run { version, .. }, .. }
                | Stands::InDoubt { run: Run { version, .. }, .. },
            ) = &said
            {
                self.heard[*caller][*name] = *version;
            }
            self.said.push((named, said));
        }
    }

    /// Another server goes on: what ran is in doubt. They are found `in_order`.
    pub(super) fn reopen(&mut self, in_order: &[Name]) {
        self.latched = false;
        self.epoch += 1;
        for name in in_order {
            let Some(run) = self.actions[*name] else { continue };
            if let Stand::Started { .. } = self.runs[run].stand {
                self.put(run, Stand::InDoubt { epoch: 0 });
            }
        }
    }

    /// So many quarters of the retention pass.
    pub(super) fn wait(&mut self, quarters: u64) {
        self.quarter += quarters;
    }

    /// The action that answers for its key.
    pub(super) fn known(&self, name: Name) -> Option<&Run> {
        Some(&self.runs[self.actions[name]?]).filter(|run| self.answers(run))
    }

    fn answers(&self, run: &Run) -> bool {
        !run.stand.is_settled() || self.quarter < run.until
    }

    /// The last call that touches what `name` is about.
    pub(super) fn latest_call(&self, name: Name) -> Option<usize> {
        let subjects = SUBJECTS[name].iter().map(|subject| subject.to_vec()).collect::<Vec<_>>();
        latest(&self.touching(&subjects)).or(self.actions[name].map(|run| self.runs[run].call))
    }

    /// What touches something about these subjects.
    fn touching(&self, subjects: &[Vec<u8>]) -> Vec<&Run> {
        let within = |part: &[u8], whole: &[u8]| part.iter().all(|pair| whole.contains(pair));
        let hits = |run: &Run| subjects.iter().any(|whole| run.subjects.iter().any(|part| within(part, whole)));
        self.runs.iter().filter(|run| run.touches() && hits(run)).collect()
    }

    fn runs_now(&self, run: &Run) -> bool {
        match run.stand {
            Stand::InDoubt { epoch } => epoch == self.epoch,
            _ => matches!(run.stand, Stand::Started { .. }),
        }
    }

    /// What `wanted` means now.
    pub(super) fn judge(&self, owner: Caller, name: Name, wanted: &Wanted, needs_approval: bool) -> Stands {
        let Some(known) = self.known(name) else {
            return if wanted.again_after.is_some() { self.repeat(name, wanted, None) } else { Stands::Free };
        };
        let run = known.clone();
        match (&known.stand, known.replaced) {
            // Who does not mean this repeat means what is there until somebody agrees to it.
            (Stand::AwaitingApproval { .. }, Some(before))
                if known.again_after != wanted.again_after && self.answers(&self.runs[before]) =>
            {
                self.ended(owner, wanted, &self.runs[before])
            }
            (Stand::Completed { .. } | Stand::Failed, _) if wanted.natural && wanted.again_after.is_none() => {
                Stands::Free
            }
            (Stand::Completed { .. } | Stand::Failed, _) => self.ended(owner, wanted, known),
            _ if known.arguments != wanted.arguments => Stands::Differs(known.call),
            (Stand::AwaitingApproval { expired, .. }, _) => {
                let others = self.others(known);
                Stands::Awaiting { run, void: *expired || others.iter().any(|other| other.ended > Some(known.version)) }
            }
            (Stand::Started { .. }, _) => Stands::Running(vec![known.call]),
            (Stand::InDoubt { epoch }, _) => {
                let may_run = *epoch == self.epoch;
                let again = wanted.natural && !needs_approval && !may_run;
                if again { Stands::Free } else { Stands::InDoubt { run, may_run } }
            }
        }
    }

    fn others(&self, known: &Run) -> Vec<&Run> {
        let mut others = self.touching(&known.subjects);
        others.retain(|other| other.name != known.name);
        others
    }

    /// What `wanted` means when the action has ended.
    fn ended(&self, owner: Caller, wanted: &Wanted, known: &Run) -> Stands {
        let (completed, stored_error) = match known.stand {
            Stand::Completed { stored_error, .. } => (true, stored_error),
            _ => (false, false),
        };
        let owned = known.owner == owner;
        if known.bucket.is_some_and(|bucket| self.quarter > bucket + 1) || (stored_error && !owned) {
            return Stands::Free;
        }
        if wanted.again_after.is_some() && wanted.again_after != known.again_after {
            return self.repeat(known.name, wanted, Some(known));
        }
        if completed && known.arguments != wanted.arguments {
            return Stands::Differs(known.call);
        }
        let others = self.others(known);
        let running = calls(others.iter().filter(|other| self.runs_now(other)));
        if !running.is_empty() {
            return Stands::Running(running);
        }
        let since: Vec<&Run> = others.into_iter().filter(|other| other.ended > Some(known.intent)).collect();
        if let Some(by) = latest(&since) {
            return Stands::Superseded {
                by: Some(by),
                first: Some(known.call),
                earlier: (completed && owned).then(|| known.clone()),
                effect: if completed && !stored_error { Effect::Before } else { Effect::Never },
            };
        }
        match (completed, owned || wanted.natural) {
            (false, _) => Stands::Free,
            (true, false) => Stands::DoneForAnother(known.call),
            (true, true) => Stands::Replay(known.clone()),
        }
    }

    /// What it means that `wanted` names a call in order to do the same again.
    fn repeat(&self, name: Name, wanted: &Wanted, known: Option<&Run>) -> Stands {
        let mut subjects: Vec<Vec<u8>> = SUBJECTS[name].iter().map(|subject| subject.to_vec()).collect();
        subjects.extend(known.iter().flat_map(|known| known.subjects.clone()));
        let touching = self.touching(&subjects);
        let running = calls(touching.iter().filter(|run| self.runs_now(run)));
        if !running.is_empty() {
            return Stands::Running(running);
        }
        let doubts = calls(touching.iter().filter(|run| matches!(run.stand, Stand::InDoubt { .. })));
        if !doubts.is_empty() {
            return Stands::SubjectInDoubt(doubts);
        }
        let by = latest(&touching);
        if by.or(known.map(|known| known.call)) == wanted.again_after {
            return Stands::Free;
        }
        let mut alike = self.runs.iter().filter(|run| run.name == name && run.again_after == wanted.again_after);
        let effect = if alike.any(Run::touches) { Effect::Unknown } else { Effect::MayBeNever };
        Stands::Superseded { by, first: known.map(|known| known.call), earlier: None, effect }
    }

    fn answer(&mut self, caller: Caller, name: Name, ask: &Ask, named: Version) -> Said {
        let begins = matches!(ask, Ask::Claim { .. } | Ask::Approval { .. });
        if begins && self.latched {
            return Said::Latched;
        }
        let current = self.actions[name];
        match ask {
            Ask::Claim { wanted, by_approval } => match self.judge(caller, name, wanted, *by_approval) {
                // An approval is good for one start of what was approved, for its owner, and for nothing else.
                Stands::Awaiting { run, void } if *by_approval => {
                    let approved = matches!(run.stand, Stand::AwaitingApproval { approved: Some(true), .. });
                    let same = run.version == named && run.owner == caller && run.again_after == wanted.again_after;
                    if void || !approved || !same {
                        return Said::Superseded;
                    }
                    let began = self.begin(caller, name, wanted, Stand::Started { epoch: self.epoch });
                    self.runs[began].bucket = run.bucket;
                    Said::Won(self.runs[began].version)
                }
                Stands::Free if *by_approval => Said::Superseded,
                Stands::Free => {
                    let began = self.begin(caller, name, wanted, Stand::Started { epoch: self.epoch });
                    Said::Won(self.runs[began].version)
                }
                stands => Said::Stands(stands),
            },
            Ask::Approval { wanted, expired } => match self.judge(caller, name, wanted, true) {
                Stands::Free | Stands::Awaiting { void: true, .. } => {
                    let stand = Stand::AwaitingApproval { expired: *expired, approved: None };
                    let began = self.begin(caller, name, wanted, stand);
                    Said::Awaits(self.runs[began].clone())
                }
                stands => Said::Stands(stands),
            },
            Ask::Decide { approved } => match current {
                Some(run)
                    if self.runs[run].version == named
                        && self.runs[run].stand == Stand::AwaitingApproval { expired: false, approved: None } =>
                {
                    self.put(run, Stand::AwaitingApproval { expired: false, approved: Some(*approved) })
                }
                _ => Said::Superseded,
            },
            Ask::Settle { end, how } => match current.filter(|run| self.runs[*run].version == named) {
                Some(run) => self.settle(run, end, *how >= OPERATOR),
                None => Said::Superseded,
            },
            Ask::Late { end } => match current.filter(|run| self.runs[*run].intent == named) {
                // Nothing ran yet, and somebody decided in the meantime.
                Some(run)
                    if matches!(self.runs[run].stand, Stand::AwaitingApproval { .. })
                        && self.runs[run].version != named =>
                {
                    Said::Superseded
                }
                Some(run) => self.settle(run, end, false),
                None => Said::Superseded,
            },
        }
    }

    fn settle(&mut self, run: usize, end: &End, operator: bool) -> Said {
        let until = match (operator, self.forgets) {
            (true, _) => u64::MAX,
            (false, true) => self.quarter,
            (false, false) => self.quarter + RETENTION,
        };
        let replaced = self.runs[run].replaced.filter(|before| self.answers(&self.runs[*before]));
        let known = &mut self.runs[run];
        let awaited = matches!(known.stand, Stand::AwaitingApproval { .. });
        match end {
            _ if known.stand.is_settled() => Said::Superseded,
            End::Failed | End::Completed { stored_error: true, .. }
                if replaced.is_some() && !awaited || awaited && matches!(end, End::Failed) =>
            {
                known.stand = Stand::Failed;
                self.records += 1;
                self.actions[known.name] = replaced;
                // Nothing came of it: what was there answers again.
                if let Some(before) = replaced {
                    self.runs[before].version = self.records;
                }
                Said::Recorded(self.records)
            }
            _ if awaited => Said::Superseded,
            End::Failed => {
                known.until = until;
                self.put(run, Stand::Failed)
            }
            End::InDoubt { running } => {
                let epoch = if *running { known.stand.epoch() } else { 0 };
                self.put(run, Stand::InDoubt { epoch })
            }
            End::Completed { payload, undo, stored_error } => {
                known.until = until;
                known.replaced = None;
                known.subjects.extend(undo.iter().flat_map(|undo| SUBJECTS[*undo]).map(|subject| subject.to_vec()));
                self.put(run, Stand::Completed { payload: *payload, stored_error: *stored_error })
            }
        }
    }

    /// A new run over what the key names now.
    fn begin(&mut self, owner: Caller, name: Name, wanted: &Wanted, stand: Stand) -> usize {
        let over = self.actions[name];
        let replaced = over.filter(|_| wanted.again_after.is_some()).and_then(|over| match self.runs[over].stand {
            Stand::Completed { .. } => Some(over),
            _ => self.runs[over].replaced,
        });
        if let Some(over) = over {
            self.runs[over].gone = true;
        }
        self.records += 1;
        self.runs.push(Run {
            name,
            owner,
            stand,
            version: self.records,
            intent: self.records,
            ended: None,
            call: self.calls,
            arguments: wanted.arguments,
            again_after: wanted.again_after,
            subjects: SUBJECTS[name].iter().map(|subject| subject.to_vec()).collect(),
            bucket: (name == BUCKETED).then_some(self.quarter),
            replaced,
            until: u64::MAX,
            gone: false,
        });
        self.actions[name] = Some(self.runs.len() - 1);
        self.runs.len() - 1
    }

    fn put(&mut self, run: usize, stand: Stand) -> Said {
        self.records += 1;
        let known = &mut self.runs[run];
        let awaited = matches!(known.stand, Stand::AwaitingApproval { .. });
        // The body of a doubt has ended when it was left, unless it went on.
        if !awaited && known.stand != (Stand::InDoubt { epoch: 0 }) {
            known.ended = Some(self.records);
        }
        known.version = self.records;
        known.stand = stand;
        Said::Recorded(self.records)
    }
}

fn calls<'a>(runs: impl Iterator<Item = &'a &'a Run>) -> Vec<usize> {
    runs.map(|run| run.call).collect()
}

/// The call whose body ended last.
fn latest(runs: &[&Run]) -> Option<usize> {
    runs.iter().max_by_key(|run| run.ended).map(|run| run.call)
}
