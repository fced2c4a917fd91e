//! What DESIGN.md section 6 says of actions, in as few lines as it takes. Knows nothing of journals and indexes.

/// Actions, by their place in [`NAMES`](super::NAMES).
pub(super) type Name = usize;
/// Records that change an action, counted from 1: what a version stands for. 0 is the version of nothing.
pub(super) type Version = usize;

pub(super) const ACTIONS: usize = 4;
pub(super) const CALLERS: usize = 2;

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
        /// Said so: it answers for months, whatever the retention.
        operator: bool,
    },
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
            Stand::AwaitingApproval { .. } | Stand::Completed { .. } => 0,
        }
    }
}

/// What is known of an action that answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) stand: Stand,
    pub(super) version: Version,
    /// The record that began it,
    pub(super) intent: Version,
    /// the call that asked for it, and with which arguments.
    pub(super) call: usize,
    pub(super) arguments: u8,
    pub(super) undo: Option<Name>,
}

#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) arguments: u8,
    pub(super) natural: bool,
    pub(super) undo: Option<Name>,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    Completed { payload: u8, undo: Option<Name> },
    Failed,
    InDoubt { running: bool },
}

/// From this `how` on it is an operator who settles.
pub(super) const OPERATOR: usize = 3;

#[derive(Clone, Debug)]
pub(super) enum Ask {
    Claim { wanted: Wanted, by_approval: bool },
    Approval { wanted: Wanted, expired: bool },
    Decide { approved: bool },
    Settle { end: End, how: usize },
}

/// One caller asks something about one action; where that takes a version, it is the last one that it heard of.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) caller: usize,
    pub(super) name: Name,
    pub(super) ask: Ask,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Won(Version),
    Known(Known),
    Recorded(Version),
    Superseded,
    Latched,
}

#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Retention is over as soon as an action is completed.
    pub(super) forgets: bool,
    pub(super) latched: bool,
    pub(super) actions: [Option<Known>; ACTIONS],
    /// The version that each caller heard of last.
    pub(super) heard: [[Version; ACTIONS]; CALLERS],
    pub(super) calls: usize,
    /// The last turns: the version that each named, and what is said to it.
    pub(super) said: Vec<(Version, Said)>,
    /// That of the server that has it open.
    pub(super) epoch: u64,
    records: Version,
}

impl Reference {
    pub(super) fn new(forgets: bool) -> Reference {
        Reference {
            forgets,
            latched: false,
            actions: [const { None }; ACTIONS],
            heard: [[0; ACTIONS]; CALLERS],
            calls: 0,
            said: Vec::new(),
            epoch: 1,
            records: 0,
        }
    }

    /// All at once: each caller has heard what was said before, and they are decided on in this order.
    pub(super) fn take(&mut self, turns: &[Turn]) {
        let heard = self.heard;
        self.said.clear();
        for Turn { caller, name, ask } in turns {
            let named = heard[*caller][*name];
            let said = self.answer(*name, ask, named);
            self.calls += 1;
            match &said {
                Said::Won(version) | Said::Recorded(version) | Said::Known(Known { version, .. }) => {
                    self.heard[*caller][*name] = *version;
                }
                Said::Superseded | Said::Latched => {}
            }
            self.said.push((named, said));
        }
    }

    /// Another server goes on: what ran is in doubt.
    pub(super) fn reopen(&mut self) {
        self.latched = false;
        self.epoch += 1;
        for known in self.actions.iter_mut().flatten() {
            if let Stand::Started { .. } = known.stand {
                self.records += 1;
                known.version = self.records;
                known.stand = Stand::InDoubt { epoch: 0 };
            }
        }
    }

    /// Retention is over.
    pub(super) fn forget(&mut self) {
        for slot in &mut self.actions {
            slot.take_if(|known| matches!(known.stand, Stand::Completed { operator: false, .. }));
        }
    }

    fn answer(&mut self, name: Name, ask: &Ask, named: Version) -> Said {
        let begins = matches!(ask, Ask::Claim { .. } | Ask::Approval { .. });
        if begins && self.latched {
            return Said::Latched;
        }
        let current = self.actions[name].clone();
        match ask {
            Ask::Claim { wanted, by_approval } => {
                let starts = match &current {
                    // An approval is good for one start of what was approved, and for nothing else.
                    Some(known) if *by_approval => {
                        known.stand == Stand::AwaitingApproval { expired: false, approved: Some(true) }
                            && known.version == named
                            && known.arguments == wanted.arguments
                    }
                    None => !by_approval,
                    Some(known) => {
                        wanted.natural && matches!(known.stand, Stand::Completed { .. } | Stand::InDoubt { .. })
                    }
                };
                match (starts, current) {
                    (true, _) => Said::Won(self.begin(name, wanted, Stand::Started { epoch: self.epoch }).version),
                    (false, Some(known)) => Said::Known(known),
                    (false, None) => Said::Superseded,
                }
            }
            Ask::Approval { wanted, expired } => Said::Known(match current {
                Some(known) if !asks_anew(&known.stand, wanted.natural) => known,
                _ => self.begin(name, wanted, Stand::AwaitingApproval { expired: *expired, approved: None }),
            }),
            Ask::Decide { approved } => match current {
                Some(known)
                    if known.version == named
                        && known.stand == Stand::AwaitingApproval { expired: false, approved: None } =>
                {
                    self.put(name, known, Stand::AwaitingApproval { expired: false, approved: Some(*approved) })
                }
                _ => Said::Superseded,
            },
            Ask::Settle { end, how } => match (current, end) {
                (Some(Known { version, .. }), _) if version != named => Said::Superseded,
                (None, _) | (Some(Known { stand: Stand::Completed { .. }, .. }), _) => Said::Superseded,
                (Some(_), End::Failed) => {
                    self.actions[name] = None;
                    self.records += 1;
                    Said::Recorded(self.records)
                }
                // Nothing ran.
                (Some(Known { stand: Stand::AwaitingApproval { .. }, .. }), _) => Said::Superseded,
                (Some(known), End::InDoubt { running }) => {
                    let epoch = if *running { known.stand.epoch() } else { 0 };
                    self.put(name, known, Stand::InDoubt { epoch })
                }
                (Some(known), End::Completed { payload, undo }) => {
                    let stand = Stand::Completed { payload: *payload, operator: *how >= OPERATOR };
                    self.complete(name, known, stand, *undo)
                }
            },
        }
    }

    /// Frees what it undid, and the earlier run of its own undo.
    fn complete(&mut self, name: Name, known: Known, stand: Stand, undo: Option<Name>) -> Said {
        let undo = undo.or(known.undo);
        for (other, slot) in self.actions.iter_mut().enumerate().filter(|(other, _)| *other != name) {
            let related = |known: &mut Known| {
                matches!(known.stand, Stand::Completed { .. }) && (known.undo == Some(name) || undo == Some(other))
            };
            slot.take_if(related);
        }
        let said = self.put(name, Known { undo, ..known }, stand);
        if self.forgets {
            self.forget();
        }
        said
    }

    fn begin(&mut self, name: Name, wanted: &Wanted, stand: Stand) -> Known {
        self.records += 1;
        let Wanted { arguments, undo, .. } = *wanted;
        let known = Known { stand, version: self.records, intent: self.records, call: self.calls, arguments, undo };
        self.actions[name] = Some(known.clone());
        known
    }

    fn put(&mut self, name: Name, known: Known, stand: Stand) -> Said {
        self.records += 1;
        self.actions[name] = Some(Known { stand, version: self.records, ..known });
        Said::Recorded(self.records)
    }
}

/// Whether an approval is asked for over what is known.
fn asks_anew(stand: &Stand, natural: bool) -> bool {
    match stand {
        Stand::AwaitingApproval { expired, .. } => *expired,
        Stand::Completed { .. } => natural,
        // Nobody may agree, and the doubt would be gone with the approval.
        Stand::Started { .. } | Stand::InDoubt { .. } => false,
    }
}
