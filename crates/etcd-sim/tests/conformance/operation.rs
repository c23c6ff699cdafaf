//! What is done to both: random operations from a seed. Revisions and beliefs are relative, so that a sequence keeps
//! its sense when parts of it are left out.

/// A generator of pseudo-random numbers (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((bits ^ (bits >> 31)) % end as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Few keys, so that they meet: with a folder and its end, and one that is no text. No more than a dozen, because etcd
/// sorts so few without changing the order of equals.
pub(crate) const KEYS: [&[u8]; 9] = [b"a", b"a/1", b"a/2", b"a/2/x", b"a/3", b"b", b"b/1", b"c", b"\xff\xfe"];

/// What a request begins and ends with: an end of its own, none, or everything.
const ENDS: [&[u8]; 7] = [b"", b"a0", b"b", b"b0", b"c\0", b"\0", b"A"];

pub(crate) const LEASES: [i64; 4] = [101, 102, 103, 104];

/// Sizes of values, each also with a byte more, around the limits of a request and of a message. Not those from 1,572,836
/// to 1,572,838: etcd adds an id to a request that takes seven to ten bytes, as the id of the member comes out, which
/// comes from its ports. One member in two has ten, nearly all others nine, one in 256 eight.
const LARGE: [usize; 4] = [1_572_834, 1_572_839, 2_097_120, 2_097_140];

/// Watches are opened on so many streams, with ids of their own.
pub(crate) const STREAMS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    Present,
    Back(i64),
    Ahead(i64),
    /// Around the compacted revision.
    Compacted(i64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) key: &'static [u8],
    pub(crate) end: &'static [u8],
}

#[derive(Debug, Clone)]
pub(crate) struct Get {
    pub(crate) span: Span,
    pub(crate) at: At,
    pub(crate) limit: i64,
    /// Target and order, as etcd numbers them.
    pub(crate) sort: (usize, usize),
    pub(crate) serializable: bool,
    pub(crate) keys_only: bool,
    pub(crate) count_only: bool,
    /// A bound for: least and greatest change, least and greatest creation.
    pub(crate) filters: [Option<At>; 4],
}

#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) key: &'static [u8],
    pub(crate) value: Vec<u8>,
    pub(crate) lease: i64,
    pub(crate) prev_kv: bool,
    pub(crate) ignore_value: bool,
    pub(crate) ignore_lease: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) span: Span,
    pub(crate) prev_kv: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Compare {
    pub(crate) span: Span,
    /// Version, creation, change, value, lease.
    pub(crate) target: usize,
    /// Equal, greater, less, not equal.
    pub(crate) result: usize,
    /// How far off the truth the belief is.
    pub(crate) off: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Get(Get),
    Put(Put),
    Delete(Delete),
    Txn(Txn),
}

#[derive(Debug, Clone)]
pub(crate) struct Txn {
    pub(crate) compares: Vec<Compare>,
    pub(crate) then: Vec<Step>,
    pub(crate) otherwise: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) stream: usize,
    pub(crate) id: i64,
    pub(crate) span: Span,
    pub(crate) at: At,
    pub(crate) prev_kv: bool,
    /// Neither, no puts, no deletions.
    pub(crate) filter: usize,
}

#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Get(Get),
    Put(Put),
    /// A value of so many bytes, around the limit, and its deletion.
    Large(usize),
    Delete(Delete),
    Txn(Txn),
    Compact(At),
    Grant {
        id: i64,
        ttl: i64,
    },
    /// A lease of a life that etcd must correct, ended at once.
    ShortLease(i64),
    Revoke(i64),
    KeepAlive(i64),
    TimeToLive {
        id: i64,
        keys: bool,
    },
    Leases,
    Watch(Watch),
    Cancel {
        stream: usize,
        id: i64,
    },
    Progress(usize),
    /// What can be done without space.
    NoSpace,
}

/// A sequence of operations that follows from the seed.
pub(crate) fn sequence(seed: u64, length: usize) -> Vec<Operation> {
    let mut dice = Dice::new(seed);
    (0..length).map(|_| operation(&mut dice)).collect()
}

fn operation(dice: &mut Dice) -> Operation {
    match dice.below(1000) {
        0..250 => Operation::Put(put(dice)),
        250..430 => Operation::Get(get(dice)),
        430..520 => Operation::Delete(delete(dice)),
        520..750 => Operation::Txn(transaction(dice)),
        750..770 => Operation::Compact(compaction(dice)),
        770..810 => Operation::Grant { id: dice.pick(&LEASES), ttl: dice.pick(&[600, 3600, 9_000_000_001]) },
        810..820 => Operation::ShortLease(dice.pick(&[0, 1, 2, -5])),
        820..840 => Operation::Revoke(dice.pick(&LEASES)),
        840..860 => Operation::KeepAlive(dice.pick(&LEASES)),
        860..880 => Operation::TimeToLive { id: dice.pick(&LEASES), keys: dice.one_in(2) },
        880..890 => Operation::Leases,
        890..940 => Operation::Watch(watch(dice)),
        940..970 => Operation::Cancel { stream: dice.below(STREAMS), id: watch_id(dice) },
        970..985 => Operation::Progress(dice.below(STREAMS)),
        985..987 => Operation::Large(dice.pick(&LARGE) + dice.below(2)),
        _ => Operation::NoSpace,
    }
}

fn span(dice: &mut Dice) -> Span {
    if dice.one_in(200) {
        return Span { key: b"", end: dice.pick(&ENDS) };
    }
    named_span(dice)
}

fn named_span(dice: &mut Dice) -> Span {
    let end = if dice.one_in(2) { b"" } else { dice.pick(&ENDS) };
    Span { key: dice.pick(&KEYS), end }
}

fn at(dice: &mut Dice) -> At {
    match dice.below(20) {
        0..10 => At::Present,
        10..16 => At::Back(i64::try_from(dice.below(30)).unwrap()),
        16 => At::Ahead(1 + i64::try_from(dice.below(3)).unwrap()),
        _ => At::Compacted(i64::try_from(dice.below(4)).unwrap() - 2),
    }
}

fn get(dice: &mut Dice) -> Get {
    let sort = if dice.one_in(2) { (0, 0) } else { (dice.pick(&[0, 1, 2, 3, 4]), dice.pick(&[0, 1, 2])) };
    let mut filters = [None; 4];
    if dice.one_in(6) {
        filters[dice.below(4)] = Some(At::Back(i64::try_from(dice.below(30)).unwrap()));
    }
    Get {
        span: span(dice),
        at: at(dice),
        limit: dice.pick(&[0, 0, 0, 1, 2, 3, 20]),
        sort,
        serializable: dice.one_in(5),
        keys_only: dice.one_in(6),
        count_only: dice.one_in(8),
        filters,
    }
}

fn put(dice: &mut Dice) -> Put {
    let key = if dice.one_in(200) { b"" } else { dice.pick(&KEYS) };
    let ignore_value = dice.one_in(12);
    let ignore_lease = dice.one_in(12);
    let value = if ignore_value && !dice.one_in(5) { 0 } else { dice.below(4) };
    let lease = if (ignore_lease && !dice.one_in(5)) || !dice.one_in(3) { 0 } else { dice.pick(&LEASES) };
    Put {
        key,
        value: (0..value).map(|_| u8::try_from(dice.below(3)).unwrap()).collect(),
        lease,
        prev_kv: dice.one_in(4),
        ignore_value,
        ignore_lease,
    }
}

fn delete(dice: &mut Dice) -> Delete {
    Delete { span: span(dice), prev_kv: dice.one_in(3) }
}

fn transaction(dice: &mut Dice) -> Txn {
    if dice.one_in(60) {
        return full(dice);
    }
    let kind = if dice.one_in(2) { Kind::DeletesOpenly } else { Kind::KeepsOld };
    txn(dice, kind, 0)
}

/// Inside of a transaction etcd does not notice that a delete without an end and a put are of the same key, and dies if
/// the put keeps what was deleted. So a transaction has only one of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    DeletesOpenly,
    KeepsOld,
}

fn txn(dice: &mut Dice, kind: Kind, depth: usize) -> Txn {
    let compares = (0..dice.below(3)).map(|_| compare(dice)).collect();
    let then = steps(dice, kind, depth);
    let otherwise = steps(dice, kind, depth);
    Txn { compares, then, otherwise }
}

/// One at the limit of operations, or above it.
fn full(dice: &mut Dice) -> Txn {
    let count = dice.pick(&[127, 128, 129]);
    let step = || Step::Get(Get { at: At::Present, limit: 1, filters: [None; 4], ..get(&mut Dice::new(1)) });
    let steps: Vec<Step> = (0..count).map(|_| step()).collect();
    match dice.below(3) {
        0 => Txn { compares: Vec::new(), then: steps, otherwise: Vec::new() },
        1 => Txn { compares: Vec::new(), then: Vec::new(), otherwise: steps },
        _ => Txn { compares: (0..count).map(|_| compare(dice)).collect(), then: Vec::new(), otherwise: Vec::new() },
    }
}

fn steps(dice: &mut Dice, kind: Kind, depth: usize) -> Vec<Step> {
    (0..dice.below(4 - depth)).map(|_| step(dice, kind, depth)).collect()
}

fn step(dice: &mut Dice, kind: Kind, depth: usize) -> Step {
    match dice.below(12) {
        0..5 => {
            let put = put(dice);
            let keeps = kind == Kind::KeepsOld;
            Step::Put(Put { ignore_value: keeps && put.ignore_value, ignore_lease: keeps && put.ignore_lease, ..put })
        }
        8..10 => {
            let mut delete = delete(dice);
            if kind == Kind::KeepsOld && delete.span.end == b"\0" {
                delete.span.end = b"";
            }
            Step::Delete(delete)
        }
        10.. if depth < 2 => Step::Txn(txn(dice, kind, depth + 1)),
        _ => Step::Get(get(dice)),
    }
}

fn compare(dice: &mut Dice) -> Compare {
    let off = if dice.one_in(3) { dice.pick(&[-1, 1]) } else { 0 };
    Compare { span: span(dice), target: dice.below(5), result: dice.pick(&[0, 0, 0, 1, 2, 3]), off }
}

fn compaction(dice: &mut Dice) -> At {
    match dice.below(10) {
        0..6 => At::Back(i64::try_from(dice.below(40)).unwrap()),
        6 => At::Back(0),
        7 => At::Ahead(1),
        _ => At::Compacted(i64::try_from(dice.below(2)).unwrap()),
    }
}

/// Not that of the first one, which every stream keeps.
fn watch_id(dice: &mut Dice) -> i64 {
    1 + i64::try_from(dice.below(4)).unwrap()
}

fn watch(dice: &mut Dice) -> Watch {
    let id = if dice.one_in(2) { 0 } else { watch_id(dice) };
    Watch {
        stream: dice.below(STREAMS),
        id,
        span: if dice.one_in(50) { Span { key: b"", end: b"" } } else { named_span(dice) },
        at: at(dice),
        prev_kv: dice.one_in(2),
        filter: dice.pick(&[0, 0, 0, 1, 2]),
    }
}
