//! Writing windows down, several at once: which words come next, and which of several ways to go on is
//! followed.
//!
//! Without dice, hypotheses are followed as in OpenAI's beam search (whisper/decoding.py), but only as
//! many as are worth it: one that is far less likely than the best is dropped (beam search by score,
//! Lowerre 1976), and so is the worse of two that have come to say the same. Most of the time one is left.

use super::Whisper;
use super::attempt::Attempt;
use super::choice::{Chosen, Dice, Outlook};
use super::decoder::Memory;
use crate::Result;
use crate::arithmetic::Arithmetic;

/// In models of up to so many layers, the tiny ones, fewer hypotheses are worth it.
const FEW_LAYERS: usize = 4;
/// A moment this close to the end of the sound is its end, in steps of 20 ms.
const AT_THE_END: usize = 5;

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// Hypotheses that are followed in a window at once, at most.
    pub beam: usize,
    /// Which of them.
    pub breadth: Breadth,
    /// Above 0 dice are cast, and one hypothesis is followed.
    pub temperature: f32,
}

/// Which hypotheses are worth following.
#[derive(Debug, Clone, Copy)]
pub struct Breadth {
    /// One this much less likely than the best is dropped: a natural logarithm.
    behind: f32,
    /// Two whose last so many tokens are the same go on the same.
    same: usize,
}

impl Breadth {
    /// For a model whose decoder has so many layers. The wider one leaves a fortieth fewer words wrong for a sixth
    /// more processor time (docs/benchmarks.md); a tiny model is chosen where time matters.
    pub fn of(layers: usize) -> Breadth {
        match layers <= FEW_LAYERS {
            true => Breadth {
                behind: 1.0,
                same: 3,
            },
            false => Breadth {
                behind: 2.0,
                same: 4,
            },
        }
    }
}

/// A way to go on.
#[derive(Clone)]
struct Hypothesis {
    memory: Memory,
    attempt: Attempt,
    /// The logarithm of how likely it is.
    likely: f32,
}

/// A hypothesis with one token more.
struct Candidate {
    /// Which hypothesis it goes on from.
    of: usize,
    chosen: Chosen,
    likely: f32,
}

/// What is followed in a window: none when it came to an end.
struct Window {
    active: Vec<Hypothesis>,
    ended: Option<Attempt>,
}

/// Writes windows down, of which nothing is written in `memories`. `lengths` says how long their sound is, in
/// steps of 20 ms; `prompts`, what stands before each text. Stops early, with what there is, where `stopped`
/// says so.
pub fn write<'m>(
    model: &Whisper,
    memories: impl Iterator<Item = &'m Memory>,
    lengths: &[usize],
    prompts: Vec<Vec<u32>>,
    search: Search,
    arithmetic: &mut Arithmetic,
    stopped: &dyn Fn() -> bool,
) -> Result<Vec<Attempt>> {
    let mut dice = Dice::new();
    let mut windows: Vec<Window> = memories.map(Window::begin).collect();
    let most = model.most_tokens(prompts.iter().map(Vec::len).max().unwrap_or(0));
    let mut next = prompts;
    let mut logits = Vec::new();
    for _ in 0..most {
        if next.is_empty() || stopped() {
            break;
        }
        let mut reading: Vec<&mut Memory> = windows
            .iter_mut()
            .flat_map(|window| &mut window.active)
            .map(|hypothesis| &mut hypothesis.memory)
            .collect();
        model
            .decoder
            .read(&mut reading, &next, model.heads, arithmetic, &mut logits)?;
        let mut rows = logits.chunks_exact_mut(model.decoder.vocabulary());
        next.clear();
        for (window, length) in windows.iter_mut().zip(lengths) {
            let mut candidates = Vec::new();
            for ((of, hypothesis), logits) in window.active.iter_mut().enumerate().zip(&mut rows) {
                hypothesis.heard(model, logits);
                let outlook = Outlook::of(
                    &model.tokens,
                    &hypothesis.attempt.written,
                    logits,
                    search.temperature,
                );
                if search.temperature > 0.0 {
                    let chosen = outlook.cast(&mut dice);
                    candidates.push(Candidate {
                        of,
                        chosen,
                        likely: 0.0,
                    });
                } else {
                    let likely = hypothesis.likely;
                    outlook.ways(search.breadth.behind, |chosen, way| {
                        candidates.push(Candidate {
                            of,
                            chosen,
                            likely: likely + way.ln(),
                        });
                    });
                }
            }
            window.follow(candidates, search, |chosen, written| {
                let moment = model.tokens.moment(chosen.token);
                let closes =
                    moment.is_some_and(|moment| written > 0 && moment + AT_THE_END >= *length);
                closes || chosen.token == model.tokens.end
            });
            let last =
                |hypothesis: &Hypothesis| Some(vec![hypothesis.attempt.written.last()?.token]);
            next.extend(window.active.iter().filter_map(last));
        }
    }
    Ok(windows.into_iter().map(Window::best).collect())
}

impl Hypothesis {
    /// Takes over what was read with the last token.
    fn heard(&mut self, model: &Whisper, logits: &[f32]) {
        if self.attempt.written.is_empty() {
            self.attempt.nobody = share(logits, model.tokens.nobody as usize);
        }
        let scores = self.memory.aligned.iter_mut().map(std::mem::take);
        self.attempt.scores.push(scores.collect());
    }
}

impl Window {
    fn begin(memory: &Memory) -> Window {
        Window {
            active: vec![Hypothesis {
                memory: memory.clone(),
                attempt: Attempt::default(),
                likely: 0.0,
            }],
            ended: None,
        }
    }

    /// Goes on with what is worth it, or ends. `ends` says whether a token after so many is the last.
    fn follow(
        &mut self,
        candidates: Vec<Candidate>,
        search: Search,
        ends: impl Fn(Chosen, usize) -> bool,
    ) {
        let written: Vec<&[Chosen]> = self
            .active
            .iter()
            .map(|hypothesis| &hypothesis.attempt.written[..])
            .collect();
        let worth = worth_following(candidates, &written, search, &ends);
        let mut parents: Vec<Option<Hypothesis>> = self.active.drain(..).map(Some).collect();
        for (at, candidate) in worth.iter().enumerate() {
            // The last that goes on from a hypothesis takes it over, those before a copy.
            let again = worth[at + 1..].iter().any(|other| other.of == candidate.of);
            let parent = &mut parents[candidate.of];
            let parent = if again { parent.clone() } else { parent.take() };
            self.active.extend(parent.map(|mut hypothesis| {
                let written = &mut hypothesis.attempt.written;
                hypothesis.attempt.ended = ends(candidate.chosen, written.len());
                written.push(candidate.chosen);
                hypothesis.likely = candidate.likely;
                hypothesis
            }));
        }
        if self.active.first().is_some_and(|first| first.attempt.ended) {
            self.ended = self.active.drain(..).next().map(|first| first.attempt);
        }
    }

    /// What came out: where it did not come to an end, the likeliest so far.
    fn best(self) -> Attempt {
        let likeliest = self.active.into_iter().next();
        self.ended
            .or(likeliest.map(|hypothesis| hypothesis.attempt))
            .unwrap_or_default()
    }
}

/// The candidates that are worth following, the likeliest first; that one alone if it is an end. `written` is
/// what stands before each.
///
/// One that ends while a likelier one goes on is dropped: it may have left out what follows.
fn worth_following(
    mut candidates: Vec<Candidate>,
    written: &[&[Chosen]],
    search: Search,
    ends: impl Fn(Chosen, usize) -> bool,
) -> Vec<Candidate> {
    let Breadth { behind, same } = search.breadth;
    candidates.sort_by(|a, b| b.likely.total_cmp(&a.likely));
    let last = |candidate: &Candidate| {
        let written = written[candidate.of].iter();
        let tokens = written
            .chain([&candidate.chosen])
            .map(|chosen| chosen.token);
        tokens.rev().take(same).collect::<Vec<u32>>()
    };
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let far = kept
            .first()
            .is_some_and(|best| candidate.likely < best.likely - behind);
        if kept.len() == search.beam || far {
            break;
        }
        let end = ends(candidate.chosen, written[candidate.of].len());
        if end && kept.is_empty() {
            return vec![candidate];
        }
        let tokens = last(&candidate);
        let known = tokens.len() == same && kept.iter().any(|other| last(other) == tokens);
        if !end && !known {
            kept.push(candidate);
        }
    }
    kept
}

/// The share of one token among all, 0 to 1.
fn share(logits: &[f32], token: usize) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
    (logits[token] - most).exp() / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 99;

    fn followed(candidates: &[(usize, u32, f32)], written: &[&[u32]], beam: usize) -> Vec<u32> {
        let chosen = |token: &u32| Chosen {
            token: *token,
            probability: 0.5,
        };
        let written: Vec<Vec<Chosen>> = written
            .iter()
            .map(|tokens| tokens.iter().map(chosen).collect())
            .collect();
        let written: Vec<&[Chosen]> = written.iter().map(|tokens| &tokens[..]).collect();
        let candidates = candidates
            .iter()
            .map(|(of, token, likely)| Candidate {
                of: *of,
                chosen: chosen(token),
                likely: *likely,
            })
            .collect();
        let search = Search {
            beam,
            breadth: Breadth::of(4),
            temperature: 0.0,
        };
        worth_following(candidates, &written, search, |chosen, _| {
            chosen.token == END
        })
        .iter()
        .map(|candidate| candidate.chosen.token)
        .collect()
    }

    #[test]
    fn the_likeliest_come_first_and_those_far_behind_not_at_all() {
        let far = -1.1 - Breadth::of(4).behind;
        let some = [(0, 1, -1.5), (0, 2, -1.0), (0, 3, far), (0, 4, -1.2)];
        assert_eq!(followed(&some, &[&[7]], 5), [2, 4, 1]);
        assert_eq!(followed(&some, &[&[7]], 2), [2, 4]);
        assert_eq!(followed(&some, &[&[7]], 1), [2]);
    }

    #[test]
    fn of_two_that_have_come_to_say_the_same_the_likelier_goes_on() {
        let some = [(0, 3, -1.0), (1, 3, -1.2), (1, 4, -1.4)];
        assert_eq!(followed(&some, &[&[5, 1, 2], &[6, 1, 2]], 5), [3, 4]);
        assert_eq!(followed(&some, &[&[5, 1], &[6, 2]], 5), [3, 3, 4]);
    }

    #[test]
    fn an_end_counts_only_where_it_is_the_likeliest() {
        let written: &[&[u32]] = &[&[1]];
        assert_eq!(followed(&[(0, 5, -1.2), (0, END, -1.0)], written, 5), [END]);
        assert_eq!(followed(&[(0, 5, -1.0), (0, END, -1.2)], written, 5), [5]);
    }
}
