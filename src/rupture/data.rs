//! Findings as they are stored and handed on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sign of strain in what the client says, in the sense of Safran, Muran and Eubanks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MarkerKind {
    /// Confrontation: coming here has changed or helped too little.
    ComplaintProgress,
    /// Confrontation: faults the therapist's manner, attention, care or skill.
    ComplaintTherapist,
    /// Confrontation: faults what is done, such as homework, questions, silence.
    ComplaintActivity,
    /// Confrontation: faults the frame, such as time, fee, room, waiting, being sent.
    ComplaintParameters,
    /// Confrontation: turns down a reading or suggestion without working with it.
    Rejecting,
    /// Confrontation: justifies themself against criticism felt from the therapist.
    SelfDefence,
    /// Confrontation: demands, orders, sets an ultimatum, tests.
    Pressure,
    /// Withdrawal: several very short answers in a row, well below the client's own length.
    MinimalResponses,
    /// Withdrawal: stops the subject or the talk.
    Shutdown,
    /// Withdrawal: leaves the work for another subject just as it comes close.
    TopicShift,
    /// Withdrawal: gives their own judgement away, or pleases.
    Deference,
    /// Withdrawal: gives up so that the work stops.
    Hopelessness,
    /// Withdrawal: stays general or with others when asked about themself.
    Avoidance,
}

impl MarkerKind {
    /// All of them, the more specific first: one set of words gets one kind.
    pub const ALL: [MarkerKind; 13] = [
        MarkerKind::Pressure,
        MarkerKind::ComplaintParameters,
        MarkerKind::ComplaintActivity,
        MarkerKind::ComplaintTherapist,
        MarkerKind::SelfDefence,
        MarkerKind::Rejecting,
        MarkerKind::Deference,
        MarkerKind::ComplaintProgress,
        MarkerKind::Hopelessness,
        MarkerKind::Shutdown,
        MarkerKind::TopicShift,
        MarkerKind::Avoidance,
        MarkerKind::MinimalResponses,
    ];

    /// As written in files.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            MarkerKind::ComplaintProgress => "complaint_progress",
            MarkerKind::ComplaintTherapist => "complaint_therapist",
            MarkerKind::ComplaintActivity => "complaint_activity",
            MarkerKind::ComplaintParameters => "complaint_parameters",
            MarkerKind::Rejecting => "rejecting",
            MarkerKind::SelfDefence => "self_defence",
            MarkerKind::Pressure => "pressure",
            MarkerKind::MinimalResponses => "minimal_responses",
            MarkerKind::Shutdown => "shutdown",
            MarkerKind::TopicShift => "topic_shift",
            MarkerKind::Deference => "deference",
            MarkerKind::Hopelessness => "hopelessness",
            MarkerKind::Avoidance => "avoidance",
        }
    }

    /// As shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            MarkerKind::ComplaintProgress => "says it helps too little",
            MarkerKind::ComplaintTherapist => "faults the therapist",
            MarkerKind::ComplaintActivity => "faults what is done here",
            MarkerKind::ComplaintParameters => "faults time, fee, room or being here",
            MarkerKind::Rejecting => "turns down what was said",
            MarkerKind::SelfDefence => "defends themself",
            MarkerKind::Pressure => "presses, demands or tests",
            MarkerKind::MinimalResponses => "several very short answers",
            MarkerKind::Shutdown => "stops the subject",
            MarkerKind::TopicShift => "moves to another subject",
            MarkerKind::Deference => "gives way, pleases",
            MarkerKind::Hopelessness => "gives up",
            MarkerKind::Avoidance => "stays general",
        }
    }

    /// Whether words alone can say it: what a short or pleasant answer means is not in the words.
    #[must_use]
    pub fn may_be_explicit(self) -> bool {
        !matches!(
            self,
            MarkerKind::MinimalResponses
                | MarkerKind::TopicShift
                | MarkerKind::Deference
                | MarkerKind::Avoidance
        )
    }
}

/// How plainly the words say it. Not how grave it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The words alone say it.
    Explicit,
    /// Softened, indirect, or carried by place and order.
    Possible,
}

/// What speaks for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What found it.
    pub by: EvidenceBy,
    /// The words that matched, the example they resemble, how they were answered, or what was counted.
    pub what: String,
}

/// What found a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceBy {
    /// Wording of a rule: these words matched.
    Wording,
    /// A sentence encoder: the written example that the sentence resembles most.
    Resemblance,
    /// A sentence encoder: what the therapist said next resembles an answer to strain.
    Answer,
    /// Length and order of turns.
    Sequence,
}

/// A place where strain may have been voiced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Marker {
    /// Number of the finding in this analysis, from 1.
    pub finding: u32,
    /// What sort.
    pub kind: MarkerKind,
    /// How plainly it is said.
    pub tier: Tier,
    /// Id of the client's turn.
    pub turn: u32,
    /// Id of the first turn, of a run of turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
    /// Start of the quote, in seconds of session time.
    pub start: f64,
    /// End of the quote, in seconds of session time.
    pub end: f64,
    /// The client's words, suspect ones left out.
    pub quote: String,
    /// What matched, or what it resembles.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, in words.
    pub counter_evidence: Vec<String>,
    /// The recogniser's own mean probability of the words that it rests on, 0 to 1; not calibrated,
    /// and no probability of strain.
    pub confidence: f64,
}

/// What the therapist does in a reply.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// Receives: the reaction makes sense, matters.
    Validate,
    /// Receives: thanks for its being said.
    Thank,
    /// Receives: asks openly about it, or reflects it.
    Explore,
    /// Receives: names or regrets an own part.
    OwnPart,
    /// Receives: offers to change goal, method, pace or frame.
    Renegotiate,
    /// Receives: speaks of what goes on between the two.
    HereAndNow,
    /// Defends: gives the reason before anything else.
    ExplainFirst,
    /// Defends: defends an own act or decision.
    Justify,
    /// Defends: contradicts, brings evidence against it.
    Rebut,
    /// Defends: soothes so that it is closed.
    ReassureAway,
    /// Defends: explains it by the client's psyche or past.
    InterpretBack,
    /// Defends: puts it on the client's effort or attitude.
    Blame,
    /// Defends: teaches in general.
    Lecture,
    /// Defends: a technical term instead of an answer.
    Jargon,
    /// Defends: passes it by.
    Redirect,
}

impl ReplyKind {
    /// Whether it receives what was said; otherwise it defends against it.
    #[must_use]
    pub fn receives(self) -> bool {
        self <= ReplyKind::HereAndNow
    }

    /// As shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ReplyKind::Validate => "validates",
            ReplyKind::Thank => "thanks",
            ReplyKind::Explore => "explores",
            ReplyKind::OwnPart => "owns a part",
            ReplyKind::Renegotiate => "renegotiates",
            ReplyKind::HereAndNow => "speaks of here and now",
            ReplyKind::ExplainFirst => "explains first",
            ReplyKind::Justify => "justifies",
            ReplyKind::Rebut => "rebuts",
            ReplyKind::ReassureAway => "reassures it away",
            ReplyKind::InterpretBack => "interprets back",
            ReplyKind::Blame => "puts it on the client",
            ReplyKind::Lecture => "teaches",
            ReplyKind::Jargon => "uses a technical term",
            ReplyKind::Redirect => "goes on with something else",
        }
    }
}

/// What a reply does as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// All it does receives.
    Receives,
    /// All it does defends.
    Defends,
    /// Some of each.
    Mixed,
    /// Nothing that says either.
    Unclear,
}

/// A turn of the therapist in an episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// Id of the therapist's turn.
    pub turn: u32,
    /// What is done, in the order spoken.
    pub kinds: Vec<ReplyKind>,
    /// All of it together.
    pub stance: Stance,
    /// Start of the turn, in seconds of session time.
    pub start: f64,
    /// The words of the first thing done; the beginning of the turn where nothing was found.
    pub quote: String,
}

/// How an episode went, told by order. No score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The first answer receives, and none after it defends.
    ReceivedFirst,
    /// The first answer defends, in whatever way.
    ExplainedFirst,
    /// Some of each, beginning with what receives, with both at once, or with going on with something else.
    Mixed,
    /// The answers only go on with something else.
    NotTakenUp,
    /// No answer that says anything.
    Unclear,
}

impl Outcome {
    /// As shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Outcome::ReceivedFirst => "received first",
            Outcome::ExplainedFirst => "explained or defended first",
            Outcome::Mixed => "mixed",
            Outcome::NotTakenUp => "not taken up",
            Outcome::Unclear => "unclear",
        }
    }
}

/// What strain may be about, by the client's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadingKind {
    /// What is worked on, or how, is not what they want or need.
    GoalOrMethodMismatch,
    /// Something the therapist did or failed to do hurt.
    SmallRelationalBreach,
    /// A part of them does not want the change, or fears it.
    AmbivalenceAboutChange,
    /// None of these was said.
    NotEnoughSaid,
}

impl ReadingKind {
    /// As shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            ReadingKind::GoalOrMethodMismatch => "goals or method do not fit",
            ReadingKind::SmallRelationalBreach => "something between the two hurt",
            ReadingKind::AmbivalenceAboutChange => "in two minds about change",
            ReadingKind::NotEnoughSaid => "not enough said",
        }
    }
}

/// Words of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Id of the turn.
    pub turn: u32,
    /// When it begins, in seconds of session time.
    pub at: f64,
    /// The words.
    pub quote: String,
}

/// One way to read an episode. Several stand side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// Which.
    pub kind: ReadingKind,
    /// The client's lines that say so; none where not enough was said.
    pub lines: Vec<Line>,
}

/// A step of repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepairStep {
    /// The saying of it is validated or thanked for, before anything defends.
    ValidateCourage,
    /// Goals, method or frame are offered for change.
    Renegotiate,
    /// The two speak of what goes on between them.
    TalkAboutProcess,
}

impl RepairStep {
    /// As shown to a person.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            RepairStep::ValidateCourage => "validates the saying of it, first",
            RepairStep::Renegotiate => "renegotiates goals or method",
            RepairStep::TalkAboutProcess => "talks about what happens between the two",
        }
    }
}

/// Whether a step of repair was heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// The step.
    pub step: RepairStep,
    /// Where it was heard, if it was.
    pub heard: Option<Line>,
}

/// A marker, how it was answered, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Episode {
    /// Start, in seconds of session time.
    pub start: f64,
    /// End, in seconds of session time.
    pub end: f64,
    /// Id of the first turn.
    pub first_turn: u32,
    /// Id of the last turn.
    pub last_turn: u32,
    /// The first marker.
    pub marker: Marker,
    /// Further markers in it.
    pub more_markers: Vec<Marker>,
    /// The therapist's turns after the first marker.
    pub replies: Vec<Reply>,
    /// What order these came in.
    pub outcome: Outcome,
    /// Readings side by side, the one said most plainly first.
    pub readings: Vec<Reading>,
    /// The steps of repair, each heard or not.
    pub repair: Vec<Repair>,
    /// An example of an answer that does not defend, written for this kind of marker. No transcript
    /// of anybody, and no advice.
    pub wording: String,
}

/// What a turn of the therapist mainly does, anywhere in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Says back what the client said or meant.
    Reflection,
    /// Asks.
    Question,
    /// Informs, advises, offers options.
    Input,
    /// Anything else, such as a murmur or a greeting.
    Other,
}

/// What one turn of the therapist mainly does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnBehaviour {
    /// Id of the turn.
    pub turn: u32,
    /// What it does.
    pub behaviour: Behaviour,
}
