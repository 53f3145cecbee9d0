//! The places between two steps where a process can be made to stand still, in the order of a repo's way.

/// A place between two steps of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// The gateway has decoded a command and done nothing about it.
    GatewayReceived,
    /// The gateway is about to ask the host whether a directory may be adopted.
    GatewayAsks,
    /// The host has answered; a chosen id is not reserved yet.
    GatewayHostAnswered,
    /// The gateway is about to append its decision.
    GatewayAppends,
    /// The decision is stored and not answered.
    GatewayAppended,
    /// The command is answered.
    GatewayReplied,
    /// A worker was asked whether a directory may be adopted.
    StadAsked,
    /// It has counted and not answered.
    StadCounted,
    /// It has answered.
    StadAnswered,
    /// repoinit has been woken.
    RegdRepoInitWoken,
    /// repoinit is about to begin a repo.
    RegdRepoInitAppends,
    /// The repo has begun; the delivery is not acknowledged.
    RegdRepoInitAppended,
    /// replicate has been woken.
    RegdReplicateWoken,
    /// replicate is about to confirm the repo to its registry.
    RegdConfirms,
    /// The repo is confirmed, its shadow not requested.
    RegdConfirmed,
    /// The shadow is requested; the delivery is not acknowledged.
    RegdRequested,
    /// A worker has taken a delivery of work and not looked at it.
    StadTakes,
    /// It has found something due and not tried the lock.
    StadLocks,
    /// It has the lock and nothing else.
    StadLocked,
    /// It is about to append its claim.
    StadClaims,
    /// The claim is stored; the lock file does not say so.
    StadClaimed,
    /// The lock file has the epoch.
    StadMarked,
    /// The worker is about to append the start of a request.
    StadStarts,
    /// The start is stored.
    StadStarted,
    /// The repo is loaded; the disk is untouched.
    StadLoaded,
    /// The shadow is built beside its place.
    StadShadowStaged,
    /// The shadow stands at its place, without a record.
    StadShadowStands,
    /// What was recorded is on the disk; the branch has not moved.
    StadRecorded,
    /// The branch has moved.
    StadMoved,
    /// The worker is about to append the end of a request.
    StadFinishes,
    /// The end and the release are stored; the lock is held.
    StadFinished,
    /// The lock is free; the delivery is not acknowledged.
    StadUnlocked,
    /// results has been woken.
    RegdResultsWoken,
    /// results is about to carry a result to the repo.
    RegdCarries,
    /// The first of the two things that an init means to the repo is stored.
    RegdCarriedOne,
    /// The result is carried; the delivery is not acknowledged.
    RegdCarried,
}

/// A service with points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// `nogfsogwd`.
    Gateway,
    /// `nogfsoregd`.
    Regd,
    /// `nogfsostad`.
    Stad,
}

/// What an operator asks for on whose way points lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Errand {
    /// The adoption of a directory under an id that the caller chose.
    Adopt,
    /// The stat of a repo whose directory has changed.
    Stat,
}

const ON_BOTH: &[Errand] = &[Errand::Adopt, Errand::Stat];
const ON_ADOPT: &[Errand] = &[Errand::Adopt];

impl Point {
    /// All of them.
    pub const ALL: [Self; 36] = [
        Self::GatewayReceived,
        Self::GatewayAsks,
        Self::GatewayHostAnswered,
        Self::GatewayAppends,
        Self::GatewayAppended,
        Self::GatewayReplied,
        Self::StadAsked,
        Self::StadCounted,
        Self::StadAnswered,
        Self::RegdRepoInitWoken,
        Self::RegdRepoInitAppends,
        Self::RegdRepoInitAppended,
        Self::RegdReplicateWoken,
        Self::RegdConfirms,
        Self::RegdConfirmed,
        Self::RegdRequested,
        Self::StadTakes,
        Self::StadLocks,
        Self::StadLocked,
        Self::StadClaims,
        Self::StadClaimed,
        Self::StadMarked,
        Self::StadStarts,
        Self::StadStarted,
        Self::StadLoaded,
        Self::StadShadowStaged,
        Self::StadShadowStands,
        Self::StadRecorded,
        Self::StadMoved,
        Self::StadFinishes,
        Self::StadFinished,
        Self::StadUnlocked,
        Self::RegdResultsWoken,
        Self::RegdCarries,
        Self::RegdCarriedOne,
        Self::RegdCarried,
    ];

    /// Its name in file names: no two are the same.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// Whose step it is.
    #[must_use]
    pub fn service(self) -> Service {
        self.place().0
    }

    /// On the way of what it lies.
    #[must_use]
    pub fn errands(self) -> &'static [Errand] {
        self.place().1
    }

    fn place(self) -> (Service, &'static [Errand]) {
        match self {
            Self::GatewayReceived
            | Self::GatewayAppends
            | Self::GatewayAppended
            | Self::GatewayReplied => (Service::Gateway, ON_BOTH),
            Self::GatewayAsks | Self::GatewayHostAnswered => (Service::Gateway, ON_ADOPT),
            Self::RegdResultsWoken | Self::RegdCarries | Self::RegdCarried => {
                (Service::Regd, ON_BOTH)
            }
            Self::RegdRepoInitWoken
            | Self::RegdRepoInitAppends
            | Self::RegdRepoInitAppended
            | Self::RegdReplicateWoken
            | Self::RegdConfirms
            | Self::RegdConfirmed
            | Self::RegdRequested
            | Self::RegdCarriedOne => (Service::Regd, ON_ADOPT),
            Self::StadAsked
            | Self::StadCounted
            | Self::StadAnswered
            | Self::StadShadowStaged
            | Self::StadShadowStands => (Service::Stad, ON_ADOPT),
            Self::StadTakes
            | Self::StadLocks
            | Self::StadLocked
            | Self::StadClaims
            | Self::StadClaimed
            | Self::StadMarked
            | Self::StadStarts
            | Self::StadStarted
            | Self::StadLoaded
            | Self::StadRecorded
            | Self::StadMoved
            | Self::StadFinishes
            | Self::StadFinished
            | Self::StadUnlocked => (Service::Stad, ON_BOTH),
        }
    }
}

/// Stands still here if a test armed the point and this process is the first to come by. Does nothing in a product.
#[cfg(feature = "on")]
pub fn reach(point: Point) {
    crate::halt::reach(point);
}

/// Stands still here if a test armed the point and this process is the first to come by. Does nothing in a product.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn reach(_point: Point) {}
